# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``systemd_exec``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.unit_file import (
    UnitSyntaxError,
    exec_line,
)


def systemd_exec(argv: Sequence[str]) -> str:
    """An argument list as the value of a unit's ``ExecStart=``."""
    if isinstance(argv, (str, bytes, Mapping)) or not isinstance(argv, Sequence):
        raise AnsibleFilterError("systemd_exec takes a list of arguments")
    wrong = [item for item in argv if not isinstance(item, str)]
    if wrong:
        raise AnsibleFilterError(f"systemd_exec takes text only, not {wrong[0]!r}: quote it")
    try:
        return exec_line([str(item) for item in argv])
    except UnitSyntaxError as problem:
        raise AnsibleFilterError(f"systemd_exec: {problem}") from problem


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"systemd_exec": systemd_exec}
