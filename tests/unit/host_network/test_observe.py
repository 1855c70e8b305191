"""Ports are found by what stays with them, and one that isn't there is named with those that are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import observe
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.model import Interface, Match
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import NetworkError
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result

from .conftest import MACS, PCI, FakeHost

DATA = Path(__file__).resolve().parents[2] / "data" / "host_network"


def wanted(kind: str, value: str) -> Interface:
    return Interface("data", Match(kind, value), "data0")


@pytest.mark.parametrize(
    ("kind", "value"), [("mac", MACS["ens1f0np0"]), ("pci", PCI["ens1f0np0"]), ("name", "ens1f0np0")]
)
def test_a_port_is_found_by_each_of_its_marks(host: FakeHost, kind: str, value: str) -> None:
    link = observe.find(wanted(kind, value), observe.links(host.root, host.run))
    assert (link.name, link.pci, link.driver, link.numa_node) == ("ens1f0np0", PCI["ens1f0np0"], "mlx5_core", 1)
    assert link.irqs == (40, 41, 42, 43, 44)


def test_a_name_that_drivers_have_lengthened_is_suggested(host: FakeHost) -> None:
    """The configured ens1f0 is ens1f0np0 since the driver was updated, as RDMA's own list shows."""
    names = [line.split()[4] for line in (DATA / "O12_ibdev2netdev.txt").read_text(encoding="utf-8").splitlines()]
    assert "ens1f0np0" in names
    with pytest.raises(NetworkError) as caught:
        observe.find(wanted("name", "ens1f0"), observe.links(host.root, host.run))
    words = str(caught.value)
    assert "data interface data0 (name ens1f0): there is no such port here" in words
    assert f"eth0 (mac {MACS['eth0']}, pci {PCI['eth0']}, mlx5_core)" in words
    assert "Did you mean ens1f0np0?" in words
    assert "match by mac or pci" in words


def test_what_is_built_upon_a_port_is_not_mistaken_for_it(host: FakeHost) -> None:
    """A bridge carries its port's address, and a bond gives its ports one."""
    for name, kind in (("br0", "bridge"), ("bond0", "bonding")):
        directory = host.root / "sys/class/net" / name
        (directory / kind).mkdir(parents=True)
        (directory / "ifindex").write_text("9\n", encoding="utf-8")
        (directory / "address").write_text(f"{MACS['eth2']}\n", encoding="utf-8")
    assert observe.find(wanted("mac", MACS["eth2"]), observe.links(host.root, host.run)).name == "eth2"


def test_a_bonds_port_is_refused_with_its_bond(host: FakeHost) -> None:
    bond = host.root / "sys/class/net/bond0"
    (bond / "bonding").mkdir(parents=True)
    (bond / "ifindex").write_text("9\n", encoding="utf-8")
    (host.root / "sys/class/net/eth2/master").symlink_to(bond)
    with pytest.raises(NetworkError, match=r"eth2 is part of bond0, .* match: \{name: bond0\}"):
        observe.find(wanted("name", "eth2"), observe.links(host.root, host.run))


def test_a_bonds_port_is_known_by_its_own_address(host: FakeHost) -> None:
    """In a bond all ports show one address; each one's own is the permanent one."""
    rows = [{"ifname": "eth2", "permaddr": "B8:59:9F:00:00:AA"}]
    host.answers[("ip", "-json", "link")] = Result(0, json.dumps(rows))
    assert observe.find(wanted("mac", "b8:59:9f:00:00:aa"), observe.links(host.root, host.run)).name == "eth2"


def test_two_ports_of_one_address_are_refused(host: FakeHost) -> None:
    host.port("eth3", 9, MACS["eth2"], "0000:cb:00.0")
    with pytest.raises(NetworkError, match=r"eth2 .* and eth3 .* both fit; match by pci or name"):
        observe.find(wanted("mac", MACS["eth2"]), observe.links(host.root, host.run))


def rows(host: FakeHost, routes: list[dict[str, Any]], rules: list[dict[str, Any]]) -> observe.Effective:
    host.network.update(routes=routes, rules=rules, addresses={"eth0": ["10.0.1.10/24"]})
    return observe.effective(host.run)


def test_routes_and_rules_as_ip_writes_them(host: FakeHost) -> None:
    seen = rows(
        host,
        [
            {"dst": "default", "gateway": "10.0.1.1", "dev": "eth0", "protocol": "static"},
            {"dst": "10.9.9.9", "dev": "eth2", "table": "4101", "prefsrc": "10.0.1.10", "scope": "link"},
            {"type": "local", "dst": "10.0.1.10", "dev": "eth0", "table": "local"},
            {"type": "unreachable", "dst": "10.0.0.0/8", "dev": "lo"},
        ],
        [{"priority": 0, "src": "all", "table": "local"}, {"priority": 4101, "src": "10.0.1.10", "table": "4101"}],
    )
    assert [(route.to, route.table) for route in seen.routes] == [("default", "main"), ("10.9.9.9/32", "4101")]
    assert seen.rules == (("10.0.1.10", "4101", 4101),)


def test_a_host_without_iproute2_is_said_to_be_one(host: FakeHost) -> None:
    host.answers[("ip", "-json", "address")] = Result(127, "", "ip: not installed")
    with pytest.raises(NetworkError, match=r"ip: not installed.*is iproute2 installed"):
        observe.effective(host.run)
