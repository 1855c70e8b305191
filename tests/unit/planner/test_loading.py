"""What ranks read of a checkpoint: all of it, or what they hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

Reference = Callable[..., dict[str, Any]]
FILTER = "--enable-ep-weight-filter"
# DeepSeek-V3 in FP8: all tensors but the draft layer's, and those of the 58 x 256 routed experts with their scales.
WHOLE, EXPERT = 673_150_611_808, 3 * 7168 * 2048 + 4 * 3 * (7168 // 128) * (2048 // 128)
ROUTED = 58 * 256 * EXPERT


def planned(reference: Reference, **changes: Any) -> dict[str, Any]:
    """The reference's plan without redundant experts, so without EPLB."""
    raw = reference()
    raw["parallel"] = {"tensor": 1, "expert": True}
    for part, values in changes.items():
        raw[part] = {**raw[part], **values} if isinstance(values, dict) and isinstance(raw.get(part), dict) else values
    return make_plan(raw).as_dict()


def flags(plan: dict[str, Any]) -> list[int]:
    return [serve["argv"].count(FILTER) for serve in plan["serve"].values()]


def test_each_of_32_ranks_reads_8_of_256_experts(reference: Reference) -> None:
    plan = planned(reference)
    found = plan["loading"]
    assert flags(plan) == [1, 1, 1, 1]
    assert found["filtered"]
    assert found["checkpoint_bytes"] == WHOLE
    assert found["rank_bytes"] == WHOLE - ROUTED + ROUTED // 32
    assert found["host_bytes"] == WHOLE - ROUTED + ROUTED // 4
    assert found["saved_bytes"] == WHOLE - found["rank_bytes"]


def test_every_host_of_a_pipeline_reads_all_experts_and_each_rank_its_own(reference: Reference) -> None:
    plan = planned(reference, layout="pipeline", workload={"sessions": 64})
    assert flags(plan) == [1, 1, 1, 1]
    assert plan["loading"]["host_bytes"] == WHOLE
    assert plan["loading"]["rank_bytes"] == WHOLE - ROUTED + ROUTED // 8


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"parallel": {"tensor": 1, "expert": True, "redundant_experts": 32}}, "EPLB may put any expert on any rank"),
        ({"engine": {"version": "0.17.0"}}, "vLLM leaves out other ranks' experts from 0.18.0 on"),
        ({"engine": {"arguments": {"enable_ep_weight_filter": False}}}, "engine.arguments has it off"),
        ({"engine": {"arguments": {"load-format": "runai_streamer"}}}, "another way of loading"),
        (
            {"engine": {"arguments": {"model_loader_extra_config": {"enable_multithread_load": True}}}},
            "another way of loading",
        ),
    ],
)
def test_without_the_filter_each_rank_reads_all_and_the_plan_says_why(
    reference: Reference, changes: dict[str, Any], reason: str
) -> None:
    plan = planned(reference, **changes)
    assert flags(plan) == [0, 0, 0, 0]
    assert reason in plan["loading"]["reason"]
    assert plan["loading"]["rank_bytes"] == plan["loading"]["host_bytes"] == WHOLE
    assert plan["loading"]["saved_bytes"] == 0


def test_packed_experts_are_not_counted_on(reference: Reference) -> None:
    plan = planned(reference, precision="awq", model_path="/models/deepseek-v3-awq")
    assert not plan["loading"]["filtered"]
    assert "experts in awq are packed" in plan["loading"]["reason"]
    assert not any(flags(plan))


def test_what_the_user_says_is_not_said_twice(reference: Reference) -> None:
    plan = planned(reference, engine={"arguments": {"enable-ep-weight-filter": True}})
    assert flags(plan) == [1, 1, 1, 1]
    assert plan["loading"]["filtered"]
