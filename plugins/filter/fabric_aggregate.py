# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``fabric_aggregate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric import totals


def fabric_aggregate(measurements: Sequence[Any], pairs: Sequence[Any]) -> dict[str, Any]:
    """What all hosts send at a time, from the measurements of all hosts and the rounds."""
    for given in (measurements, pairs):
        if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
            raise AnsibleFilterError("fabric_aggregate takes a list of measurements and the rounds' pairs")
    try:
        return totals.aggregate(plain_data(pairs), plain_data(measurements))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise AnsibleFilterError(f"fabric_aggregate: the measurements have no usable {error}") from None


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"fabric_aggregate": fabric_aggregate}
