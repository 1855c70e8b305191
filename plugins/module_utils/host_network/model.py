# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces as they should be: read from the options, judged as a set, and turned into routes and rules."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# In this order they are changed: the one that the controller speaks through comes last.
ROLES = ("data", "storage", "management")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}")
MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
PCI = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# Names that the kernel gives out itself: giving one to another port can collide at boot.
KERNEL_NAME = re.compile(r"eth\d+")
FIRST_TABLE = 4101
MTU_RANGE = (1280, 65535)
DEFAULT = "default"


@dataclass(frozen=True)
class Match:
    """How a port is known: by `mac`, `pci` address or `name`."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


@dataclass(frozen=True)
class Route:
    """A way to a network; `via` None is the link itself, `table` None the main one."""

    to: str
    via: str | None = None
    table: int | None = None
    source: str | None = None


@dataclass(frozen=True)
class Rule:
    """What comes from `source` looks its way up in `table`."""

    source: str
    table: int
    priority: int


@dataclass(frozen=True)
class Interface:
    """One port as it should be. Addresses with prefix length; MTU in bytes, None for what it has."""

    role: str
    match: Match
    name: str
    addresses: tuple[str, ...] = ()
    mtu: int | None = None
    gateway: str | None = None
    extra: tuple[Route, ...] = ()
    dns: tuple[str, ...] = ()
    table: int | None = None
    absent: bool = False

    def routes(self) -> list[Route]:
        """Its routes. A port with a table of its own keeps what leaves from its addresses on itself: the networks on
        its link, its routes and its gateway are in that table, and its gateway is nobody else's default.
        """
        found: list[Route] = list(self.extra)
        if self.table is None:
            return found + ([Route(DEFAULT, self.gateway)] if self.gateway else [])
        for address in self.addresses:
            parsed = ipaddress.ip_interface(address)
            found.append(Route(str(parsed.network), None, self.table, str(parsed.ip)))
        found += [Route(route.to, route.via, self.table) for route in self.extra]
        if self.gateway:
            found.append(Route(DEFAULT, self.gateway, self.table))
        return found

    def rules(self) -> list[Rule]:
        """One for each address of a port with a table of its own."""
        if self.table is None:
            return []
        return [Rule(str(ipaddress.ip_interface(address).ip), self.table, self.table) for address in self.addresses]


def family(address: str) -> int:
    """4 or 6, of an address with or without prefix length."""
    return ipaddress.ip_interface(address).version


def _match(given: Mapping[str, Any], where: str, problems: list[str]) -> Match:
    said = {kind: str(value) for kind, value in (given or {}).items() if value}
    if len(said) != 1 or next(iter(said)) not in ("mac", "pci", "name"):
        problems.append(f"{where}: match needs one of mac, pci or name, not {', '.join(sorted(said)) or 'nothing'}")
        return Match("name", "?")
    kind, value = next(iter(said.items()))
    if kind in ("mac", "pci"):
        value = value.lower()
    if kind == "pci" and value.count(":") == 1:
        value = f"0000:{value}"
    pattern, example = {"mac": (MAC, "b8:59:9f:00:00:01"), "pci": (PCI, "0000:b1:00.0"), "name": (NAME, "eth1")}[kind]
    if not pattern.fullmatch(value):
        problems.append(f"{where}: match.{kind} {value!r} is none; one looks like {example}")
    return Match(kind, value)


def _addresses(given: Iterable[Any], where: str, problems: list[str]) -> tuple[str, ...]:
    found = []
    for entry in given or []:
        try:
            parsed = ipaddress.ip_interface(str(entry))
        except ValueError:
            problems.append(f"{where}: {entry!r} is no address; one looks like 192.168.1.10/24")
            continue
        if "/" not in str(entry):
            problems.append(f"{where}: {entry} has no prefix length; say which network it is in, such as {entry}/24")
        elif parsed.network.num_addresses > 2 and parsed.ip == parsed.network.network_address:
            problems.append(f"{where}: {entry} is the network itself, not an address in it")
        else:
            found.append(str(parsed))
    return tuple(found)


def _on_link(address: str, addresses: Iterable[str]) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_interface(own).network for own in addresses)


def _next_hop(what: str, value: str, interface: tuple[str, Sequence[str]], problems: list[str]) -> None:
    where, addresses = interface
    try:
        ipaddress.ip_address(value)
    except ValueError:
        problems.append(f"{where}: {what} {value!r} is no address")
        return
    if not _on_link(value, addresses):
        problems.append(f"{where}: {what} {value} is in none of its networks ({', '.join(addresses) or 'it has none'})")


def _routes(
    given: Iterable[Mapping[str, Any]], where: str, addresses: Sequence[str], problems: list[str]
) -> list[Route]:
    found = []
    for entry in given or []:
        to, via = str(entry.get("to") or ""), entry.get("via")
        try:
            target = DEFAULT if to == DEFAULT else str(ipaddress.ip_network(to))
        except ValueError as error:
            problems.append(f"{where}: route to {to!r}: {error}")
            continue
        if target == DEFAULT:
            problems.append(f"{where}: a route to default is its gateway: say it there")
            continue
        if via:
            _next_hop(f"route to {to} via", str(via), (where, addresses), problems)
        found.append(Route(target, str(via) if via else None))
    return found


def _one(entry: Mapping[str, Any], problems: list[str]) -> Interface:
    name, role = str(entry.get("name") or ""), str(entry.get("role") or "")
    where = f"{role or '?'} interface {name or '?'}"
    if not NAME.fullmatch(name):
        problems.append(f"{where}: name must be 1 to 15 letters, digits, '.', '_' or '-'")
    if role not in ROLES:
        problems.append(f"{where}: role {role!r} is none of {', '.join(sorted(ROLES))}")
    absent = entry.get("state") == "absent"
    given = entry.get("match") or ({"name": name} if absent else {})
    match = _match(given, where, problems)
    addresses = _addresses(entry.get("addresses") or [], where, problems)
    mtu = int(entry["mtu"]) if entry.get("mtu") else None
    if mtu is not None and not MTU_RANGE[0] <= mtu <= MTU_RANGE[1]:
        problems.append(f"{where}: mtu {mtu} is not in {MTU_RANGE[0]} to {MTU_RANGE[1]} bytes")
    gateway = str(entry["gateway"]) if entry.get("gateway") else None
    if gateway:
        _next_hop("gateway", gateway, (where, addresses), problems)
    for server in entry.get("dns") or []:
        try:
            ipaddress.ip_address(str(server))
        except ValueError:
            problems.append(f"{where}: dns {server!r} is no address")
    return Interface(
        role,
        match,
        name,
        addresses,
        mtu,
        gateway,
        tuple(_routes(entry.get("routes") or [], where, addresses, problems)),
        tuple(str(server) for server in entry.get("dns") or []),
        absent=absent,
    )


def _twice(interfaces: Sequence[Interface]) -> list[str]:
    """What two of the interfaces both want."""
    problems = []
    for what, values in (
        ("name", [interface.name for interface in interfaces]),
        ("match", [str(interface.match) for interface in interfaces]),
        ("address", [address.split("/")[0] for interface in interfaces for address in interface.addresses]),
    ):
        problems += [f"{what} {value} is given twice" for value in sorted({v for v in values if values.count(v) > 1})]
    gateways = [i.name for i in interfaces if i.role == "management" and i.gateway]
    if len(gateways) > 1:
        problems.append(
            f"{' and '.join(gateways)} both have a default gateway: a host has one, leave it on one of them"
        )
    for index, one in enumerate(interfaces):
        for other in interfaces[index + 1 :]:
            shared = _shared_network(one, other)
            if one.role != other.role and shared:
                problems.append(
                    f"{one.role} interface {one.name} and {other.role} interface {other.name} are both in {shared}:"
                    f" traffic for one would leave on the other; give each role a network of its own"
                )
    return problems


def _shared_network(one: Interface, other: Interface) -> str:
    for address in one.addresses:
        for beside in other.addresses:
            first, second = ipaddress.ip_interface(address).network, ipaddress.ip_interface(beside).network
            if first.version == second.version and first.overlaps(second):
                return str(first)
    return ""


def parse(entries: Sequence[Mapping[str, Any]]) -> tuple[list[Interface], list[str]]:
    """Interfaces from the options, in the order in which they are changed, and everything that is wrong with them.

    Every data interface, and a storage interface with a gateway, gets a table of its own.
    """
    problems: list[str] = []
    interfaces = [_one(entry, problems) for entry in entries]
    problems += _twice([interface for interface in interfaces if not interface.absent])
    finished: list[Interface] = []
    for interface in interfaces:
        own = interface.role == "data" or (interface.role == "storage" and interface.gateway)
        table = FIRST_TABLE + sum(one.table is not None for one in finished) if own and not interface.absent else None
        finished.append(Interface(**{**interface.__dict__, "table": table}))
    known = [interface for interface in finished if interface.role in ROLES]
    return sorted(known, key=lambda interface: ROLES.index(interface.role)), problems


def warnings(interfaces: Iterable[Interface], current: Mapping[str, str]) -> list[str]:
    """What works and may bite: `current` is the name that each wanted name's port has now."""
    return [
        f"{interface.name}: the kernel gives such names out itself, so renaming {current[interface.name]} to it can"
        " collide at boot; boot with net.ifnames=0, or choose a name such as data0"
        for interface in interfaces
        if interface.name in current
        and current[interface.name] != interface.name
        and KERNEL_NAME.fullmatch(interface.name)
    ]
