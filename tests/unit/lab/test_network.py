"""The lab's networks come out right from whatever was there: nothing, half of it, another topology, damage."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.lab import network
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError
from ansible_collections.moefleet.serving.plugins.module_utils.lab.network import (
    Host,
    Interface,
    Network,
    Topology,
    missing,
    topology_from,
)

from .kernel import Kernel

FABRIC = "moefleet-lab-fabric"
REAL = Path(__file__).parent / "private_network.py"
NETWORKS = (Network("mgmt", 1500, "10.0.1.1/24"), Network("data", 4200, "192.168.1.1/24"), Network("stor", 1500))


def host(name: str, number: int) -> Host:
    return Host(
        name,
        (
            Interface("eth0", "mgmt", f"10.0.1.{number}/24"),
            Interface("eth1", "data", f"192.168.1.{number}/24"),
            Interface("eth2", "stor", f"172.16.1.{number}/24"),
        ),
    )


LAB = Topology("lab", NETWORKS, (host("node-0", 10), host("node-1", 11)))


def build(topology: Topology, kernel: Kernel | None = None) -> Kernel:
    """Apply what is missing, once."""
    kernel = kernel or Kernel()
    for command in missing(topology, kernel.namespaces):
        kernel.run(command)
    return kernel


def addresses(kernel: Kernel, namespace: str, name: str) -> list[str]:
    return [f"{info['local']}/{info['prefixlen']}" for info in kernel.namespaces[namespace][name]["addr_info"]]


def assert_is(kernel: Kernel, topology: Topology) -> None:
    """The kernel holds this topology and nothing else, by the cables themselves and not by names."""
    assert set(kernel.namespaces) == set(topology.namespaces())
    fabric = kernel.namespaces[topology.fabric]
    for item in topology.networks:
        assert fabric[f"br-{item.name}"]["mtu"] == item.mtu
        assert addresses(kernel, topology.fabric, f"br-{item.name}") == ([item.gateway] if item.gateway else [])
    mtus = {item.name: item.mtu for item in topology.networks}
    for machine in topology.hosts:
        namespace = topology.namespace(machine.name)
        assert set(kernel.namespaces[namespace]) == {"lo", *(port.name for port in machine.interfaces)}
        for port in machine.interfaces:
            peer = kernel.peer(namespace, port.name)
            assert peer is not None
            assert peer[0] == topology.fabric
            assert fabric[peer[1]]["master"] == f"br-{port.network}"
            assert addresses(kernel, namespace, port.name) == [port.address]
            assert {fabric[peer[1]]["mtu"], kernel.namespaces[namespace][port.name]["mtu"]} == {mtus[port.network]}
    ports = sum(len(machine.interfaces) for machine in topology.hosts)
    assert len(fabric) == 1 + len(topology.networks) + ports, "something of another topology is left"
    for links in kernel.namespaces.values():
        assert all("UP" in link["flags"] for link in links.values())


def test_from_nothing_to_all() -> None:
    kernel = build(LAB)
    assert_is(kernel, LAB)
    assert missing(LAB, kernel.namespaces) == []


def test_a_run_cut_off_anywhere_is_finished_by_the_next() -> None:
    commands = missing(LAB, {})
    kernel = Kernel()
    for command in commands:
        repaired = build(LAB, kernel.copy())
        assert_is(repaired, LAB)
        assert missing(LAB, repaired.namespaces) == []
        kernel.run(command)


def inet(*addresses: str) -> list[dict[str, Any]]:
    return [{"family": "inet", "local": local, "prefixlen": 24, "scope": "global"} for local in addresses]


NODE = "moefleet-lab-node-0"
Damage = Callable[[Kernel, dict[str, Any], dict[str, Any]], object]
# What people and crashes do to a host's eth1 (the second argument), the switch's end of its cable (the third), or more.
DAMAGES: dict[str, Damage] = {
    "cable pulled": lambda kernel, _port, _outer: kernel.delete_link(NODE, "eth1"),
    "address lost": lambda _kernel, port, _outer: port.update(addr_info=[]),
    "address of another": lambda _kernel, port, _outer: port.update(addr_info=inet("192.168.1.11")),
    "three addresses": lambda _kernel, port, _outer: port.update(
        addr_info=inet("192.168.1.99", "192.168.1.98", "192.168.1.10")
    ),
    "port down": lambda _kernel, port, _outer: port.update(flags=[]),
    "switch port down": lambda _kernel, _port, outer: outer.update(flags=[]),
    "loopback down": lambda kernel, _port, _outer: kernel.namespaces[NODE]["lo"].update(flags=["LOOPBACK"]),
    "on the wrong switch": lambda _kernel, _port, outer: outer.update(master="br-mgmt"),
    "on no switch": lambda _kernel, _port, outer: outer.pop("master"),
    "small packets": lambda _kernel, _port, outer: outer.update(mtu=1500),
    "switch gone": lambda kernel, _port, _outer: kernel.delete_link(FABRIC, "br-data"),
    "a switch of nobody": lambda kernel, _port, _outer: kernel.add_link(FABRIC, "br-old"),
    "another eth1": lambda kernel, _port, _outer: (
        kernel.delete_link(NODE, "eth1"),
        kernel.add_link(NODE, "eth1"),
    ),
    "the host's namespace gone": lambda kernel, _port, _outer: kernel.delete_namespace(NODE),
    "the fabric gone": lambda kernel, _port, _outer: kernel.delete_namespace(FABRIC),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_is_seen_and_repaired(name: str) -> None:
    kernel = build(LAB)
    peer = kernel.peer(NODE, "eth1")
    assert peer is not None
    DAMAGES[name](kernel, kernel.namespaces[NODE]["eth1"], kernel.namespaces[FABRIC][peer[1]])
    assert missing(LAB, kernel.namespaces) != []
    build(LAB, kernel)
    assert_is(kernel, LAB)
    assert missing(LAB, kernel.namespaces) == []


NAMES = ["node-0", "node-1", "node-2", "extra"]


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """Up to four hosts in any order, with any of the ports, on up to three networks, with addresses dealt out anew."""
    networks = draw(st.permutations(NETWORKS)).copy()[: draw(st.integers(1, 3))]
    names = draw(st.permutations(NAMES)).copy()[: draw(st.integers(0, 4))]
    numbers = draw(st.permutations(range(10, 14)))
    hosts = []
    for name, number in zip(names, numbers, strict=False):
        known = {item.name for item in networks}
        ports = tuple(port for port in host(name, number).interfaces if port.network in known)
        hosts.append(Host(name, ports))
    mtu = draw(st.sampled_from([1500, 9000]))
    return Topology("lab", (replace(networks[0], mtu=mtu), *networks[1:]), tuple(hosts))


@given(before=topologies(), after=topologies(), cut=st.integers(0, 200))
def test_any_topology_follows_any_other_even_half_built(before: Topology, after: Topology, cut: int) -> None:
    kernel = Kernel()
    for command in missing(before, {})[:cut]:
        kernel.run(command)
    build(after, kernel)
    assert_is(kernel, after)
    assert missing(after, kernel.namespaces) == []


def test_other_namespaces_are_never_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = build(replace(LAB, lab="lab2"))
    kernel.run(["ip", "netns", "add", "moefleet"])
    kernel.run(["ip", "netns", "add", "cni-1234"])
    monkeypatch.setattr(network, "run", kernel.run)
    others = kernel.copy().namespaces
    assert network.observe(LAB) == {}
    for command in missing(LAB, network.observe(LAB)):
        kernel.run(command)
    assert network.owned_namespaces("lab") == sorted(LAB.namespaces())
    assert {name: kernel.namespaces[name] for name in others} == others


def test_names_fit_into_the_kernels_fifteen_characters() -> None:
    crowd = Topology("lab", NETWORKS, tuple(Host(f"node-{n}", host("x", 1).interfaces) for n in range(128)))
    assert max(len(outer) for _, outer, _ in crowd.cables()) <= 15
    assert len({outer for _, outer, _ in crowd.cables()}) == 128 * 3


def plain(name: str = "node-0", to: str = "data") -> list[dict[str, Any]]:
    return [{"name": name, "interfaces": [{"name": "eth1", "network": to, "address": "192.168.1.10/24"}]}]


@pytest.mark.parametrize(
    ("lab", "hosts", "code"),
    [
        ("lab", plain(to="storage"), "LAB_NETWORK_UNKNOWN"),
        ("lab", plain(name="fabric"), "LAB_HOST_NAME_TAKEN"),
        ("lab-2", plain(), "LAB_NAME_UNFIT"),  # `lab` would own it
        ("", plain(), "LAB_NAME_UNFIT"),
        ("läb", plain(), "LAB_NAME_UNFIT"),
    ],
)
def test_what_could_never_work_is_refused(lab: str, hosts: list[dict[str, Any]], code: str) -> None:
    with pytest.raises(LabError) as caught:
        topology_from(lab, [{"name": "data", "mtu": None}], hosts)
    assert caught.value.code == code
    assert topology_from("lab", [{"name": "data"}], plain()).networks[0].mtu == 1500


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="root and the command ip")
def test_the_kernel_does_what_its_copy_here_does() -> None:
    """The same ways on the real one, unseen by the rest of the machine."""
    alone = 'mount --make-rprivate / && mkdir -p /run/netns && mount -t tmpfs none /run/netns && exec "$0" "$1"'
    command = ["unshare", "--mount", "--net", "sh", "-c", alone, sys.executable, str(REAL)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
