"""Wanted interfaces: everything wrong with them at once, and the routes that keep data traffic on the data port."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.host_network.model import Route, Rule, parse, warnings

DATA: dict[str, Any] = {
    "role": "data",
    "name": "data0",
    "match": {"pci": "0000:b1:00.0"},
    "addresses": ["192.168.1.10/24"],
}


def wrong(*entries: dict[str, Any]) -> str:
    return "; ".join(parse(entries)[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"match": {}}, "data interface data0: match needs one of mac, pci or name, not nothing"),
        ({"match": {"mac": "x", "pci": "y"}}, "match needs one of mac, pci or name, not mac, pci"),
        ({"match": {"mac": "b8:59"}}, "match.mac 'b8:59' is none; one looks like b8:59:9f:00:00:01"),
        ({"match": {"pci": "b1:00"}}, "match.pci"),
        ({"name": "a-name-of-16-chr"}, "name must be 1 to 15"),
        ({"addresses": ["192.168.1.10"]}, "192.168.1.10 has no prefix length"),
        ({"addresses": ["192.168.1.0/24"]}, "192.168.1.0/24 is the network itself"),
        ({"addresses": ["192.168.1.300/24"]}, "'192.168.1.300/24' is no address"),
        ({"mtu": 70000}, "mtu 70000 is not in 1280 to 65535 bytes"),
        ({"gateway": "10.0.0.1"}, "gateway 10.0.0.1 is in none of its networks (192.168.1.10/24)"),
        ({"routes": [{"to": "10.0.0.1/8"}]}, "route to '10.0.0.1/8': 10.0.0.1/8 has host bits set"),
        ({"routes": [{"to": "default", "via": "192.168.1.1"}]}, "a route to default is its gateway"),
        ({"routes": [{"to": "10.0.0.0/8", "via": "10.0.0.1"}]}, "via 10.0.0.1 is in none of its networks"),
        ({"dns": ["resolver"]}, "dns 'resolver' is no address"),
    ],
)
def test_what_is_wrong_is_said_with_what_would_be_right(change: dict[str, Any], words: str) -> None:
    assert words in wrong({**DATA, **change})


def test_everything_wrong_is_said_at_once() -> None:
    said = wrong({**DATA, "mtu": 1, "addresses": ["x"]}, {**DATA, "match": {"name": "eth1"}})
    for words in ("mtu 1 is not", "'x' is no address", "name data0 is given twice"):
        assert words in said


def test_two_roles_in_one_network_are_refused() -> None:
    management = {"role": "management", "name": "mgmt0", "match": {"name": "eth0"}, "addresses": ["192.168.1.9/16"]}
    assert "data interface data0 and management interface mgmt0 are both in 192.168.1.0/24" in wrong(DATA, management)
    second = {**DATA, "name": "data1", "match": {"pci": "0000:b1:00.1"}, "addresses": ["192.168.1.11/24"]}
    assert wrong(DATA, second) == ""


def test_management_is_changed_last() -> None:
    entries = [{**DATA, "role": "management", "name": "m", "match": {"name": "m"}, "addresses": []}, DATA]
    assert [interface.name for interface in parse(entries)[0]] == ["data0", "m"]


def test_data_traffic_stays_on_the_data_port() -> None:
    """A data port's gateway is nobody else's default, and what leaves from its address looks up its own table."""
    entry = {**DATA, "gateway": "192.168.1.1", "routes": [{"to": "192.168.2.0/24", "via": "192.168.1.1"}]}
    (interface,), _ = parse([entry])
    assert interface.routes() == [
        Route("192.168.2.0/24", "192.168.1.1"),
        Route("192.168.1.0/24", None, 4101, "192.168.1.10"),
        Route("192.168.2.0/24", "192.168.1.1", 4101),
        Route("default", "192.168.1.1", 4101),
    ]
    assert interface.rules() == [Rule("192.168.1.10", 4101, 4101)]


def test_every_data_port_has_a_table_of_its_own() -> None:
    entries = [
        {**DATA, "name": f"data{n}", "match": {"pci": f"0000:b{n}:00.0"}, "addresses": [f"192.168.1.{10 + n}/24"]}
        for n in range(8)
    ]
    interfaces, problems = parse(entries)
    assert problems == []
    assert [interface.table for interface in interfaces] == list(range(4101, 4109))


def test_only_managements_gateway_is_the_hosts_default() -> None:
    entry = {**DATA, "role": "management", "gateway": "192.168.1.1"}
    (interface,), _ = parse([entry])
    assert (interface.routes(), interface.rules()) == ([Route("default", "192.168.1.1")], [])


def test_a_kernel_name_for_another_port_is_warned_of() -> None:
    interfaces, _ = parse([{**DATA, "name": "eth1"}])
    assert "choose a name such as data0" in warnings(interfaces, {"eth1": "ens1f0np0"})[0]
    assert warnings(interfaces, {"eth1": "eth1"}) == []


@given(st.ip_addresses(v=4), st.integers(8, 30))
def test_any_host_address_gives_a_route_to_its_network(address: ipaddress.IPv4Address, prefix: int) -> None:
    parsed = ipaddress.ip_interface(f"{address}/{prefix}")
    interfaces, problems = parse([{**DATA, "addresses": [str(parsed)]}])
    if parsed.ip == parsed.network.network_address:
        assert problems
    else:
        assert problems == []
        assert interfaces[0].routes()[0].to == str(parsed.network)
