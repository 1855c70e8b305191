"""The data network's RDMA device and traffic class: what NCCL gets of them, and what is said where they are missing."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

NCCL = ("NCCL_", "GLOO_")


def request(devices: list[str | None], platform: str = "cuda", **cluster: Any) -> dict[str, Any]:
    """A request with one host for each of ``devices``."""
    hosts = [
        {
            "name": f"node-{index}",
            "data_address": f"192.168.1.{10 + index}",
            "data_interface": "eth1",
            **({"rdma_device": device} if device else {}),
        }
        for index, device in enumerate(devices)
    ]
    return {
        "cluster": {"hosts": hosts, "gpus_per_host": 8, "gpu": "H20-96G", "nic_gbit_s": 25, **cluster},
        "model": "deepseek-v3",
        "precision": "fp8",
        "parallel": {"tensor": 1, "expert": True},
        "engine": {"name": "vllm", "version": "0.19.1", "platform": platform},
        "workload": {"sessions": 8},
    }


def libraries(raw: dict[str, Any], host: str) -> dict[str, str]:
    """The collective libraries' variables of one host."""
    return {name: value for name, value in make_plan(raw).serve[host].env.items() if name.startswith(NCCL)}


def codes(raw: dict[str, Any]) -> set[str]:
    """The codes of what is said of the network's device."""
    wanted = ("network.no_rdma_device", "network.no_traffic_class")
    return {finding.code for finding in make_plan(raw).findings if finding.code in wanted}


def test_each_host_names_its_own_device_exactly_and_nothing_repeats_a_default() -> None:
    raw = request(["mlx5_0", "mlx5_1:1"] * 2, traffic_class=106)
    assert libraries(raw, "node-0") == {
        "GLOO_SOCKET_IFNAME": "eth1",
        "NCCL_SOCKET_IFNAME": "=eth1",
        "NCCL_IB_HCA": "=mlx5_0",
        "NCCL_IB_TC": "106",
        "NCCL_DEBUG": "WARN",
    }
    assert libraries(raw, "node-1")["NCCL_IB_HCA"] == "=mlx5_1:1"
    assert codes(raw) == set()


def test_without_a_device_nothing_is_said_of_rdma() -> None:
    raw = request([None] * 4, traffic_class=106)
    assert libraries(raw, "node-0") == {"GLOO_SOCKET_IFNAME": "eth1", "NCCL_SOCKET_IFNAME": "=eth1"}
    assert codes(raw) == set()


def test_ranks_on_processors_use_no_rdma() -> None:
    assert "NCCL_IB_HCA" not in libraries(request(["mlx5_0"] * 4, platform="cpu", traffic_class=106), "node-0")


@pytest.mark.parametrize(
    ("devices", "cluster", "expected"),
    [
        (["mlx5_0"] * 4, {}, {"network.no_traffic_class"}),
        (["mlx5_0", None, "mlx5_0", "mlx5_0"], {"traffic_class": 106}, {"network.no_rdma_device"}),
    ],
)
def test_what_is_missing_is_said(devices: list[str | None], cluster: dict[str, Any], expected: set[str]) -> None:
    assert codes(request(devices, **cluster)) == expected


def test_what_the_users_environment_says_wins() -> None:
    raw = request(["mlx5_0"] * 4, traffic_class=106)
    raw["engine"]["environment"] = {"NCCL_DEBUG": "INFO"}
    assert libraries(raw, "node-0")["NCCL_DEBUG"] == "INFO"
