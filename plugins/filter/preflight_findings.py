# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``preflight_findings``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.judge import CODES, UNSEEN, judge, report


def preflight_findings(
    records: Mapping[str, Any],
    *,
    skip: Sequence[str] = (),
    allow_unknown: Sequence[str] = (),
    mended_later: Sequence[str] = (),
) -> dict[str, Any]:
    """Judge a group: by host what was ``seen`` by ``host_inspection`` and what is ``expected``."""
    if not isinstance(records, Mapping) or not all(isinstance(record, Mapping) for record in records.values()):
        raise AnsibleFilterError("preflight_findings takes a dictionary of hosts, each with `seen` and `expected`")
    lists = {"skip": skip, "allow_unknown": allow_unknown, "mended_later": mended_later}
    for name, codes in lists.items():
        if isinstance(codes, str) or not isinstance(codes, Sequence):
            raise AnsibleFilterError(f"preflight_findings: {name} is a list of codes, not {codes!r}")
        for code in codes:
            if not _is_code(str(code)):
                raise AnsibleFilterError(f"preflight_findings: {name} has {code!r}, which is no code of a check")
    plain = plain_data(records)
    return report(judge(plain, **{name: [str(code) for code in codes] for name, codes in lists.items()}), len(plain))


def _is_code(code: str) -> bool:
    """A misspelt code would skip nothing, and nobody would see it."""
    family = code[:-1] if code.endswith("*") else None
    return code.startswith(UNSEEN) or code in CODES or (family is not None and any(map(_begins(family), CODES)))


def _begins(family: str) -> Callable[[str], bool]:
    return lambda code: code.startswith(family)


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"preflight_findings": preflight_findings}
