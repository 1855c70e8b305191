"""The module that loads a service: which figures a stage has, and that check mode loads nothing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import bench_serve
from ansible_collections.moefleet.serving.plugins.module_utils.verification import service_client
from ansible_collections.moefleet.serving.plugins.module_utils.verification.bench_runner import BenchRequest
from ansible_collections.moefleet.serving.plugins.modules import load_test

from .conftest import RunModule

ASKED = {"executable": "/env/vllm", "host": "192.168.1.10", "model": "m", "tokenizer": "/model"}


def options(**changes: Any) -> dict[str, Any]:
    values = {name: option.get("default") for name, option in load_test.ARGUMENT_SPEC.items()}
    return {**values, **ASKED, **changes}


def bench(request: BenchRequest) -> tuple[dict[str, Any], str]:
    text = f'{{"num_prompts": {request.num_prompts}, "completed": {request.num_prompts}, "failed": 0, "duration": 900}}'
    return {"argv": ["x"], "evidence": bench_serve.parse(text).to_dict(), "output_tail": "", "request": request}, text


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        service_client,
        "read_metrics",
        lambda *_asked: {"per_engine": {"0": {"generation_tokens": 1, "preemptions": 0}}},
    )


def test_a_rate_has_no_limit_of_sessions() -> None:
    found = load_test.measure(options(stage="soak", request_rate=3.33, duration_s=900.0, concurrency=9), bench)
    request = found["load"]["request"]
    assert (request.num_prompts, request.concurrency, request.request_rate) == (2997, 0, 3.33)
    assert [entry["check"] for entry in found["measurements"]] == ["soak_error_rate"]


def test_sessions_are_limited_and_unhurried() -> None:
    found = load_test.measure(options(stage="sessions", duration_s=900.0, concurrency=200), bench)
    assert (found["load"]["request"].concurrency, found["load"]["request"].request_rate) == (200, 0.0)


def test_a_length_that_does_not_fit_is_not_asked() -> None:
    found = load_test.measure(options(stage="latency", input_tokens=2048, output_tokens=1, max_model_len=2048), bench)
    assert found["load"] is None
    (entry,) = found["measurements"]
    assert entry["check"] == "ttft_2048_p95"
    assert "max_model_len" in entry["not_applicable"]


def test_the_context_is_filled_to_the_last_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[service_client.Question] = []

    def complete(_endpoint: Any, question: service_client.Question, _engine: Any) -> dict[str, Any]:
        asked.append(question)
        return {"tokens": 2, "prompt_tokens": 2046, "seconds": 1.0, "error": ""}

    monkeypatch.setattr(service_client, "completion", complete)
    found = load_test.measure(options(stage="full_context", output_tokens=2, max_model_len=2048))
    assert found["measurements"][0]["runs"][0]["evidence"]["verdict"] == "pass"
    assert (len(asked[0].prompt), asked[0].max_tokens) == (2046, 2)
    unknown = load_test.measure(options(stage="full_context", output_tokens=2))
    assert unknown["measurements"][0]["not_applicable"]


def test_check_mode_loads_nothing(run_module: RunModule) -> None:
    result = run_module(load_test, check=True, stage="sessions", **ASKED)
    assert (result["changed"], result["measurements"]) == (False, [])
