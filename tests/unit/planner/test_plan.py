"""The whole plan: the names other tools rely on, and what is said first."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding, PlannerError
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.report import summary, table

Reference = Callable[..., dict[str, Any]]


def codes(raw: dict[str, Any]) -> list[str]:
    return [finding.code for finding in make_plan(raw).findings]


def test_the_contracts_names(reference: Reference) -> None:
    plan = make_plan(reference()).as_dict()
    assert set(plan) >= {"layout", "memory", "serve", "service", "engine", "stack", "findings"}
    assert set(plan["layout"]) >= {"hosts", "expert_parallel_size", "data_parallel_size", "groups"}
    assert set(plan["layout"]["hosts"][0]) == {"name", "role", "start_rank", "local_ranks", "ranks"}
    assert set(plan["memory"]["per_rank"]) >= {
        "weights_bytes",
        "kv_bytes_per_token",
        "kv_cache_bytes",
        "kv_cache_tokens",
        "overhead_bytes",
        "overhead_range_bytes",
        "budget_bytes",
        "headroom_bytes",
        "fits",
        "kv_capacity_bytes",
        "kv_capacity_tokens",
    }
    assert set(plan["memory"]["per_rank"]["overhead_range_bytes"]) == {"low", "likely", "high"}
    assert set(plan["serve"]) == {"node-0", "node-1", "node-2", "node-3"}
    assert set(plan["serve"]["node-0"]) == {"argv", "env"}
    assert all(set(finding) == {"code", "severity", "message", "fix"} for finding in plan["findings"])
    assert plan["service"] == {
        "head": "node-0",
        "address": "192.168.1.10",
        "port": 8000,
        "url": "http://192.168.1.10:8000",
        "rpc_port": 13345,
        "rpc_address": "tcp://192.168.1.10:13345",
        "engines": 32,
        "served_model_name": "deepseek-ai/DeepSeek-V3",
        "model_path": "deepseek-ai/DeepSeek-V3",
    }
    assert plan["engine"] == {"name": "vllm", "version": "0.19.1", "platform": "cuda"}


def test_a_plan_is_json_and_the_same_every_time(reference: Reference) -> None:
    text = json.dumps(make_plan(reference()).as_dict(), allow_nan=False)
    assert text == json.dumps(make_plan(reference()).as_dict())


def test_a_failed_plan_still_carries_all_that_could_be_made(reference: Reference) -> None:
    plan = make_plan(reference({"precision": "bf16"})).as_dict()
    assert plan["memory"]["per_rank"]["fits"] is False
    assert plan["layout"]["expert_parallel_size"] == 32
    assert plan["serve"]["node-3"]["argv"]


def test_a_plan_without_a_model_still_has_a_layout(reference: Reference) -> None:
    plan = make_plan(reference({"model": "nothing-like-it"})).as_dict()
    assert plan["layout"]["hosts"][3]["start_rank"] == 24
    assert plan["memory"] is None
    assert plan["serve"] == {}
    assert plan["service"]["model_path"] is None


def inventory(name: str, data_dir: Path) -> dict[str, Any]:
    return {"sources": [str(data_dir / "inventories" / name)], "group": "vllm_nodes"}


@pytest.mark.parametrize(
    ("name", "hosts", "expected"),
    [
        (
            "duplicate_host_key.yml",
            {"gpu-a01": 0, "gpu-a02": 1, "gpu-a03": 3},
            ["inventory.duplicate_key", "layout.node_rank_gap", "address.missing"],
        ),
        ("hosts_list.yml", {}, ["inventory.not_a_mapping", "inventory.group_missing"]),
        (
            "host_in_two_groups.ini",
            {"gpu-a01": 1, "gpu-a02": 2},
            ["inventory.conflicting_variable", "layout.node_rank_gap", "address.missing"],
        ),
        ("dash_group.yml", {}, ["inventory.group_missing"]),
    ],
)
def test_inventory_defects_come_first_and_alone(
    reference: Reference, data_dir: Path, name: str, hosts: dict[str, int], expected: list[str]
) -> None:
    """Sizes that don't go with a wrong number of hosts would only hide the cause."""
    given_hosts = [{"name": host, "node_rank": rank} for host, rank in hosts.items()]
    plan = make_plan(reference({"cluster.hosts": given_hosts, "inventory": inventory(name, data_dir)}))
    assert [finding.code for finding in plan.errors] == expected


def test_with_a_sound_inventory_sizes_are_judged(reference: Reference, tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_text("serving: {hosts: {node-0: , node-1: , node-2: , node-3: }}", encoding="utf-8")
    source = {"sources": [str(path)], "group": "serving"}
    plan = make_plan(reference({"inventory": source, "precision": "bf16", "parallel.data": 33}))
    assert [finding.code for finding in plan.errors] == ["layout.too_few_gpus"]
    plan = make_plan(reference({"inventory": source, "precision": "bf16"}))
    assert [finding.code for finding in plan.errors] == ["memory.does_not_fit"]


def test_all_errors_at_once(reference: Reference) -> None:
    raw = reference(
        {
            "precision": "bf16",
            "parallel.redundant_experts": 16,
            "engine.max_model_len": 200_000,
            "engine.all2all_backend": "none-such",
        }
    )
    raw["cluster"]["hosts"][1]["data_address"] = "127.0.0.1"
    assert set(codes(raw)) >= {
        "address.loopback",
        "engine.max_model_len",
        "engine.all2all_backend",
        "parallel.redundant_experts",
        "memory.does_not_fit",
    }


def test_a_released_checkpoint_is_not_another_precision(reference: Reference) -> None:
    assert "model.not_as_released" in codes(reference({"precision": "bf16"}))
    assert "model.not_as_released" not in codes(reference())
    assert "model.not_as_released" not in codes(reference({"precision": "bf16", "model_path": "/models/v3-bf16"}))


def test_summary_has_layout_memory_and_findings(reference: Reference) -> None:
    lines = summary(make_plan(reference({"cluster.hosts": reference()["cluster"]["hosts"]})))
    text = "\n".join(lines)
    assert lines[0] == "DP=32 TP=1 PP=1 EP=32, vllm 0.19.1 (cuda)"
    assert "node-3  follower  192.168.1.13  24-31" in lines
    assert "41.09 GiB" in text
    assert "warning: network.bound" in text


def test_summary_of_a_plan_that_could_not_be_made() -> None:
    lines = summary(make_plan({}))
    assert lines
    assert all(line.startswith("error: ") for line in lines)


def test_tables_are_aligned() -> None:
    assert table([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc  d"]


def test_a_finding_reads_as_one_line() -> None:
    finding = Finding("room.what", "error", "it is wrong", "make it right")
    assert str(finding) == "room.what: it is wrong (make it right)"
    problem = PlannerError("room.what", "place", "it is wrong", "make it right")
    assert "place" in str(problem)
    assert problem.finding() == Finding("room.what", "error", "place: it is wrong", "make it right")
