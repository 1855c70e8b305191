"""A whole look at a host of eight H20, and what becomes of probes that can't see."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import Look
from ansible_collections.moefleet.serving.plugins.module_utils.inspection.observe import Asked, observe

from .tree import ASKED, BUSES, KERNEL, NIC, Tree, h20


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return h20(tmp_path)


def test_everything_of_a_fit_host_is_seen(tree: Tree) -> None:
    seen = observe(tree.look(), ASKED)
    assert seen["reasons"] == {}
    assert [gpu["address"] for gpu in seen["gpus"]] == [f"0000:{bus}:00.0" for bus in BUSES]
    assert {gpu["device"] for gpu in seen["gpus"]} == {0x2329}
    assert len(seen["nvswitches"]) == 4
    assert seen["secure_boot"] == {"on": False, "source": "EFI variable SecureBoot"}
    assert seen["kernels"] == {
        "running": KERNEL,
        "installed": [{"release": KERNEL, "headers": True}],
    }
    data = next(nic for nic in seen["interfaces"] if nic["name"] == "eth1")
    assert (data["pci_address"], data["driver"], data["firmware"]) == (NIC, "mlx5_core", "26.33.1048")
    assert (data["mtu"], data["speed_mbit_s"], data["rdma"]) == (4200, 25000, {"mlx5_0": "ACTIVE"})
    assert seen["own_name"] == {"name": "node-0", "addresses": ["192.168.1.10"]}
    assert seen["addresses"]["eth1"] == ["192.168.1.10"]
    assert seen["system"]["distribution"] == "ubuntu22.04"
    assert seen["memory"]["hugepages_bytes"] == 16 * 2048 * 1024
    assert seen["limits"]["memlock_bytes"] is None
    assert seen["ports"]["held"] == []
    assert seen["ended_s"] >= seen["started_s"]


def test_without_hardware_the_bus_is_not_looked_at(tree: Tree) -> None:
    seen = observe(tree.look(), Asked())
    assert "gpus" not in seen
    assert "secure_boot" not in seen
    assert seen["paths"] == {}


def test_an_image_is_seen_without_a_command(tree: Tree) -> None:
    """What only a command tells has that as its reason; names come from the image's own file."""
    seen = observe(Look(tree.root), ASKED)
    assert set(seen["reasons"]) == {"addresses", "kernel_log"}
    assert "speaks of this machine" in seen["reasons"]["addresses"]
    assert seen["own_name"]["addresses"] == ["192.168.1.10"]


def test_what_can_not_be_seen_has_its_reason_and_the_rest_is_seen(tree: Tree) -> None:
    tree.remove("etc/os-release")
    tree.remove("sys/class/net")
    seen = observe(tree.look(), ASKED)
    assert seen["system"] is None
    assert "os-release" in seen["reasons"]["system"]
    assert "/sys/class/net" in seen["reasons"]["interfaces"]
    assert len(seen["gpus"]) == 8
