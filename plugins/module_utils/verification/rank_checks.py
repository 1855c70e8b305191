# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which ranks really run on a host: one check a rank, so that a dead one is named."""

from __future__ import annotations

from ..evidence.result import FAIL, PASS, UNKNOWN
from .model import HOSTS, TOGETHER, Check, Judgement, View


def check_ranks(view: View) -> list[Check]:
    """Judge for every planned rank of a host whether its process runs, and name ranks that should not run there."""
    running = view.state.ranks
    if running is None:
        reason = view.state.why("ranks")
        return [
            _rank(
                view, rank, Judgement(UNKNOWN, "running", "unknown", f"whether rank {rank} runs is unknown: {reason}")
            )
            for rank in view.planned.ranks
        ]
    # Each instance counts its own from 0.
    running = tuple(view.planned.first_rank + rank for rank in running)
    checks = [_rank(view, rank, _judge_rank(rank, running)) for rank in view.planned.ranks]
    for rank in sorted(set(running) - set(view.planned.ranks)):
        planned_host = view.plan.host_of(rank) or "no host"
        reason = f"rank {rank} runs here, but the plan has it on {planned_host}"
        checks.append(_rank(view, rank, Judgement(FAIL, "not on this host", "running", reason), "rank_unplanned"))
    return checks


def _judge_rank(rank: int, running: tuple[int, ...]) -> Judgement:
    times = running.count(rank)
    if times == 1:
        return Judgement(PASS, "running", "running")
    if times == 0:
        return Judgement(FAIL, "running", f"no process of rank {rank}", f"rank {rank} is not running")
    return Judgement(FAIL, "one process", f"{times} processes", f"rank {rank} runs {times} times")


def _rank(view: View, rank: int, result: Judgement, identifier: str = "rank_running") -> Check:
    host = view.planned.name
    fix = f"See `journalctl -u {view.wanted.unit}` on {host}. {TOGETHER}"
    return Check(
        identifier,
        HOSTS,
        "The rank runs" if identifier == "rank_running" else "Only planned ranks run",
        host,
        result.verdict,
        result.expected,
        result.observed,
        result.reason,
        "" if result.verdict == PASS else fix,
        rank,
    )
