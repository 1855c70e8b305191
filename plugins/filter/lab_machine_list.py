# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: what the lab's hosts are to have in them, from their interfaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError


def address_on(host: Mapping[str, Any], interface: str) -> str:
    """The address of a host's interface, without prefix length."""
    found = [str(port["address"]).split("/", maxsplit=1)[0] for port in host["interfaces"] if port["name"] == interface]
    if not found:
        ports = ", ".join(str(port["name"]) for port in host["interfaces"])
        raise AnsibleFilterError(
            f"lab_machine_list: {host['name']} has no interface {interface}, only: {ports}. See lab_hosts_data."
        )
    return found[0]


def lab_machine_list(
    hosts: Sequence[Mapping[str, Any]], data_interface: str, public_key: str, binds: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Hosts as the module lab_machines takes them: every host knows all names by their data addresses, and the
    controller's key.
    """
    names = "".join(f"{address_on(host, data_interface)} {host['name']}\n" for host in hosts)
    return [
        {
            "name": str(host["name"]),
            "files": {
                "/etc/hostname": f"{host['name']}\n",
                "/etc/hosts": f"127.0.0.1 localhost\n::1 localhost\n{names}",
                "/root/.ssh/authorized_keys": f"{public_key}\n",
            },
            "binds": {str(inside): str(outside) for inside, outside in binds.items()},
        }
        for host in hosts
    ]


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> dict[str, Any]:
        """Filters by name."""
        return {"lab_machine_list": lab_machine_list}
