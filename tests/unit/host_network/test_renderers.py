"""The files of each backend, against what a person has read and found right (tests/data/host_network/golden).

Written anew with MOEFLEET_GOLDEN=1; what differs then shows in the commit.
"""

from __future__ import annotations

import configparser
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import (
    ifupdown,
    netplan,
    networkd,
    networkmanager,
)
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.effective import Bound
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.model import parse
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.observe import Link

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "host_network" / "golden"
BACKENDS: dict[str, ModuleType] = {
    "netplan": netplan,
    "networkd": networkd,
    "networkmanager": networkmanager,
    "ifupdown": ifupdown,
}
ENTRIES: list[dict[str, Any]] = [
    {
        "role": "management",
        "name": "mgmt0",
        "match": {"mac": "b8:59:9f:00:00:01"},
        "addresses": ["10.0.1.10/24", "fd00:1::10/64"],
        "gateway": "10.0.1.1",
        "dns": ["10.0.1.2", "10.0.1.3"],
    },
    {
        "role": "data",
        "name": "data0",
        "match": {"pci": "0000:b1:00.0"},
        "addresses": ["192.168.1.10/24"],
        "mtu": 4200,
        "gateway": "192.168.1.1",
        "routes": [{"to": "192.168.64.0/18", "via": "192.168.1.1"}],
    },
    {"role": "data", "name": "data1", "match": {"name": "data1"}, "addresses": ["192.168.2.10/24"], "mtu": 9000},
    {"role": "storage", "name": "eth2", "match": {"name": "eth2"}, "addresses": ["172.16.1.10/24"]},
]


def bounds() -> list[Bound]:
    """The interfaces with the ports that they mean."""
    interfaces, problems = parse(ENTRIES)
    assert problems == []
    names = {"mgmt0": "eno1", "data0": "ens1f0np0"}
    return [
        Bound(one, Link(names.get(one.name, one.name), n, f"b8:59:9f:00:01:0{n}", 1500, pci="0000:b1:00.0"))
        for n, one in enumerate(interfaces, 1)
    ]


def rendered(backend: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for bound in bounds():
        found.update(BACKENDS[backend].render(bound))
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_files_are_what_was_read_and_found_right(backend: str) -> None:
    files = rendered(backend)
    directory = GOLDEN / backend
    if os.environ.get("MOEFLEET_GOLDEN"):
        for path, content in files.items():
            (directory / Path(path).name).parent.mkdir(parents=True, exist_ok=True)
            (directory / Path(path).name).write_text(content, encoding="utf-8")
    golden = {path.name: path.read_text(encoding="utf-8") for path in directory.iterdir()}
    assert {Path(path).name: content for path, content in files.items()} == golden


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_file_is_one_that_is_taken_away_again(backend: str) -> None:
    for bound in bounds():
        assert set(BACKENDS[backend].render(bound)) <= set(BACKENDS[backend].paths(bound.interface.name))


def test_netplan_knows_the_port_by_its_address_so_that_the_mtu_counts() -> None:
    """Without a MAC address netplan's versions ignore the MTU; and it knows no PCI address."""
    files = {Path(path).name: yaml.safe_load(content) for path, content in rendered("netplan").items()}
    data = files["90-moefleet-data0.yaml"]["network"]["ethernets"]["data0"]
    assert data["match"] == {"macaddress": "b8:59:9f:00:01:01"}
    assert (data["mtu"], data["set-name"]) == (4200, "data0")
    assert {"from": "192.168.1.10", "table": 4101, "priority": 4101} in data["routing-policy"]
    assert "match" not in files["90-moefleet-eth2.yaml"]["network"]["ethernets"]["eth2"]


def test_the_default_route_is_managements_alone() -> None:
    """By every backend: the data port's gateway is in its own table."""
    for backend in ("networkd", "networkmanager"):
        for path, content in rendered(backend).items():
            if path.endswith(".link"):
                continue
            sections = content.split("\n\n")
            main = [s for s in sections if s.startswith(("[Network]", "[ipv4]"))]
            has_default = any("\nGateway=" in section or "\ngateway=" in section for section in main)
            assert has_default == ("mgmt0" in path), path
    ifupdown_files = rendered("ifupdown")
    assert [path for path, content in ifupdown_files.items() if "\n    gateway " in content] == [
        "/etc/network/interfaces.d/moefleet-mgmt0"
    ]


def test_keyfiles_are_read_by_a_keyfile_parser() -> None:
    for path, content in rendered("networkmanager").items():
        if path.endswith(".nmconnection"):
            parser = configparser.ConfigParser(interpolation=None)
            parser.read_string(content)
            assert parser["connection"]["type"] == "ethernet"
            assert len(parser["connection"]["uuid"]) == 36


def test_a_connections_uuid_is_the_same_in_every_run() -> None:
    assert networkmanager.connection_uuid("data0") == networkmanager.connection_uuid("data0")
    assert networkmanager.connection_uuid("data0") != networkmanager.connection_uuid("data1")
