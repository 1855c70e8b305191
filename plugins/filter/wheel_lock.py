# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``wheel_lock``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ..module_utils.wheels import lock as locks
from ..module_utils.wheels.judgement import problems


def wheel_lock(
    text: str, pythons: Sequence[str], gpu: str = "", cuda: str = "", name: str = "the lock file"
) -> dict[str, Any]:
    """A lock file narrowed to the first of ``pythons`` it is for: ``python``, ``text``, ``versions``, ``problems``."""
    try:
        lock = locks.read(str(text), name)
        python = locks.choose_python(lock, [str(one) for one in pythons], name)
        narrow = locks.narrowed(lock, python, name)
    except locks.LockError as error:
        raise AnsibleFilterError(str(error)) from error
    versions = locks.versions(narrow)
    return {
        "python": python,
        "text": locks.rendered(narrow),
        "versions": versions,
        "problems": problems(versions, str(gpu), str(cuda)),
    }


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"wheel_lock": wheel_lock}
