# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``load_effects``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load import hosts


def load_effects(
    after: Mapping[str, Any],
    before: Mapping[str, Any],
    plan: Mapping[str, Any],
    watched: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return what a load did to the hosts, as measurements, from their states before and after it, and their GPUs'."""
    if not all(isinstance(states, Mapping) for states in (after, before, plan, watched or {})):
        raise AnsibleFilterError("load_effects takes the states by host after and before the load, and the plan")
    first, last, planned = plain_data(before), plain_data(after), plain_data(plan)
    try:
        head = planned["service"]["head"]
        argv = [str(word) for word in planned["serve"][head]["argv"]]
    except (KeyError, TypeError) as error:
        raise AnsibleFilterError(f"load_effects: the plan has no {error}") from None
    tokens = ((planned.get("memory") or {}).get("per_rank") or {}).get("kv_cache_tokens")
    return [
        hosts.steadiness(first, last),
        *hosts.gpu_memory(last, plain_data(watched or {})),
        hosts.kv_cache(last, tokens),
        *hosts.experts(last.get(head) or {}, argv),
    ]


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"load_effects": load_effects}
