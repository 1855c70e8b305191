"""A good inventory gives the plan, written once; a bad one is refused with its code before anything else is done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.tests.testinfra import hosts

INVENTORIES = Path(__file__).resolve().parents[1] / "inventories"
GOOD = f"--inventory={INVENTORIES / 'good.yml'}"
PLAN = hosts.REPOSITORY / "artifacts" / "molecule" / "plan" / "plan.json"
GIB = 1 << 30

# Inventory → code of its defect, and words that its message must have.
DEFECTS = {
    "same_address.yml": ("address.duplicate", "gpu-b, gpu-c share the data_address 192.168.1.10"),
    "half_ranked.yml": ("layout.node_rank_partial", "without are: gpu-b"),
    "twice.ini": ("inventory.duplicate_host", "gpu-a is listed in 'serving' again"),
}


@pytest.fixture
def plan() -> dict[str, Any]:
    """The plan as it was written."""
    content: dict[str, Any] = json.loads(PLAN.read_text(encoding="utf-8"))
    return content


def test_ranks_follow_node_rank(plan: dict[str, Any]) -> None:
    layout = [(host["name"], host["role"], host["start_rank"], host["local_ranks"]) for host in plan["layout"]["hosts"]]
    assert layout == [
        ("gpu-b", "head", 0, 8),
        ("gpu-a", "follower", 8, 8),
        ("gpu-c", "follower", 16, 8),
        ("gpu-d", "follower", 24, 8),
    ]


def test_memory_of_the_fullest_rank(plan: dict[str, Any]) -> None:
    """FP8, expert parallelism over 32 ranks without redundant experts."""
    per_rank = plan["memory"]["per_rank"]
    assert per_rank["fits"]
    assert per_rank["weights_bytes"] / GIB == pytest.approx(38.71, rel=0.01)
    assert per_rank["kv_bytes_per_token"] == 70272


def test_every_host_has_its_command(plan: dict[str, Any]) -> None:
    argv = plan["serve"]["gpu-c"]["argv"]
    assert argv[:2] == ["vllm", "serve"]
    assert argv[argv.index("--data-parallel-start-rank") + 1] == "16"
    assert argv[argv.index("--data-parallel-address") + 1] == "192.168.1.10"
    assert plan["serve"]["gpu-c"]["env"]["VLLM_HOST_IP"] == "192.168.1.12"


def test_an_unchanged_plan_is_not_written_again(converge: Path) -> None:
    before = PLAN.stat()
    assert hosts.played(converge, inventory=GOOD).changed("localhost") == 0
    after = PLAN.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_bad_inventory_is_refused_with_its_code(converge: Path, name: str) -> None:
    before = PLAN.read_bytes()
    code, message = DEFECTS[name]
    words = hosts.refused(converge, inventory=f"--inventory={INVENTORIES / name}")
    assert f"- {code}: " in words
    assert message in words
    assert "What comes after it" not in words
    assert PLAN.read_bytes() == before


def test_weights_that_do_not_fit_are_refused_with_the_numbers(converge: Path) -> None:
    asked = {"plan_precision": "bf16", "plan_parallel": {"redundant_experts": 32}}
    words = hosts.refused(converge, inventory=GOOD, variables=asked)
    assert "memory." in words
    assert "GiB" in words
    assert "What comes after it" not in words
