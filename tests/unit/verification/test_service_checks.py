"""What the service answered, and how the benchmark came out."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import bench_serve
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN
from ansible_collections.moefleet.serving.plugins.module_utils.verification.bench_checks import describe_figure


def only(service: Any, verdict: str) -> Any:
    [check] = [check for check in service.checks() if check.verdict == verdict]
    return check


def test_health(service: Any) -> None:
    service.probe["health"] = {"ok": False, "status": 503, "seconds": 0.1, "error": "HTTP status 503: dead"}
    assert service.trouble() == [("api_health", "", None, FAIL)]
    assert "HTTP status 503: dead" in only(service, FAIL).reason


@pytest.mark.parametrize(
    "models", [{"names": ["other"], "error": ""}, {"names": None, "error": "no answer within 20 s"}]
)
def test_another_model(service: Any, models: dict[str, Any]) -> None:
    service.probe["models"] = models
    assert service.trouble() == [("api_model", "", None, FAIL)]


def test_engines_missing_in_the_metrics_are_named_by_rank_and_host(service: Any) -> None:
    service.probe["metrics_after"]["engines"] = [0, 1, 2, 3, 4, 6, 7, 8]
    assert service.trouble() == [("engine_listed", "node-2", 5, FAIL), ("engine_listed", "", 8, FAIL)]


def test_unreadable_metrics_are_unknown_for_every_engine(service: Any) -> None:
    service.probe["metrics_after"] = {"engines": None, "models": None, "per_engine": None, "error": "cut off"}
    troubles = service.trouble()
    assert {verdict for *unused, verdict in troubles} == {UNKNOWN}
    assert [rank for identifier, unused, rank, unused2 in troubles if identifier == "engine_listed"] == list(range(8))
    assert [rank for identifier, unused, rank, unused2 in troubles if identifier == "engine_counted"] == list(range(8))


def test_an_engine_that_does_not_answer(service: Any) -> None:
    service.probe["completions"][5].update(ok=False, status=None, timed_out=True, error="no answer within 120 s")
    assert service.trouble() == [("engine_completion", "node-2", 5, FAIL)]
    assert only(service, FAIL).reason == "no completion from engine 5: no answer within 120 s"


def test_engines_that_were_not_asked_are_unknown(service: Any) -> None:
    service.probe["completions"][6].update(ok=False, asked=False, error="not asked: the 2 engines asked before it")
    del service.probe["completions"][7]
    assert service.trouble() == [
        ("engine_completion", "node-3", 6, UNKNOWN),
        ("engine_completion", "node-3", 7, UNKNOWN),
    ]


def test_a_completion_that_another_engine_computed(service: Any) -> None:
    service.probe["metrics_after"]["per_engine"]["5"]["requests_succeeded"] = 3.0
    assert service.trouble() == [("engine_counted", "node-2", 5, FAIL)]


def test_a_counter_that_began_with_this_completion(service: Any) -> None:
    service.probe["metrics_before"]["per_engine"]["5"]["requests_succeeded"] = None
    assert service.trouble() == []


def test_a_service_that_could_not_be_asked(service: Any) -> None:
    service.probe = None
    troubles = service.trouble()
    assert troubles[0] == ("api_health", "", None, UNKNOWN)
    assert [rank for identifier, unused, rank, unused2 in troubles if identifier == "engine_completion"] == list(
        range(8)
    )


def test_a_benchmark_that_was_not_run(service: Any) -> None:
    service.bench = None
    assert service.trouble() == [
        ("bench_complete", "", None, UNKNOWN),
        ("bench_output_tokens_s", "", None, UNKNOWN),
        ("bench_ttft_p50_ms", "", None, UNKNOWN),
        ("bench_ttft_p99_ms", "", None, UNKNOWN),
    ]


def bench(service: Any, **document: Any) -> None:
    service.bench["evidence"] = bench_serve.parse(str(document.get("text", "")), requested=16).to_dict()


def test_a_benchmark_that_printed_nothing(service: Any) -> None:
    bench(service, text="")
    assert {verdict for *unused, verdict in service.trouble()} == {UNKNOWN}
    check = next(check for check in service.checks() if check.id == "bench_complete")
    assert "its <last> words" in check.reason
    assert check.observed == "requested 16, completed unknown, failed unknown"


def test_a_benchmark_that_lost_requests(service: Any) -> None:
    bench(service, text='{"num_prompts": 16, "completed": 15, "failed": 1}')
    assert ("bench_complete", "", None, FAIL) in service.trouble()


def test_a_benchmark_that_was_ended(service: Any) -> None:
    service.bench["timed_out"] = True
    assert service.trouble() == [("bench_complete", "", None, FAIL)]
    assert "it was ended after 30 s" in only(service, FAIL).reason


def test_objectives(service: Any) -> None:
    service.thresholds = {"ttft_p99_ms": 400.0, "output_tokens_s": 33.0, "itl_p50_ms": 20.0, "speed": 1.0}
    assert service.trouble() == [
        ("bench_output_tokens_s", "", None, FAIL),
        ("bench_ttft_p99_ms", "", None, FAIL),
        ("bench_speed", "", None, UNKNOWN),
    ]


def test_a_percentile_of_few_samples_says_so(service: Any) -> None:
    notes = {check.id: check.reason for check in service.checks() if check.verdict == PASS}
    assert "16 samples: too few for a 99th percentile" in notes["bench_ttft_p99_ms"]
    assert notes["bench_ttft_p50_ms"] == ""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ttft_p99_ms", ("time to first token, P99", "ms")),
        ("itl_mean_ms", ("inter-token latency, mean", "ms")),
        ("output_tokens_s", ("output throughput", "tokens/s")),
    ],
)
def test_figures_have_names_for_people(name: str, words: tuple[str, str]) -> None:
    assert describe_figure(name) == words
