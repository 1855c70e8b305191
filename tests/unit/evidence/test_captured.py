"""Captured outputs of the tools, each with its right answer; and what dressing, cutting and shuffling do to them."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, WARN

from .captured.hosts import HOSTS
from .captured.measured import MEASURED
from .captured.model import DATA, Captured

CAPTURED = [*HOSTS, *MEASURED]
PASSING = [captured for captured in CAPTURED if captured.verdict in (PASS, WARN)]


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_right_answer(captured: Captured) -> None:
    evidence = captured.judge()
    assert evidence.verdict == captured.verdict, evidence.reasons
    assert {name: evidence.values[name] for name in captured.values} == captured.values
    text = "\n".join(evidence.reasons)
    for reason in captured.reasons:
        assert reason in text


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_line_ends_colours_tags_and_surroundings_change_nothing(captured: Captured) -> None:
    plain = captured.judge()
    text = captured.text
    lines = text.rstrip("\n").split("\n")
    dressed = {
        "line ends": text.replace("\n", "\r\n"),
        "colours": "\n".join(f"\x1b[1;32m{line}\x1b[0m" for line in lines) + "\n",
        "surroundings": f"INFO starting the probe\n\n{text}\nINFO done, all is well\n",
        "byte order mark": "\ufeff" + text,
    }
    if captured.tool != "gloo_log":  # there, the tag says which rank it is
        dressed["tags"] = "\n".join(f"[1,0]<stdout>:{line}" for line in lines) + "\n"
    for what, variant in dressed.items():
        assert captured.judge(variant) == plain, what


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_a_part_never_passes_wrongly(captured: Captured) -> None:
    whole = captured.text.rstrip()
    places = {
        *range(0, len(whole), max(1, len(whole) // 60)),
        *(place for place, sign in enumerate(whole) if sign == "\n"),
    }
    for place in places:
        _is_no_better(captured, whole[:place])


@pytest.mark.parametrize("captured", CAPTURED, ids=str)
def test_shuffled_lines_never_pass_wrongly(captured: Captured) -> None:
    lines = captured.text.split("\n")
    for seed in range(20):
        _is_no_better(captured, "\n".join(random.Random(seed).sample(lines, len(lines))), same_values=False)


@given(st.sampled_from(CAPTURED), st.data())
def test_cut_and_shuffled_anywhere(captured: Captured, data: st.DataObject) -> None:
    whole = captured.text.rstrip()
    _is_no_better(captured, whole[: data.draw(st.integers(0, len(whole) - 1))])
    lines = captured.text.split("\n")
    data.draw(st.randoms(use_true_random=False)).shuffle(lines)
    _is_no_better(captured, "\n".join(lines), same_values=False)


def _is_no_better(captured: Captured, text: str, same_values: bool = True) -> None:
    """A part may pass only where the whole does, and only with the same values."""
    evidence = captured.judge(text)
    if evidence.verdict == PASS and captured.complete:
        assert captured.verdict in (PASS, WARN)
        assert not same_values or evidence.values == captured.judge().values


@pytest.mark.parametrize("tool", registry.TOOLS)
@pytest.mark.parametrize("text", ["", "\n \n", "bash: tool: command not found\n", "{}", "[]", "[{}]", "null", "\x00"])
def test_nothing_to_read_is_unknown(tool: str, text: str) -> None:
    evidence = registry.parse(tool, text)
    assert (evidence.tool, evidence.verdict) == (tool, UNKNOWN)
    assert evidence.reasons


@settings(deadline=None, max_examples=15)
@pytest.mark.parametrize("tool", registry.TOOLS)
@given(data=st.data())
def test_any_text_and_any_context_are_read_without_raising(tool: str, data: st.DataObject) -> None:
    odd: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-2, 10) | st.floats() | st.text(max_size=5)
    odd = odd | st.lists(odd, max_size=3) | st.dictionaries(st.text(max_size=3), odd, max_size=2)
    keys = registry.TOOLS[tool].context
    context = data.draw(st.dictionaries(st.sampled_from(keys), odd, max_size=3)) if keys else {}
    own = [captured.text for captured in CAPTURED if captured.tool == tool]
    source = st.text() | st.sampled_from(own) if own else st.text()
    evidence = registry.parse(tool, data.draw(source), context)
    assert evidence.verdict in {PASS, WARN, FAIL, UNKNOWN}


@pytest.mark.parametrize("tool", registry.TOOLS)
def test_what_only_looks_like_a_digit_is_no_number(tool: str) -> None:
    """`str.isdigit` takes a superscript for one, and `int` does not."""
    odd = {key: {"²": None} for key in registry.TOOLS[tool].context}
    for captured in (captured.text for captured in CAPTURED if captured.tool == tool):
        text = re.sub(r"\d", "²", captured)
        assert {registry.parse(tool, text, context).verdict for context in ({}, odd)} <= {PASS, WARN, FAIL, UNKNOWN}


def test_an_unusable_context_is_unknown_and_says_so() -> None:
    evidence = registry.parse("nvidia_smi", CAPTURED[4].text, {"expected_gpus": "eight"})
    assert evidence.verdict == UNKNOWN
    assert "expected_gpus" in evidence.reasons[0]


def test_there_is_no_such_tool() -> None:
    with pytest.raises(KeyError):
        registry.parse("nvidia-smi", "")


# What two tools may both read.
SHARED = {
    ("driver_packages", "D01_fm_journal.txt"),
    ("nvidia_mig", "D02_smi_q_fabric_in_progress.txt"),
    ("nvidia_mig", "D02_smi_q_fabric_ok.txt"),
    ("nvidia_mig", "D02_smi_q_seven_gpus.txt"),
    ("nvidia_mig", "D23_smi_power_535plus.xml"),
    ("hca_match", "O12_ibdev2netdev.txt"),
    ("hca_match", "R17_ibv_devinfo_node1.txt"),
    ("hca_match", "R17_ibv_devinfo_node2.txt"),
    *((captured.tool, captured.file) for captured in CAPTURED),
}


@pytest.mark.parametrize("tool", registry.TOOLS)
def test_another_tools_output_never_passes(tool: str) -> None:
    for file in sorted({captured.file for captured in CAPTURED}):
        if (tool, file) not in SHARED:
            text = (DATA / file).read_text(encoding="utf-8")
            assert registry.parse(tool, text).verdict not in (PASS, WARN), file
