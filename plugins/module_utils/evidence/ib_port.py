# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Ports of RDMA devices: ``ibv_devinfo``, ``ibdev2netdev``, ``rdma link`` (text or JSON)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .findings import Context, Findings, json_documents, nothing, whole, word, words
from .result import Evidence, clean_lines

TOOL = "ib_port"

# The payload of a packet by the number that the verbs give it, in bytes.
MTU_BYTES: dict[int, int] = {1: 256, 2: 512, 3: 1024, 4: 2048, 5: 4096}
# RoCE v2's headers (Ethernet excluded) that the interface's MTU has to hold beside the payload, rounded up: 4096 needs
# 4200 by the vendor's own rule.
HEADROOM_BYTES = 104

_DEVICE = re.compile(r"^hca_id:\s+(\S+)\s*$")
_FIELD = re.compile(r"^\s+(port|phys_port_cnt|state|max_mtu|active_mtu|link_layer):\s+(\S.*?)\s*$")
_MTU = re.compile(r"^(\d+)?\s*(?:\((\d+)\))?$")
_TO_NETDEV = re.compile(r"^(\S+) port (\d{1,9}) ==> (\S+) \((\w+)\)\s*$")
_LINK = re.compile(
    r"^(?:link |\d+/\d+: )(\S+?)/(\d{1,9}):? (?:.* )?state (\w+)"
    r"(?: physical_state (\w+))?(?:.*? netdev (\S+))?(?:\s.*)?$"
)
_BEGUN = re.compile(r"^(?:(\S+) port \d+ ==>.*|link (\S+)/\d+ .*)$")
_LINK_LAYERS = ("Ethernet", "InfiniBand", "IB", "Unspecified", "Unknown")
_NONE = re.compile(r"No IB devices found|Failed to get IB devices list", re.IGNORECASE)
_NAME_SUFFIX = re.compile(r"^(?:np\d+|n\d+)$")


@dataclass
class Port:
    """One port while it is read; what isn't printed stays None."""

    device: str
    port: int
    state: str | None = None
    max_mtu: int | None = None
    active_mtu: int | None = None
    link_layer: str | None = None
    netdev: str | None = None
    speaks_mtu: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Return the device's name; with the port's number from the second on."""
        return self.device if self.port == 1 else f"{self.device}:{self.port}"


def interface_mtu(active_mtu: int) -> int:
    """Return the MTU (bytes) that the network interface needs for RDMA packets of ``active_mtu`` bytes."""
    return active_mtu + HEADROOM_BYTES


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge the ports.

    Args:
        text: what the tool printed.
        context: ``devices`` (those in use: each must be active; else any active one is enough), ``active_mtu`` (wanted,
            bytes; else what the port can do at most), ``interface`` (the network interface in use: it must be there and
            its port active), ``peer`` (the same tool's text from another host: active ports must have the same active
            MTU).

    Returns:
        By device: ``state`` (``ACTIVE``, ``DOWN``, ``INIT`` …), ``active_mtu`` and ``max_mtu`` (bytes), ``netdev``,
        ``link_layer``. What the tool doesn't print is None.
    """
    lines = clean_lines(text)
    ports = read(lines)
    values: dict[str, Any] = {
        "state": {port.key: port.state for port in ports},
        "active_mtu": {port.key: port.active_mtu for port in ports},
        "max_mtu": {port.key: port.max_mtu for port in ports},
        "netdev": {port.key: port.netdev for port in ports},
        "link_layer": {port.key: port.link_layer for port in ports},
    }
    found = Findings()
    if not ports:
        if any(_NONE.search(line) for line in lines):
            found.failures.append("there is no RDMA device: is the NIC's driver loaded (lsmod: mlx5_ib)?")
            return found.evidence(TOOL, values)
        return nothing(TOOL, values, lines, "RDMA port")
    for port in ports:
        found.unknowns.extend(f"{port.key}: {problem}" for problem in port.problems)
    used = _selected(ports, context, found)
    _judge_interface(ports, word(context, "interface"), found)
    _judge_mtu(used, context, found)
    return found.evidence(TOOL, values)


