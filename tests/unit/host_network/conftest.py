"""A host in a directory: its /sys, /run and /etc, and tools that write down how they were called."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result

MACS = {"eth0": "b8:59:9f:00:00:01", "ens1f0np0": "b8:59:9f:00:00:02", "eth2": "b8:59:9f:00:00:03"}
PCI = {"eth0": "0000:31:00.0", "ens1f0np0": "0000:b1:00.0", "eth2": "0000:ca:00.0"}


class FakeHost:
    """The directory that stands for /, and what commands answer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.answers: dict[tuple[str, ...], Result] = {}
        self.asked: list[tuple[str, ...]] = []
        self.active: set[str] = set()
        self.network: dict[str, Any] = {"addresses": {}, "routes": [], "rules": []}

    def write(self, path: str, content: str) -> Path:
        """A file of the host."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")
        return file

    def port(self, name: str, index: int, mac: str, pci: str, **more: Any) -> None:
        """A port in /sys, as a PCI device on a NUMA node."""
        device = self.root / f"sys/devices/pci0000:00/{pci}"
        (device / "msi_irqs").mkdir(parents=True)
        for irq in more.get("irqs", ()):
            (device / "msi_irqs" / str(irq)).write_text("msix\n", encoding="utf-8")
            self.write(f"/proc/irq/{irq}/smp_affinity_list", "0-7\n")
        self.write(f"{device.relative_to(self.root)}/numa_node", f"{more.get('numa', -1)}\n")
        self.write(f"{device.relative_to(self.root)}/local_cpulist", f"{more.get('cpus', '0-7')}\n")
        driver = self.root / "sys/bus/pci/drivers/mlx5_core"
        driver.mkdir(parents=True, exist_ok=True)
        (device / "driver").symlink_to(driver)
        directory = device / "net" / name
        for file, value in {"ifindex": index, "address": mac, "mtu": more.get("mtu", 1500)}.items():
            self.write(f"{directory.relative_to(self.root)}/{file}", f"{value}\n")
        self.write(f"{directory.relative_to(self.root)}/speed", f"{more.get('speed', 25000)}\n")
        self.write(f"{directory.relative_to(self.root)}/operstate", "up\n")
        (directory / "device").symlink_to(device)
        net = self.root / "sys/class/net"
        net.mkdir(parents=True, exist_ok=True)
        (net / name).symlink_to(directory)

    def run(self, argv: Sequence[str]) -> Result:
        """What the host's programs would say."""
        words = tuple(argv)
        self.asked.append(words)
        if words in self.answers:
            return self.answers[words]
        if words[:2] == ("systemctl", "is-active"):
            return Result(0, "active\n") if words[2] in self.active else Result(3, "inactive\n")
        if words[:2] == ("ip", "-json"):
            return Result(0, json.dumps(self._ip(words[2:])))
        return Result(0, "")

    def _ip(self, words: Sequence[str]) -> list[dict[str, Any]]:
        if words[0] == "address":
            found = self.network["addresses"]
            return [
                {
                    "ifname": name,
                    "addr_info": [
                        {"local": a.split("/")[0], "prefixlen": int(a.split("/")[1]), "scope": "global"} for a in all_of
                    ],
                }
                for name, all_of in found.items()
            ]
        if words[0] == "-4":
            return list(self.network["routes" if words[1] == "route" else "rules"])
        return []


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    """A host with three ports, the data port under the name that newer drivers give it."""
    made = FakeHost(tmp_path)
    made.port("eth0", 2, MACS["eth0"], PCI["eth0"], numa=0, speed=1000)
    made.port("ens1f0np0", 3, MACS["ens1f0np0"], PCI["ens1f0np0"], numa=1, cpus="4-5,12-13", irqs=(40, 41, 42, 43, 44))
    made.port("eth2", 4, MACS["eth2"], PCI["eth2"], numa=1, cpus="4-7", speed=10000)
    return made
