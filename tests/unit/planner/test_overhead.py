"""The overhead's range: what was logged, and how it moves with what an engine is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_memory

GIB = 1 << 30
Reference = Callable[..., dict[str, Any]]

CPU = {
    "engine.platform": "cpu",
    "cluster.gpu": {"memory_bytes": 60 * GIB},
    "parallel.redundant_experts": 0,
    "engine.version": "0.32.0",
}
TENSOR_8 = {"parallel": {"tensor": 8, "data": 1, "expert": False}, "workload.sessions": 1}


def spans(raw: dict[str, Any]) -> dict[str, float]:
    return {name: value / GIB for name, value in make_memory(raw).overhead_range_bytes.items()}


def test_cpu_ranks_are_what_the_lab_saw(reference: Reference) -> None:
    memory = make_memory(reference(CPU))
    assert [round(value / GIB, 2) for value in memory.overhead_range_bytes.values()] == [0.6, 0.9, 1.2]
    assert "0.9 GiB" in memory.overhead_reason


@pytest.mark.parametrize("data", [1, 8, 16, 32, 64, 128])
def test_ranges_are_ordered_and_grow_with_the_ranks(reference: Reference, data: int) -> None:
    few = spans(reference({"parallel.data": data, "parallel.redundant_experts": 0}))
    many = spans(reference({"parallel.data": 2 * data, "parallel.redundant_experts": 0}))
    assert 0 < few["low"] < few["likely"] < few["high"]
    assert many["high"] >= few["high"]


def test_the_published_chart(reference: Reference) -> None:
    at = {data: spans(reference({"parallel.data": data, "parallel.redundant_experts": 0})) for data in (8, 16, 32)}
    assert [round(at[data]["high"] * GIB / 1e9) for data in (8, 16)] == [14, 20]
    assert (at[32]["low"], at[32]["likely"], at[32]["high"]) == (5.0, 13.0, 20.0)


def test_activations_of_32000_tokens_are_what_a_log_has(reference: Reference) -> None:
    """R1 at TP=8 on vLLM 0.7.3: 6.37 GiB of activations; 13.5 GiB in all, which the range has."""
    old = {**TENSOR_8, "engine.version": "0.7.3"}
    none, full = (
        spans(reference({**old, "engine.max_num_batched_tokens": 1 + tokens})) for tokens in (16_000, 16_000 + 32_000)
    )
    assert full["high"] - none["high"] == pytest.approx(6.37, rel=0.01)
    logged = spans(reference({**old, "engine.max_num_batched_tokens": 32_000}))
    assert logged["low"] < 13.53 < logged["high"]


def test_gathering_back_ends_hold_every_ranks_tokens(reference: Reference) -> None:
    """Twice the tokens a step: 32 ranks' hidden states, which a back end that sends to experts only does not gather."""
    twice = {"engine.max_num_batched_tokens": 16384}
    own = make_memory(reference({**twice, "engine.all2all_backend": "deepep_high_throughput"})).overhead_bytes
    gathered = make_memory(reference(twice)).overhead_bytes
    assert gathered - own == 8192 * 32 * 2 * 7168


def test_without_cuda_graphs_less(reference: Reference) -> None:
    graphs, eager = (spans(reference({"engine.enforce_eager": off})) for off in (False, True))
    assert all(eager[name] < graphs[name] for name in graphs)


def test_a_table_for_ten_million_positions_counts(reference: Reference) -> None:
    layout = {**TENSOR_8, "engine.max_model_len": 8192, "precision": "bf16"}
    scout = spans(reference({**layout, "model": "llama-4-scout"}))
    other = spans(reference({**layout, "model": "qwen3-235b-a22b"}))
    assert scout["low"] - other["low"] == pytest.approx(2.5 - 1 / 16, abs=0.001)


def test_one_device_alone_has_no_collectives(reference: Reference) -> None:
    alone = {"model": "llama-3.1-8b", "precision": "bf16", "workload.sessions": 1}
    one = spans(reference({**alone, "parallel": {"tensor": 1, "data": 1}}))
    two = spans(reference({**alone, "parallel": {"tensor": 2, "data": 1}}))
    assert one["high"] < two["high"]


@given(st.integers(1, 200_000), st.integers(1, 200_000), st.booleans())
def test_more_tokens_a_step_never_need_less(tokens: int, more: int, eager: bool) -> None:
    def at(count: int) -> dict[str, int]:
        engine = {"version": "0.19.1", "max_num_batched_tokens": count, "enforce_eager": eager, "max_model_len": 4096}
        return make_memory(
            {
                "cluster": {"hosts": ["a", "b"], "gpus_per_host": 8, "gpu": "H200-141G"},
                "model": "deepseek-v3",
                "parallel": {"data": 16},
                "engine": engine,
                "workload": {"sessions": 16},
            }
        ).overhead_range_bytes

    few, many = at(tokens), at(tokens + more)
    assert all(0 < few[name] <= many[name] for name in few)
    assert few["low"] <= few["likely"] <= few["high"]
