"""What is expected when users, requests and layouts do not match: nothing is made up, and it is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.performance.first_token import waiting_s
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

Reference = Callable[..., dict[str, Any]]
ONE_HOST = [{"name": "node-0", "data_address": "192.168.1.10", "data_interface": "eth1"}]


def codes(raw: dict[str, Any]) -> list[str]:
    return [finding.code for finding in make_plan(raw).findings]


def test_one_user_is_not_on_many_replicas(reference: Reference) -> None:
    plan = make_plan(reference({"workload.sessions": 1})).as_dict()
    for item in plan["alternatives"]:
        rate, wait = item["decode_tokens_s"]["likely"], item["tpot_ms"]
        assert rate == pytest.approx(1e3 / wait, rel=0.01)


def test_more_requests_than_are_answered(reference: Reference) -> None:
    calm = make_plan(reference({"workload.arrival_rate": 0.1}))
    over = make_plan(reference({"workload.arrival_rate": 5}))
    assert "workload.overload" not in [finding.code for finding in calm.findings]
    assert "workload.overload" in [finding.code for finding in over.findings]
    calm_found, over_found = calm.as_dict()["performance"], over.as_dict()["performance"]
    assert calm_found["output_tokens_s"]["likely"] == pytest.approx(0.1 * 1024, rel=0.01)
    assert over_found["ttft_ms"]["likely"] > 10 * calm_found["ttft_ms"]["likely"]


def test_users_without_a_place_wait_for_whole_answers(reference: Reference) -> None:
    free, one = (
        make_plan(reference(changes)).as_dict()["performance"]["ttft_ms"]["likely"]
        for changes in ({}, {"engine.max_num_seqs": 1})
    )
    assert one > free + 30_000


@pytest.mark.parametrize(
    "workload",
    [{"input_tokens": 200_000}, {"input_tokens": 30_000, "output_tokens": 4_000}, {"context_tokens": 500_000}],
)
def test_requests_longer_than_the_engine_takes(reference: Reference, workload: dict[str, int]) -> None:
    changes = {f"workload.{name}": value for name, value in workload.items()}
    assert "workload.too_long" in codes(reference(changes))


def test_assumed_lengths_are_shortened_to_what_the_engine_takes(reference: Reference) -> None:
    plan = make_plan(reference({"engine.max_model_len": 512}))
    assert "workload.too_long" not in [finding.code for finding in plan.findings]
    assert plan.as_dict()["performance"]["ttft_ms"]["input_tokens"] == 256


def test_a_plan_that_does_not_fit_meets_nothing(reference: Reference) -> None:
    raw = reference(
        {
            "cluster.hosts": ONE_HOST,
            "parallel": {},
            "objectives": [
                {"metric": "decode_tokens_s", "at_least": 100},
                {"metric": "ttft_ms", "at_most": 5_000},
            ],
        }
    )
    found = make_plan(raw).as_dict()["objectives"]
    assert [item["verdict"] for item in found] == ["not met", "not met"]
    assert all("does not fit" in item["reason"] for item in found)


def test_decode_context_stays_with_tensor_sizes_it_divides(reference: Reference) -> None:
    raw = reference({"parallel": {"tensor": 8, "decode_context": 8}, "search": {"most": 100}})
    found = make_plan(raw).as_dict()["alternatives"]
    assert all(("DCP8" in item["layout"]) == (item["tensor"] == 8) for item in found)


def test_no_layout_that_the_release_cannot_run_is_recommended(reference: Reference) -> None:
    plan = make_plan(reference({"engine.version": "0.9.2", "search": {"most": 100}})).as_dict()
    over_hosts = [item for item in plan["alternatives"] if item["pipeline"] > 1]
    assert over_hosts
    assert {item["launchable"] for item in over_hosts} == {"no"}
    assert "search.better_layout" not in [finding["code"] for finding in plan["findings"]]


def test_more_ranks_than_experts(reference: Reference) -> None:
    hosts = [{**ONE_HOST[0], "name": f"n{i}", "data_address": f"10.0.0.{i + 1}"} for i in range(16)]
    raw = reference({"model": "deepseek-v2-lite", "precision": "auto", "cluster.hosts": hosts, "parallel": {}})
    assert "parallel.too_many_ranks" in codes(raw)


def test_drafts_count_up_to_the_first_that_is_not_accepted(reference: Reference) -> None:
    fast = {"cluster.nic_gbit_s": 3200, "engine.acceptance_rate": 0.5}
    plans = [make_plan(reference({**fast, "engine.speculative_tokens": drafts})) for drafts in (0, 16)]
    rates = [plan.as_dict()["performance"] for plan in plans]
    steps = [found["decode_tokens_s"]["bound"] * max(found["decode_step_ms"].values()) for found in rates]
    assert steps[1] / steps[0] == pytest.approx(2.0, rel=0.01)


def test_a_model_without_a_prediction_layer_cannot_draft(reference: Reference) -> None:
    raw = reference({"model": "qwen3-30b-a3b", "precision": "auto", "engine.speculative_tokens": 1})
    assert "engine.speculative_tokens" in codes(raw)


def test_unknown_rates_are_null_and_not_zero(reference: Reference) -> None:
    found = make_plan(reference({"cluster.nic_gbit_s": ...})).as_dict()["alternatives"]
    assert all(item["decode_tokens_s"] is None for item in found if item["limited_by"] == "unknown")
    assert any(item["limited_by"] == "unknown" for item in found)


@pytest.mark.parametrize(
    "changes",
    [
        {"cluster.nic_gbit_s": 1e300},
        {"cluster.gpu": {"memory_bytes": 96}},
        {"cluster.gpu": {"memory_bytes": 96 << 30, "bf16_flops": 148}},
        {"parallel.redundant_experts": 10**30},
        {"workload.sessions": 10**30},
        {"workload.input_tokens": 1e308},
    ],
)
def test_sizes_beyond_sense_are_refused(reference: Reference, changes: dict[str, Any]) -> None:
    assert "input.out_of_range" in codes(reference(changes))


def test_very_many_servers_are_reckoned_quickly() -> None:
    assert waiting_s(service_s=1.0, servers=1e9, arrival_rate=5e8, percentile=99, users=10) == 0


def test_another_engine_is_not_judged_by_vllms_releases(reference: Reference) -> None:
    raw = reference({"engine.name": "sglang", "engine.version": "0.5.3"})
    plan = make_plan(raw)
    assert not plan.errors
    assert "engine.only_sized" in [finding.code for finding in plan.findings]
