"""What NCCL and Gloo take on a host with the environment they get."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.nccl.selection import Selection, look

PORTS = {"mlx5_0": "4: ACTIVE", "mlx5_1": "4: ACTIVE", "mlx5_10": "4: ACTIVE", "mlx5_2": "1: DOWN"}
INTERFACES = {"eth0": "up", "eth1": "up", "eth10": "up", "eth2": "down", "ens1f0np0": "up", "lo": "unknown"}


def host(root: Path, ports: Mapping[str, str] = PORTS, interfaces: Mapping[str, str] = INTERFACES) -> Path:
    """A host's sysfs."""
    for device, state in ports.items():
        port = root / "sys/class/infiniband" / device / "ports/1"
        port.mkdir(parents=True)
        (port / "state").write_text(f"{state}\n", encoding="utf-8")
    for name, state in interfaces.items():
        directory = root / "sys/class/net" / name
        directory.mkdir(parents=True)
        (directory / "operstate").write_text(f"{state}\n", encoding="utf-8")
    (root / "sys/class/net/bonding_masters").write_text("", encoding="utf-8")
    return root


def test_exact_names_take_what_they_name(tmp_path: Path) -> None:
    environment = {"NCCL_IB_HCA": "=mlx5_1:1", "NCCL_SOCKET_IFNAME": "=eth1", "GLOO_SOCKET_IFNAME": "eth1"}
    assert look(environment, host(tmp_path)) == Selection(("mlx5_1:1",), ("eth1",), ())


def test_a_bare_name_is_a_prefix(tmp_path: Path) -> None:
    found = look({"NCCL_IB_HCA": "mlx5_1", "NCCL_SOCKET_IFNAME": "eth1"}, host(tmp_path))
    assert found == Selection(("mlx5_1:1", "mlx5_10:1"), ("eth1", "eth10"), ())


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"NCCL_IB_HCA": "=mlx5_9"}, ["NCCL_IB_HCA==mlx5_9 selects no active port", "mlx5_2:1 (not active)"]),
        ({"NCCL_IB_HCA": "=mlx5_2"}, ["selects no active port", "bring the port up"]),
        ({"NCCL_SOCKET_IFNAME": "=eth2"}, ["selects no interface that is up", "eth2 (down)"]),
        ({"NCCL_SOCKET_IFNAME": "=ens1f0"}, ["newer drivers call ens1f0 ens1f0np0"]),
        ({"GLOO_SOCKET_IFNAME": "=eth1"}, ["GLOO_SOCKET_IFNAME==eth1 selects no interface"]),
        ({"GLOO_SOCKET_IFNAME": "eth3"}, ["GLOO_SOCKET_IFNAME=eth3 selects no interface"]),
    ],
)
def test_what_selects_nothing_is_named_with_what_there_is(
    tmp_path: Path, environment: dict[str, str], words: list[str]
) -> None:
    found = look(environment, host(tmp_path))
    assert len(found.problems) == 1
    for word in words:
        assert word in found.problems[0]


def test_a_host_without_rdma_would_silently_use_tcp(tmp_path: Path) -> None:
    found = look({"NCCL_IB_HCA": "=mlx5_0"}, host(tmp_path, ports={}))
    assert "this host has no RDMA device. NCCL would use TCP" in found.problems[0]


def test_what_selects_nothing_by_itself_is_not_looked_at(tmp_path: Path) -> None:
    assert look({"NCCL_DEBUG": "WARN", "NCCL_IB_TC": "106"}, tmp_path) == Selection((), (), ())
