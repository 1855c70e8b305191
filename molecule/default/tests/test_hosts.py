"""Hosts as one expects of hosts: booted, connected, named, and independent of each other."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts
from ansible_collections.moefleet.serving.tests.testinfra.leftovers import leftovers

# Interface → network part of its address, MTU in bytes.
PORTS = {"eth0": ("10.0.2.", 1500), "eth1": ("192.168.2.", 4200), "eth2": ("172.16.2.", 1500)}
HEADERS_BYTES = 28  # IPv4 and ICMP


def other_than(name: str) -> str:
    """The other host."""
    return next(other for other in hosts.NAMES if other != name)


def name_of(host: Host) -> str:
    """What a host calls itself."""
    return str(host.check_output("hostname"))


def test_systemd_runs_and_nothing_failed(host: Host) -> None:
    assert host.check_output("systemctl is-system-running") == "running"
    assert host.check_output("cat /proc/1/comm") == "systemd"


def test_every_host_has_its_own_name(machines: dict[str, Host]) -> None:
    assert {name: name_of(machine) for name, machine in machines.items()} == {name: name for name in hosts.NAMES}


def test_three_interfaces_with_addresses(host: Host) -> None:
    links = {link["ifname"]: link for link in json.loads(host.check_output("ip -j addr"))}
    assert set(links) == {"lo", *PORTS}
    number = hosts.DATA_ADDRESS[name_of(host)].rsplit(".", 1)[1]
    for interface, (network, mtu) in PORTS.items():
        link = links[interface]
        assert link["mtu"] == mtu
        assert link["operstate"] == "UP"
        assert f"{network}{number}/24" in [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]]


def test_names_resolve_to_data_addresses(host: Host) -> None:
    for name, address in hosts.DATA_ADDRESS.items():
        assert host.check_output("getent ahostsv4 %s | cut -d' ' -f1 | sort -u", name) == address


@pytest.mark.parametrize("network", [network for network, _ in PORTS.values()])
def test_hosts_reach_each_other(host: Host, network: str) -> None:
    number = hosts.DATA_ADDRESS[other_than(name_of(host))].rsplit(".", 1)[1]
    assert host.run("ping -q -c 1 -W 2 %s", network + number).rc == 0


def test_data_network_carries_whole_packets_and_no_larger(host: Host) -> None:
    other, whole = other_than(name_of(host)), PORTS["eth1"][1] - HEADERS_BYTES
    assert host.run("ping -q -c 2 -W 2 -M do -s %s %s", str(whole), other).rc == 0
    larger = host.run("ping -c 1 -W 2 -M do -s %s %s", str(whole + 1), other)
    assert larger.rc != 0
    assert "too long" in larger.stdout + larger.stderr


def test_hosts_reach_nothing_else(host: Host) -> None:
    assert "default" not in host.check_output("ip route")


def test_stopping_a_unit_leaves_the_other_host_alone(machines: dict[str, Host]) -> None:
    first, second = (machines[name] for name in hosts.NAMES)
    for machine in (first, second):
        machine.check_output("systemd-run --quiet --collect --unit=sleeper sleep 600")
    main_pid = second.check_output("systemctl show --property=MainPID --value sleeper")
    first.check_output("systemctl stop sleeper")
    try:
        assert first.run("systemctl is-active sleeper").stdout.strip() == "inactive"
        assert first.run("pgrep -x sleep").rc != 0
        assert second.check_output("systemctl is-active sleeper") == "active"
        assert second.check_output("systemctl show --property=MainPID --value sleeper") == main_pid
        assert second.check_output("pgrep -x sleep") == main_pid
    finally:
        second.check_output("systemctl stop sleeper")


def test_hosts_keep_what_they_write_to_themselves(machines: dict[str, Host]) -> None:
    first, second = (machines[name] for name in hosts.NAMES)
    first.check_output("echo mine > /root/mine")
    assert not second.file("/root/mine").exists


def test_storage_is_one(machines: dict[str, Host]) -> None:
    first, second = (machines[name] for name in hosts.NAMES)
    first.check_output("echo ours > /scratch/ours")
    assert second.check_output("cat /scratch/ours") == "ours"


def test_leftovers_are_seen_while_they_are_there() -> None:
    """What destroying is checked with does find a lab that is up."""
    kinds = {line.split(" ")[0] for line in leftovers(hosts.LAB)}
    assert kinds >= {"namespace", "control", "process", "directory"}


def test_the_machines_own_network_has_no_part_in_it(controller: Host) -> None:
    assert not [line for line in leftovers(hosts.LAB) if line.startswith("interface")]
    addresses = controller.check_output("cat /proc/net/fib_trie")
    assert not [network for network, _ in PORTS.values() if network in addresses]
