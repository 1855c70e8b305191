"""`vllm bench serve`: what the counts say, never what the exit status says; cut off is unknown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import bench_serve
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
ALL_FAILED = (DATA / "B11_bench_all_failed_rc0.txt").read_text(encoding="utf-8")
NEW_LABEL = (DATA / "B11_bench_new_label.txt").read_text(encoding="utf-8")
INCOMPLETE = (DATA / "B11_bench_result.json").read_text(encoding="utf-8")

GOOD: dict[str, Any] = {
    "num_prompts": 16,
    "completed": 16,
    "failed": 0,
    "duration": 4.0,
    "output_throughput": 32.0,
    "total_token_throughput": 160.0,
    "mean_ttft_ms": 200.0,
    "median_ttft_ms": 180.0,
    "p99_ttft_ms": 400.5,
    "p99_itl_ms": 30.0,
}


def test_all_requests_failed_is_a_failure() -> None:
    evidence = bench_serve.parse(ALL_FAILED)
    assert (evidence.verdict, evidence.values["completed"], evidence.values["failed"]) == (FAIL, 0, 200)
    assert evidence.values["ttft_ms"] == {"mean": None, "p50": None, "p99": None}, "no sample is no latency of 0"


def test_text_of_a_newer_version() -> None:
    evidence = bench_serve.parse(NEW_LABEL)
    assert evidence.verdict == PASS
    assert (evidence.values["total_tokens_s"], evidence.values["output_tokens_s"]) == (25600.0, 5120.0)
    assert (evidence.values["completed"], evidence.values["failed"]) == (1000, 0)
    assert evidence.values["ttft_ms"] == {"mean": 1800.0, "p50": 1260.0, "p99": 3600.0}


def test_incomplete_json() -> None:
    evidence = bench_serve.parse(INCOMPLETE)
    assert evidence.verdict == FAIL
    assert [evidence.values[name] for name in ("requested", "completed", "failed")] == [500, 431, 69]
    assert evidence.values["output_tokens_s"] == 2206.72
    assert any("431 of 500" in reason for reason in evidence.reasons)


def test_text_with_fewer_requests_than_were_asked_for() -> None:
    evidence = bench_serve.parse(NEW_LABEL, requested=1200)
    assert evidence.verdict == FAIL
    assert any("1000 of 1200" in reason for reason in evidence.reasons)


def test_older_versions_do_not_count_failures() -> None:
    older = {name: value for name, value in GOOD.items() if name != "failed"}
    assert bench_serve.parse(json.dumps(older)).values["failed"] == 0
    text = NEW_LABEL.replace("Failed requests:                         0         \n", "")
    assert bench_serve.parse(text).verdict == UNKNOWN
    assert bench_serve.parse(text, requested=1000).verdict == PASS


@pytest.mark.parametrize(
    "text", ["", "  \n", "Traceback (most recent call last):\n", "{}", "[]", '{"completed": "many"}']
)
def test_nothing_to_read_is_unknown(text: str) -> None:
    assert bench_serve.parse(text).verdict == UNKNOWN


def test_the_last_result_after_warnings_counts() -> None:
    text = "WARNING {not json}\n" + json.dumps({**GOOD, "completed": 3}) + "\n" + json.dumps(GOOD) + "\nbye"
    assert bench_serve.parse(text).values["completed"] == 16


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-3", "1.5", "true", "null"])
def test_a_count_that_is_no_count_is_not_believed(number: str) -> None:
    assert bench_serve.parse(f'{{"num_prompts": 4, "completed": {number}}}').verdict == UNKNOWN


def test_thresholds() -> None:
    text = json.dumps(GOOD)
    assert bench_serve.parse(text, thresholds={"ttft_p99_ms": 500, "output_tokens_s": 30}).verdict == PASS
    assert bench_serve.parse(text, thresholds={"ttft_p99_ms": 400}).reasons == ("ttft_p99_ms is 400.5, above 400",)
    assert bench_serve.parse(text, thresholds={"output_tokens_s": 33}).reasons == ("output_tokens_s is 32, below 33",)
    assert bench_serve.parse(text, thresholds={"tpot_p99_ms": 1}).verdict == UNKNOWN
    assert bench_serve.parse(text, thresholds={"speed": 1}).verdict == UNKNOWN


@pytest.mark.parametrize("source", [ALL_FAILED, NEW_LABEL, INCOMPLETE, json.dumps(GOOD)])
def test_line_ends_colours_and_surroundings_change_nothing(source: str) -> None:
    plain = bench_serve.parse(source)
    dressed = "INFO starting\n\x1b[32m" + source.replace("\n", "\x1b[0m\r\n\x1b[32m") + "\r\nINFO done\n"
    assert bench_serve.parse(dressed) == plain


@given(st.sampled_from([NEW_LABEL, json.dumps(GOOD)]), st.data())
def test_truncated_never_passes(source: str, data: st.DataObject) -> None:
    whole = source.rstrip()
    closing = len(whole) - len(whole.rstrip("="))  # this line may lose some of its many signs: all figures are there
    cut = data.draw(st.integers(0, len(whole) - max(1, closing - 19)))
    assert bench_serve.parse(whole[:cut]).verdict == UNKNOWN


@given(st.sampled_from([NEW_LABEL, INCOMPLETE]), st.randoms(use_true_random=False))
def test_shuffled_lines_never_raise(source: str, random: Any) -> None:
    lines = source.split("\n")
    random.shuffle(lines)
    bench_serve.parse("\n".join(lines))


@given(st.text())
def test_any_text_is_read_without_raising(text: str) -> None:
    assert bench_serve.parse(text).verdict in {PASS, FAIL, UNKNOWN}


@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "p99_ttft_ms", "pNN_ttft_ms"]),
        st.none()
        | st.booleans()
        | st.floats()
        | st.integers()
        | st.text(max_size=3)
        | st.lists(st.integers(), max_size=2),
    )
)
def test_any_json_is_read_without_raising(document: dict[str, Any]) -> None:
    evidence = bench_serve.parse(json.dumps(document), thresholds={"ttft_p99_ms": 1})
    if evidence.verdict == PASS:
        assert evidence.values["completed"] == evidence.values["requested"]
