"""The fullest rank: the contract's figures, published logs, and what must grow with what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import PlannerError
from ansible_collections.moefleet.serving.plugins.module_utils.planner.memory import Memory, weights_of_stage
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import deployment, make_memory, make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request

GIB = 1 << 30
Reference = Callable[..., dict[str, Any]]
Published = Callable[[str], list[dict[str, str]]]


def weights_gib(memory: Memory) -> float:
    return memory.weights_bytes / GIB


@pytest.mark.parametrize(
    ("precision", "redundant", "gib"), [("fp8", 0, 38.71), ("fp8", 32, 41.09), ("bf16", 0, 71.85), ("bf16", 32, 76.61)]
)
def test_weights_of_the_reference_layout(reference: Reference, precision: str, redundant: int, gib: float) -> None:
    memory = make_memory(reference({"precision": precision, "parallel.redundant_experts": redundant}))
    assert weights_gib(memory) == pytest.approx(gib, abs=0.005)


def test_kv_cache_of_the_fullest_rank(reference: Reference) -> None:
    """200 sessions on 32 ranks put 7 on some: 15.0 GiB of KV cache at 32K, 13.4 on the mean."""
    memory = make_memory(reference())
    assert memory.kv_bytes_per_token == 70_272
    assert memory.sessions == 7
    assert memory.kv_cache_tokens == 7 * 32768
    assert memory.kv_cache_bytes == 7 * 32768 * 70_272
    assert make_memory(reference({"engine.kv_cache_dtype": "fp8"})).kv_bytes_per_token == 35_136


def test_the_sum_closes(reference: Reference) -> None:
    memory = make_memory(reference())
    assert memory.budget_bytes == int(0.9 * 95 * GIB)
    parts = memory.weights_bytes + memory.kv_cache_bytes + memory.overhead_bytes
    assert memory.headroom_bytes == memory.budget_bytes - parts
    assert memory.overhead_bytes == memory.overhead_range_bytes["high"]
    assert memory.kv_capacity_bytes == memory.budget_bytes - memory.weights_bytes - memory.overhead_bytes
    assert memory.kv_capacity_tokens == memory.kv_capacity_bytes // 70_272
    assert sum(memory.weights.values()) == memory.weights_bytes
    assert memory.fits


# The layouts of weights_per_rank.csv.
LAYOUTS: dict[str, dict[str, Any]] = {
    "EP32 DP32 TP1 r0": {"parallel.redundant_experts": 0},
    "EP32 DP32 TP1 r32": {},
    "EP32 TP8 DP4 r0": {"parallel": {"tensor": 8, "data": 4}},
    "EP8 DP8 TP1 (one host) r0": {"parallel": {"data": 8}},
    "TP8 (one host)": {"parallel": {"tensor": 8, "data": 1, "expert": False}},
    "PP4 x DP8 EP8 TP1 r0": {"parallel": {"pipeline": 4, "data": 8}},
    "PP4 x TP8": {"parallel": {"pipeline": 4, "tensor": 8, "data": 1, "expert": False}},
}


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if not name.startswith("PP")])
@pytest.mark.parametrize("precision", ["BF16", "FP8"])
def test_weights_per_rank(reference: Reference, published: Published, layout: str, precision: str) -> None:
    rows = {row["layout"]: float(row["total_weights_gib"]) for row in published("weights_per_rank")}
    memory = make_memory(reference({"precision": precision.lower(), **LAYOUTS[layout]}))
    if f"{precision} {layout}" in rows:
        assert weights_gib(memory) == pytest.approx(rows[f"{precision} {layout}"], rel=0.001)
    else:
        assert layout in ("EP8 DP8 TP1 (one host) r0", "TP8 (one host)")
        assert not memory.fits


@pytest.mark.parametrize("row", ["BF16 PP4 x DP8 EP8 TP1 r0", "FP8 PP4 x DP8 EP8 TP1 r0", "BF16 PP4 x TP8"])
def test_weights_per_rank_of_pipelines(reference: Reference, published: Published, row: str) -> None:
    """The published rows are the mean stage plus the whole embedding and head, which no stage has; ours is the fullest
    one.

    vLLM's third of four stages has 16 of the 61 layers and neither embedding nor head.
    """
    expected = next(float(line["total_weights_gib"]) for line in published("weights_per_rank") if line["layout"] == row)
    precision, layout = row.split(" ", 1)
    request = read_request(reference({"precision": precision.lower(), **LAYOUTS[layout]}), [])
    assert request.parallel is not None
    case = deployment(request, request.parallel.data or 0, [])
    assert case is not None
    stages = [weights_of_stage(case, stage).total / GIB for stage in range(4)]
    embedding_and_head = 2 * 2 * 129280 * 7168 / GIB / request.parallel.tensor
    assert sum(stages) / 4 + 0.75 * embedding_and_head == pytest.approx(expected, rel=0.001)
    memory = make_memory(reference({"precision": precision.lower(), **LAYOUTS[layout]}))
    assert memory.pipeline_stage == 2  # with its KV cache the fullest, though the last stage may weigh more
    assert weights_gib(memory) == pytest.approx(stages[2], rel=1e-9)
    assert memory.kv_bytes_per_token == 16 * 576 * 2


# Logged GiB a GPU that this slice can express, with its tolerance (measured -
# predicted).
LOGS: dict[str, tuple[dict[str, Any], int, int, float]] = {
    "M01": ({"model": "deepseek-r1-0528"}, 8, 1, 0.005),
    "M04": ({"model": "deepseek-r1-0528"}, 8, 1, 0.005),
    "M06": ({"model": "deepseek-r1-0528"}, 8, 1, 0.005),
    "M09": ({"model": "deepseek-v3.2"}, 8, 1, 0.006),
    "M14": ({"model": "qwen3-235b-a22b"}, 4, 1, 0.002),
    "M33": ({"model": "deepseek-v3", "parallel.expert": True, "parallel.redundant_experts": 32}, 1, 8, 0.005),
    "M36": ({"model": "deepseek-coder-v2-lite"}, 4, 1, 0.001),
}


@pytest.mark.parametrize("identifier", sorted(LOGS))
def test_logged_weights(reference: Reference, published: Published, identifier: str) -> None:
    row = next(line for line in published("memory_points") if line["id"] == identifier)
    changes, tensor, data, tolerance = LOGS[identifier]
    memory = make_memory(
        reference(
            {
                "precision": row["weights_precision"],
                "parallel": {"tensor": tensor, "data": data, "expert": False},
                "engine.max_model_len": 8192,
                **changes,
            }
        )
    )
    assert weights_gib(memory) == pytest.approx(float(row["weights_gib_per_gpu"]), rel=tolerance)


@pytest.mark.parametrize(
    ("identifier", "model", "dtype"),
    [
        ("M01", "deepseek-r1-0528", "auto"),
        ("M04", "deepseek-r1-0528", "auto"),
        ("M09", "deepseek-v3.2", "auto"),
        ("M12", "deepseek-v3.2", "fp8"),
        ("M14", "qwen3-235b-a22b", "auto"),
        ("M28", "kimi-k2", "auto"),
        ("M33", "deepseek-v3", "auto"),
    ],
)
def test_logged_kv_bytes(reference: Reference, published: Published, identifier: str, model: str, dtype: str) -> None:
    row = next(line for line in published("memory_points") if line["id"] == identifier)
    parallel = {"tensor": int(row["tp"]), "data": int(row["dp"]), "expert": False}
    memory = make_memory(
        reference({"model": model, "parallel": parallel, "engine.kv_cache_dtype": dtype, "engine.max_model_len": 8192})
    )
    assert memory.kv_bytes_per_token == pytest.approx(float(row["measured_kv_bytes_per_token"]), rel=0.001)


def one_h20_host(reference: Reference, changes: dict[str, Any]) -> Memory:
    return make_memory(
        reference(
            {
                "parallel": {"tensor": 8, "data": 1, "expert": False},
                "workload.sessions": 1,
                "engine.version": "0.11.2",
                **changes,
            }
        )
    )


def test_what_was_seen_to_start_fits_and_what_was_seen_to_fail_does_not(reference: Reference) -> None:
    """M39: R1 in FP8 starts on one 8 x H20-96G host at 0.95 and 4,096 tokens. M40: V3.2 at defaults does not."""
    starts = {"model": "deepseek-r1", "engine.gpu_memory_utilization": 0.95, "engine.max_model_len": 4096}
    assert one_h20_host(reference, starts).fits
    fails = {"model": "deepseek-v3.2", "engine.gpu_memory_utilization": ..., "engine.max_model_len": ...}
    assert not one_h20_host(reference, fails).fits


def test_the_whole_service_does_not_fit_one_host(reference: Reference) -> None:
    assert not make_memory(reference({"parallel.redundant_experts": 0, "parallel.data": 8})).fits


def test_bf16_is_refused_with_its_numbers(reference: Reference) -> None:
    plan = make_plan(reference({"precision": "bf16"}))
    [refusal] = plan.errors
    assert refusal.code == "memory.does_not_fit"
    figures = re.findall(r"-?\d+\.\d\d GiB", refusal.message)
    assert figures == ["85.50 GiB", "95.00 GiB", "76.61 GiB", "15.01 GiB", "20.00 GiB", "-26.12 GiB"]
    assert "7 sessions x 32768 tokens" in refusal.message
    assert "FP8" in refusal.fix


def test_native_fp8_fits(reference: Reference) -> None:
    assert make_plan(reference()).errors == []


def test_the_fix_names_the_longest_context_that_fits(reference: Reference) -> None:
    plan = make_plan(reference({"engine.max_model_len": 163840}))
    [refusal] = plan.errors
    found = re.search(r"at most (\d+)", refusal.fix)
    assert found is not None
    longest = int(found.group(1))
    assert make_memory(reference({"engine.max_model_len": longest})).fits
    assert not make_memory(reference({"engine.max_model_len": longest + 1})).fits


def test_utilisation_defaults_to_the_versions_own(reference: Reference) -> None:
    unset = {"engine.gpu_memory_utilization": ...}
    assert make_memory(reference(unset)).budget_bytes == int(0.9 * 95 * GIB)
    assert make_memory(reference({**unset, "engine.version": "0.20.0"})).budget_bytes == int(0.92 * 95 * GIB)


CPU = {
    "engine.platform": "cpu",
    "cluster.gpu": {"memory_bytes": 60 * GIB},
    "precision": "fp8",
    "parallel.redundant_experts": 0,
    "engine.version": "0.32.0",
}


def test_a_given_kv_cache_is_the_capacity(reference: Reference) -> None:
    memory = make_memory(reference({"engine.kv_cache_memory_bytes": 20 * GIB}))
    assert memory.kv_capacity_bytes == 20 * GIB
    assert memory.kv_capacity_tokens == 20 * GIB // 70_272


def test_a_given_kv_cache_too_small_or_too_large_is_refused(reference: Reference) -> None:
    small = make_plan(reference({"engine.kv_cache_memory_bytes": GIB}))
    assert [finding.code for finding in small.errors] == ["memory.kv_cache_too_small"]
    assert "1.00 GiB" in small.errors[0].message
    assert "15.01 GiB" in small.errors[0].message
    large = make_plan(reference({"engine.kv_cache_memory_bytes": 60 * GIB}))
    assert [finding.code for finding in large.errors] == ["memory.kv_cache_too_large"]


def test_overhead_of_cpu_ranks_is_what_the_lab_saw(reference: Reference) -> None:
    memory = make_memory(reference(CPU))
    assert [round(value / GIB, 2) for value in memory.overhead_range_bytes.values()] == [0.6, 0.9, 1.2]
    assert "0.9 GiB" in memory.overhead_reason


@pytest.mark.parametrize("data", [1, 8, 16, 32])
def test_overhead_ranges_are_ordered(reference: Reference, data: int) -> None:
    overhead = make_memory(reference({"parallel.data": data, "parallel.redundant_experts": 0})).overhead_range_bytes
    assert 0 < overhead["low"] < overhead["likely"] < overhead["high"]


def test_fewer_sequences_than_sessions_is_a_warning(reference: Reference) -> None:
    plan = make_plan(reference({"engine.max_num_seqs": 6}))
    assert "engine.max_num_seqs" in [finding.code for finding in plan.findings]
    assert plan.errors == []


@given(st.integers(0, 8), st.integers(1, 8))
def test_more_redundant_experts_take_more(first: int, more: int) -> None:
    from_few = make_memory(_reference(redundant=32 * first))
    from_many = make_memory(_reference(redundant=32 * (first + more)))
    expert = 44_040_192 * 58
    assert from_many.weights_bytes - from_few.weights_bytes == pytest.approx(more * expert, rel=0.001)


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_more_sessions_need_more_kv_cache(sessions: int, more: int) -> None:
    few, many = make_memory(_reference(sessions=sessions)), make_memory(_reference(sessions=sessions + more))
    assert many.kv_cache_bytes >= few.kv_cache_bytes
    assert many.headroom_bytes <= few.headroom_bytes
    assert few.sessions * 32 >= sessions > (few.sessions - 1) * 32


@given(st.integers(1, 163840), st.sampled_from(["auto", "fp8"]))
def test_a_workload_fits_exactly_when_its_tokens_fit(length: int, dtype: str) -> None:
    request = _reference()
    request["engine"].update(max_model_len=length, kv_cache_dtype=dtype)
    memory = make_memory(request)
    assert memory.fits == (memory.kv_cache_bytes <= memory.kv_capacity_bytes)


def _reference(sessions: int = 200, redundant: int = 32) -> dict[str, Any]:
    return {
        "cluster": {"hosts": [f"node-{index}" for index in range(4)], "gpus_per_host": 8, "gpu": "H20-96G"},
        "model": "deepseek-v3",
        "precision": "fp8",
        "parallel": {"data": 32, "redundant_experts": redundant},
        "engine": {"version": "0.19.1", "gpu_memory_utilization": 0.9, "max_model_len": 32768},
        "workload": {"sessions": sessions},
    }


def test_memory_alone_says_what_it_lacks(reference: Reference) -> None:
    with pytest.raises(PlannerError) as caught:
        make_memory(reference({"cluster.gpu": "H2O-96G", "workload.sessions": 0}))
    assert "hardware.unknown_gpu" in caught.value.message
    assert "workload.sessions" in caught.value.message


def test_the_tables_in_use_are_the_published_ones(published: Published) -> None:
    """A row that disappeared from the data would make the tests above pass for nothing."""
    assert {row["id"] for row in published("memory_points")} >= set(LOGS)
