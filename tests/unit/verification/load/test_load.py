"""Stages of load: sized by what was measured, merged over all requests, judged by nothing but what was counted."""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import bench_serve
from ansible_collections.moefleet.serving.plugins.module_utils.verification.bench_runner import BenchRequest
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load import figures, merging, stages

REQUEST = BenchRequest("vllm", "h", 8000, "m", "t", 100, 32, 8, 4, ("50", "95", "99"), 600.0)


class Service:
    """Answers so many requests a second; some fail. Stands for the benchmark."""

    def __init__(self, per_second: float = 2.0, failed: int = 0, detailed: bool = True) -> None:
        self.per_second, self.failed, self.detailed = per_second, failed, detailed
        self.asked: list[BenchRequest] = []

    def __call__(self, request: BenchRequest) -> tuple[dict[str, Any], str]:
        self.asked.append(request)
        total, good = request.num_prompts, request.num_prompts - self.failed
        seconds = total / self.per_second
        document: dict[str, Any] = {
            "num_prompts": total,
            "completed": good,
            "failed": self.failed,
            "duration": seconds,
            "output_throughput": good * 8 / seconds,
            "total_token_throughput": good * 40 / seconds,
            "p50_ttft_ms": 100.0,
        }
        if self.detailed:
            document["ttfts"] = [0.1 * len(self.asked)] * good + [0.0] * self.failed
            document["itls"] = [[0.05] * 7] * good + [[]] * self.failed
            document["output_lens"] = [8] * good + [0] * self.failed
            document["errors"] = [""] * good + ["refused"] * self.failed
        text = json.dumps(document)
        evidence = bench_serve.parse(text, requested=total)
        return {"argv": ["vllm"], "evidence": evidence.to_dict(), "output_tail": ""}, text


def test_sessions_last_as_long_as_asked() -> None:
    service = Service(per_second=2.0)
    load = stages.run_stage(stages.SESSIONS, REQUEST, 60.0, {"ttft": 150}, bench=service, seed=7)
    assert [request.num_prompts for request in service.asked] == [8, 112]
    assert [request.seed for request in service.asked] == [7, 8]
    values = load.evidence.values
    assert (values["completed"], values["duration_s"], load.evidence.verdict) == (120, 60.0, "pass")
    assert values["output_tokens_s"] == pytest.approx(16.0)
    # The first run's 8 requests took 100 ms to their first token, the others 200 ms.
    assert values["ttft_ms"]["p50"] == pytest.approx(200.0)
    assert values["ttft_ms"]["mean"] == pytest.approx((8 * 100 + 112 * 200) / 120, abs=0.01)
    assert values["goodput_percent"] == pytest.approx(100 * 8 / 120)
    assert values["error_percent"] == 0


def test_a_failing_service_is_not_loaded_again() -> None:
    service = Service(failed=2)
    load = stages.run_stage(stages.SESSIONS, REQUEST, 600.0, {}, bench=service)
    assert len(service.asked) == 1
    assert (load.evidence.verdict, load.evidence.values["error_percent"]) == ("fail", 25.0)


def test_a_soak_is_one_run_at_its_rate() -> None:
    service = Service()
    stages.run_stage(stages.SOAK, replace(REQUEST, request_rate=3.33), 60.0, {}, bench=service)
    assert [request.num_prompts for request in service.asked] == [200]


def test_a_version_without_details_has_no_goodput() -> None:
    load = stages.run_stage(stages.LATENCY, REQUEST, 0.0, {"ttft": 150}, bench=Service(detailed=False))
    assert load.evidence.values["goodput_percent"] is None
    assert load.evidence.values["ttft_ms"] == {"p50": 100.0}
    assert merging.read_details('{"ttfts": [1], "itls": [], "output_lens": [1], "errors": [""]}') is None


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 100))
def test_percentiles_lie_between_the_samples(values: list[float], share: float) -> None:
    found = merging.percentile(values, share)
    assert found is not None
    assert min(values) <= found <= max(values) or found == pytest.approx(min(values))


