"""The fullest rank: the contract's figures, published logs, and what must grow with what."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import PlannerError
from ansible_collections.moefleet.serving.plugins.module_utils.planner.memory.memory import Memory, weights_of_stage
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import CATALOGUE
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
    assert sum(memory.components.values()) == parts
    assert memory.stage_weights_bytes == (memory.weights_bytes,)
    assert memory.fits
    assert memory.fits_by_overhead == {"low": True, "likely": True, "high": True}
    assert memory.remedies == ()


def test_parts_of_the_reference_rank(reference: Reference) -> None:
    """The table of the reference layout: routed experts 21.42 GiB, the latent's copy 1.91, everything else 17.77."""
    memory = make_memory(reference())
    found = {name: round(size / GIB, 2) for name, size in memory.components.items()}
    assert found["routed_experts"] == 21.42
    assert found["mla_copy"] == 1.91
    assert found["kv_cache"] == 15.01
    assert found["overhead"] == 20.0
    assert found["embedding"] == found["head"] == 1.73
    assert round(memory.weights["other_bytes"] / GIB, 2) == 17.77
    assert set(found) == {
        *("routed_experts", "shared_experts", "dense", "attention", "router", "norms", "embedding", "head"),
        *("mla_copy", "kv_cache", "overhead"),
    }


def test_the_fullest_rank_and_the_mean(reference: Reference) -> None:
    memory = make_memory(reference())
    assert memory.mean_sessions == 6.25
    assert memory.mean_kv_cache_bytes == 200 * 32768 * 70_272 // 32
    assert memory.mean_headroom_bytes - memory.headroom_bytes == memory.kv_cache_bytes - memory.mean_kv_cache_bytes
    assert memory.kv_capacity_sessions == memory.kv_capacity_tokens // 32768
    room = memory.kv_capacity_range_tokens
    assert room["low"] > room["likely"] > room["high"] == memory.kv_capacity_tokens


def test_a_prediction_layer_counts_when_it_drafts(reference: Reference) -> None:
    """One more layer of weights, of the latent's copy and of the cache; embedding and head are the main model's."""
    without = make_memory(reference({"parallel.redundant_experts": 0}))
    drafting = make_memory(reference({"parallel.redundant_experts": 0, "engine.speculative_tokens": 2}))
    assert drafting.kv_bytes_per_token == 62 * 1152
    assert "mtp" not in without.components
    expert, own = 44_040_192 * (1 + 4 / 16384), 11_610_068_224 - 256 * 44_040_192
    assert own < drafting.components["mtp"] - 8 * expert < 1.5 * own
    copy = drafting.components["mla_copy"] - without.components["mla_copy"]
    assert drafting.weights_bytes - without.weights_bytes == drafting.components["mtp"] + copy
    none = {"model": "qwen3-30b-a3b", "engine.speculative_tokens": 2}
    assert "mtp" not in make_memory(reference(none)).components


@pytest.mark.parametrize("ranks", [2, 4, 8])
def test_decode_context_parallelism_divides_a_sequences_cache(reference: Reference, ranks: int) -> None:
    layout = {"tensor": 8, "data": 4}
    whole = make_memory(reference({"parallel": layout}))
    divided = make_memory(reference({"parallel": {**layout, "decode_context": ranks}}))
    assert divided.kv_cache_bytes == whole.kv_cache_bytes // ranks
    assert divided.weights_bytes == whole.weights_bytes


def test_an_engine_from_before_v1_stores_latent_attention_otherwise(reference: Reference) -> None:
    """The absorbed 570.4M parameters a layer (FP8), W_QR and W_UK with W_UV (16 bit), over 8 ranks; rows of 1,280 B."""
    layout = {"parallel": {"tensor": 8, "data": 1, "expert": False}, "workload.sessions": 1}
    old = make_memory(reference({**layout, "engine.version": "0.7.3"}))
    new = make_memory(reference({**layout, "engine.version": "0.8.0"}))
    assert old.kv_bytes_per_token == 61 * 1280
    assert new.kv_bytes_per_token == 61 * 1152
    absorbed, query, up = 570_425_344, 1536 * 128 * 64, 16_777_216
    assert old.components["mla_copy"] == 61 * (absorbed + 2 * query + 2 * up) // 8
    assert new.components["mla_copy"] == 61 * 2 * up // 8
    sglang = make_memory(reference({**layout, "engine.version": "0.4.6", "engine.name": "sglang"}))
    assert sglang.components["mla_copy"] == new.components["mla_copy"]
    in_16_bit = make_memory(reference({**layout, "engine.version": "0.7.3", "precision": "awq"}))
    assert in_16_bit.components["mla_copy"] - old.components["mla_copy"] == pytest.approx(61 * absorbed / 8)


def test_old_releases_give_the_rest_of_the_layers_to_the_last_stage(reference: Reference) -> None:
    layout = {"parallel": {"tensor": 8, "data": 1, "pipeline": 2, "expert": False}, "workload.sessions": 1}
    old = make_memory(reference({**layout, "engine.version": "0.7.3"}))
    assert old.pipeline_stage == 1
    assert old.kv_bytes_per_token == 31 * 1280
    new = make_memory(reference({**layout, "engine.version": "0.11.2"}))
    assert len(new.stage_weights_bytes) == 2


def test_a_head_that_is_the_embedding_is_on_the_last_stage_too(reference: Reference) -> None:
    tied = {**CATALOGUE["qwen2.5-72b"][1], "tie_word_embeddings": True}
    layout = {"model": tied, "precision": "auto", "workload.sessions": 1, "engine.max_model_len": 4096}
    one = make_memory(reference({**layout, "parallel": {"data": 1, "pipeline": 1}}))
    two = make_memory(reference({**layout, "parallel": {"data": 1, "pipeline": 2}}))
    assert "head" not in one.components
    assert sum(two.stage_weights_bytes) - one.weights_bytes == 2 * 152064 * 8192


def test_heads_fewer_than_ranks_are_replicated_with_their_projections(reference: Reference) -> None:
    """Qwen3-235B has 4 KV heads: 8 ranks hold each twice, in the cache and in the projections."""
    layout = {"model": "qwen3-235b-a22b", "precision": "bf16", "workload.sessions": 1}
    four = make_memory(reference({**layout, "parallel": {"tensor": 4, "data": 1, "expert": False}}))
    eight = make_memory(reference({**layout, "parallel": {"tensor": 8, "data": 1, "expert": False}}))
    assert four.kv_bytes_per_token == eight.kv_bytes_per_token == 94 * 512
    projections = 2 * 94 * (2 * 4 * 128 * 4096)
    halves = (four.components["attention"] - eight.components["attention"]) * 2
    assert halves == pytest.approx(four.components["attention"] - projections / 4, rel=0.001)


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


def test_utilisation_defaults_to_the_versions_own(reference: Reference) -> None:
    unset = {"engine.gpu_memory_utilization": ...}
    assert make_memory(reference(unset)).budget_bytes == int(0.9 * 95 * GIB)
    assert make_memory(reference({**unset, "engine.version": "0.20.0"})).budget_bytes == int(0.92 * 95 * GIB)


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
