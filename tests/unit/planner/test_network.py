"""The fabric's ceiling, against the published arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.network.network import network
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import deployment, make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request

Reference = Callable[..., dict[str, Any]]


def codes(raw: dict[str, Any]) -> list[str]:
    return [finding.code for finding in make_plan(raw).findings if finding.code.startswith("network.")]


def ceiling(raw: dict[str, Any]) -> float | None:
    """The all-gather's."""
    request = read_request(raw, [])
    case = deployment(request, raw["parallel"].get("data", 32), [])
    assert case is not None
    return network(case, request.cluster).bound_tokens_s.get("allgather_reducescatter")


@pytest.mark.parametrize(
    ("changes", "backend", "tokens"),
    [
        ({}, "deepep_high_throughput", 4_246),
        ({}, "deepep_low_latency", 1_653),
        ({}, "allgather_reducescatter", 2_550),
        ({"engine.version": "0.12.0"}, "allgather_reducescatter", 1_940),
        ({"cluster.nic_gbit_s": 100}, "deepep_high_throughput", 16_984),
        ({"cluster.nic_gbit_s": 400, "cluster.nics_per_host": 8}, "deepep_low_latency", 211_603),
    ],
)
def test_ceilings_by_backend(reference: Reference, changes: dict[str, Any], backend: str, tokens: float) -> None:
    found = make_plan(reference(changes)).as_dict()["network"]["bound_tokens_s"]
    assert found[backend] == pytest.approx(tokens, rel=0.01)


@pytest.mark.parametrize(
    ("gbit", "ports", "tokens"), [(25, 1, 1_940), (100, 1, 7_759), (400, 4, 124_146), (400, 8, 248_292)]
)
def test_published_ceilings_of_bf16_all_gather(reference: Reference, gbit: int, ports: int, tokens: int) -> None:
    raw = reference({"precision": "bf16", "cluster.nic_gbit_s": gbit, "cluster.nics_per_host": ports})
    assert ceiling(raw) == pytest.approx(tokens, rel=0.001)


def test_fp8_dispatch_over_one_25g_port(reference: Reference) -> None:
    raw = reference({"parallel.redundant_experts": 0})
    assert ceiling(raw) == pytest.approx(2_550, rel=0.002)
    outlook = make_plan(raw).outlook
    assert outlook is not None
    assert outlook.performance is not None
    # Published for short contexts; the cache of 1.5k tokens a session is read as well.
    assert outlook.performance.devices_tokens_s == pytest.approx(20_700, rel=0.04)


def test_one_25g_port_binds_and_the_message_has_the_arithmetic(reference: Reference) -> None:
    [finding] = [finding for finding in make_plan(reference()).findings if finding.code == "network.bound"]
    assert finding.severity == "warning"
    assert "1.224 MB" in finding.message
    assert "1 x 25 Gb/s" in finding.message
    assert "2,552 tokens/s" in finding.message


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster.nic_gbit_s": 400, "cluster.nics_per_host": 8},
        {"cluster.nic_gbit_s": ...},
        {"cluster.gpu": {"memory_bytes": 95 << 30}},
        {"parallel": {"tensor": 8, "data": 4, "expert": False}, "engine.max_model_len": 4096},
    ],
)
def test_nothing_is_said_where_the_network_does_not_bind_or_is_unknown(
    reference: Reference, changes: dict[str, Any]
) -> None:
    assert "network.bound" not in codes(reference(changes))


@pytest.mark.parametrize(
    ("backend", "gbit", "expected"),
    [
        ("deepep_low_latency", 25, ["network.backend_unproven"]),
        ("deepep_low_latency", 400, []),
        ("allgather_reducescatter", 25, ["network.bound"]),
    ],
)
def test_backends_without_a_report_on_such_ports(
    reference: Reference, backend: str, gbit: int, expected: list[str]
) -> None:
    assert codes(reference({"engine.all2all_backend": backend, "cluster.nic_gbit_s": gbit})) == expected


def test_one_host_has_no_fabric(reference: Reference) -> None:
    raw = reference({"cluster.hosts": [{"name": "a", "data_address": "10.0.0.1"}], "parallel": {"data": 8}})
    assert ceiling(raw) is None
