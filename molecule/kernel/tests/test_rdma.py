"""RDMA between the guests, with the traffic class on every packet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from testinfra.host import Host

TRAFFIC_CLASS = 106
ROCE_PORT = 4791
SERVER, CLIENT = "guest-1", "guest-0"
SERVER_ADDRESS = "192.168.1.11"
BANDWIDTH = re.compile(r"^\s*4096\s+(\d+)\s+\S+\s+([\d.]+)\s+[\d.]+\s*$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _counters(machines: dict[str, Host]) -> Iterator[None]:
    """Count RoCE packets that arrive at the server: those with the traffic class, and all others."""
    host = machines[SERVER]
    match = f"flower ip_proto udp dst_port {ROCE_PORT}"
    add = "tc filter add dev eth1 ingress protocol ip prio"
    host.check_output("tc qdisc add dev eth1 clsact")
    host.check_output(f"{add} 1 {match} ip_tos {TRAFFIC_CLASS} action pass")
    host.check_output(f"{add} 2 {match} action pass")
    yield
    host.check_output("tc qdisc del dev eth1 clsact")


def counted(host: Host) -> tuple[int, int]:
    """Packets with the traffic class, and without."""
    packets = {}
    for entry in json.loads(host.check_output("tc -s -j filter show dev eth1 ingress")):
        for action in entry.get("options", {}).get("actions", []):
            packets[entry["pref"]] = int(action["stats"]["packets"])
    return packets[1], packets[2]


def in_background(host: Host, command: str) -> None:
    """Start a server for one client on the guest; it ends by itself."""
    host.check_output(f"systemd-run --quiet --collect --property=RuntimeMaxSec=120 {command}")


def answered(host: Host, command: str) -> str:
    """The output of a client, which is asked again until its server listens: in emulation that takes seconds."""
    return str(host.check_output(f"timeout 100 sh -c 'until {command}; do sleep 1; done'"))


def gid_index(host: Host, address: str) -> int:
    """The index of the GID that maps an address."""
    table = host.check_output("ibv_devinfo -v -d rxe0")
    found = re.search(rf"GID\[\s*(\d+)\]:\s+::ffff:{re.escape(address)}, RoCE v2", table)
    assert found, table
    return int(found.group(1))


def test_ib_write_bw_carries_the_traffic_class(machines: dict[str, Host]) -> None:
    server, client = machines[SERVER], machines[CLIENT]
    arguments = f"-d rxe0 -s 4096 -n 200 --tclass={TRAFFIC_CLASS} --report_gbits"
    in_background(server, f"ib_write_bw {arguments} -x {gid_index(server, SERVER_ADDRESS)}")
    index = gid_index(client, "192.168.1.10")
    output = answered(client, f"ib_write_bw {arguments} -x {index} {SERVER_ADDRESS}")
    rows = BANDWIDTH.findall(output)
    assert len(rows) == 1, output
    assert int(rows[0][0]) == 200
    assert float(rows[0][1]) > 0
    marked, other = counted(server)
    assert marked >= 200
    assert other == 0


def test_rping_takes_the_traffic_class_from_configfs(machines: dict[str, Host]) -> None:
    """The connection manager has no option for it here: what the role wrote is what the kernel puts on the packets."""
    server, client = machines[SERVER], machines[CLIENT]
    in_background(server, f"rping -s -a {SERVER_ADDRESS} -C 3")
    output = answered(client, f"rping -c -a {SERVER_ADDRESS} -C 3 -v")
    assert len(re.findall(r"^ping data: rdma-ping-\d", output, re.MULTILINE)) == 3
    marked, _ = counted(server)
    assert marked >= 3