def read(lines: Sequence[str]) -> list[Port]:
    """Return the ports that any of the three tools prints."""
    ports = _read_devinfo(lines)
    for document in json_documents("\n".join(lines)):
        for link in document if isinstance(document, list) else [document]:
            if isinstance(link, dict) and "ifname" in link and "state" in link:
                number = link.get("port", 1)
                port = number if isinstance(number, int) else 1
                ports.append(Port(str(link["ifname"]), port, _state(str(link["state"]))))
                ports[-1].netdev = str(link["netdev"]) if link.get("netdev") else None
    for line in lines:
        mapped, linked = _TO_NETDEV.match(line.strip()), _LINK.match(line.strip())
        if mapped is not None:
            device, number, netdev, state = mapped.groups()
            ports.append(Port(device, int(number), _state(state), netdev=netdev))
        elif linked is not None:
            device, number, state, _, netdev = linked.groups()
            ports.append(Port(device, int(number), _state(state), netdev=netdev))
        elif (begun := _BEGUN.match(line.strip())) is not None:
            ports.append(Port(begun.group(1) or begun.group(2), 1, problems=["its line is cut off"]))
    return ports


def mtu_differs(hosts: Mapping[str, Mapping[str, int | None]]) -> bool:
    """Say whether ports have different active MTUs; those that aren't known are left out.

    Args:
        hosts: by host the active MTU by device, of the devices in use.
    """
    return len({mtu for devices in hosts.values() for mtu in devices.values() if mtu is not None}) > 1


def active(evidence: Evidence) -> dict[str, int | None]:
    """Return the active MTU by device of the ports that are active."""
    states, mtus = evidence.values["state"], evidence.values["active_mtu"]
    return {device: mtus[device] for device, state in states.items() if state == "ACTIVE"}


def _selected(ports: Sequence[Port], context: Context | None, found: Findings) -> list[Port]:
    wanted = words(context, "devices")
    if wanted is None:
        up = [port for port in ports if port.state == "ACTIVE"]
        if not up and not found.unknowns:
            found.failures.append("no port is active: look at cables, the switch's port and the interface (ip link)")
        found.notes.extend(
            f"{port.key} is {port.state}, left out" for port in ports if port.state not in (None, "ACTIVE")
        )
        return up
    chosen: list[Port] = []
    for name in wanted:
        here = [port for port in ports if name in (port.device, port.key, f"{port.device}:{port.port}")]
        if not here:
            found.failures.append(f"{name} is not there: there are {', '.join(port.key for port in ports)}")
        for port in here:
            if port.state not in (None, "ACTIVE"):
                found.failures.append(f"{port.key} is {port.state}: look at its cable, the switch's port and ip link")
        chosen.extend(port for port in here if port.state == "ACTIVE")
    return chosen


def _judge_interface(ports: Sequence[Port], interface: str | None, found: Findings) -> None:
    if interface is None:
        return
    named = [port for port in ports if port.netdev is not None]
    if not named:
        found.unknowns.append("this output does not name network interfaces")
        return
    here = [port for port in named if port.netdev == interface]
    for port in here:
        if port.state not in (None, "ACTIVE"):
            found.failures.append(f"{interface} ({port.key}) is {port.state}")
    if here:
        return
    renamed = [
        str(port.netdev)
        for port in named
        if str(port.netdev).startswith(interface) and _NAME_SUFFIX.match(str(port.netdev)[len(interface) :])
    ]
    hint = f"a newer driver names it {renamed[0]}, use that" if renamed else "use one of the interfaces that are there"
    found.failures.append(
        f"{interface} belongs to no RDMA device ({', '.join(str(port.netdev) for port in named)}): {hint}"
    )


