"""What the plan said beside what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import Check
from ansible_collections.moefleet.serving.plugins.module_utils.verification.predicted import Prediction, predictions

from .reference import lab_plan, reference_plan


def check(name: str, value: float | None, host: str = "") -> Check:
    return Check(name, "x", "x", host, "pass", "", "", value=value)


def rows(checks: list[Check], plan: dict[str, Any] | None = None, **more: Any) -> dict[str, Prediction]:
    return {row.name: row for row in predictions(plan or reference_plan(), checks, **more)}


def test_a_figure_in_its_range() -> None:
    found = rows([check("sessions_throughput", 1419.0)])
    assert list(found) == ["Output of all sessions"]
    row = found["Output of all sessions"]
    assert (row.low, row.likely, row.high, row.measured) == (889.5, 1290.0, 1691.0, 1419.0)
    assert (row.unit, row.error_percent, row.inside) == ("tokens/s", 10.0, True)


def test_a_figure_outside() -> None:
    row = rows([check("ttft_512_p95", 2000.0)])["Time to first token, 512 tokens in, P95"]
    assert (row.inside, row.likely) == (False, 687.1)
    assert row.error_percent is not None
    assert row.error_percent > 100


def test_the_ends_of_a_range_are_in_order() -> None:
    """The KV cache is largest where the overhead is low."""
    row = rows([check("kv_cache_tokens", 500000)])["KV cache of the smallest engine"]
    assert (row.low, row.likely, row.high, row.inside) == (372929, 479887, 602126, True)


def test_links_are_the_median_of_all_pairs() -> None:
    found = rows([check("rdma_bandwidth_1mb", value) for value in (23.0, 24.0, 10.0)])
    row = found["Payload of a port, RDMA"]
    assert row.measured == 23.0
    assert row.likely == pytest.approx(24.51)
    assert (row.low, row.high, row.inside) == (None, None, None)


def test_exchanges() -> None:
    found = rows([check("all_to_all_1mb", 2500.0), check("all_to_all_bandwidth", 0.4)])
    assert found["All-to-all, 1 MB a rank"].likely == pytest.approx(1920 / 0.9804, rel=1e-3)
    assert found["All-to-all, size by time"].likely == pytest.approx(0.5106, rel=1e-3)


def test_time_per_token_is_the_benchmarks() -> None:
    bench = {"evidence": {"values": {"tpot_ms": {"p50": 120.0}}}}
    assert rows([], bench=bench)["Time per output token, P50"].inside is True


def test_slower_ports_and_a_lost_host() -> None:
    plan = reference_plan()
    plan["performance"]["decode_tokens_s"]["likely"] = 1771.0
    plan["by_port_rate"] = {
        "another layout": [
            {"nic_gbit_s": 25.0, "decode_tokens_s": 4567.0},
            {"nic_gbit_s": 20.0, "decode_tokens_s": 1.0},
        ],
        "own": [{"nic_gbit_s": 25.0, "decode_tokens_s": 1771.0}, {"nic_gbit_s": 20.0, "decode_tokens_s": 1504.0}],
    }
    plan["contingencies"] = [{"name": "one host lost, EPLB", "decode_tokens_s": 1594.0}]
    found = rows([check("sensitivity_rate_20g_throughput", -14.0), check("fault_host_throughput", -12.0)], plan)
    assert found["Throughput at 20 Gb/s a port, change"].likely == pytest.approx(-15.1)
    assert found["Throughput with a host lost, change"].likely == pytest.approx(-10.0)


def test_the_lab_has_fewer() -> None:
    plan = {
        **lab_plan(),
        "memory": {"per_rank": {"kv_capacity_range_tokens": {"low": 9709, "likely": 9709, "high": 9709}}},
    }
    found = rows(
        [check("kv_cache_tokens", 9709), check("tcp_bandwidth", 20.0), check("sessions_throughput", 4.0)], plan
    )
    assert list(found) == ["KV cache of the smallest engine", "Rate of a port, TCP"]
    # Three times the same number is no range: blocks of tokens alone would be outside.
    assert found["KV cache of the smallest engine"].inside is None
    assert found["Rate of a port, TCP"].error_percent == -20.0


@pytest.mark.parametrize("plan", [{}, {"performance": None, "network": None}, {"layout": {"hosts": []}}])
def test_a_plan_that_says_nothing_predicts_nothing(plan: dict[str, Any]) -> None:
    assert predictions(plan, [check("tcp_bandwidth", 20.0), check("sessions_throughput", 4.0)]) == []


def test_nothing_measured_is_no_row() -> None:
    assert predictions(reference_plan(), [check("sessions_throughput", None)]) == []
