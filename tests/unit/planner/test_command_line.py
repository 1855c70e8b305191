"""Command lines as a shell and as vLLM's parser take them."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.commands.line import (
    Command,
    canonical,
    read_command,
    whole,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.commands.text import ShellError, read_script
from ansible_collections.moefleet.serving.plugins.module_utils.planner.versions import version

RELEASE = version("0.19.1")


def read(text: str, release: str = "0.19.1") -> Command:
    return read_command("a", text, version(release))


def words(text: str) -> list[list[str]]:
    return [[word.text for word in statement] for statement in read_script(text).statements]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b\\\n  c", [["a", "b", "c"]]),
        ("a # b\nc#d", [["a"], ["c#d"]]),
        ('a \'b c\' "d\\"e" f\\ g', [["a", "b c", 'd"e', "f g"]]),
        ("a; b && c | d &", [["a"], ["b"], ["c"], ["d"]]),
        ("a > log 2>&1 b", [["a", "b"]]),
        ("X=1\na $X ${X}2 '$X'", [["X=1"], ["a", "1", "12", "$X"]]),
        ("export X='1 2'\na \"$X\"", [["export", "X=1 2"], ["a", "1 2"]]),
        ('a "\\$X"', [["a", "$X"]]),
        ("a <HEAD_IP> $(hostname -I)", [["a", "<HEAD_IP>", "$(hostname -I)"]]),
        ("", []),
    ],
)
def test_words_as_a_shell_has_them(text: str, expected: list[list[str]]) -> None:
    assert words(text) == expected


def test_what_only_the_hosts_shell_knows_is_open() -> None:
    [[_name, variable, placeholder, quoted]] = read_script("a $X <IP> '$X'").statements
    assert (variable.open, placeholder.open, quoted.open) == (True, True, False)


def test_an_open_quote_is_no_script() -> None:
    with pytest.raises(ShellError):
        read_script("a 'b")
    assert [problem.code for problem in read("vllm serve m --x 'b").problems] == ["syntax"]


# What a shell treats specially, and a few letters.
ODD = "ab '\"\\$`#;&|<>(){}=-\n\t\u2014"


@given(st.lists(st.text(ODD), min_size=1))
def test_quoted_words_come_back(given_words: list[str]) -> None:
    text = shlex.join(given_words)
    # A backslash before blanks at a line's end is taken for a continuation even in quotes.
    if "\\ " not in text and "\\\t" not in text and "\\\n" not in text:
        assert words(text) == [given_words]


@given(st.text(ODD))
def test_no_text_is_too_odd(text: str) -> None:
    command = read("vllm serve m " + text)
    assert command.model is not None or command.problems


def test_environment_model_and_options() -> None:
    command = read(
        "export NCCL_DEBUG=WARN\nA=1 env B='2 3' nohup /opt/vllm/bin/vllm serve /m/x \\\n  -tp 2 --enable_eplb"
        " --max-num-seqs=7 --gpu-memory-utilization 0.90 -O3 > out.log 2>&1 &"
    )
    assert command.problems == []
    assert command.environment == {"NCCL_DEBUG": "WARN", "A": "1", "B": "2 3"}
    assert command.model == "/m/x"
    assert command.integer("--tensor-parallel-size") == 2
    assert command.has("--enable-eplb")
    assert command.integer("--max-num-seqs") == 7
    assert "--optimization-level" in command.options
    assert command.extra == []


@pytest.mark.parametrize(
    "text",
    [
        "vllm serve --model m",
        "python3 -m vllm.entrypoints.openai.api_server --model m",
        "numactl -N 0 python -m vllm.entrypoints.api_server --model=m",
        "vllm serve m",
    ],
)
def test_ways_of_naming_the_model(text: str) -> None:
    assert read(text).model == "m"


def test_json_by_one_argument_or_by_dots_is_the_same() -> None:
    one = read("""vllm serve m --eplb-config '{"num_redundant_experts": 32, "window_size": 9}'""")
    dots = read("vllm serve m --eplb-config.num_redundant_experts 32 --eplb-config.window_size=9")
    assert (
        one.mapping("--eplb-config") == dots.mapping("--eplb-config") == {"num_redundant_experts": 32, "window_size": 9}
    )
    assert canonical(one.options["--eplb-config"]) == canonical(dots.options["--eplb-config"])
    assert dots.extra == []


def test_numbers_compare_as_numbers() -> None:
    one = read("vllm serve m --gpu-memory-utilization 0.90 --max-model-len 32K --enforce-eager")
    other = read("vllm serve m --gpu-memory-utilization=0.9 --max-model-len 32768 --no-enforce-eager")
    assert canonical(one.options["--gpu-memory-utilization"]) == canonical(other.options["--gpu-memory-utilization"])
    assert canonical(one.options["--max-model-len"]) == canonical(other.options["--max-model-len"])
    assert canonical(one.options["--enforce-eager"]) is True
    assert canonical(other.options["--enforce-eager"]) is False
    assert (whole("1k"), whole("1K"), whole("-3"), whole("x")) == (1000, 1024, -3, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("vllm serve m \\ \n --headless", "continuation"),
        ("vllm serve m \u2014headless", "dash"),
        ("vllm serve m --seed 1 --seed 2", "repeated"),
        ("vllm serve m; vllm serve n", "several"),
        ("vllm bench serve", "no_command"),
        ("", "no_command"),
    ],
)
def test_problems_of_the_text(text: str, code: str) -> None:
    assert [problem.code for problem in read(text).problems] == [code]


def test_a_switch_takes_no_value_and_the_model_may_come_last() -> None:
    command = read("vllm serve --headless --enable-expert-parallel m --enable-eplb true")
    assert command.model == "m"
    assert command.options["--enable-eplb"].values == ["true"]
    assert read("vllm serve m n --seed 1").extra == ["n"]


def test_beginnings_of_names_are_completed_as_argparse_does() -> None:
    assert read("vllm serve m --tensor-parallel 2").integer("--tensor-parallel-size") == 2
    # Two flags begin so.
    assert "--data-parallel" in read("vllm serve m --data-parallel 2").options