def _judge_mtu(used: Sequence[Port], context: Context | None, found: Findings) -> None:
    wanted = whole(context, "active_mtu")
    known = [port for port in used if port.active_mtu is not None]
    if wanted is not None and not known:
        found.unknowns.append("this output does not say the active MTU")
    for port in known:
        if wanted is not None and port.active_mtu != wanted:
            found.failures.append(
                f"{port.key} has active MTU {port.active_mtu}, {wanted} is wanted: set its interface's MTU to"
                f" {interface_mtu(wanted)} or more"
            )
    if mtu_differs({"": {port.key: port.active_mtu for port in known}}):
        found.failures.append(
            "the ports in use have different active MTUs"
            f" ({', '.join(f'{port.key} {port.active_mtu}' for port in known)}): give their interfaces the same MTU"
        )
    elif wanted is None:
        for port in known:
            if port.max_mtu is not None and port.max_mtu > (port.active_mtu or 0) and port.link_layer == "Ethernet":
                found.failures.append(
                    f"{port.key} has active MTU {port.active_mtu}, {port.max_mtu} is possible: raise its interface's"
                    f" MTU to {interface_mtu(port.max_mtu)} or more, on every host"
                )
    peer = word(context, "peer")
    if peer is not None:
        _compare(
            {port.active_mtu for port in known if port.active_mtu},
            {port.active_mtu for port in read(clean_lines(peer)) if port.state == "ACTIVE" and port.active_mtu},
            found,
        )


def _compare(ours: set[int], others: set[int], found: Findings) -> None:
    if not others or not ours:
        found.unknowns.append("the active MTUs of the two hosts can't be compared")
    elif others != ours:
        found.failures.append(
            f"active MTU {_list(ours)} here, {_list(others)} on the other host: NCCL hangs; give all interfaces the"
            f" same MTU, {interface_mtu(max(ours | others))} or more"
        )


def _list(figures: set[int]) -> str:
    return ", ".join(str(figure) for figure in sorted(figures))


def _read_devinfo(lines: Sequence[str]) -> list[Port]:
    ports: list[Port] = []
    device = ""
    expected: dict[str, int] = {}
    for line in lines:
        header, pair = _DEVICE.match(line), _FIELD.match(line)
        if header is not None:
            device = header.group(1)
            expected.setdefault(device, 1)
        elif pair is not None and device:
            name, value = pair.groups()
            if name == "phys_port_cnt" and value.isdecimal():
                expected[device] = int(value[:3])
            elif name == "port" and value.isdecimal():
                ports.append(Port(device, int(value[:3]), speaks_mtu=True))
            elif ports and ports[-1].device == device:
                _set(ports[-1], name, value)
    for port in ports:
        if port.state is None:
            port.problems.append("its state is not in this output: cut off")
        elif (port.active_mtu is None or port.link_layer is None) and not port.problems:
            port.problems.append("its active MTU or link layer is not in this output: cut off")
    for name, number in expected.items():
        missing = number - sum(port.device == name for port in ports)
        if missing > 0:
            ports.extend(Port(name, number - left, problems=["cut off"]) for left in reversed(range(missing)))
    return ports


def _set(port: Port, name: str, value: str) -> None:
    if name == "state":
        port.state = _state(value.partition(" ")[0])
    elif name == "link_layer":
        port.link_layer = value if value in _LINK_LAYERS else None
    else:
        figure = _mtu(value)
        if figure is None:
            port.problems.append(f"its {name} {value!r} can't be read")
        elif name == "max_mtu":
            port.max_mtu = figure
        else:
            port.active_mtu = figure


def _mtu(text: str) -> int | None:
    match = _MTU.match(text)
    if match is None:
        return None
    size = int(match.group(1)[:9]) if match.group(1) else None
    by_code = MTU_BYTES.get(int(match.group(2)[:9])) if match.group(2) else None
    if size in MTU_BYTES and by_code is None:
        return MTU_BYTES[size]
    if size is None or by_code is None:
        return by_code if size is None else size if size in MTU_BYTES.values() and match.group(2) is None else None
    return size if size == by_code else None


def _state(text: str) -> str:
    name = text.strip().upper().removeprefix("PORT_")
    return {"UP": "ACTIVE"}.get(name, name)
