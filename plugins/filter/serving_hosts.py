# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``serving_hosts``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

# What the planner wants to know of a host, by the name of the host variable.
_VARIABLES = ("data_address", "node_rank", "data_interface", "rdma_device")


def serving_hosts(names: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A group's hosts, in the group's order, as ``cluster.hosts`` of the planner; unset variables are left out."""
    if isinstance(names, (str, Mapping)) or not isinstance(names, Sequence):
        raise AnsibleFilterError("serving_hosts takes a list of host names, such as groups['serving']")
    hosts: list[dict[str, Any]] = []
    for name in names:
        variables = hostvars[name]
        host: dict[str, Any] = {"name": str(name)}
        for key in _VARIABLES:
            value = variables.get(key)
            if value is not None:
                host[key] = value
        hosts.append(host)
    return hosts


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"serving_hosts": serving_hosts}
