"""Which threshold judges: chosen, planned, the first one, or what physics leave of it."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES, by_id
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.model import AT_MOST, Threshold
from ansible_collections.moefleet.serving.plugins.module_utils.verification.limits import Choice, Limits, limits_of
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import VerificationError

from .reference import lab_plan, reference_plan


def limits(check: str, sources: Any = (), overrides: Any = None, plan: dict[str, Any] | None = None) -> Limits:
    return limits_of(by_id(check), plan or reference_plan(), Choice.read(ACCEPTANCES, sources, overrides or {}))


def numbers(found: Limits) -> tuple[float | None, ...]:
    threshold = found.threshold
    return () if threshold is None else (threshold.expected, threshold.warn, threshold.fail)


def test_the_first_source_judges() -> None:
    assert numbers(limits("rdma_latency_64b")) == (10, 15, 25)


@pytest.mark.parametrize(
    "sources",
    [["7.1.3"], ["§7.1.3", "4.4.1"], {"rdma_latency_64b": "7.1.3"}, ["7.1.1", "7.1.3"]],
)
def test_the_inventory_chooses(sources: Any) -> None:
    found = limits("rdma_latency_64b", sources)
    assert found.threshold == Threshold("§7.1.3", 5, None, 5)


def test_a_choice_that_a_figure_lacks_leaves_it_as_it_is() -> None:
    assert numbers(limits("rdma_latency_64b", ["7.2.1"])) == (10, 15, 25)


@pytest.mark.parametrize(
    ("sources", "overrides", "code", "said"),
    [
        (["9.9.9"], {}, "no-such-source", "§4.4.1"),
        ({"rdma_latency_64b": "7.2.1"}, {}, "no-such-source", "§4.6.4"),
        ({"rdma_latency": "4.4.1"}, {}, "no-such-check", "docs/acceptance.md"),
        ((), {"rdma_latency_64b": "fast"}, "bad-threshold", "verify_thresholds.rdma_latency_64b"),
        ((), {"rdma_latency_64b": {"most": 3}}, "bad-threshold", "expected, warn and fail"),
        ((), {"tcp_bandwidth": {"low_share": 1}}, "bad-threshold", "low_share"),
        ((), {"rdma_latency_64b": {"warn": "x"}}, "bad-threshold", "expected, warn and fail"),
    ],
)
def test_what_cannot_be_read_is_refused(sources: Any, overrides: Any, code: str, said: str) -> None:
    with pytest.raises(VerificationError) as error:
        Choice.read(ACCEPTANCES, sources, overrides)
    assert error.value.code == code
    assert said in str(error.value)


def test_some_numbers_are_replaced() -> None:
    found = limits("rdma_latency_64b", (), {"rdma_latency_64b": {"fail": 40}})
    assert found.threshold == Threshold("verify_thresholds", 10, 15, 40)


def test_a_number_can_be_taken_away() -> None:
    assert numbers(limits("rdma_latency_64b", (), {"rdma_latency_64b": {"warn": None}})) == (10, None, 25)


def test_how_far_below_the_median_a_link_may_be() -> None:
    assert limits("tcp_bandwidth").low_share == 0.5
    found = limits("tcp_bandwidth", (), {"tcp_bandwidth": {"low_share": 0.2}})
    assert (found.low_share, found.threshold) == (0.2, None)
    assert limits("rdma_bandwidth_1mb", (), {"rdma_bandwidth_1mb": {"low_share": 0}}).threshold == Threshold(
        "§4.4.1", 20, 18, 15
    )


def test_numbers_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(VerificationError, match="expected <= warn <= fail"):
        limits("rdma_latency_64b", (), {"rdma_latency_64b": {"expected": 30}})


@pytest.mark.parametrize("name", ["ttft_p50_ms", "ttft_512_p50"])
def test_objectives_by_the_benchmarks_names(name: str) -> None:
    assert limits("ttft_512_p50", (), {name: 900}).threshold == Threshold("verify_thresholds", 900, None, 900)


def test_an_objective_that_is_the_documents_is_said_to_be() -> None:
    assert limits("ttft_512_p50", (), {"ttft_p50_ms": 800}).threshold == by_id("ttft_512_p50").thresholds[0]


def test_an_own_number_outranks_the_plan_and_the_benchmarks_objective_does_not() -> None:
    plan = reference_plan()
    plan["objectives"] = [{"metric": "ttft_ms", "percentile": 50.0, "input_tokens": 512, "target": 700.0}]
    for name, source in (("ttft_p50_ms", "plan"), ("ttft_512_p50", "verify_thresholds")):
        found = limits("ttft_512_p50", (), {name: 900}, plan)
        assert found.threshold is not None
        assert found.threshold.source == source


def test_other_objectives_of_the_benchmark_are_left_to_it() -> None:
    assert not Choice.read(ACCEPTANCES, [], {"output_tokens_s": 5, "tpot_p50_ms": 40}).overrides


def test_objectives_of_the_plan() -> None:
    plan = reference_plan()
    plan["objectives"] = [
        {"metric": "ttft_ms", "percentile": 95.0, "input_tokens": 512, "relation": "<=", "target": 1000.0},
        {"metric": "memory_used_fraction", "percentile": 50.0, "relation": "<=", "target": 0.8},
        {"metric": "decode_tokens_s", "percentile": 50.0, "relation": ">=", "target": 2000.0},
        {"metric": "decode_tokens_s", "percentile": 50.0, "relation": ">=", "target": 1500.0},
    ]
    assert limits("ttft_512_p95", plan=plan).threshold == Threshold("plan", 1000, None, 1000)
    assert limits("gpu_memory_share", plan=plan).threshold == Threshold("plan", 80, None, 80)
    assert limits("sessions_throughput", plan=plan).threshold == Threshold("plan", 2000, None, 1500)
    assert limits("ttft_512_p95", ["7.1.1"], plan=plan).threshold.source == "§7.1.1"  # type: ignore[union-attr]
    assert limits("ttft_512_p50", plan=plan).threshold.source == "§7.1.1"  # type: ignore[union-attr]


def test_the_kv_cache_must_hold_what_the_plans_sessions_need() -> None:
    assert limits("kv_cache_tokens").threshold == Threshold("plan", 372929, None, 229376)
    assert limits("kv_cache_tokens", plan=lab_plan()).threshold is None


def test_thresholds_for_gpus_do_not_judge_the_cpu_engine() -> None:
    assert limits("sessions_throughput", plan=lab_plan()).threshold is None
    assert limits("sessions_error_rate", plan=lab_plan()).threshold is not None


def test_unless_they_are_chosen() -> None:
    assert limits("sessions_throughput", ["7.1.2"], plan=lab_plan()).threshold is not None


@pytest.mark.parametrize(
    ("check", "expected", "warn", "fail"),
    [
        ("rdma_latency_1mb", 372.8, 559.2, 745.7),
        ("all_to_all_1mb", 2133.3, 3200, 4266.7),
        ("all_to_all_bandwidth_1mb", 0.4688, 0.3281, 0.2344),
        # As fast as the same table allows 1 KB to take: 50, 71 and 100 us.
        ("all_to_all_bandwidth_1kb", 0.02048, 0.01434, 0.01024),
        ("sessions_throughput", 2296.8, 1607.8, 1148.4),
    ],
)
def test_what_cannot_be_reached_is_said_and_derived(check: str, expected: float, warn: float, fail: float) -> None:
    found = limits(check)
    assert numbers(found) == pytest.approx((expected, warn, fail), rel=1e-3)
    assert found.threshold is not None
    assert found.threshold.source.endswith(", derived")
    assert f"unreachable (floor {found.unreachable().split('floor ')[1]}" in found.describe(by_id(check))
    assert found.floor is not None
    assert found.floor.derivation in found.note(by_id(check))


def test_an_own_number_beyond_physics_is_said_too() -> None:
    found = limits("rdma_bandwidth_1mb", (), {"rdma_bandwidth_1mb": 40})
    assert "verify_thresholds asks for at least 40 Gbit/s: unreachable (floor 24.5 Gbit/s)" in found.describe(
        by_id("rdma_bandwidth_1mb")
    )
    assert numbers(found) == pytest.approx((22.06, 15.44, 11.03), rel=1e-3)


def test_what_can_be_reached_of_it_stays() -> None:
    found = limits("rdma_latency_1mb", (), {"rdma_latency_1mb": {"expected": 300, "warn": 400, "fail": 500}})
    assert numbers(found) == pytest.approx((372.8, 400, 500), rel=1e-3)


def test_a_floor_that_is_kept_changes_nothing() -> None:
    found = limits("rdma_bandwidth_1mb")
    assert (numbers(found), found.asked, found.note(by_id("rdma_bandwidth_1mb"))) == ((20, 18, 15), None, "")


@pytest.mark.parametrize(
    ("threshold", "verdicts"),
    [
        (Threshold("x", 10, 15, 25), ["pass", "pass", "warn", "fail"]),
        (Threshold("x", 10), ["pass", "warn", "warn", "warn"]),
        (Threshold("x", 10, None, 25), ["pass", "pass", "pass", "fail"]),
        (Threshold("x", 10, None, 10), ["pass", "fail", "fail", "fail"]),
        (None, ["pass"] * 4),
    ],
)
def test_bands(threshold: Threshold | None, verdicts: list[str]) -> None:
    assert [Limits(threshold).verdict(value, AT_MOST) for value in (10, 12, 20, 30)] == verdicts
