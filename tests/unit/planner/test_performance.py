"""Performance on the reference cluster, and what must hold for any input."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.hardware import GPUS
from ansible_collections.moefleet.serving.plugins.module_utils.planner.performance.first_token import waiting_s
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

from .conftest import REFERENCE, changed

Reference = Callable[..., dict[str, Any]]
NO_SEARCH = {"search": {"enabled": False}}


def performance(raw: dict[str, Any]) -> dict[str, Any]:
    found = make_plan({**raw, **NO_SEARCH}).as_dict()["performance"]
    assert found is not None
    return dict(found)


def numbers(value: Any) -> Iterator[float]:
    """Every number of a plan."""
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield float(value)


def test_the_port_binds_the_reference_cluster(reference: Reference) -> None:
    found = performance(reference())
    assert found["limited_by"] == "NIC"
    decode = found["decode_tokens_s"]
    assert decode["bound"] == pytest.approx(2_552, rel=0.001)
    assert decode["low"] < decode["likely"] < decode["high"] <= decode["bound"]
    assert 1_200 < decode["likely"] < 2_552


def test_fast_ports_leave_memory_as_the_limit(reference: Reference) -> None:
    found = performance(
        reference({"cluster.nic_gbit_s": 400, "cluster.nics_per_host": 8, "parallel.redundant_experts": 0})
    )
    assert found["limited_by"] == "HBM"
    # 20.7k tokens/s with short contexts; 1.5k tokens of context each cost 2 % more.
    assert found["decode_tokens_s"]["bound"] == pytest.approx(20_700, rel=0.04)


def test_at_32k_compute_is_the_limit_of_h20(reference: Reference) -> None:
    fast = {"cluster.nic_gbit_s": 400, "cluster.nics_per_host": 8, "parallel.redundant_experts": 0}
    found = performance(reference({**fast, "workload.context_tokens": 32_768}))
    assert found["limited_by"] == "compute"
    # 557 GFLOPs of attention at the BF16 peak alone allow 8.5k; 73 GFLOPs of matrices in FP8 come on top.
    assert found["decode_tokens_s"]["bound"] == pytest.approx(32 / (557e9 / 148e12 + 73.25e9 / 296e12), rel=0.01)


def test_drafts_help_where_memory_binds_and_not_where_the_port_does(reference: Reference) -> None:
    drafting = {"engine.speculative_tokens": 1, "engine.acceptance_rate": 0.85, "engine.version": "0.19.1"}
    fast = {"cluster.nic_gbit_s": 400, "cluster.nics_per_host": 8, "parallel.redundant_experts": 0}
    bound = {
        name: performance(reference(changes))["decode_tokens_s"]["bound"]
        for name, changes in {
            "fast": fast,
            "fast, drafting": {**fast, **drafting},
            "slow": {},
            "slow, drafting": drafting,
        }.items()
    }
    assert bound["fast, drafting"] / bound["fast"] == pytest.approx(1.85, rel=0.1)
    assert bound["slow, drafting"] <= bound["slow"]


def test_time_to_the_first_token_by_length(reference: Reference) -> None:
    short = performance(reference({"workload.input_tokens": 512}))["ttft_ms"]
    long = performance(reference({"workload.input_tokens": 4096, "workload.sessions": 1}))["ttft_ms"]
    assert short["likely"] < 800
    assert long["bound"] == pytest.approx(1_660, rel=0.01)  # all-gather, 0.57 + 1.09 s
    assert long["low"] < 2_000 < long["high"]
    assert short["p50"]["likely"] <= short["p95"]["likely"] <= short["p99"]["likely"]
    assert sum(short["parts_p50"].values()) == pytest.approx(short["likely"], rel=0.01)


def test_a_32k_prompt_takes_its_home_rank_long(reference: Reference) -> None:
    """At least 22 s at FP8 and BF16 peaks: 32.4 GFLOPs a token, and 5.0 MFLOPs a pair."""
    found = performance(reference({"workload.input_tokens": 32_000, "workload.output_tokens": 500}))["ttft_ms"]
    assert found["bound"] / 1e3 >= 20


def test_more_users_wait_longer_and_no_longer_than_they_themselves_can_make_it() -> None:
    waits = [
        waiting_s(service_s=1.0, servers=2.0, arrival_rate=rate, percentile=95, users=10)
        for rate in (0.1, 1.0, 1.9, 5.0)
    ]
    assert waits == sorted(waits)
    assert waits[0] == 0
    assert waits[-1] == pytest.approx(4.0 * 0.95)


def test_unknown_rates_are_not_guessed(reference: Reference) -> None:
    plan = make_plan(reference({"cluster.gpu": {"memory_bytes": 100 << 30}})).as_dict()
    assert plan["performance"] is None
    assert plan["memory"] is not None
    without_ports = make_plan(reference({"cluster.nic_gbit_s": ...})).as_dict()
    assert without_ports["performance"] is None


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**7),
    st.floats(allow_nan=True),
    st.text(max_size=6),
    st.just([]),
    st.just({}),
)
PATHS = (
    "cluster.gpus_per_host",
    "cluster.gpu",
    "cluster.nic_gbit_s",
    "cluster.nics_per_host",
    "cluster.nic_mtu",
    "model",
    "precision",
    "parallel.tensor",
    "parallel.data",
    "parallel.pipeline",
    "parallel.expert",
    "parallel.redundant_experts",
    "parallel.decode_context",
    "engine.version",
    "engine.max_model_len",
    "engine.max_num_seqs",
    "engine.all2all_backend",
    "engine.speculative_tokens",
    "workload.sessions",
    "workload.input_tokens",
    "workload.output_tokens",
    "workload.context_tokens",
    "workload.arrival_rate",
    "objectives",
    "search",
)
SENSIBLE: dict[str, st.SearchStrategy[Any]] = {
    "cluster.gpu": st.sampled_from(sorted(GPUS)),
    "cluster.nic_gbit_s": st.floats(0.1, 6400),
    "cluster.gpus_per_host": st.sampled_from([1, 2, 4, 8, 16]),
    "model": st.sampled_from(["deepseek-v3", "deepseek-v3.2", "qwen3-30b-a3b", "kimi-k2", "deepseek-v2-lite"]),
    "parallel.tensor": st.sampled_from([1, 2, 4, 8]),
    "parallel.data": st.sampled_from([1, 2, 4, 8, 16, 24, 32]),
    "parallel.pipeline": st.sampled_from([1, 2, 4]),
    "parallel.redundant_experts": st.sampled_from([0, 8, 32, 64]),
    "engine.version": st.sampled_from(["0.7.3", "0.9.2", "0.12.0", "0.19.1", "0.33.0"]),
    "workload.sessions": st.integers(1, 100_000),
    "workload.input_tokens": st.integers(1, 200_000),
    "workload.arrival_rate": st.floats(0.001, 1e4),
    "engine.speculative_tokens": st.integers(0, 4),
}


@st.composite
def inputs(draw: st.DrawFn) -> dict[str, Any]:
    """The reference input with a few values changed, sensibly or wildly."""
    changes = {}
    for path in draw(st.lists(st.sampled_from(PATHS), max_size=5, unique=True)):
        strategy = SENSIBLE.get(path, ANYTHING) if draw(st.integers(0, 3)) else ANYTHING
        changes[path] = draw(strategy)
    return changed(copy.deepcopy(REFERENCE), changes)


# Not shrunk: a whole plan with its search is too slow for that, and the input is readable as it is.
@settings(
    max_examples=1000,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(raw=inputs(), searched=st.integers(0, 24))
def test_any_input_gives_a_plan_or_a_reason(raw: dict[str, Any], searched: int) -> None:
    """It never crashes, no number is NaN, infinite, or negative where it is a size, and an error names its field."""
    if searched and isinstance(raw.get("search", {}), dict):
        raw["search"] = {"enabled": False}
    plan = make_plan(raw)
    found = plan.as_dict()
    assert all(math.isfinite(number) for number in numbers(found))
    for part in ("performance", "network"):
        assert all(number >= 0 for number in numbers(found.get(part)))
    if found["memory"]:
        sizes = {k: v for k, v in found["memory"]["per_rank"].items() if "headroom" not in k and k != "remedies"}
        assert all(number >= 0 for number in numbers(sizes))
    for error in plan.errors:
        assert error.message
        assert error.fix
        assert "." in error.code


@settings(max_examples=60, deadline=None)
@given(slow=st.floats(1, 3000), factor=st.floats(1.01, 10))
def test_a_faster_port_is_never_slower(slow: float, factor: float) -> None:
    both = [
        performance(changed(REFERENCE, {"cluster.nic_gbit_s": rate}))["decode_tokens_s"]
        for rate in (slow, slow * factor)
    ]
    assert both[0]["likely"] <= both[1]["likely"]
    assert both[0]["bound"] <= both[1]["bound"]


@settings(max_examples=60, deadline=None)
@given(gib=st.integers(40, 200), more=st.integers(1, 100))
def test_more_memory_never_fits_less(gib: int, more: int) -> None:
    fits = [
        make_plan(
            changed(REFERENCE, {"cluster.gpu": {"memory_bytes": size << 30}, "search": {"enabled": False}})
        ).memory
        for size in (gib, gib + more)
    ]
    assert fits[0] is not None
    assert fits[1] is not None
    assert fits[0].fits <= fits[1].fits
    assert fits[0].kv_capacity_tokens <= fits[1].kv_capacity_tokens
