"""`/metrics` of a vLLM server: which engines there are and what each has done."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import metrics
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
TEXT = (DATA / "vllm_metrics_dp8.txt").read_text(encoding="utf-8")


def test_engines_models_and_counters() -> None:
    evidence = metrics.parse(TEXT, expected_engines=range(8))
    assert evidence.verdict == PASS
    assert evidence.values["engines"] == list(range(8))
    assert evidence.values["models"] == ["deepseek-v3-tiny"]
    assert set(evidence.values["per_engine"]) == {str(engine) for engine in range(8)}
    assert all(figures["requests_succeeded"] is not None for figures in evidence.values["per_engine"].values())


def test_finish_reasons_are_added_up() -> None:
    text = (
        'vllm:request_success_total{engine="3",finished_reason="stop",model_name="m"} 2.0\n'
        'vllm:request_success_total{engine="3",finished_reason="length",model_name="m"} 5.0\n'
    )
    assert metrics.parse(text).values["per_engine"]["3"]["requests_succeeded"] == 7.0


def test_missing_engines_are_named() -> None:
    evidence = metrics.parse(TEXT, expected_engines=range(10))
    assert (evidence.verdict, evidence.reasons) == (FAIL, ("engines missing: 8, 9",))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>\n",
        "# HELP up nothing else\n",
        'python_info{version="3.11"} 1.0\n',
        'vllm:x{engine="none"} 1\n',
        'vllm:x{engine="1" 1\n',
        'vllm:x{engine="1"} one\n',
    ],
)
def test_no_engines_to_read_is_unknown(text: str) -> None:
    evidence = metrics.parse(text)
    assert (evidence.verdict, evidence.values["engines"]) == (UNKNOWN, None)
    assert evidence.reasons


def test_labels_with_escapes() -> None:
    text = 'vllm:num_requests_running{engine="0",model_name="a \\"b\\", {c}\\\\ \\n"} 1.0 1700000000000\n'
    assert metrics.parse(text).values["models"] == ['a "b", {c}\\ \n']


def test_line_ends_change_nothing() -> None:
    assert metrics.parse(TEXT.replace("\n", "\r\n")) == metrics.parse(TEXT)


@given(st.integers(0, len(TEXT) - 1))
def test_cut_off_within_a_line_is_unknown(cut: int) -> None:
    evidence = metrics.parse(TEXT[:cut])
    if not TEXT[:cut].endswith("\n"):
        assert evidence.verdict == UNKNOWN
    elif evidence.verdict == PASS:
        assert set(evidence.values["engines"]) <= set(range(8))


@given(st.text())
def test_any_text_is_read_without_raising(text: str) -> None:
    metrics.parse(text, expected_engines=[0])


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(), max_size=4), st.floats())
def test_what_is_written_is_read(labels: dict[str, str], value: float) -> None:
    escaped = {
        name: text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        for name, text in labels.items()
        if not set(text) & set("\r\x1b")  # line ends and escapes of a terminal are not part of the format
    }
    line = "vllm:x{" + ",".join(f'{name}="{text}"' for name, text in escaped.items()) + f"}} {value!r}"
    samples, bad = metrics.read_samples(line + "\n")
    assert bad == ""
    assert samples[0].labels == {name: labels[name] for name in escaped}
