# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host has: its ports from /sys, and their addresses, routes and rules from the kernel."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..hosts.commands import Runner
from .model import PCI, Interface, Route
from .paths import text, under

# What `ip` leaves out, or writes, for an ordinary route.
UNICAST = (None, "unicast")
MAIN_TABLES = ("main", "254", "")
# Mellanox's drivers began to append the port's own name: ens1f0 became ens1f0np0.
PORT_SUFFIX = re.compile(r"n?p\d+")


class NetworkError(Exception):
    """The host's network can't be what is wanted; the message says where, why and what to do."""


@dataclass(frozen=True)
class Link:
    """A port as the kernel has it. Numbers are None where the kernel doesn't say."""

    name: str
    index: int
    mac: str
    mtu: int
    pci: str | None = None
    driver: str | None = None
    speed_mbit_s: int | None = None
    state: str = "unknown"
    numa_node: int | None = None
    cpus: str = ""
    irqs: tuple[int, ...] = ()
    master: str | None = None
    virtual: bool = False
    permanent_mac: str = ""

    def __str__(self) -> str:
        more = [f"mac {self.permanent_mac or self.mac}"] + [f"pci {self.pci}"] * bool(self.pci) + [self.driver or ""]
        return f"{self.name} ({', '.join(word for word in more if word)})"


@dataclass(frozen=True)
class Seen:
    """A route as the kernel has it, in the words of `model.Route`; `protocol` says who made it."""

    to: str
    via: str | None
    table: str
    source: str | None
    device: str
    protocol: str = ""
    metric: int | None = None


@dataclass(frozen=True)
class Effective:
    """What holds now: addresses with prefix length by link, routes, and rules as (source, table, priority)."""

    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    routes: tuple[Seen, ...] = ()
    rules: tuple[tuple[str, str, int], ...] = ()


def _number(path: Path) -> int | None:
    value = text(path)
    try:
        return int(value) if value else None
    except ValueError:
        return None


def _target(path: Path) -> str | None:
    """The last part of where a symbolic link leads."""
    try:
        return path.readlink().name
    except OSError:
        return None


def _pci(device: Path) -> str | None:
    """The PCI address of a port's device, or of the device that it hangs off (virtio's lies one deeper)."""
    try:
        parts = device.resolve(strict=True).parts
    except OSError:
        return None
    found = [part for part in parts if PCI.fullmatch(part)]
    return found[-1] if found else None


def _irqs(device: Path) -> tuple[int, ...]:
    try:
        return tuple(sorted(int(path.name) for path in (device / "msi_irqs").iterdir()))
    except (OSError, ValueError):
        return ()


def _link(directory: Path, permanent: str) -> Link:
    device = directory / "device"
    speed = _number(directory / "speed")
    node = _number(device / "numa_node")
    return Link(
        name=directory.name,
        index=_number(directory / "ifindex") or 0,
        mac=(text(directory / "address") or "").lower(),
        mtu=_number(directory / "mtu") or 0,
        pci=_pci(device),
        driver=_target(device / "driver"),
        speed_mbit_s=speed if speed and speed > 0 else None,
        state=text(directory / "operstate") or "unknown",
        numa_node=node if node is not None and node >= 0 else None,
        cpus=text(device / "local_cpulist") or "",
        irqs=_irqs(device),
        master=_target(directory / "master"),
        virtual=(directory / "bridge").exists() or (directory / "bonding").exists() or any(directory.glob("lower_*")),
        permanent_mac=permanent.lower(),
    )


def links(root: Path, run: Runner) -> list[Link]:
    """Every port and what is built of ports, without the loopback."""
    permanent = {
        str(row.get("ifname")): str(row.get("permaddr") or "") for row in _json(run, ["link"], missing_ok=True)
    }
    directory = under(root, "/sys/class/net")
    try:
        names = sorted(path for path in directory.iterdir() if path.name != "lo" and (path / "ifindex").exists())
    except OSError as error:
        raise NetworkError(f"the host's interfaces can't be read: {error}") from error
    return [_link(path, permanent.get(path.name, "")) for path in names]


