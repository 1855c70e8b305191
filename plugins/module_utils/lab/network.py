# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's networks: bridges in a namespace of their own, one namespace a host, a veth pair for each interface.

Nothing here touches the machine's own interfaces, routes or addresses: everything lies in namespaces with the lab's
prefix.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .commands import LabError, run

IP = "ip"
FABRIC = "fabric"
OURS = re.compile(r"p\d+-\d+|br-.+")  # interfaces in the fabric


@dataclass(frozen=True)
class Network:
    """One of the lab's networks: `name` of at most 8 characters, `mtu` in bytes, `gateway` the fabric's own address in
    it.
    """

    name: str
    mtu: int
    gateway: str | None = None


@dataclass(frozen=True)
class Interface:
    """One port of a host: its name inside the host, the network it plugs into, its address with prefix length."""

    name: str
    network: str
    address: str


@dataclass(frozen=True)
class Host:
    """A host and its ports."""

    name: str
    interfaces: tuple[Interface, ...]


@dataclass(frozen=True)
class Topology:
    """All that the lab's networks are; `lab` prefixes every namespace."""

    lab: str
    networks: tuple[Network, ...]
    hosts: tuple[Host, ...]

    @property
    def fabric(self) -> str:
        """The namespace that holds the switches."""
        return f"moefleet-{self.lab}-{FABRIC}"

    def namespace(self, host: str) -> str:
        """The namespace of one host."""
        return f"moefleet-{self.lab}-{host}"

    def namespaces(self) -> list[str]:
        """Every namespace of this lab, the fabric first."""
        return [self.fabric, *(self.namespace(host.name) for host in self.hosts)]

    def cables(self) -> list[tuple[str, str, Interface]]:
        """Every veth pair: the host's namespace, the fabric's end (at most 15 characters, see OURS), the host's end."""
        return [
            (self.namespace(host.name), f"p{host_index}-{port_index}", port)
            for host_index, host in enumerate(self.hosts)
            for port_index, port in enumerate(host.interfaces)
        ]


def require_plain_name(lab: str) -> None:
    """Refuse a name that could begin those of another lab's namespaces and groups: `a` would own those of `a-b`."""
    if not (lab.isascii() and lab.isalnum()):
        raise LabError(
            "LAB_NAME_UNFIT",
            repr(lab),
            "it has something other than letters and digits",
            "choose another lab_hosts_name",
        )


def topology_from(lab: str, networks: Sequence[Mapping[str, Any]], hosts: Sequence[Mapping[str, Any]]) -> Topology:
    """Build a Topology from plain data, refusing ports that plug into nothing and names that could be another lab's."""
    require_plain_name(lab)
    known = tuple(Network(n["name"], int(n.get("mtu") or 1500), n.get("gateway")) for n in networks)
    names = {network.name for network in known}
    built = tuple(
        Host(h["name"], tuple(Interface(i["name"], i["network"], i["address"]) for i in h["interfaces"])) for h in hosts
    )
    for host in built:
        if host.name == FABRIC:
            raise LabError(
                "LAB_HOST_NAME_TAKEN",
                host.name,
                "the switches' namespace has this name",
                "choose another name for the host",
            )
        for port in host.interfaces:
            if port.network not in names:
                raise LabError(
                    "LAB_NETWORK_UNKNOWN", f"{host.name} {port.name}", f"there is no network {port.network!r}",
                    f"use one of {', '.join(sorted(names))}",
                )  # fmt: skip
    return Topology(lab, known, built)


def existing_namespaces() -> set[str]:
    """Names of all network namespaces on this machine."""
    return {entry["name"] for entry in json.loads(run([IP, "-j", "netns", "list"]) or "[]")}


def links(namespace: str) -> dict[str, dict[str, Any]]:
    """Interfaces of a namespace by name, each with its addresses, as `ip -j addr` gives them."""
    return {link["ifname"]: link for link in json.loads(run([IP, "-j", "-n", namespace, "addr"]) or "[]")}


def addresses(link: Mapping[str, Any]) -> list[str]:
    """An interface's addresses with prefix length, without those that the kernel gives every link."""
    return [f"{a['local']}/{a['prefixlen']}" for a in link.get("addr_info", ()) if a.get("scope") == "global"]


def is_up(link: Mapping[str, Any]) -> bool:
    """Whether an interface is set up administratively."""
    return "UP" in link.get("flags", ())


Commands = list[list[str]]
Observed = Mapping[str, Mapping[str, Mapping[str, Any]]]


