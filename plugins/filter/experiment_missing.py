# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``experiment_missing``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.verification.experiments import gain


def experiment_missing(
    figures: Mapping[str, str], reason: str = "", failures: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return a measurement without a value for each of ``figures`` (by id of the catalogue), and why."""
    if not isinstance(figures, Mapping) or isinstance(failures, (str, Mapping)):
        raise AnsibleFilterError("experiment_missing takes figures by their ids, and the results of failed tasks")
    return gain.missing([str(check) for check in figures], str(reason), plain_data(failures))


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"experiment_missing": experiment_missing}
