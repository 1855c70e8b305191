"""The filter serving_hosts."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.serving_hosts import FilterModule, serving_hosts

HOSTVARS: dict[str, dict[str, Any]] = {
    "a": {"data_address": "10.0.0.1", "node_rank": 0, "data_interface": "eth1", "ansible_host": "10.9.0.1"},
    "b": {"data_address": None, "other": 1},
    "c": {"node_rank": 2},
}


def test_what_the_planner_needs_in_the_groups_order() -> None:
    assert serving_hosts(["c", "a", "b"], HOSTVARS) == [
        {"name": "c", "node_rank": 2},
        {"name": "a", "data_address": "10.0.0.1", "node_rank": 0, "data_interface": "eth1"},
        {"name": "b"},
    ]


def test_an_empty_group_is_an_empty_list() -> None:
    assert serving_hosts([], HOSTVARS) == []


@pytest.mark.parametrize("names", ["a", {"a": 1}, None])
def test_refused(names: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="list of host names"):
        serving_hosts(names, HOSTVARS)


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"serving_hosts": serving_hosts}
