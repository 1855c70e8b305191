"""The lab's networks on the real kernel: made, damaged, changed. Fails where something is not as it should be.

A program for a mount and a network namespace of its own, whose /run/netns is empty and vanishes with it.
"""

from __future__ import annotations

import subprocess
import sys

from ansible_collections.moefleet.serving.plugins.module_utils.lab import network
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import run

NETWORKS = [{"name": "mgmt", "mtu": 1500, "gateway": "10.0.1.1/24"}, {"name": "data", "mtu": 4200}]
SERVER = """import socket, sys
server = socket.create_server((sys.argv[1], 9))
print("listens", flush=True)
server.accept()[0].sendall(b"x" * 9000)
"""
CLIENT = """import socket, sys
print(len(socket.create_connection((sys.argv[1], 9), 10).recv(9000, socket.MSG_WAITALL)))
"""


def topology(*hosts: tuple[str, int]) -> network.Topology:
    """Hosts by name and number, each with two ports."""
    plain = [
        {
            "name": name,
            "interfaces": [
                {"name": "eth0", "network": "mgmt", "address": f"10.0.1.{number}/24"},
                {"name": "eth1", "network": "data", "address": f"192.168.1.{number}/24"},
            ],
        }
        for name, number in hosts
    ]
    return network.topology_from("lab", NETWORKS, plain)


def settle(wanted: network.Topology) -> None:
    """Run what is missing; afterwards nothing is."""
    for command in network.missing(wanted, network.observe(wanted)):
        run(command)
    left = network.missing(wanted, network.observe(wanted))
    assert left == [], left
    assert network.owned_namespaces("lab") == sorted(wanted.namespaces())


def reach(client: str, server: str, address: str) -> None:
    """Send more than two packets' worth from one host to another."""
    enter = ["ip", "netns", "exec"]
    listen = [*enter, f"moefleet-lab-{server}", sys.executable, "-c", SERVER, address]
    with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as listening:
        assert listening.stdout is not None
        assert listening.stdout.readline() == "listens\n"
        assert run([*enter, f"moefleet-lab-{client}", sys.executable, "-c", CLIENT, address]) == "9000\n"


def main() -> None:
    """From nothing, through damage, to other topologies."""
    assert network.existing_namespaces() == set()
    first = topology(("a", 10), ("b", 11))
    settle(first)
    reach("a", "b", "192.168.1.11")

    run(["ip", "-n", "moefleet-lab-b", "link", "delete", "eth1"])
    run(["ip", "-n", "moefleet-lab-a", "addr", "flush", "dev", "eth1", "scope", "global"])
    for number in (98, 99, 10):
        run(["ip", "-n", "moefleet-lab-a", "addr", "add", f"192.168.1.{number}/24", "dev", "eth1"])
    run(["ip", "-n", "moefleet-lab-fabric", "link", "set", "p0-0", "down"])
    settle(first)

    settle(topology(("c", 11), ("b", 10), ("a", 12)))  # another order, other addresses, one more
    settle(topology(("b", 10), ("c", 11)))
    reach("c", "b", "192.168.1.10")


if __name__ == "__main__":
    main()
