# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a change of the plan brought: repeated runs before and after it, and whether that is more than noise."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...evidence.result import PASS, UNKNOWN, number
from ..entries import measured, not_applicable

# The figures of a run by what a gain is of: throughput is better when it grows, a latency when it shrinks.
THROUGHPUT = "output_tokens_s"
P99 = "itl_ms.p99"
# Characters of a failure's beginning, and of its end, that are repeated.
_SAID = 240


@dataclass(frozen=True)
class Gain:
    """A change in percent of the median before it, and the runs' own spread in the same unit.

    ``spread_percent`` is the widest distance of a run from the median of its side; ``overlap``: a run of one side lies
    among those of the other. A change within the spread, or of sides that overlap, is noise.
    """

    change_percent: float
    spread_percent: float
    before: float
    after: float
    overlap: bool

    @property
    def noise(self) -> bool:
        """Whether the runs of one side differ among themselves by as much as the sides do."""
        return self.overlap or abs(self.change_percent) <= self.spread_percent


def gain(before: Sequence[float], after: Sequence[float]) -> Gain | None:
    """Compare the runs of two sides; None where one has none, or nothing to be in percent of."""
    if not before or not after or statistics.median(before) <= 0:
        return None
    first, last = statistics.median(before), statistics.median(after)
    distances = [abs(value - first) for value in before] + [abs(value - last) for value in after]
    overlap = min(after) <= max(before) and min(before) <= max(after)
    return Gain(100.0 * (last - first) / first, 100.0 * max(distances) / first, first, last, overlap)


def figures(loads: Sequence[Mapping[str, Any]], path: str) -> list[float]:
    """Return a figure of every run whose requests were all completed; ``path`` is dotted."""
    found: list[float] = []
    for load in loads:
        value: Any = (load.get("evidence") or {}).get("values") or {}
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        figure = number(value)
        if _passed(load) and figure is not None:
            found.append(figure)
    return found


def measurement(
    check: str, path: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], change: str
) -> dict[str, Any]:
    """Return the measurement of one gain. ``change`` says what was changed, for people."""
    sides = figures(before, path), figures(after, path)
    result = gain(*sides)
    runs = {"before": list(sides[0]), "after": list(sides[1]), "figure": path, "change": change}
    loads = [*before, *after]
    good = sum(_passed(load) for load in loads)
    lost, silent = len(loads) - good, good - len(sides[0]) - len(sides[1])
    uncounted = [f"{lost} runs did not count: their requests were not all completed"] if lost else []
    uncounted += [f"{silent} runs did not count: they have no {path}"] if silent else []
    if result is None or min(map(len, sides)) < 2:
        reason = f"{len(sides[0])} good runs before and {len(sides[1])} after: two of each tell noise from gain"
        if min(map(len, sides)) >= 2:
            reason = f"the runs before it have a {path} of 0, of which nothing is a percentage"
        return measured(check, {"change_percent": None}, UNKNOWN, (reason, *uncounted), conditions=runs)
    said = (
        f"{change}: {result.before:.4g} before, {result.after:.4g} after, {result.change_percent:+.1f} %,"
        f" the runs' own spread is {result.spread_percent:.1f} %"
    )
    reasons = [f"{said}: within noise" if result.noise else said]
    reasons += uncounted
    values = {
        "change_percent": round(result.change_percent, 2),
        "spread_percent": round(result.spread_percent, 2),
        "within_noise": result.noise,
        "before": result.before,
        "after": result.after,
    }
    return measured(check, values, PASS, reasons, conditions=runs)


def missing(
    checks: Iterable[str], reason: str = "", failures: Sequence[Mapping[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Return the measurements of an experiment that was not made.

    Args:
        checks: its figures.
        reason: why this place can't have it.
        failures: results of the tasks that failed while it was made. What the planner refused (its result has a
            ``plan`` with errors) this place can't have either; everything else leaves the figures unknown.
    """
    said = [_short(str(failure.get("msg") or "a task failed without a word")) for failure in failures]
    refused = [words for words, failure in zip(said, failures) if _refused(failure)]
    if reason or refused:
        return [not_applicable(check, reason or refused[0]) for check in checks]
    why = tuple(dict.fromkeys(said)) or ("it was not made, and nothing says why",)
    return [measured(check, {"change_percent": None}, UNKNOWN, why) for check in checks]


def _passed(load: Mapping[str, Any]) -> bool:
    """Whether all requests of a run were completed."""
    return (load.get("evidence") or {}).get("verdict") == PASS


def _refused(failure: Mapping[str, Any]) -> bool:
    """Whether a task failed because no plan could be made; one that couldn't be written has a plan without errors."""
    findings = (failure.get("plan") or {}).get("findings") or ()
    return any(finding.get("severity") == "error" for finding in findings)


def _short(message: str) -> str:
    """Return a message on one line: of a long one, as a log's last lines are, the beginning and the end."""
    words = " ".join(message.split())
    return words if len(words) <= 2 * _SAID else f"{words[:_SAID]} … {words[-_SAID:]}"
