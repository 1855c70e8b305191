"""Physical bounds, against figures that were worked out by hand for 25 Gb/s."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES, by_id
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.model import AT_LEAST, AT_MOST
from ansible_collections.moefleet.serving.plugins.module_utils.verification.floors import (
    derived_expected,
    floor_of,
    read_links,
)

from .reference import lab_plan, reference_plan


def bound(check: str, plan: dict[str, Any]) -> float | None:
    found = floor_of(by_id(check), plan)
    return None if found is None else found.value


@pytest.mark.parametrize(
    ("check", "value"),
    [
        ("rdma_latency_1mb", 335.5),
        ("rdma_bandwidth_1mb", 24.51),
        ("tcp_bandwidth", 25.0),
        ("aggregate_bandwidth", 98.04),
        # 8 of 32 ranks a host: 8 * 24 / 32 = 6 buffers leave it, 6 MB at 3.125 GB/s.
        ("all_to_all_1mb", 1920.0),
        ("all_to_all_bandwidth_1mb", 0.5208),
        ("all_to_all_bandwidth", 0.5208),
        # 1 KB in 50 us is 0.0205 GB/s, at nine tenths.
        ("all_to_all_bandwidth_1kb", 0.02276),
        # 3.125 * 4 / 3 * 31 / 32.
        ("all_reduce_bandwidth", 4.036),
        ("nvlink_bandwidth", 450.0),
        ("all_reduce_bandwidth_host", 787.5),
        # 1,263,936 B a token through the port.
        ("ttft_512_p50", 207.1),
        ("ttft_4096_p95", 1657.0),
        ("sessions_throughput", 2552.0),
        # 44.04 MB an expert and layer, 58 layers, 8 ranks, three quarters of it from other hosts.
        ("eplb_rebalance_cost", 4905.0),
    ],
)
def test_the_reference_cluster(check: str, value: float) -> None:
    assert bound(check, reference_plan()) == pytest.approx(value, rel=1e-3)


def test_every_bound_says_how_it_comes_about() -> None:
    for entry in ACCEPTANCES:
        found = floor_of(entry, reference_plan())
        assert (found is None) == (not entry.floor), entry.id
        if found is not None:
            assert found.derivation
            assert found.unit == entry.unit


def test_without_gpus_there_is_no_bound_of_theirs() -> None:
    plan = lab_plan()
    for check in ("nvlink_bandwidth", "all_reduce_bandwidth_host", "ttft_512_p50", "sessions_throughput"):
        assert bound(check, plan) is None
    assert bound("rdma_latency_1mb", plan) == pytest.approx(335.5, rel=1e-3)


def test_one_host_has_no_bound_of_links_between_hosts() -> None:
    plan = reference_plan()
    plan["layout"]["hosts"] = plan["layout"]["hosts"][:1]
    for check in (
        "rdma_latency_64b",
        "rdma_bandwidth_1mb",
        "aggregate_bandwidth",
        "all_to_all_1mb",
        "all_reduce_bandwidth",
    ):
        assert bound(check, plan) is None


def test_a_plan_that_says_nothing_bounds_nothing() -> None:
    assert [entry.id for entry in ACCEPTANCES if floor_of(entry, {}) is not None] == []


def test_the_rate_of_the_ports_where_the_network_is_not_planned() -> None:
    plan = {"cluster": {"nic_gbit_s": 25, "nics_per_host": 2}}
    assert read_links(plan).line_bytes_s == 6.25e9


def test_uneven_hosts_are_bound_by_the_busiest() -> None:
    plan = {"layout": {"hosts": [{"ranks": list(range(6))}, {"ranks": [6, 7]}]}}
    assert read_links(plan).busiest_share == pytest.approx(1.5)


def test_nine_tenths_of_the_line() -> None:
    time, rate = (floor_of(by_id(check), reference_plan()) for check in ("rdma_latency_1mb", "all_to_all_bandwidth"))
    assert time is not None
    assert rate is not None
    assert derived_expected(time, AT_MOST) == pytest.approx(372.8, rel=1e-3)
    assert derived_expected(rate, AT_LEAST) == pytest.approx(0.4687, rel=1e-3)
