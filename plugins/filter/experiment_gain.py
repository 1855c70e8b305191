# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``experiment_gain``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.verification.experiments import gain


def experiment_gain(
    after: Sequence[Mapping[str, Any]],
    before: Sequence[Mapping[str, Any]],
    figures: Mapping[str, str],
    change: str = "",
) -> list[dict[str, Any]]:
    """Return a measurement for each of ``figures`` (id of the catalogue: figure of a load) from runs of two sides."""
    if isinstance(after, (str, Mapping)) or isinstance(before, (str, Mapping)) or not isinstance(figures, Mapping):
        raise AnsibleFilterError("experiment_gain takes the loads after and before a change, and figures by their ids")
    first, last = plain_data(before), plain_data(after)
    return [gain.measurement(str(check), str(path), first, last, str(change)) for check, path in figures.items()]


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"experiment_gain": experiment_gain}
