# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``memory_budget``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import PlannerError
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_memory


def memory_budget(request: Mapping[str, Any]) -> dict[str, Any]:
    """The memory of the fullest rank, from the input of the module ``serving_plan``; it says whether it fits, and does
    not fail.
    """
    if not isinstance(request, Mapping):
        raise AnsibleFilterError("memory_budget takes a mapping, the input of moefleet.serving.serving_plan")
    try:
        return {"per_rank": make_memory(plain_data(request)).as_dict()}
    except PlannerError as problem:
        raise AnsibleFilterError(str(problem)) from problem


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"memory_budget": memory_budget}
