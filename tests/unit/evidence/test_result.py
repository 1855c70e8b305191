"""Verdicts and what all parsers share."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import result


@pytest.mark.parametrize(
    ("verdicts", "worst"),
    [
        ([], "unknown"),
        (["pass"], "pass"),
        (["pass", "warn"], "warn"),
        (["warn", "unknown", "pass"], "unknown"),
        (["unknown", "fail"], "fail"),
    ],
)
def test_worst(verdicts: list[str], worst: str) -> None:
    assert result.worst(verdicts) == worst


def test_lines_lose_colours_carriage_returns_and_tags() -> None:
    text = "\x1b[1;32mok\x1b[0m\r\n[1,0]<stdout>: value\n[1,12]<stderr>:x\x1b]0;title\x07y"
    assert result.clean_lines(text) == ["ok", "value", "xy"]


@pytest.mark.parametrize("value", [None, True, "NaN", "inf", "-inf", "x", "", [], {}, float("nan"), 10**400])
def test_no_number(value: object) -> None:
    assert result.number(value) is None


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text())
def test_a_count_is_whole_and_not_negative(value: object) -> None:
    counted = result.count(value)
    assert counted is None or (isinstance(counted, int) and counted >= 0)
