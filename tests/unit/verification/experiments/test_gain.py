"""A gain is more than the runs' own spread, or it is noise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.filter.experiment_gain import experiment_gain
from ansible_collections.moefleet.serving.plugins.filter.experiment_missing import experiment_missing
from ansible_collections.moefleet.serving.plugins.module_utils.verification.experiments import gain


def loads(*figures: float | None) -> list[dict[str, Any]]:
    """Loads as load_test returns them; None is one whose requests failed."""
    return [
        {
            "evidence": {
                "verdict": "fail" if figure is None else "pass",
                "values": {"output_tokens_s": figure or 1.0, "itl_ms": {"p99": 1000 / (figure or 1.0)}},
            }
        }
        for figure in figures
    ]


def values(after: list[dict[str, Any]], before: list[dict[str, Any]]) -> tuple[str, dict[str, Any], str]:
    (entry,) = experiment_gain(after, before, {"experiment_chunk_size": "output_tokens_s"}, "4096 tokens a chunk")
    evidence = entry["runs"][0]["evidence"]
    return evidence["verdict"], evidence["values"], evidence["reasons"][0]


def test_a_gain_beyond_the_spread() -> None:
    verdict, found, said = values(loads(110, 111, 109), loads(100, 101, 99))
    assert (verdict, found["change_percent"], found["within_noise"]) == ("pass", 10.0, False)
    assert said == "4096 tokens a chunk: 100 before, 110 after, +10.0 %, the runs' own spread is 1.0 %"


def test_noise_is_called_so() -> None:
    _verdict, found, said = values(loads(103, 90, 112), loads(100, 88, 107))
    assert found["within_noise"] is True
    assert said.endswith("within noise")


def test_sides_that_overlap_are_noise() -> None:
    """The medians are further apart than any run is from its own, and yet the best before is better than one after."""
    _verdict, found, _said = values(loads(56, 55.1), loads(55.8, 49.6))
    assert found["within_noise"] is True


def test_runs_that_failed_do_not_count() -> None:
    verdict, found, said = values(loads(110, None), loads(100, 101))
    assert (verdict, found["change_percent"]) == ("unknown", None)
    assert "2 good runs before and 1 after" in said


@pytest.mark.parametrize(
    ("path", "said"),
    [("gpu_use_percent", "4 runs did not count: they have no gpu_use_percent"), ("zero", "a zero of 0")],
)
def test_why_there_is_no_gain(path: str, said: str) -> None:
    runs = loads(100, 101)
    for run in runs:
        run["evidence"]["values"]["zero"] = 0
    (entry,) = experiment_gain(runs, runs, {"eplb_gpu_use_gain": path})
    evidence = entry["runs"][0]["evidence"]
    assert evidence["verdict"] == "unknown"
    assert said in "; ".join(evidence["reasons"])
    assert "not all completed" not in "; ".join(evidence["reasons"])


def test_a_latency_of_a_load() -> None:
    (entry,) = experiment_gain(loads(200, 200), loads(100, 100), {"eplb_p99_gain": gain.P99})
    assert entry["runs"][0]["evidence"]["values"]["change_percent"] == -50.0


@given(
    st.lists(st.floats(1, 1e6), min_size=1, max_size=6),
    st.lists(st.floats(1, 1e6), min_size=1, max_size=6),
)
def test_the_same_runs_are_noise(before: list[float], after: list[float]) -> None:
    same = gain.gain(before, before)
    assert same is not None
    assert same.change_percent == 0
    assert same.noise
    other = gain.gain(before, after)
    assert other is not None
    assert other.change_percent == pytest.approx(100 * (other.after / other.before - 1))


FIGURES = {"eplb_throughput_gain": "output_tokens_s", "eplb_p99_gain": gain.P99}


def test_what_a_place_can_not_have() -> None:
    found = experiment_missing(FIGURES, "vLLM moves experts between GPUs only")
    assert [entry["check"] for entry in found] == list(FIGURES)
    assert {entry["not_applicable"] for entry in found} == {"vLLM moves experts between GPUs only"}


def test_what_the_planner_refuses_is_not_to_be_had_either() -> None:
    refused = {
        "failed": True,
        "plan": {"findings": [{"severity": "warning"}, {"severity": "error"}]},
        "msg": "No plan: 1 error(s).\n- engine.dbo_backend: needs one",
    }
    (entry,) = experiment_missing({"experiment_dbo": "output_tokens_s"}, failures=[refused])
    assert entry["not_applicable"] == "No plan: 1 error(s). - engine.dbo_backend: needs one"


def test_of_a_long_message_begin_and_end_are_said() -> None:
    message = "node-0: the unit died. Last lines of its log:\n" + "  File line\n" * 200 + "ValueError: 1 is less than 8"
    (entry,) = experiment_missing({"experiment_mtp": "output_tokens_s"}, failures=[{"msg": message}])
    (said,) = entry["runs"][0]["evidence"]["reasons"]
    assert said.startswith("node-0: the unit died.")
    assert said.endswith("ValueError: 1 is less than 8")
    assert len(said) < 500


@pytest.mark.parametrize(
    ("failures", "reasons"),
    [
        ([{"msg": "node-2: the rank ended"}, {"msg": "node-2: the rank ended"}, {}], 2),
        ([], 1),
        ([{"msg": "/plans: No space left on device", "plan": {"findings": [{"severity": "warning"}]}}], 1),
    ],
)
def test_what_failed_is_unknown(failures: list[dict[str, Any]], reasons: int) -> None:
    (entry,) = experiment_missing({"experiment_mtp": "output_tokens_s"}, failures=failures)
    evidence = entry["runs"][0]["evidence"]
    assert (evidence["verdict"], evidence["values"]) == ("unknown", {"change_percent": None})
    assert len(evidence["reasons"]) == reasons
