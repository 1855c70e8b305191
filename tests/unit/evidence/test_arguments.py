"""Command lines compared by meaning."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import arguments

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"


def tokens(text: str) -> list[str]:
    return shlex.split(text)


def differing(left: str, right: str) -> list[str]:
    return [entry.name for entry in arguments.differences(tokens(left), tokens(right))]


def test_two_nodes_differ_in_exactly_one_option() -> None:
    node0, node2 = (tokens((DATA / f"V04_args_node{index}.txt").read_text(encoding="utf-8")) for index in (0, 2))
    [difference] = arguments.differences(node0, node2)
    assert (difference.name, difference.expected, difference.observed) == ("--max-num-batched-tokens", 8192, 4096)
    assert str(difference) == "--max-num-batched-tokens: expected 8192, found 4096"


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("m --port=8000", "m --port 8000"),
        ("m --gpu-memory-utilization 0.90", "m --gpu-memory-utilization 0.9"),
        ("m --max_model_len 2048", "m --max-model-len 2048"),
        ("m -dp 8 -dpl=2", "m --data-parallel-size 8 --data-parallel-size-local 2"),
        ("m --a 1 --b", "m --b --a 1"),
        ("""m --eplb-config '{"a": 1, "b": {"c": true}}'""", "m --eplb-config.b.c true --eplb-config.a 1"),
        ("""m --eplb-config '{"a":1}'""", """m --eplb-config '{ "a" : 1.0 }'"""),
        ("m --headless", "m --headless"),
        ("m --x -1", "m --x=-1"),
        ("m --served-model-name a b", "m --served-model-name a b"),
    ],
)
def test_the_same(left: str, right: str) -> None:
    assert differing(left, right) == []


@pytest.mark.parametrize(
    ("left", "right", "names"),
    [
        ("m --port 8000", "m --port 8001", ["--port"]),
        ("m --headless", "m", ["--headless"]),
        ("m", "m --headless", ["--headless"]),
        ("m", "n", ["MODEL"]),
        ("m --flag", "m --flag 1", ["--flag"]),
        ("m --name 8", "m --name eight", ["--name"]),
        ("""m --c '{"a": 1}'""", """m --c '{"a": 1, "b": 2}'""", ["--c"]),
        ("""m --c '{"a": true}'""", """m --c '{"a": 1}'""", ["--c"]),
        ("m --served-model-name a b", "m --served-model-name b a", ["--served-model-name"]),
    ],
)
def test_not_the_same(left: str, right: str, names: list[str]) -> None:
    assert differing(left, right) == names


def test_the_last_of_a_repeated_option_counts() -> None:
    assert differing("m --port 1 --port 2", "m --port 2") == []


def test_what_stands_before_serve_means_nothing() -> None:
    running = ["/opt/env/bin/python3", "/opt/env/bin/vllm", "serve", "/model", "--port", "8000"]
    assert arguments.after_serve(running) == arguments.after_serve(["vllm", "serve", "/model", "--port", "8000"])


@pytest.mark.parametrize("argv", [[], ["serve"], ["/bin/sh", "-c", "vllm serve"], ["VLLM::EngineCore_DP1"]])
def test_another_process_is_refused(argv: list[str]) -> None:
    with pytest.raises(ValueError, match="not a `vllm serve` command line"):
        arguments.after_serve(argv)


def test_secrets_are_comparable_but_not_readable() -> None:
    one, other = (["vllm", "serve", "m", "--api-key", *keys, "--port", "1"] for keys in (["s3cret"], ["0ther"]))
    masked = arguments.mask(one)
    assert "s3cret" not in " ".join(masked)
    assert masked[-2:] == ["--port", "1"]
    assert arguments.mask(masked) == masked
    assert arguments.mask(["--api-key=s3cret"])[0].partition("=")[2] == masked[4]
    assert [entry.name for entry in arguments.differences(masked[2:], arguments.mask(other)[2:])] == ["--api-key"]


def test_secret_variables_are_masked_by_their_name() -> None:
    masked = arguments.mask_environment({"VLLM_API_KEY": "s3cret", "HF_TOKEN": None, "VLLM_HOST_IP": "192.168.1.10"})
    assert masked["VLLM_HOST_IP"] == "192.168.1.10"
    assert masked["HF_TOKEN"] is None
    assert "s3cret" not in str(masked)


@given(st.lists(st.text()))
def test_any_tokens_are_read_without_raising_and_equal_themselves(argv: list[str]) -> None:
    assert arguments.differences(argv, argv) == []
    arguments.mask(argv)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_json_values_are_compared_as_json(value: dict[str, object]) -> None:
    compact, wide = json.dumps(value, separators=(",", ":")), json.dumps(value, indent=1)
    assert arguments.differences(["m", "--c", compact], ["m", "--c=" + wide]) == []
