"""What looks wrong and isn't, or only where more is expected."""

from __future__ import annotations

from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.preflight.judge import judge

from ..inspection.tree import KERNEL, NIC, SECURE_BOOT, Tree
from .conftest import record
from .test_sick_hosts import held_port


def test_the_services_own_port_is_its_own(fit: dict[str, Any], tree: Tree) -> None:
    held_port(tree, "moefleet-vllm.service")
    assert judge({"node-0": fit, "node-1": record(tree)}) == []


def test_a_driver_that_runs_under_secure_boot_is_signed(fit: dict[str, Any], tree: Tree) -> None:
    tree.write(SECURE_BOOT, b"\x06\0\0\0\x01")
    tree.write("sys/module/nvidia/version", "550.144.03\n")
    assert judge({"node-0": fit, "node-1": record(tree)}) == []


def test_an_odd_kernel_is_refused_where_the_vendors_ofed_must_fit_it(fit: dict[str, Any], tree: Tree) -> None:
    for path in (f"lib/modules/{KERNEL}", f"usr/src/linux-headers-{KERNEL}"):
        tree.path(path).rename(tree.path(path.replace("generic", "azure")))
    tree.write("proc/sys/kernel/osrelease", KERNEL.replace("generic", "azure") + "\n")
    for ofed, severity in (("doca", "error"), ("inbox", "warning")):
        records = {"node-0": fit, "node-1": record(tree, ofed=ofed)}
        found = [one for one in judge(records) if one.code == "kernel.release"]
        assert [(one.host, one.severity) for one in found] == [("node-1", severity)]
        assert "azure" in found[0].message


def test_the_lab_is_not_judged_by_hardware_that_it_has_not(fit: dict[str, Any], tree: Tree) -> None:
    """A plan for the CPU: bus, firmware, rates, RDMA and limits say nothing."""
    tree.write(SECURE_BOOT, b"\x06\0\0\0\x01")
    tree.write("proc/1/status", "CapEff:\t00000000fcecafff\n")
    tree.write("sys/class/net/eth1/speed", "10000\n")
    tree.remove(tree.device(NIC, "infiniband"))
    tree.remove("sys/bus/pci/devices")
    cpu = {"platform": "cpu", "nic_gbit_s": 25, "gpus_per_host": 2, "data_interface": "eth1", "stack": None}
    records = {"node-0": fit, "node-1": record(tree)}
    assert judge({name: {**one, "expected": cpu} for name, one in records.items()}) == []