def _settle(namespace: str, name: str, link: Mapping[str, Any], mtu: int | None, address: str | None) -> Commands:
    """Commands that give an existing interface its MTU and address and set it up."""
    commands: Commands = []
    if mtu is not None and link.get("mtu") != mtu:
        commands.append([IP, "-n", namespace, "link", "set", name, "mtu", str(mtu)])
    if address is not None:
        if set(addresses(link)) - {address}:  # all at once: an interface's first takes others of its subnet with it
            commands.append([IP, "-n", namespace, "addr", "flush", "dev", name, "scope", "global"])
        if addresses(link) != [address]:
            commands.append([IP, "-n", namespace, "addr", "add", address, "dev", name])
    if not is_up(link):
        commands.append([IP, "-n", namespace, "link", "set", name, "up"])
    return commands


def are_a_pair(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two interfaces are the ends of one cable: each names the other's index as its link's."""
    if "ifindex" not in one or "ifindex" not in other:
        return False
    return bool(one.get("link_index") == other["ifindex"] and other.get("link_index") == one["ifindex"])


def foreign(topology: Topology, observed: Observed) -> Commands:
    """The commands that take away what is in the lab's namespaces and not in the topology: cables between other ports
    than it says,
    interfaces where a cable is to end, networks and hosts that it no longer has.

    Every cable ends in the fabric, and deleting one end deletes both; so each is deleted once, there, and before the
    namespace of its other end, which the kernel clears away in its own time.
    """
    fabric = observed.get(topology.fabric, {})
    ends = [
        (namespace, outer, port.name, observed.get(namespace, {}).get(port.name, {}))
        for namespace, outer, port in topology.cables()
    ]
    kept = {outer for _, outer, _, inner in ends if are_a_pair(fabric.get(outer, {}), inner)}
    kept |= {f"br-{network.name}" for network in topology.networks}
    stray = sorted(name for name in fabric if OURS.fullmatch(name) and name not in kept)
    commands: Commands = [[IP, "-n", topology.fabric, "link", "delete", name] for name in stray]
    for namespace, outer, name, inner in ends:
        if inner and outer not in kept and not any(are_a_pair(fabric[deleted], inner) for deleted in stray):
            commands.append([IP, "-n", namespace, "link", "delete", name])
    return commands + [[IP, "netns", "delete", name] for name in sorted(set(observed) - set(topology.namespaces()))]


def missing(topology: Topology, observed: Observed) -> Commands:
    """The commands that turn what is observed (namespace → interface → data) into the topology; empty when nothing
    differs.
    """
    commands = foreign(topology, observed)
    for namespace in topology.namespaces():
        if namespace not in observed:
            commands.append([IP, "netns", "add", namespace])
        commands += _settle(namespace, "lo", observed.get(namespace, {}).get("lo", {}), None, None)
    fabric = observed.get(topology.fabric, {})
    mtus = {network.name: network.mtu for network in topology.networks}
    for network in topology.networks:
        bridge = f"br-{network.name}"
        if bridge not in fabric:
            commands.append([IP, "-n", topology.fabric, "link", "add", bridge, "type", "bridge"])
        commands += _settle(topology.fabric, bridge, fabric.get(bridge, {}), network.mtu, network.gateway)
    for namespace, outer, port in topology.cables():
        outer_link, inner_link = fabric.get(outer, {}), observed.get(namespace, {}).get(port.name, {})
        if not are_a_pair(outer_link, inner_link):
            outer_link, inner_link = {}, {}
            cable = ["type", "veth", "peer", "name", port.name, "netns", namespace]
            commands.append([IP, "-n", topology.fabric, "link", "add", outer, *cable])
        if outer_link.get("master") != f"br-{port.network}":
            commands.append([IP, "-n", topology.fabric, "link", "set", outer, "master", f"br-{port.network}"])
        commands += _settle(topology.fabric, outer, outer_link, mtus[port.network], None)
        commands += _settle(namespace, port.name, inner_link, mtus[port.network], port.address)
    return commands


def observe(topology: Topology) -> dict[str, dict[str, dict[str, Any]]]:
    """What there is in the lab's namespaces, those that the topology no longer has too."""
    return {namespace: links(namespace) for namespace in owned_namespaces(topology.lab)}


def owned_namespaces(lab: str) -> list[str]:
    """Namespaces on this machine that carry the lab's prefix, whatever the topology says now."""
    return sorted(name for name in existing_namespaces() if name.startswith(f"moefleet-{lab}-"))