def test_percentiles_are_the_usual_ones() -> None:
    values = [float(number) for number in range(1, 101)]
    assert merging.percentile(values, 50) == statistics.median(values)
    assert merging.percentile(values, 99) == pytest.approx(99.01)
    assert merging.percentile([], 99) is None


def readings(**engines: tuple[float, float]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Readings of /metrics before and after, tokens by engine."""
    return tuple(  # type: ignore[return-value]
        {
            "per_engine": {
                name[1:]: {"generation_tokens": pair[place], "preemptions": 0.0} for name, pair in engines.items()
            }
        }
        for place in (0, 1)
    )


def by_check(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {entry["check"]: entry for entry in entries}


def test_figures_of_sessions() -> None:
    load = stages.run_stage(stages.SESSIONS, REQUEST, 60.0, {"ttft": 150}, bench=Service())
    before, after = readings(e0=(10, 110), e1=(0, 300))
    found = by_check(figures.sessions(load, before, after, {"kernel": "6"}))
    assert set(found) == {
        "sessions_throughput",
        "sessions_p99",
        "sessions_error_rate",
        "sessions_goodput",
        "preemptions",
        "engine_token_variation",
    }
    assert found["engine_token_variation"]["runs"][0]["evidence"]["values"]["value"] == 50.0
    assert found["preemptions"]["runs"][0]["evidence"]["values"]["value"] == 0.0
    assert found["sessions_throughput"]["conditions"]["kernel"] == "6"


def test_few_requests_say_nothing_about_their_spread() -> None:
    load = stages.run_stage(stages.SESSIONS, REQUEST, 4.0, {}, bench=Service())
    before, after = readings(e0=(0, 8), e1=(0, 56))
    entry = by_check(figures.sessions(load, before, after, {}))["engine_token_variation"]
    assert "8 requests on 2 engines" in entry["not_applicable"]
    assert "75 %" in entry["not_applicable"]


def test_an_engine_that_began_anew_is_unknown() -> None:
    load = stages.run_stage(stages.SESSIONS, REQUEST, 60.0, {}, bench=Service())
    before, after = readings(e0=(500, 8), e1=(0, 56))
    entry = by_check(figures.sessions(load, before, after, {}))["engine_token_variation"]
    assert entry["runs"][0]["evidence"]["verdict"] == "unknown"
    entry = by_check(figures.sessions(load, {"per_engine": None}, {"per_engine": None}, {}))["preemptions"]
    assert entry["runs"][0]["evidence"]["verdict"] == "unknown"


def test_figures_of_a_length_say_what_they_rest_on() -> None:
    load = stages.run_stage(stages.LATENCY, REQUEST, 0.0, {}, bench=Service())
    found = by_check(figures.latency(512, load, {}))
    assert set(found) == {"ttft_512_p50", "ttft_512_p95", "ttft_512_p99"}
    assert found["ttft_512_p99"]["runs"][0]["evidence"]["values"]["samples"] == 100
    assert set(by_check(figures.latency(4096, load, {}))) == {"ttft_4096_p95"}


def test_a_length_beyond_the_context() -> None:
    assert "2048 (max_model_len)" in figures.too_long(2048, 16, 2048)
    assert figures.too_long(512, 16, 2048) == figures.too_long(8192, 16, 0) == ""


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        ({"tokens": 2, "prompt_tokens": 2046, "seconds": 3.5, "error": ""}, "pass", ""),
        ({"tokens": 1, "prompt_tokens": 2046, "seconds": 3.5, "error": ""}, "fail", "tokens: 1 instead of 2"),
        ({"tokens": 2, "prompt_tokens": 7, "seconds": 3.5, "error": ""}, "fail", "prompt tokens: 7 instead of 2046"),
        ({"tokens": None, "seconds": 9.0, "error": "HTTP status 400: too long"}, "fail", "HTTP status 400: too long"),
    ],
)
def test_the_request_that_fills_the_context(answer: dict[str, Any], verdict: str, reason: str) -> None:
    evidence = figures.full_context(answer, 2046, 2)["runs"][0]["evidence"]
    assert evidence["verdict"] == verdict
    assert evidence["reasons"] == ([reason] if reason else [])
