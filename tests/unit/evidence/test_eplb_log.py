"""EPLB's lines: how even the load is, and what moving experts costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import eplb_log, registry

STEP = "(Worker_DP0_EP0 pid=1) INFO 11-27 02:44:24 [eplb_state.py:634] EPLB step: {} for model m: avg_tokens=25.00, "
STEP += "max_tokens=40, balancedness={}, steps until the next rearrangement: {}\n"
MOVED = "INFO 11-27 02:44:25 [eplb_state.py:958] Rearranged experts  {} in {} s.\n"
LOG = (
    MOVED.format(" (profile) ", "9.00")
    + STEP.format(100, "0.5000", 2900)
    + STEP.format(2900, "0.6000", 100)
    + "INFO Rearranging experts sync mode ...\n"
    + MOVED.format("", "0.08")
    + STEP.format(200, "0.9000", 2800)
)


def test_rates_and_costs() -> None:
    evidence = eplb_log.parse(LOG)
    values = evidence.values
    assert evidence.verdict == "pass"
    assert values["balancedness_mean"] == pytest.approx(2.0 / 3)
    assert (values["balancedness_min"], values["samples"]) == (0.5, 3)
    # 100 to 2900, then through 3000 to 200 of the next round.
    assert (values["steps"], values["rebalances"]) == (3100, 1)
    assert values["rebalances_per_1000_steps"] == pytest.approx(1 / 3.1)
    assert (values["rebalance_ms"], values["rebalance_ms_max"]) == (80.0, 80.0)


def test_a_log_without_it_is_unknown() -> None:
    assert eplb_log.parse("INFO started\n").verdict == eplb_log.parse("").verdict == "unknown"
    only_moves = eplb_log.parse(MOVED.format("", "0.10"))
    assert (only_moves.values["rebalance_ms"], only_moves.values["balancedness_mean"]) == (100.0, None)


def test_a_least_is_kept_or_not() -> None:
    assert registry.parse("eplb_log", LOG, {"minimum_balancedness": 0.9}).verdict == "fail"
    assert registry.parse("eplb_log", LOG, {"minimum_balancedness": 0.5}).verdict == "pass"
    assert registry.parse("eplb_log", MOVED.format("", "1"), {"minimum_balancedness": 0.5}).verdict == "unknown"


@given(st.text(max_size=200))
def test_nothing_raises(text: str) -> None:
    assert eplb_log.parse("EPLB step: 1 balancedness=" + text).verdict in {"pass", "unknown"}
