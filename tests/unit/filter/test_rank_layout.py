"""The filter rank_layout."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter.rank_layout import FilterModule, rank_layout

NODES = ["node-0", "node-1", "node-2", "node-3"]


def test_hosts_by_name() -> None:
    layout = rank_layout(NODES, gpus_per_host=8)
    assert [(host["name"], host["role"], host["start_rank"], host["local_ranks"]) for host in layout["hosts"]] == [
        ("node-0", "head", 0, 8),
        ("node-1", "follower", 8, 8),
        ("node-2", "follower", 16, 8),
        ("node-3", "follower", 24, 8),
    ]
    assert layout["expert_parallel_size"] == 32


def test_hosts_with_ranks_and_sizes_as_text() -> None:
    hosts = [{"name": name, "node_rank": 3 - index} for index, name in enumerate(NODES)]
    layout = rank_layout(hosts, gpus_per_host="8", tensor="8")  # type: ignore[arg-type]
    assert [host["name"] for host in layout["hosts"]] == NODES[::-1]
    assert layout["data_parallel_size"] == 4


@pytest.mark.parametrize(
    ("hosts", "sizes", "said"),
    [
        ("node-0", {"gpus_per_host": 8}, "a list of hosts"),
        ({"node-0": {}}, {"gpus_per_host": 8}, "a list of hosts"),
        ([], {"gpus_per_host": 8}, "no hosts"),
        (NODES, {"gpus_per_host": 0}, "gpus_per_host is 0"),
        (NODES, {"gpus_per_host": "many"}, "gpus_per_host"),
        (NODES, {"gpus_per_host": True}, "gpus_per_host"),
        (NODES, {"gpus_per_host": 8, "tensor": -1}, "tensor is -1"),
        (NODES, {"gpus_per_host": 8, "data": 64}, "layout.too_few_gpus"),
        (["a", "a"], {"gpus_per_host": 8}, "layout.duplicate_host"),
        ([{"name": "a", "rank": 0}], {"gpus_per_host": 8}, "input.unknown_key"),
    ],
)
def test_refused(hosts: Any, sizes: dict[str, Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        rank_layout(hosts, **sizes)


def test_ansible_finds_it() -> None:
    assert FilterModule().filters() == {"rank_layout": rank_layout}
