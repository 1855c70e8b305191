"""ExecStart lines, read back by a small re-implementation of systemd's own rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.unit_file import (
    UnitSyntaxError,
    exec_line,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

SIMPLE = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "s": " ",
}


def split(line: str) -> list[str]:
    """systemd.syntax(7): words, quotes, and C escapes within and without them (extract_first_word with
    UNQUOTE|CUNESCAPE).
    """
    words: list[str] = []
    word: str | None = None
    quote = ""
    index = 0
    while index < len(line):
        character = line[index]
        if character == "\\":
            word = word or ""
            following = line[index + 1]
            if following == "x":
                word += chr(int(line[index + 2 : index + 4], 16))
                index += 4
                continue
            word += SIMPLE[following]
            index += 2
            continue
        if quote:
            if character == quote:
                quote = ""
            else:
                word = (word or "") + character
        elif character in "\"'":
            quote, word = character, word or ""
        elif character in " \t\n\r":
            if word is not None:
                words.append(word)
            word = None
        else:
            alone = word is None and line[index + 1 : index + 2] in ("", " ")
            assert not (character == ";" and alone), "a lone semicolon begins another command"
            word = (word or "") + character
        index += 1
    assert not quote
    return words if word is None else [*words, word]


def specifiers(word: str) -> str:
    """systemd.unit(5): ``%%`` is a percent sign, any other ``%x`` would be replaced by something."""
    parts = word.split("%%")
    assert all("%" not in part for part in parts), word
    return "%".join(parts)


def variables(word: str) -> str:
    """systemd.service(5): ``$$`` is a dollar sign, any other ``$x`` would be replaced by a variable."""
    parts = word.split("$$")
    assert all("$" not in part for part in parts), word
    return "$".join(parts)


def read_back(line: str) -> list[str]:
    """What systemd would start."""
    assert "\n" not in line
    program, *arguments = [specifiers(word) for word in split(line)]
    return [program] + [variables(argument) for argument in arguments]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["/opt/vllm/bin/vllm", "serve", "/models/m"], "/opt/vllm/bin/vllm serve /models/m"),
        (["/bin/a", "DeepSeek V3 100%"], '/bin/a "DeepSeek V3 100%%"'),
        (["/bin/a", "/opt/vllm/tpl$v1.jinja"], "/bin/a /opt/vllm/tpl$$v1.jinja"),
        (["/bin/a", '{"n": 32}'], '/bin/a "{\\"n\\": 32}"'),
        (["/bin/a", "", ";", "a;b"], '/bin/a "" ";" "a;b"'),
        (["/bin/a", "back\\slash", "line\nend"], '/bin/a "back\\\\slash" "line\\nend"'),
        (["/bin/100%", "x"], "/bin/100%% x"),
        (["/bin/with space", "'"], '"/bin/with space" "\'"'),
    ],
)
def test_lines(argv: list[str], line: str) -> None:
    assert exec_line(argv) == line
    assert read_back(line) == argv


@pytest.mark.parametrize("argv", [[], [""], ["-/bin/a"], ["@/bin/a"], ["!/bin/a"], ["/bin/$a"], ["/bin/a", "nul\0"]])
def test_what_no_unit_can_start_is_refused(argv: list[str]) -> None:
    with pytest.raises(UnitSyntaxError):
        exec_line(argv)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=6))
def test_every_argument_comes_back(arguments: list[str]) -> None:
    argv = ["/usr/bin/vllm", *arguments]
    assert read_back(exec_line(argv)) == argv


@given(st.text(alphabet="%$\\\"'; \t\n{}-a", max_size=30))
def test_every_mixture_of_special_characters_comes_back(argument: str) -> None:
    argv = ["/usr/bin/vllm", argument, argument + argument]
    assert read_back(exec_line(argv)) == argv


def test_json_arguments_survive_plan_and_unit(data_dir: Path) -> None:
    """The case of V39_json_args.yml: JSON stays one argument, percent and dollar signs stay what they are."""
    given_arguments: dict[str, Any] = yaml.safe_load(
        (data_dir / "planner" / "V39_json_args.yml").read_text(encoding="utf-8")
    )
    arguments = given_arguments["vllm_extra_args"]
    eplb = arguments.pop("eplb-config")
    name = arguments.pop("served-model-name")
    plan = make_plan(
        {
            "cluster": {
                "hosts": [{"name": f"n{index}", "data_address": f"10.0.0.{index + 1}"} for index in range(4)],
                "gpus_per_host": 8,
                "gpu": "H20-96G",
            },
            "model": "deepseek-v3",
            "parallel": {"data": 32, "redundant_experts": eplb.pop("num_redundant_experts")},
            "engine": {
                "version": "0.19.1",
                "max_model_len": 32768,
                "served_model_name": name,
                "eplb_config": eplb,
                "arguments": arguments,
            },
            "workload": {"sessions": 200},
        }
    )
    assert plan.errors == []
    argv = read_back(exec_line(["/opt/vllm/bin/vllm", *plan.serve["n2"].argv[1:]]))
    after = dict(zip(argv, argv[1:], strict=False))
    assert json.loads(after["--eplb-config"]) == {
        "num_redundant_experts": 32,
        "window_size": 1000,
        "step_interval": 3000,
    }
    assert json.loads(after["--compilation-config"]) == {"cudagraph_mode": "FULL_DECODE_ONLY"}
    assert after["--served-model-name"] == "DeepSeek V3 100%"
    assert after["--chat-template"] == "/opt/vllm/tpl$v1.jinja"