def _json(run: Runner, words: Sequence[str], missing_ok: bool = False) -> list[dict[str, Any]]:
    done = run(["ip", "-json", *words])
    try:
        rows = json.loads(done.stdout or "[]") if done.status == 0 else None
    except ValueError:
        rows = None
    if not isinstance(rows, list):
        if missing_ok:
            return []
        raise NetworkError(
            f"`ip -json {' '.join(words)}` says nothing to go by ({done.last_words}); is iproute2 installed?"
        )
    return [row for row in rows if isinstance(row, dict)]


def normal_target(target: str) -> str:
    """A route's target as one spelling: hosts have their prefix length too."""
    if target == "default":
        return target
    try:
        return str(ipaddress.ip_network(target, strict=False))
    except ValueError:
        return target


def normal_table(table: Any) -> str:
    """A table's name; the main one has three in use."""
    return "main" if table is None or str(table) in MAIN_TABLES else str(table)


def _route(row: dict[str, Any]) -> Seen:
    return Seen(
        normal_target(str(row.get("dst"))),
        row.get("gateway"),
        normal_table(row.get("table")),
        row.get("prefsrc"),
        str(row.get("dev")),
        str(row.get("protocol") or ""),
        row.get("metric"),
    )


def effective(run: Runner) -> Effective:
    """Addresses, routes and rules that hold now, of both families."""
    addresses: dict[str, tuple[str, ...]] = {}
    for row in _json(run, ["address"]):
        entries = [entry for entry in row.get("addr_info") or [] if entry.get("scope") == "global"]
        addresses[str(row.get("ifname"))] = tuple(f"{entry['local']}/{entry['prefixlen']}" for entry in entries)
    routes: list[Seen] = []
    rules: list[tuple[str, str, int]] = []
    for family in ("-4", "-6"):
        rows = _json(run, [family, "route", "show", "table", "all"])
        routes += [_route(row) for row in rows if str(row.get("table")) != "local" and row.get("type") in UNICAST]
        sources = [row for row in _json(run, [family, "rule", "show"]) if row.get("src") not in (None, "all")]
        rules += [(str(r["src"]), normal_table(r.get("table")), int(r.get("priority") or 0)) for r in sources]
    return Effective(addresses, tuple(routes), tuple(rules))


def has_route(route: Route, device: str, seen: Effective) -> bool:
    """Whether a wanted route holds on a device."""
    wanted = (normal_target(route.to), route.via, normal_table(route.table), device)
    return any(
        (one.to, one.via, one.table, one.device) == wanted and route.source in (None, one.source) for one in seen.routes
    )


def _known_by(link: Link) -> dict[str, tuple[str | None, ...]]:
    return {"mac": (link.mac, link.permanent_mac), "pci": (link.pci,), "name": (link.name,)}


def find(interface: Interface, known: Iterable[Link]) -> Link:
    """The port that an interface means. NetworkError names what there is when it isn't there."""
    ports = list(known)
    value = interface.match.value
    found = [link for link in ports if value in _known_by(link)[interface.match.kind]]
    # What is built upon a port carries its address too.
    found = [link for link in found if not link.virtual] or found
    what = f"{interface.role} interface {interface.name} ({interface.match})"
    if len(found) > 1:
        raise NetworkError(
            f"{what}: {' and '.join(str(link) for link in found)} both fit; match by pci or name instead"
        )
    if not found:
        here = "; ".join(str(link) for link in ports if not link.virtual) or "none"
        raise NetworkError(f"{what}: there is no such port here. There are: {here}.{_suggestion(value, ports)}")
    if found[0].master and any(link.name == found[0].master and link.virtual for link in ports):
        raise NetworkError(
            f"{what}: {found[0].name} is part of {found[0].master}, which has the addresses; give the interface as"
            f" match: {{name: {found[0].master}}}"
        )
    return found[0]


def _suggestion(value: str, ports: Sequence[Link]) -> str:
    longer = [
        link.name for link in ports if link.name.startswith(value) and PORT_SUFFIX.fullmatch(link.name[len(value) :])
    ]
    if not longer:
        return ""
    names = " or ".join(longer)
    return f" Did you mean {names}? Newer drivers append the port to the name: match by mac or pci, which stays."
