"""Ranks: from the whole group, in a defined order, every rank exactly once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.layout import Layout, order_hosts, place
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request import Host, Parallel

NODES = tuple(Host(f"node-{index}") for index in range(4))
RANKED = tuple(Host(f"node-{index}", node_rank=index) for index in range(4))


def placed(
    hosts: Sequence[Host] = NODES, gpus: int = 8, parallel: Parallel | None = None
) -> tuple[Layout | None, list[Finding]]:
    findings: list[Finding] = []
    layout = place(hosts, gpus, parallel or Parallel(), moe=True, findings=findings)
    return layout, findings


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def test_the_reference_layout() -> None:
    layout, findings = placed()
    assert layout is not None
    assert findings == []
    assert [(host.name, host.role, host.start_rank, host.local_ranks) for host in layout.hosts] == [
        ("node-0", "head", 0, 8),
        ("node-1", "follower", 8, 8),
        ("node-2", "follower", 16, 8),
        ("node-3", "follower", 24, 8),
    ]
    assert layout.hosts[3].ranks == tuple(range(24, 32))
    assert layout.data_parallel_size == layout.expert_parallel_size == 32
    assert layout.groups == (tuple(range(32)),)


def test_as_dict_is_json_like() -> None:
    layout, _findings = placed()
    assert layout is not None
    found = layout.as_dict()
    assert found["hosts"][1] == {
        "name": "node-1",
        "role": "follower",
        "start_rank": 8,
        "local_ranks": 8,
        "ranks": [8, 9, 10, 11, 12, 13, 14, 15],
    }
    assert found["groups"] == [list(range(32))]
    assert found["tensor_parallel_size"] == found["pipeline_parallel_size"] == 1


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_node_rank_does_not_depend_on_inventory_order(order: tuple[int, ...]) -> None:
    assert placed([RANKED[index] for index in order]) == placed(RANKED)


def test_without_node_rank_the_order_is_the_inventorys() -> None:
    layout, _findings = placed([NODES[2], NODES[0]])
    assert layout is not None
    assert [host.name for host in layout.hosts] == ["node-2", "node-0"]


@pytest.mark.parametrize(
    ("ranks", "expected", "said"),
    [
        ((0, 1, None, 3), ["layout.node_rank_partial"], "node-2"),
        ((0, 1, 1, 3), ["layout.node_rank_duplicate", "layout.node_rank_gap"], "node-1, node-2"),
        ((1, 2, 3, 4), ["layout.node_rank_gap"], "node-3 has 4"),
        ((0, 1, 3, 4), ["layout.node_rank_gap"], "node_rank 2"),
    ],
)
def test_node_rank_is_all_or_none_each_once(ranks: tuple[int | None, ...], expected: list[str], said: str) -> None:
    hosts = [Host(f"node-{index}", node_rank=rank) for index, rank in enumerate(ranks)]
    layout, findings = placed(hosts)
    assert layout is None
    assert codes(findings) == expected
    assert any(said in finding.message for finding in findings)


def test_a_name_twice_is_refused() -> None:
    layout, findings = placed([Host("node-0"), Host("node-1"), Host("node-0")])
    assert layout is None
    assert codes(findings) == ["layout.duplicate_host"]
    assert "node-0" in findings[0].message


@pytest.mark.parametrize(
    ("parallel", "expected", "said"),
    [
        ({"data": 33}, "layout.too_few_gpus", "at most 32"),
        ({"tensor": 8, "data": 5}, "layout.too_few_gpus", "at most 4"),
        ({"tensor": 16}, "layout.rank_spans_hosts", "at most 8"),
        ({"tensor": 4, "pipeline": 4}, "layout.rank_spans_hosts", "at most 8"),
        ({"data": 3}, "layout.host_without_ranks", "32"),
        ({"data": 17}, "layout.host_without_ranks", "32"),
    ],
)
def test_sizes_that_do_not_go(parallel: dict[str, Any], expected: str, said: str) -> None:
    layout, findings = placed(parallel=Parallel(**parallel))
    assert layout is None
    assert codes(findings) == [expected]
    assert said in findings[0].fix


@pytest.mark.parametrize(
    ("parallel", "counts", "idle"),
    [
        ({"data": 16}, [4, 4, 4, 4], "16 of"),
        ({"data": 30}, [8, 8, 8, 6], "2 of"),
        ({"tensor": 3}, [2, 2, 2, 2], "8 of"),
    ],
)
def test_idle_gpus_are_a_warning(parallel: dict[str, Any], counts: list[int], idle: str) -> None:
    layout, findings = placed(parallel=Parallel(**parallel))
    assert layout is not None
    assert [host.local_ranks for host in layout.hosts] == counts
    assert [(finding.code, finding.severity) for finding in findings] == [("layout.idle_gpus", "warning")]
    assert idle in findings[0].message


def test_a_dense_models_ranks_fail_alone() -> None:
    layout = place(NODES, 8, Parallel(expert=False), moe=False, findings=[])
    assert layout is not None
    assert layout.groups == tuple((rank,) for rank in range(32))
    assert layout.expert_parallel_size == 1


def test_tensor_ranks_share_a_data_rank() -> None:
    layout, findings = placed(parallel=Parallel(tensor=8))
    assert layout is not None
    assert findings == []
    assert [host.ranks for host in layout.hosts] == [(0,), (1,), (2,), (3,)]
    assert layout.expert_parallel_size == 32


def test_no_hosts_is_no_layout() -> None:
    assert placed([]) == (None, [])


@given(st.integers(1, 12), st.integers(1, 16), st.integers(1, 4), st.integers(1, 3), st.integers(1, 200))
def test_ranks_are_0_to_n_each_once(hosts: int, gpus: int, tensor: int, pipeline: int, data: int) -> None:
    parallel = Parallel(tensor=tensor, pipeline=pipeline, data=data)
    layout, findings = placed([Host(f"h{index}") for index in range(hosts)], gpus, parallel)
    if layout is None:
        assert any(finding.severity == "error" for finding in findings)
        return
    assert [rank for host in layout.hosts for rank in host.ranks] == list(range(data))
    assert all(host.ranks[0] == host.start_rank and len(host.ranks) == host.local_ranks for host in layout.hosts)
    assert all(host.local_ranks * tensor * pipeline <= gpus for host in layout.hosts)
    assert [host.role for host in layout.hosts] == ["head"] + ["follower"] * (hosts - 1)
    assert sorted(rank for group in layout.groups for rank in group) == list(range(data))


@given(st.permutations(range(6)))
def test_any_order_of_ranked_hosts_is_one_layout(order: list[int]) -> None:
    hosts = [Host(f"h{rank}", node_rank=rank) for rank in order]
    assert [host.name for host in order_hosts(hosts, []) or []] == [f"h{rank}" for rank in range(6)]


@given(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=1, max_size=6))
def test_wrong_node_ranks_never_pass(ranks: list[int | None]) -> None:
    assume(any(rank is not None for rank in ranks))
    findings: list[Finding] = []
    ordered = order_hosts([Host(f"h{index}", node_rank=rank) for index, rank in enumerate(ranks)], findings)
    right = sorted(-1 if rank is None else rank for rank in ranks) == list(range(len(ranks)))
    assert (ordered is not None) == right
    assert bool(findings) != right
