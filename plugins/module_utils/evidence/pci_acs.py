# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``lspci -vvv``: is Access Control Services on in a PCI bridge?

ACS sends what two devices under one switch have to say to each other through the CPU: GPUDirect becomes slow or hangs.
What counts is ACSCtl (what is on), not ACSCap (what could be).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Context, Findings, nothing, words
from .result import Evidence, clean_lines

TOOL = "pci_acs"

# What redirects or blocks. DirectTrans lets translated requests through and EgressCtrl only selects.
REDIRECTING = ("SrcValid", "TransBlk", "ReqRedir", "CmpltRedir", "UpstreamFwd")

_DEVICE = re.compile(r"^((?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\s+(.*)$")
_BRIDGE = re.compile(r"^(?:PCI bridge|.*\[0604\]|0604:)", re.IGNORECASE)
_CONTROL = re.compile(r"^\s*ACSCtl:\s*(.*)$")
_CAPABILITY = re.compile(r"^\s*ACSCap:")
_SERVICES = re.compile(r"^\s*Capabilities: \[[^\]]*\] Access Control Services")
_CAPABILITIES = re.compile(r"^\s*Capabilities:")
_DRIVER = re.compile(r"^\s*Kernel driver in use:")
_DENIED = re.compile(r"<access denied>", re.IGNORECASE)
_FLAG = re.compile(r"(\w+)([+-])(?=\s|$)")


@dataclass
class Device:
    """One device while it is read."""

    address: str
    bridge: bool
    capabilities: bool = False
    denied: bool = False
    driver: bool = False
    control: dict[str, bool] | None = None
    # How far into the capability: 1 its name, 2 ACSCap, 3 ACSCtl. -1: not in that order.
    stage: int = 0

    def step(self, stage: int) -> None:
        """Go on to the next line of the capability."""
        self.stage = stage if self.stage == stage - 1 else -1


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge the bridges.

    Args:
        text: ``lspci -vvv``, called by root.
        context: ``bridges`` (addresses that must be in the output; only they are judged).

    Returns:
        ``bad_bridges`` (addresses), ``bridges`` (a number), ``on`` (by bad bridge: what is on).
    """
    lines = clean_lines(text)
    devices = read(lines)
    wanted = words(context, "bridges")
    bridges = [
        device
        for device in devices
        if device.bridge and (wanted is None or _short(device.address) in map(_short, wanted))
    ]
    values: dict[str, Any] = {"bad_bridges": [], "bridges": len(bridges) if devices else None, "on": {}}
    found = Findings()
    if not devices:
        return nothing(TOOL, values, lines, "PCI device")
    if not bridges and wanted is None:
        found.unknowns.append("no PCI bridge is in this output")
    for address in wanted or ():
        if _short(address) not in {_short(bridge.address) for bridge in bridges}:
            found.unknowns.append(f"bridge {address} is not in this output")
    if any(device.stage not in (0, 3) or (device.stage and not device.address) for device in devices):
        found.unknowns.append("the lines of a device's Access Control Services are not complete, or not in their order")
    last = devices[-1]
    if last.bridge and last.stage == 0 and not last.driver:
        found.unknowns.append(f"bridge {last.address} is the last device and may be cut off")
    for bridge in bridges:
        _judge(bridge, values, found)
    return found.evidence(TOOL, values)


def read(lines: Sequence[str]) -> list[Device]:
    """Return the devices, in order."""
    devices: list[Device] = []
    stray = Device("", bridge=False)
    for line in lines:
        header, control = _DEVICE.match(line), _CONTROL.match(line)
        device = devices[-1] if devices else stray
        if header is not None:
            devices.append(Device(header.group(1), _BRIDGE.match(header.group(2)) is not None))
        elif control is not None:
            device.control = {name: sign == "+" for name, sign in _FLAG.findall(control.group(1))}
            device.step(3)
        elif _CAPABILITY.match(line):
            device.step(2)
        elif _SERVICES.match(line):
            device.capabilities = True
            device.step(1)
        elif _CAPABILITIES.match(line):
            device.capabilities = True
            device.denied = _DENIED.search(line) is not None
        elif _DRIVER.match(line):
            device.driver = True
    return [*devices, *([stray] if stray.stage else [])]


def _judge(bridge: Device, values: dict[str, Any], found: Findings) -> None:
    if bridge.stage == 0:
        if bridge.denied:
            found.unknowns.append(f"bridge {bridge.address}: its capabilities may be read only by root")
        elif not bridge.capabilities:
            found.unknowns.append(f"bridge {bridge.address}: its capabilities are not in this output (lspci -vvv)")
        return
    if bridge.control is None:
        found.unknowns.append(f"bridge {bridge.address}: its ACSCtl is not in this output: cut off")
        return
    on = [name for name in REDIRECTING if bridge.control.get(name)]
    if on:
        values["bad_bridges"].append(bridge.address)
        values["on"][bridge.address] = on
        found.failures.append(
            f"ACS is on in bridge {bridge.address} ({', '.join(on)}): switch it off in the firmware's setup, or at"
            f" every start with setpci -s {bridge.address} ECAP_ACS+0x6.w=0000"
        )
    elif not all(name in bridge.control for name in REDIRECTING):
        found.unknowns.append(f"bridge {bridge.address}: its ACSCtl can't be read: cut off")


def _short(address: str) -> str:
    domain, _, rest = address.lower().rpartition(":")
    domain, _, bus = domain.rpartition(":")
    return f"{domain.lstrip('0')}:{bus}:{rest}"
