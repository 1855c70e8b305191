"""What makes a deployment fit: every remedy does, and is the smallest of its kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import CATALOGUE
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.quantisation import PRECISIONS
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_memory, make_plan

from .conftest import REFERENCE, changed

GIB = 1 << 30
Reference = Callable[..., dict[str, Any]]


def remedies(raw: dict[str, Any]) -> dict[str, Any]:
    return {remedy["field"]: remedy["value"] for remedy in make_memory(raw).remedies}


def test_the_fix_names_the_longest_context_that_fits(reference: Reference) -> None:
    plan = make_plan(reference({"engine.max_model_len": 163840}))
    [refusal] = plan.errors
    found = re.search(r"at most (\d+)", refusal.fix)
    assert found is not None
    longest = int(found.group(1))
    assert make_memory(reference({"engine.max_model_len": longest})).fits
    assert not make_memory(reference({"engine.max_model_len": longest + 1})).fits
    assert plan.as_dict()["memory"]["per_rank"]["remedies"][0]["value"] == longest


def test_the_most_sessions_that_fit(reference: Reference) -> None:
    most = remedies(reference({"workload.sessions": 2000}))["workload.sessions"]
    assert make_memory(reference({"workload.sessions": most})).fits
    assert not make_memory(reference({"workload.sessions": most + 1})).fits


def test_the_most_redundant_experts_that_fit(reference: Reference) -> None:
    """Multiples that EPLB can place: with 32 ranks and 256 experts, of 32."""
    most = remedies(reference({"parallel.redundant_experts": 512}))["parallel.redundant_experts"]
    assert most % 32 == 0
    assert make_memory(reference({"parallel.redundant_experts": most})).fits
    assert not make_memory(reference({"parallel.redundant_experts": most + 32})).fits
    uneven = {"parallel.redundant_experts": 512, "parallel.eplb": False}
    assert remedies(reference(uneven))["parallel.redundant_experts"] >= most


def test_the_least_utilisation_that_fits(reference: Reference) -> None:
    share = remedies(reference({"engine.gpu_memory_utilization": 0.75}))["engine.gpu_memory_utilization"]
    assert 0.75 < share <= 0.95
    assert make_memory(reference({"engine.gpu_memory_utilization": share})).fits
    assert not make_memory(reference({"engine.gpu_memory_utilization": share - 0.002})).fits


def test_ranks_that_hold_the_same_cache_may_divide_it(reference: Reference) -> None:
    tensor = {"parallel": {"tensor": 8, "data": 4}}
    found = remedies(reference(tensor))
    assert found["parallel.decode_context"] == 4
    assert make_memory(reference({"parallel": {"tensor": 8, "data": 4, "decode_context": 4}})).fits
    grouped = {**tensor, "model": "qwen3-235b-a22b", "precision": "fp8", "workload.sessions": 250}
    assert "parallel.decode_context" in remedies(reference(grouped))
    assert "parallel.decode_context" not in remedies(reference({**grouped, "parallel": {"tensor": 4, "data": 8}}))


def test_an_fp8_cache_and_the_checkpoints_own_precision(reference: Reference) -> None:
    assert remedies(reference({"workload.sessions": 500}))["engine.kv_cache_dtype"] == "fp8"
    assert "engine.kv_cache_dtype" not in remedies(
        reference({"engine.kv_cache_dtype": "fp8", "workload.sessions": 999})
    )
    assert remedies(reference({"precision": "bf16"}))["precision"] == "fp8"


def test_more_ranks(reference: Reference) -> None:
    ranks = remedies(reference({"workload.sessions": 500}))["parallel.data"]
    assert ranks % 32 == 0
    assert make_memory(reference({"workload.sessions": 500, "parallel.data": ranks})).fits


def test_where_no_single_change_is_enough_it_says_so(reference: Reference) -> None:
    small = {"cluster.gpu": {"memory_bytes": 8 * GIB}, "precision": "bf16"}
    plan = make_plan(reference(small))
    assert make_memory(reference(small)).remedies == ()
    refusals = [finding for finding in plan.errors if finding.code == "memory.does_not_fit"]
    assert "no single change" in refusals[0].fix
    assert "FP8" in refusals[0].fix


MODELS = sorted(CATALOGUE)
LAYOUTS = st.fixed_dictionaries(
    {
        "tensor": st.sampled_from([1, 2, 4, 8, 16]),
        "data": st.sampled_from([1, 2, 8, 32]),
        "pipeline": st.sampled_from([1, 2, 3, 4]),
        "redundant_experts": st.sampled_from([0, 16, 32]),
        "decode_context": st.sampled_from([1, 2, 8]),
    }
)
ENGINES = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["vllm", "sglang", "trtllm"]),
        "version": st.sampled_from(["0.7.3", "0.8.5", "0.11.2", "0.20.0", "0.33.0"]),
        "max_model_len": st.sampled_from([1, 4096, 131072]),
        "kv_cache_dtype": st.sampled_from(["auto", "fp8"]),
        "speculative_tokens": st.integers(0, 3),
        "max_num_batched_tokens": st.sampled_from([1, 2048, 8192, 65536]),
        "enforce_eager": st.booleans(),
    }
)


def case(model: str, precision: str, layout: dict[str, Any], engine: dict[str, Any], memory: int) -> dict[str, Any]:
    parallel = {**layout, "expert": not CATALOGUE[model][1]["model_type"].startswith(("llama", "qwen2"))}
    return changed(
        REFERENCE,
        {
            "model": model,
            "precision": precision,
            "parallel": parallel if parallel["expert"] else {**parallel, "redundant_experts": 0},
            "engine": engine,
            "cluster.gpu": {"memory_bytes": memory},
        },
    )


@given(
    st.tuples(st.sampled_from(MODELS), st.sampled_from(PRECISIONS)),
    LAYOUTS,
    ENGINES,
    st.integers(1, 300),
    st.integers(1, 100),
)
def test_sizes_are_numbers_and_more_memory_never_fits_less(
    stored: tuple[str, str], layout: dict[str, Any], engine: dict[str, Any], gib: int, more: int
) -> None:
    model, precision = stored
    small = make_memory(case(model, precision, layout, engine, gib * GIB))
    large = make_memory(case(model, precision, layout, engine, (gib + more) * GIB))
    assert all(value >= 0 for value in small.components.values())
    assert small.weights_bytes > 0
    assert small.kv_bytes_per_token > 0
    assert sum(small.weights.values()) == small.weights_bytes == max(small.stage_weights_bytes[small.pipeline_stage], 1)
    assert large.fits >= small.fits
    assert large.kv_capacity_tokens >= small.kv_capacity_tokens
    assert (small.remedies == ()) or not small.fits


@given(st.sampled_from(MODELS), LAYOUTS, ENGINES)
def test_more_ranks_never_need_more_routed_bytes(model: str, layout: dict[str, Any], engine: dict[str, Any]) -> None:
    few = make_memory(case(model, "auto", {**layout, "redundant_experts": 0}, engine, 80 * GIB))
    twice = {**layout, "redundant_experts": 0, "data": 2 * layout["data"]}
    many = make_memory(case(model, "auto", twice, engine, 80 * GIB))
    assert many.weights["routed_experts_bytes"] <= few.weights["routed_experts_bytes"]


@given(st.sampled_from(MODELS), LAYOUTS, ENGINES, st.integers(20, 200))
def test_every_remedy_fits(model: str, layout: dict[str, Any], engine: dict[str, Any], gib: int) -> None:
    raw = case(model, "auto", layout, engine, gib * GIB)
    for remedy in make_memory(raw).remedies:
        assert make_memory(changed(raw, {remedy["field"]: remedy["value"]})).fits, remedy


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_catalogue_has_a_budget(reference: Reference, model: str) -> None:
    memory = make_memory(
        reference({"model": model, "precision": "auto", "engine.max_model_len": ..., "parallel": {"data": 32}})
    )
    assert memory.weights_bytes > 0
