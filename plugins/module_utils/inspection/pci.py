# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The PCI bus, as /sys shows it without asking a device: GPUs, NVSwitches, and what the bridges above them redirect."""

from __future__ import annotations

from typing import Any

from ..hosts import pci_acs
from .look import Look, ProbeError

DEVICES = "/sys/bus/pci/devices"
NVIDIA = 0x10DE
# Class codes of the PCI specification: display controllers (VGA, 3D), other bridges.
_VGA, _3D, _OTHER_BRIDGE = 0x0300, 0x0302, 0x0680


def gpus(look: Look) -> list[dict[str, Any]]:
    """NVIDIA's display controllers."""
    return [_device(look, address) for address in _of_class(look, NVIDIA, (_VGA, _3D))]


def nvswitches(look: Look) -> list[dict[str, Any]]:
    """NVIDIA's bridges that are no PCI bridges."""
    return [_device(look, address) for address in _of_class(look, NVIDIA, (_OTHER_BRIDGE,))]


def bridges(look: Look) -> list[dict[str, Any]]:
    """The bridges above GPUs and network ports that have ACS, each with what of it is on. Only root sees that."""
    found, unknown = pci_acs.look(look.root)
    if unknown:
        address, why = next(iter(unknown.items()))
        raise ProbeError(f"{len(unknown)} bridges, the first {address}: {why}")
    return [{"address": bridge.address, "on": list(bridge.on)} for bridge in found]


def iommu(look: Look, addresses: list[str]) -> dict[str, Any]:
    """Whether an IOMMU translates, and how each device's group is mapped: ``identity`` is passed through."""
    line = look.text("/proc/cmdline") or ""
    return {
        "units": look.names("/sys/class/iommu"),
        "words": [word for word in line.split() if "iommu" in word],
        "groups": {address: look.word(f"{DEVICES}/{address}/iommu_group/type") for address in addresses},
    }


def _of_class(look: Look, vendor: int, classes: tuple[int, ...]) -> list[str]:
    if not look.path(DEVICES).is_dir():
        raise ProbeError(f"there is no {DEVICES}")
    return [
        address
        for address in look.names(DEVICES)
        if look.number(f"{DEVICES}/{address}/vendor") == vendor and _class(look, address) in classes
    ]


def _class(look: Look, address: str) -> int | None:
    code = look.number(f"{DEVICES}/{address}/class")
    return None if code is None else code >> 8


def _device(look: Look, address: str) -> dict[str, Any]:
    base = f"{DEVICES}/{address}"
    return {
        "address": address,
        "device": look.number(f"{base}/device"),
        "driver": look.link(f"{base}/driver"),
        "numa_node": look.number(f"{base}/numa_node"),
        "link_width": look.number(f"{base}/current_link_width"),
        "link_width_max": look.number(f"{base}/max_link_width"),
    }
