# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``fabric_schedule``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric import schedule
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.commands import Endpoint, Settings


def fabric_schedule(hosts: Sequence[Any], settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What each host runs to measure the fabric, round by round, from the hosts with what was seen of them."""
    if isinstance(hosts, (str, Mapping)) or not isinstance(hosts, Sequence):
        raise AnsibleFilterError("fabric_schedule takes a list of hosts")
    try:
        known = [Endpoint.from_dict(entry) for entry in plain_data(hosts)]
        return schedule.schedule(known, Settings.from_dict(plain_data(settings or {}))).to_dict()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"fabric_schedule: the hosts or settings have no usable {error}") from None


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"fabric_schedule": fabric_schedule}
