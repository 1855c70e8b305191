"""What the lab's hosts have in them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.lab_machine_list import lab_machine_list


def host(name: str, number: int, *ports: str) -> dict[str, Any]:
    networks = {"eth0": "10.0.1", "eth1": "192.168.1"}
    interfaces = [{"name": port, "network": "x", "address": f"{networks[port]}.{number}/24"} for port in ports]
    return {"name": name, "interfaces": interfaces}


HOSTS = [host("node-0", 10, "eth0", "eth1"), host("node-1", 11, "eth1", "eth0")]


def test_every_host_knows_all_by_their_data_addresses() -> None:
    first, second = lab_machine_list(HOSTS, "eth1", "ssh-ed25519 AAAA", {"/shared": "/srv/storage"})
    assert first["files"]["/etc/hosts"] == second["files"]["/etc/hosts"]
    lines = first["files"]["/etc/hosts"].splitlines()
    assert lines[0] == "127.0.0.1 localhost"
    assert lines[2:] == ["192.168.1.10 node-0", "192.168.1.11 node-1"]
    assert (first["name"], first["files"]["/etc/hostname"]) == ("node-0", "node-0\n")
    assert second["files"]["/root/.ssh/authorized_keys"] == "ssh-ed25519 AAAA\n"
    assert second["binds"] == {"/shared": "/srv/storage"}


def test_a_host_that_is_not_on_the_data_network_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match="node-2 has no interface eth1, only: eth0"):
        lab_machine_list([*HOSTS, host("node-2", 12, "eth0")], "eth1", "key", {})
