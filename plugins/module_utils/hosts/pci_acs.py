# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Access Control Services of PCI bridges: what is switched on (ACSCtl, not what the bridge could do, ACSCap), and off.

With it on, a bridge sends what one device writes to another up to the root complex: GPUs and network ports behind the
same switch reach each other slowly, or deadlock. Off, devices behind the bridge are not isolated from each other, which
matters where some of them are given to virtual machines.

This file is the module's code and also, copied to the host, the program that switches ACS off at boot: it imports
nothing but the standard library, and there is no second implementation.

    python3 pci_acs.py [--check] [--scope devices|all] [--root DIR]

Registers: PCI Express Base Specification, "ACS Extended Capability": control at +6 of extended capability 0x000D.
"""

from __future__ import annotations

import argparse
import os
import re
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

DEVICES = "sys/bus/pci/devices"
ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
SCOPES = ("devices", "all")
BRIDGE = 0x0604
# Base classes of what exchanges data through bridges here: network ports, GPUs (display), accelerators.
PEERS = (0x02, 0x03, 0x12)
CAPABILITY_ACS = 0x000D
CONTROL = 6
EXTENDED_START, CONFIG_SIZE = 0x100, 0x1000
# What a reader without privileges gets of any device.
HEADER_SIZE = 64
# Bits of the control register by the names that lspci gives them.
BITS = {
    "SrcValid": 0x01,
    "TransBlk": 0x02,
    "ReqRedir": 0x04,
    "CmpltRedir": 0x08,
    "UpstreamFwd": 0x10,
    "EgressCtrl": 0x20,
    "DirectTrans": 0x40,
}
# Those that keep peers apart; EgressCtrl only selects, and DirectTrans lets more through.
REDIRECTING = ("SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd")


@dataclass(frozen=True)
class Bridge:
    """A bridge that has ACS: where its control register is in configuration space, and what is in it."""

    address: str
    offset: int
    control: int

    @property
    def on(self) -> tuple[str, ...]:
        """Names of the bits that are set and keep peers apart."""
        return tuple(name for name in REDIRECTING if self.control & BITS[name])


def control_offset(config: bytes) -> int | None:
    """Where the ACS control register is in a device's configuration space; None where the device has no ACS."""
    offset, seen = EXTENDED_START, set()
    while EXTENDED_START <= offset <= len(config) - 8 and offset not in seen:
        seen.add(offset)
        (header,) = struct.unpack_from("<I", config, offset)
        if header in (0, 0xFFFFFFFF):
            return None
        if header & 0xFFFF == CAPABILITY_ACS:
            return offset + CONTROL
        offset = (header >> 20) & 0xFFC
    return None


def device_class(device: Path) -> int:
    """Class and subclass of a device, 0 where they can't be read."""
    try:
        return int((device / "class").read_text(encoding="utf-8"), 16) >> 8
    except (OSError, ValueError):
        return 0


def _in_scope(root: Path, scope: str) -> Iterator[Path]:
    """The bridges to look at: all, or those on the way to a GPU or a network port."""
    devices = sorted(path for path in (root / DEVICES).glob("*") if ADDRESS.fullmatch(path.name))
    bridges = [device for device in devices if device_class(device) == BRIDGE]
    if scope == "all":
        yield from bridges
        return
    above: set[str] = set()
    for device in devices:
        if device_class(device) >> 8 in PEERS:
            above.update(part for part in device.resolve().parts[:-1] if ADDRESS.fullmatch(part))
    yield from (bridge for bridge in bridges if bridge.name in above)


def look(root: Path = Path("/"), scope: str = "devices") -> tuple[list[Bridge], dict[str, str]]:
    """The bridges in scope that have ACS, and those whose state is unknown, with why."""
    bridges: list[Bridge] = []
    unknown: dict[str, str] = {}
    for device in _in_scope(root, scope):
        try:
            config = (device / "config").read_bytes()[:CONFIG_SIZE]
        except OSError as error:
            unknown[device.name] = f"its configuration space can't be read: {error.strerror or error}"
            continue
        if len(config) <= HEADER_SIZE:
            unknown[device.name] = (
                "only the start of its configuration space is readable: root with CAP_SYS_ADMIN sees all"
            )
            continue
        offset = control_offset(config)
        if offset is not None:
            bridges.append(Bridge(device.name, offset, struct.unpack_from("<H", config, offset)[0]))
    return bridges, unknown


def given_away(root: Path = Path("/")) -> list[str]:
    """Devices that are, or are about to be, given to virtual machines or user space (driver vfio-pci)."""
    return sorted(
        path.name for path in (root / "sys/bus/pci/drivers/vfio-pci").glob("*") if ADDRESS.fullmatch(path.name)
    )


def switch_off(bridge: Bridge, root: Path = Path("/")) -> str | None:
    """Clear the control register of a bridge, and read it back; why that failed, or None."""
    try:
        descriptor = os.open(root / DEVICES / bridge.address / "config", os.O_RDWR)
        try:
            os.pwrite(descriptor, b"\0\0", bridge.offset)
            after = Bridge(
                bridge.address, bridge.offset, struct.unpack("<H", os.pread(descriptor, 2, bridge.offset))[0]
            )
        finally:
            os.close(descriptor)
    except PermissionError:
        return "the kernel forbids it (Secure Boot locks configuration space down): switch ACS off in the firmware"
    except (OSError, struct.error) as error:
        return str(error)
    return f"the bridge keeps {' '.join(after.on)}: switch ACS off in the firmware" if after.on else None


def main(arguments: Sequence[str]) -> int:
    """Switch off, or with --check only look. 0: off. 1: on somewhere, or unknown, or refused."""
    parser = argparse.ArgumentParser(description="Switch off Access Control Services of PCI bridges.")
    parser.add_argument("--check", action="store_true", help="look only; exit status 1 if ACS is on somewhere")
    parser.add_argument(
        "--scope", choices=SCOPES, default="devices", help="bridges above GPUs and network ports, or all"
    )
    parser.add_argument("--root", type=Path, default=Path("/"), help="prefix of every path")
    given = parser.parse_args(arguments)
    bridges, unknown = look(given.root, given.scope)
    for address, why in unknown.items():
        print(f"unknown {address}: {why}", file=sys.stderr)
    differing = [bridge for bridge in bridges if bridge.on]
    assigned = given_away(given.root)
    if differing and assigned and not given.check:
        print(f"refused: {', '.join(assigned)} is bound to vfio-pci, and ACS isolates it", file=sys.stderr)
        return 1
    failed = bool(unknown)
    for bridge in differing:
        print(f"{'on' if given.check else 'off'} {bridge.address}: {' '.join(bridge.on)}")
        why_not = None if given.check else switch_off(bridge, given.root)
        if why_not:
            print(f"failed {bridge.address}: {why_not}", file=sys.stderr)
        failed = failed or given.check or bool(why_not)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
