"""PCI devices as the kernel shows them: a tree of bridges and what is behind them, with configuration space."""

from __future__ import annotations

import struct
from pathlib import Path

BRIDGE, NVME, NIC, GPU, ACCELERATOR = 0x060400, 0x010802, 0x020000, 0x030200, 0x120000
AER, ACS, VENDOR = 0x0001, 0x000D, 0x000B
# ACSCap of a Broadcom PEX890xx: all but EgressCtrl.
CAPABLE = 0x5F


def capability(identifier: int, following: int, body: bytes = b"") -> bytes:
    """An extended capability: identifier, version 1, where the next one is."""
    return struct.pack("<I", identifier | 1 << 16 | following << 20) + body


def acs(control: int, following: int = 0, capable: int = CAPABLE) -> bytes:
    """The ACS capability."""
    return capability(ACS, following, struct.pack("<HH", capable, control))


def space(*capabilities: tuple[int, bytes]) -> bytes:
    """4096 bytes with capabilities at their places."""
    config = bytearray(4096)
    config[0:4] = struct.pack("<HH", 0x1000, 0xC030)
    for offset, content in capabilities:
        config[offset : offset + len(content)] = content
    return bytes(config)


def with_acs(control: int) -> bytes:
    """Advanced error reporting at 100, ACS at 148, as in `Capabilities: [148 v1] Access Control Services`."""
    return space((0x100, capability(AER, 0x148)), (0x148, acs(control)))


def add(root: Path, path: str, device_class: int, config: bytes) -> Path:
    """A device at `pci0000:15/0000:15:01.0/0000:17:00.0`, with the link that /sys/bus has."""
    real = root / "sys/devices" / path
    real.mkdir(parents=True, exist_ok=True)
    (real / "class").write_text(f"0x{device_class:06x}\n", encoding="utf-8")
    (real / "config").write_bytes(config)
    bus = root / "sys/bus/pci/devices"
    bus.mkdir(parents=True, exist_ok=True)
    (bus / real.name).symlink_to(real)
    return real
