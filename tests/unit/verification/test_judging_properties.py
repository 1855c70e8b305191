"""Whatever was measured: an order of runs says nothing, and what is worse is never judged better."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES, by_id
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.model import AT_MOST, HOST, PAIR
from ansible_collections.moefleet.serving.plugins.module_utils.verification.judging import judge_measurements
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import Check

from .reference import HOSTS, measurement, reference_plan, run

PLAN = reference_plan()
PAIRS = [(host, peer) for host in HOSTS for peer in HOSTS if host != peer]
RANK = {"pass": 0, "warn": 1, "unknown": 2, "fail": 3}

_VERDICTS = st.sampled_from(["pass", "warn", "unknown", "fail"])
_FIGURES = st.floats(min_value=0, max_value=1e6, allow_nan=False)
_ENTRIES = st.sampled_from([entry for entry in ACCEPTANCES if entry.unit])
_RUNS = st.lists(st.tuples(_FIGURES, _VERDICTS), min_size=1, max_size=6)


def _entry_runs(check: str, runs: Sequence[tuple[float, str]]) -> dict[str, Any]:
    entry = by_id(check)
    made = [run(value, entry.figure, verdict, "" if verdict == "pass" else "why") for value, verdict in runs]
    host = HOSTS[0] if entry.scope in (HOST, PAIR) else ""
    return measurement(check, *made, host=host, peer=HOSTS[1] if entry.scope == PAIR else "")


def _check_of(check: str, runs: Sequence[tuple[float, str]]) -> Check:
    return judge_measurements([by_id(check)], [_entry_runs(check, runs)], PLAN)[0]


@settings(max_examples=60)
@given(_ENTRIES, _RUNS, st.randoms(use_true_random=False))
def test_shuffled_runs_come_out_the_same(entry: Any, runs: list[tuple[float, str]], source: random.Random) -> None:
    shuffled = list(runs)
    source.shuffle(shuffled)
    first, second = _check_of(entry.id, runs), _check_of(entry.id, shuffled)
    assert first.verdict == second.verdict
    assert (first.value is None) == (second.value is None)
    assert first.value is None or first.value == pytest.approx(second.value)


@settings(max_examples=60)
@given(_ENTRIES, _RUNS, st.sampled_from(["unknown", "fail"]))
def test_a_bad_run_more_never_makes_it_better(entry: Any, runs: list[tuple[float, str]], verdict: str) -> None:
    before = _check_of(entry.id, runs).verdict
    after = _check_of(entry.id, [*runs, (0.0, verdict)]).verdict
    assert RANK[after] >= RANK[before]
    assert RANK[after] >= RANK["unknown"]


@settings(max_examples=60)
@given(_ENTRIES, st.lists(_FIGURES, min_size=1, max_size=5), st.floats(min_value=0, max_value=1e6))
def test_a_worse_figure_never_has_a_better_verdict(entry: Any, values: list[float], worse: float) -> None:
    step = worse if entry.better == AT_MOST else -worse
    before = _check_of(entry.id, [(value, "pass") for value in values]).verdict
    after = _check_of(entry.id, [(value + step, "pass") for value in values]).verdict
    assert RANK[after] >= RANK[before]


@settings(max_examples=60)
@given(
    st.sampled_from(["tcp_bandwidth", "rdma_latency_64b", "rdma_bandwidth_1mb", "ip_round_trip"]),
    st.lists(st.floats(min_value=1, max_value=1e4), min_size=12, max_size=12),
    st.floats(min_value=1, max_value=10),
)
def test_a_worse_link_never_has_a_better_verdict_among_the_others(
    check: str, values: list[float], times: float
) -> None:
    entry = by_id(check)

    def verdict(first: float) -> str:
        figures = [first, *values[1:]]
        entries = [
            measurement(check, run(value / entry.scale, entry.figure), host=pair[0], peer=pair[1])
            for pair, value in zip(PAIRS, figures)
        ]
        return judge_measurements([entry], entries, PLAN)[0].verdict

    worse = values[0] * times if entry.better == AT_MOST else values[0] / times
    assert RANK[verdict(worse)] >= RANK[verdict(values[0])]
