# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter ``rank_layout``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding, errors
from ansible_collections.moefleet.serving.plugins.module_utils.planner.layout import place
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plainly import plain_data
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request import Parallel
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_hosts


def rank_layout(
    hosts: Sequence[Any],
    *,
    gpus_per_host: int,
    tensor: int = 1,
    pipeline: int = 1,
    data: int | None = None,
    expert: bool = True,
) -> dict[str, Any]:
    """Where every data parallel rank runs, from host names, or hosts as ``serving_hosts`` gives them, in order."""
    if isinstance(hosts, (str, Mapping)) or not isinstance(hosts, Sequence):
        raise AnsibleFilterError("rank_layout takes a list of hosts, such as groups['serving']")
    sizes = {"gpus_per_host": gpus_per_host, "tensor": tensor, "pipeline": pipeline}
    if data is not None:
        sizes["data"] = data
    numbers = {name: _positive(name, value) for name, value in sizes.items()}
    findings: list[Finding] = []
    known, _sound = read_hosts(plain_data(hosts), findings)
    parallel = Parallel(numbers["tensor"], numbers.get("data"), numbers["pipeline"], bool(expert))
    layout = place(known, numbers["gpus_per_host"], parallel, moe=True, findings=findings)
    if not known:
        raise AnsibleFilterError("rank_layout: no hosts")
    wrong = errors(findings)
    if wrong or layout is None:
        raise AnsibleFilterError("rank_layout: " + "; ".join(str(finding) for finding in wrong))
    return layout.as_dict()


def _positive(name: str, value: Any) -> int:
    """A whole number above zero, also from a string of digits."""
    text = str(value).strip()
    if isinstance(value, bool) or not text.isdecimal() or int(text) < 1:
        raise AnsibleFilterError(f"rank_layout: {name} is {value!r}, not a whole number above zero")
    return int(text)


class FilterModule:
    """Ansible's way to find the filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"rank_layout": rank_layout}
