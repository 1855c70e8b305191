"""Whole command lines on the reference cluster, one release a column, against files read by eye.

``all``: EPLB, an FP8 KV cache, DeepEP and drafted tokens. ``context``: tensor 8, decode context 8. Both at once is
refused where the release asserts otherwise.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

Reference = Callable[..., dict[str, Any]]

RELEASES = ("0.10.2", "0.12.0", "0.19.1", "0.33.0")
ALL = {
    "engine.kv_cache_dtype": "fp8",
    "engine.all2all_backend": "deepep_low_latency",
    "engine.speculative_tokens": 1,
    "engine.max_num_batched_tokens": 8192,
    "engine.eplb_config": {"window_size": 1000, "step_interval": 3000, "log_balancedness": True},
}
CONTEXT = {
    "parallel": {"tensor": 8, "data": 4, "decode_context": 8, "redundant_experts": 32},
    "engine.enforce_eager": True,
    "workload.sessions": 32,
}
CASES = {"all": ALL, "context": CONTEXT}
# Variables whose presence depends on the release.
MOVING = ("VLLM_ALL2ALL_BACKEND", "VLLM_ENGINE_READY_TIMEOUT_S")


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("release", RELEASES)
def test_command_lines(reference: Reference, data_dir: Path, release: str, case: str) -> None:
    plan = make_plan(reference({**CASES[case], "engine.version": release}))
    assert not [str(finding) for finding in plan.errors]
    lines = []
    for name in ("node-0", "node-2"):
        serve = plan.serve[name]
        lines.append(f"# {name}")
        lines.extend(f"{key}={serve.env[key]}" for key in MOVING if key in serve.env)
        lines.append(shlex.join(serve.argv).replace(" --", "\n  --"))
    golden = data_dir / "planner" / "argv" / f"{case}-{release}.txt"
    assert "\n".join(lines) + "\n" == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "release", "code"),
    [
        ({"engine.kv_cache_dtype": "fp8"}, "0.19.1", "parallel.decode_context_fp8"),
        ({"engine.kv_cache_dtype": "fp8"}, "0.24.0", "parallel.decode_context_fp8"),
        ({"engine.kv_cache_dtype": "fp8"}, "0.28.0", None),
        ({"engine.speculative_tokens": 1}, "0.10.2", "parallel.decode_context_speculation"),
        ({"engine.speculative_tokens": 1}, "0.12.0", None),
        ({}, "0.9.2", "engine.decode_context_version"),
        ({"parallel.decode_context": 3}, "0.19.1", "parallel.decode_context"),
    ],
)
def test_decode_context_where_the_release_allows_it(
    reference: Reference, changes: dict[str, Any], release: str, code: str | None
) -> None:
    codes = [finding.code for finding in make_plan(reference({**CONTEXT, "engine.version": release, **changes})).errors]
    assert codes == ([] if code is None else [code])


def test_an_fp8_cache_with_decode_context_between_the_releases_examined_is_in_doubt(reference: Reference) -> None:
    plan = make_plan(reference({**CONTEXT, "engine.version": "0.26.0", "engine.kv_cache_dtype": "fp8"}))
    assert "parallel.decode_context_fp8_unknown" in [finding.code for finding in plan.findings]


def test_decode_context_needs_copies_of_kv_heads(reference: Reference) -> None:
    model = {
        "model_type": "qwen3_moe",
        "hidden_size": 4096,
        "intermediate_size": 12288,
        "moe_intermediate_size": 1536,
        "num_hidden_layers": 94,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "num_attention_heads": 64,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "vocab_size": 151936,
        "max_position_embeddings": 40960,
    }
    base = {**CONTEXT, "model": model, "precision": "fp8", "workload.sessions": 8}
    allowed = {**base, "parallel": {"tensor": 8, "data": 4, "decode_context": 2}}
    assert [finding.code for finding in make_plan(reference(allowed)).errors] == []
    refused = {**base, "parallel": {"tensor": 8, "data": 4, "decode_context": 4}}
    assert [finding.code for finding in make_plan(reference(refused)).errors] == ["parallel.decode_context"]
    # Before 0.11.0 the name of the drafting method was the architecture's own.
    old = {**allowed, "engine.version": "0.10.2", "engine.speculative_tokens": 1}
    assert "engine.speculation_method" in [finding.code for finding in make_plan(reference(old)).errors]


def test_one_way_of_saying_a_thing(reference: Reference) -> None:
    twice = {"engine.speculative_tokens": 1, "engine.arguments": {"speculative-config": {"method": "ngram"}}}
    assert [finding.code for finding in make_plan(reference(twice)).errors] == ["engine.speculation_twice"]
    eager = make_plan(reference({"engine.enforce_eager": True, "engine.arguments": {"enforce_eager": True}}))
    assert eager.serve["node-0"].argv.count("--enforce-eager") == 1
    overlapped = {"engine.arguments": {"enable-dbo": True}, "engine.all2all_backend": "allgather_reducescatter"}
    assert [finding.code for finding in make_plan(reference(overlapped)).errors] == ["engine.dbo_backend"]
    overlapped["engine.all2all_backend"] = "deepep_low_latency"
    assert make_plan(reference(overlapped)).errors == []
