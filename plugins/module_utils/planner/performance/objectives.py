# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Service objectives from the inventory, each judged against what the plan expects.

``met`` needs the pessimistic end of the range, ``not met`` the optimistic one; what lies between is ``uncertain``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..fields import Section, describe, suggestion
from ..findings import Finding, error
from ..memory.memory import Memory
from .performance import Performance, Range

# Smaller targets are slips, and margins against them mean nothing.
_LEAST_TARGET = 1e-6
MET, NOT_MET, UNCERTAIN = "met", "not met", "uncertain"

# What an objective can be about, and whether more of it is better.
METRICS: dict[str, bool] = {
    "decode_tokens_s": True,
    "prefill_tokens_s": True,
    "output_tokens_s": True,
    "ttft_ms": False,
    "tpot_ms": False,
    "memory_used_fraction": False,
    "sessions": True,
}
_FIELDS = ("name", "metric", "at_least", "at_most", "percentile", "input_tokens")


@dataclass(frozen=True)
class Objective:
    """``target`` in the metric's unit; ``percentile`` and ``input_tokens`` matter for the time to the first token."""

    name: str
    metric: str
    target: float
    at_least: bool
    percentile: float
    input_tokens: int | None


@dataclass(frozen=True)
class Judged:
    """An objective with what is expected; ``margin`` is the likely figure's distance to the target, as a share of it
    and positive on the good side.
    """

    name: str
    metric: str
    relation: str
    target: float
    percentile: float
    input_tokens: int | None
    low: float
    likely: float
    high: float
    bound: float
    verdict: str
    margin: float
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """An entry of ``plan.objectives``."""
        return asdict(self)


def read_objectives(raw: Any, findings: list[Finding]) -> list[Objective]:
    """The objectives; each has a metric and one of ``at_least`` and ``at_most``."""
    if raw is None:
        return []
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        findings.append(error("input.not_a_list", f"objectives is {describe(raw)}, not a list", "give a list"))
        return []
    found: list[Objective] = []
    for index, item in enumerate(raw):
        section = Section(f"objectives[{index}]", item, _FIELDS, findings)
        if not section.sound:
            continue
        objective = _read(section)
        if objective is not None and section.sound:
            found.append(objective)
    return found


def _read(section: Section) -> Objective | None:
    metric = section.text("metric", None)
    if metric not in METRICS:
        section.refuse(
            "objectives.unknown_metric",
            f"{section.path('metric')} is {describe(section.get('metric'))}",
            suggestion(metric or "", METRICS),
        )
        return None
    largest = 1.0 if metric == "memory_used_fraction" else 1e12
    least, most = (section.number(key, None, _LEAST_TARGET, largest) for key in ("at_least", "at_most"))
    if not section.sound:
        return None
    if (least is None) == (most is None):
        section.refuse(
            "objectives.no_target",
            f"{section.where} ({metric}) needs exactly one of at_least and at_most",
            "say at_least for rates and at_most for times",
        )
        return None
    if (least is not None) != METRICS[metric]:
        right, wrong = ("at_least", "at_most") if METRICS[metric] else ("at_most", "at_least")
        section.refuse(
            "objectives.direction",
            f"{section.path(wrong)} asks for {'little' if METRICS[metric] else 'much'} {metric.replace('_', ' ')}",
            f"use {right}",
        )
        return None
    target = least if least is not None else most
    percentile = section.number("percentile", 50.0, 0.999, 99.99)
    length = section.integer("input_tokens", None, 1)
    default = metric.replace("_", " ").replace(" s", "/s") if metric.endswith("tokens_s") else metric.replace("_", " ")
    return Objective(
        section.text("name", default) or default, metric, target or 0.0, least is not None, percentile or 50.0, length
    )


def judge(
    objectives: Sequence[Objective], performance: Performance | None, memory: Memory | None, sessions: int
) -> list[Judged]:
    """Each objective with its verdict; ``uncertain`` where nothing is known."""
    if memory is not None and not memory.fits:
        lack = "the plan does not fit its devices"
        return [_judged(item, Range(0.0, 0.0, 0.0, 0.0), NOT_MET, -1.0, lack) for item in objectives]
    return [_judge(objective, _expected(objective, performance, memory, sessions)) for objective in objectives]


def _expected(
    objective: Objective, performance: Performance | None, memory: Memory | None, sessions: int
) -> Range | None:
    metric = objective.metric
    if metric == "memory_used_fraction":
        return None if memory is None else _memory_used(memory)
    if metric == "sessions":
        held = None if memory is None else _sessions_held(memory, sessions)
        return None if held is None else Range(held, held, held, held)
    if performance is None:
        return None
    if metric == "ttft_ms":
        length = objective.input_tokens or performance.case.workload.input_tokens
        return _scaled(performance.ttft_s(length, objective.percentile), 1e3)
    if metric == "tpot_ms":
        return _scaled(performance.tpot_s, 1e3)
    ranges = {
        "decode_tokens_s": performance.decode_tokens_s,
        "prefill_tokens_s": performance.prefill_tokens_s,
        "output_tokens_s": performance.output_tokens_s,
    }
    return ranges[metric]


def _memory_used(memory: Memory) -> Range:
    """Weights, KV cache and overhead of the fullest rank as a share of what the device offers."""
    fixed = memory.weights_bytes + memory.kv_cache_bytes
    spread = memory.overhead_range_bytes
    low, likely, high = ((fixed + spread[name]) / memory.usable_bytes for name in ("low", "likely", "high"))
    return Range(low, likely, high, fixed / memory.usable_bytes)


def _sessions_held(memory: Memory, sessions: int) -> float:
    """Full-length sessions that fit: as many times those asked for as the fullest rank has room for its own."""
    return float(int(sessions * memory.kv_capacity_tokens / max(1, memory.kv_cache_tokens)))


def _scaled(of: Range, factor: float) -> Range:
    return Range(of.low * factor, of.likely * factor, of.high * factor, of.bound * factor)


def _judge(objective: Objective, expected: Range | None) -> Judged:
    if expected is None:
        return _judged(objective, Range(0.0, 0.0, 0.0, 0.0), UNCERTAIN, 0.0, "not known from this input")
    pessimistic, optimistic = (expected.low, expected.high) if objective.at_least else (expected.high, expected.low)
    sign = 1 if objective.at_least else -1
    verdict = UNCERTAIN
    if sign * (pessimistic - objective.target) >= 0:
        verdict = MET
    elif sign * (optimistic - objective.target) < 0:
        verdict = NOT_MET
    reachable = sign * (expected.bound - objective.target) >= 0
    reason = f"{expected.low:.4g} to {expected.high:.4g} expected, {expected.likely:.4g} likely"
    if not reachable:
        reason += f"; the bound is {expected.bound:.4g}"
    return _judged(objective, expected, verdict, sign * (expected.likely / objective.target - 1), reason)


def _judged(objective: Objective, expected: Range, verdict: str, margin: float, reason: str) -> Judged:
    return Judged(
        name=objective.name,
        metric=objective.metric,
        relation=">=" if objective.at_least else "<=",
        target=objective.target,
        percentile=objective.percentile,
        input_tokens=objective.input_tokens,
        low=float(f"{expected.low:.4g}"),
        likely=float(f"{expected.likely:.4g}"),
        high=float(f"{expected.high:.4g}"),
        bound=float(f"{expected.bound:.4g}"),
        verdict=verdict,
        margin=float(f"{margin:.3g}"),
        reason=reason,
    )
