# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lab's networks: bridges in a namespace of their own, one namespace a host, a veth pair for each interface.

Nothing here touches the machine's own interfaces, routes or addresses: everything lies in namespaces with the lab's prefix.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

from .commands import LabError, run

IP = "ip"


@dataclass(frozen=True)
class Network:
    """One of the lab's networks: `name` of at most 8 characters, `mtu` in bytes, `gateway` the fabric's own address in it."""

    name: str
    mtu: int
    gateway: Optional[str] = None


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
        return f"moefleet-{self.lab}-fabric"

    def namespace(self, host: str) -> str:
        """The namespace of one host."""
        return f"moefleet-{self.lab}-{host}"

    def namespaces(self) -> list[str]:
        """Every namespace of this lab, the fabric first."""
        return [self.fabric, *(self.namespace(host.name) for host in self.hosts)]


def topology_from(lab: str, networks: Sequence[Mapping[str, Any]], hosts: Sequence[Mapping[str, Any]]) -> Topology:
    """Build a Topology from plain data, refusing ports that plug into nothing."""
    known = tuple(Network(n["name"], int(n.get("mtu") or 1500), n.get("gateway")) for n in networks)
    names = {network.name for network in known}
    built = tuple(
        Host(h["name"], tuple(Interface(i["name"], i["network"], i["address"]) for i in h["interfaces"])) for h in hosts
    )
    for host in built:
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


def has_address(link: Mapping[str, Any], address: str) -> bool:
    """Whether an interface carries `address` (with its prefix length)."""
    return any(f"{a['local']}/{a['prefixlen']}" == address for a in link.get("addr_info", ()) if "local" in a)


def is_up(link: Mapping[str, Any]) -> bool:
    """Whether an interface is set up administratively."""
    return "UP" in link.get("flags", ())


Commands = list[list[str]]


def _settle(namespace: str, name: str, link: Mapping[str, Any], mtu: Optional[int], address: Optional[str]) -> Commands:
    """Commands that give an existing interface its MTU and address and set it up."""
    commands: Commands = []
    if mtu is not None and link.get("mtu") != mtu:
        commands.append([IP, "-n", namespace, "link", "set", name, "mtu", str(mtu)])
    if address is not None and not has_address(link, address):
        commands.append([IP, "-n", namespace, "addr", "add", address, "dev", name])
    if not is_up(link):
        commands.append([IP, "-n", namespace, "link", "set", name, "up"])
    return commands


def port_of(host_index: int, port_index: int) -> str:
    """The fabric's end of a veth pair (interface names have at most 15 characters)."""
    return f"p{host_index}-{port_index}"


def missing(topology: Topology, observed: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Commands:
    """The commands that turn what is observed (namespace → interface → data) into the topology; empty when nothing differs."""
    commands: Commands = []
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
    for host_index, host in enumerate(topology.hosts):
        namespace = topology.namespace(host.name)
        inside = observed.get(namespace, {})
        for port_index, port in enumerate(host.interfaces):
            outer = port_of(host_index, port_index)
            whole = outer in fabric and port.name in inside
            if not whole:  # half a pair can't exist: deleting one end deletes both
                if outer in fabric:
                    commands.append([IP, "-n", topology.fabric, "link", "delete", outer])
                commands.append(
                    [IP, "-n", topology.fabric, "link", "add", outer, "type", "veth", "peer", "name", port.name, "netns", namespace]
                )
            outer_link = fabric.get(outer, {}) if whole else {}
            inner_link = inside.get(port.name, {}) if whole else {}
            if outer_link.get("master") != f"br-{port.network}":
                commands.append([IP, "-n", topology.fabric, "link", "set", outer, "master", f"br-{port.network}"])
            commands += _settle(topology.fabric, outer, outer_link, mtus[port.network], None)
            commands += _settle(namespace, port.name, inner_link, mtus[port.network], port.address)
    return commands


def observe(topology: Topology) -> dict[str, dict[str, dict[str, Any]]]:
    """What there is of the topology's namespaces."""
    there = existing_namespaces()
    return {namespace: links(namespace) for namespace in topology.namespaces() if namespace in there}


def owned_namespaces(lab: str) -> list[str]:
    """Namespaces on this machine that carry the lab's prefix, whatever the topology says now."""
    return sorted(name for name in existing_namespaces() if name.startswith(f"moefleet-{lab}-"))
