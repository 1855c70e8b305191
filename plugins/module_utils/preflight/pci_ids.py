# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""PCI identifiers of the devices that a plan can name.

The GPUs' are from a public table made of pci.ids in 2026, the NVSwitches' (22a3: 8 H100 have 4; 1af1: 8 A100 have 6)
from public outputs of lspci, the NICs' from the table of the kernel's mlx5 driver. Unverified: A800 (20f3, 20f5) and
L40S (26b9).
"""

from __future__ import annotations

from dataclasses import dataclass

NVIDIA, MELLANOX = 0x10DE, 0x15B3


@dataclass(frozen=True)
class Board:
    """A GPU by its device id: the planner's name for it, and the NVSwitches that eight of it have (None: not known)."""

    name: str
    nvswitches_of_8: int | None = 0


GPUS = {
    0x2329: Board("H20-96G", 4),
    0x232C: Board("H20-141G", 4),
    0x2324: Board("H800-80G", 4),
    0x2330: Board("H100-80G", 4),
    0x2335: Board("H200-141G", 4),
    0x20B2: Board("A100-80G", 6),
    0x20F3: Board("A800-80G", 6),
    0x2901: Board("B200-180G", None),
    # On cards, without NVSwitches.
    0x2321: Board("H100-NVL-94G"),
    0x2331: Board("H100-PCIe-80G"),
    0x2322: Board("H800-PCIe-80G"),
    0x233B: Board("H200-NVL-141G"),
    0x20B5: Board("A100-PCIe-80G"),
    0x20F5: Board("A800-PCIe-80G"),
    0x26BA: Board("L20-48G"),
    0x26B9: Board("L40S-48G"),
}

NICS = {
    0x1013: "ConnectX-4",
    0x1015: "ConnectX-4 Lx",
    0x1017: "ConnectX-5",
    0x1019: "ConnectX-5 Ex",
    0x101B: "ConnectX-6",
    0x101D: "ConnectX-6 Dx",
    0x101F: "ConnectX-6 Lx",
    0x1021: "ConnectX-7",
    0x1023: "ConnectX-8",
    0xA2D6: "BlueField-2",
    0xA2DC: "BlueField-3",
}


def gpu_name(device: int | None) -> str:
    """A GPU's name, or its identifier where the table doesn't have it."""
    board = GPUS.get(device or 0)
    return board.name if board else f"10de:{device or 0:04x}"


def nic_name(vendor: int | None, device: int | None) -> str | None:
    """A NIC's name, its identifiers where the table doesn't have it, None where it is no PCI device."""
    if vendor is None or device is None:
        return None
    known = NICS.get(device) if vendor == MELLANOX else None
    return known or f"{vendor:04x}:{device:04x}"
