"""Service objectives: read, and judged by the right end of the range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

Reference = Callable[..., dict[str, Any]]


def judged(reference: Reference, objective: dict[str, Any], **changes: Any) -> dict[str, Any]:
    raw = reference({"objectives": [objective], "search": {"enabled": False}, **changes})
    [found] = make_plan(raw).as_dict()["objectives"]
    return dict(found)


@pytest.mark.parametrize(
    ("objective", "verdict"),
    [
        ({"metric": "decode_tokens_s", "at_least": 50_000}, "not met"),
        ({"metric": "decode_tokens_s", "at_least": 35_000}, "not met"),
        ({"metric": "decode_tokens_s", "at_least": 2_000}, "uncertain"),
        ({"metric": "decode_tokens_s", "at_least": 500}, "met"),
        ({"metric": "ttft_ms", "at_most": 800, "percentile": 50, "input_tokens": 512}, "met"),
        ({"metric": "ttft_ms", "at_most": 2_000, "percentile": 50, "input_tokens": 4_096}, "uncertain"),
        ({"metric": "ttft_ms", "at_most": 1_200, "input_tokens": 4_096}, "not met"),
        ({"metric": "tpot_ms", "at_most": 10}, "not met"),
        ({"metric": "memory_used_fraction", "at_most": 0.9}, "met"),
        ({"metric": "sessions", "at_least": 200}, "met"),
    ],
)
def test_verdicts_on_the_reference_cluster(reference: Reference, objective: dict[str, Any], verdict: str) -> None:
    found = judged(reference, objective)
    assert found["verdict"] == verdict, found


def test_one_out_of_reach_says_the_bound_and_a_finding_repeats_it(reference: Reference) -> None:
    raw = reference({"objectives": [{"metric": "decode_tokens_s", "at_least": 50_000}]})
    plan = make_plan(raw)
    [objective] = plan.as_dict()["objectives"]
    assert "the bound is 2552" in objective["reason"]
    assert objective["margin"] < -0.9
    assert "objectives.not_met" in [finding.code for finding in plan.findings]


def test_what_is_not_known_is_not_met(reference: Reference) -> None:
    found = judged(reference, {"metric": "decode_tokens_s", "at_least": 1}, **{"cluster.nic_gbit_s": ...})
    assert found["verdict"] == "uncertain"
    assert found["reason"] == "not known from this input"


@pytest.mark.parametrize(
    ("objectives", "code"),
    [
        ("fast", "input.not_a_list"),
        ([{"metric": "decode_tokens", "at_least": 1}], "objectives.unknown_metric"),
        ([{"metric": "decode_tokens_s"}], "objectives.no_target"),
        ([{"metric": "decode_tokens_s", "at_least": 1, "at_most": 2}], "objectives.no_target"),
        ([{"metric": "decode_tokens_s", "at_least": "many"}], "input.not_a_number"),
        ([{"metric": "ttft_ms", "at_most": 1, "percent": 3}], "input.unknown_key"),
        ([3], "input.not_a_mapping"),
    ],
)
def test_wrong_ones_are_named(reference: Reference, objectives: Any, code: str) -> None:
    assert code in [finding.code for finding in make_plan(reference({"objectives": objectives})).errors]
