# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Which limits judge a figure: the inventory's choice, the plan's objectives, the document's, or what physics leave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..evidence.result import FAIL, PASS, WARN, number
from ..pages.quantities import figure
from .catalogue.model import AT_LEAST, AT_MOST, Acceptance, Threshold
from .floors import Floor, beyond, derived_expected, floor_of, proportions
from .model import VerificationError

OVERRIDE = "verify_thresholds"
PLAN = "plan"
_NUMBERS = ("expected", "warn", "fail")
_SHARE = "low_share"

# Names of the benchmark's figures that are figures of the catalogue too; the objectives are for 512 tokens.
_FIGURES = re.compile(r"^ttft_(p50|p95|p99)_ms$")


@dataclass(frozen=True)
class Limits:
    """What a figure is held against.

    Attributes:
        threshold: the limits in force; None where nobody asks for anything.
        asked: the source's own, where it can't be reached and `threshold` was derived.
        floor: the figure's physical bound.
        low_share: a place that is worse than this share of the median of all places fails; 0 where none is.
    """

    threshold: Threshold | None
    asked: Threshold | None = None
    floor: Floor | None = None
    low_share: float = 0.0

    def verdict(self, value: float, better: str) -> str:
        """Judge a figure."""
        limit = self.threshold
        if limit is None:
            return PASS
        if limit.fail is not None and beyond(value, limit.fail, better):
            return FAIL
        if limit.warn is not None and beyond(value, limit.warn, better):
            return WARN
        alone = limit.warn is None and limit.fail is None and limit.expected is not None
        return WARN if alone and beyond(value, limit.expected or 0.0, better) else PASS

    def describe(self, entry: Acceptance) -> str:
        """Return what is expected, in words."""
        if self.threshold is None:
            return "to be measured; it has no threshold"
        words = _describe(self.threshold, entry)
        if self.asked is None or self.floor is None:
            return words
        return f"{words}; {self.asked.source} asks for {_first(self.asked, entry)}: {self.unreachable()}"

    def unreachable(self) -> str:
        """Return that what was asked for can't be reached, with the bound; empty where it can."""
        if self.asked is None or self.floor is None:
            return ""
        return f"unreachable (floor {figure(self.floor.value)} {self.floor.unit})"

    def note(self, entry: Acceptance) -> str:
        """Return the same as a sentence with the bound's derivation; empty where what is asked for can be reached."""
        if self.asked is None or self.floor is None:
            return ""
        return f"{self.asked.source}: {_first(self.asked, entry)} is {self.unreachable()}, {self.floor.derivation}"


@dataclass(frozen=True)
class Choice:
    """What the inventory says about thresholds.

    Attributes:
        order: sources in the order in which they are preferred.
        by_check: the source for one figure.
        overrides: own numbers for one figure: ``expected``, ``warn``, ``fail``, ``low_share``.
        objectives: the benchmark's objectives for figures that are in the catalogue too, where the plan has none.
    """

    order: tuple[str, ...] = ()
    by_check: Mapping[str, str] | None = None
    overrides: Mapping[str, Mapping[str, float | None]] | None = None
    objectives: Mapping[str, float] | None = None

    @classmethod
    def read(cls, catalogue: Sequence[Acceptance], sources: Any, overrides: Mapping[str, Any]) -> Choice:
        """Read ``verify_threshold_sources`` and ``verify_thresholds``.

        Args:
            catalogue: the figures that there are.
            sources: a list of sources, or by figure the source; with or without §.
            overrides: by figure the numbers, or one that is expected and must be kept. What is no figure of the
                catalogue is left to the benchmark's own objectives.

        Raises:
            VerificationError: a source or a figure that there is none of, or no number.
        """
        entries = {entry.id: entry for entry in catalogue}
        read = {str(name): _numbers(name, given) for name, given in overrides.items() if name in entries}
        objectives = {
            f"ttft_512_{match.group(1)}": limit
            for name, given in overrides.items()
            if (match := _FIGURES.match(str(name))) and (limit := number(given)) is not None
        }
        if isinstance(sources, Mapping):
            chosen = {str(name): _source(source) for name, source in sources.items()}
            for name, source in chosen.items():
                _refuse_source(entries, name, source)
            return cls((), chosen, read, objectives)
        order = tuple(_source(source) for source in sources or ())
        known = {threshold.source for entry in catalogue for threshold in entry.thresholds} | {PLAN}
        for source in order:
            if source not in known:
                raise VerificationError(
                    "no-such-source",
                    "verify_threshold_sources",
                    f"nothing has a threshold from {source}",
                    f"There are: {', '.join(sorted(known))}.",
                )
        return cls(order, None, read, objectives)


def limits_of(entry: Acceptance, plan: Mapping[str, Any], choice: Choice) -> Limits:
    """Return what judges one figure under a plan.

    Raises:
        VerificationError: the inventory's numbers contradict each other.
    """
    own = dict((choice.overrides or {}).get(entry.id) or {})
    share = own.pop(_SHARE, None)
    low_share = entry.low_share if share is None else share
    threshold = _overridden(entry, _chosen(entry, plan, choice), own)
    floor = floor_of(entry, plan)
    if threshold is None or floor is None or not _impossible(threshold, floor, entry.better):
        return Limits(threshold, None, floor, low_share)
    return Limits(_derived(threshold, floor, entry.better), threshold, floor, low_share)


def objective_of(entry: Acceptance, plan: Mapping[str, Any]) -> Threshold | None:
    """Return what the plan asks of a figure: of its objectives the best is expected, the laxest must be kept.

    Of the KV cache the plan asks what its sessions need, and expects what it computed for the largest overhead.
    """
    if entry.id == "kv_cache_tokens":
        return _kv_cache(plan)
    targets = [
        target * 100 if objective.get("metric") == "memory_used_fraction" else target
        for objective in plan.get("objectives") or ()
        if _speaks_of(objective) == entry.id and (target := number(objective.get("target"))) is not None
    ]
    if not targets:
        return None
    best, laxest = (min, max) if entry.better == AT_MOST else (max, min)
    return Threshold(PLAN, best(targets), None, laxest(targets))


def _kv_cache(plan: Mapping[str, Any]) -> Threshold | None:
    memory = plan.get("memory")
    rank = memory.get("per_rank") if isinstance(memory, Mapping) else None
    if not isinstance(rank, Mapping):
        return None
    needed, capacity = number(rank.get("kv_cache_tokens")), number(rank.get("kv_capacity_tokens"))
    if needed is None:
        return None
    return Threshold(PLAN, max(needed, capacity or needed), None, needed)


def _speaks_of(objective: Mapping[str, Any]) -> str:
    metric, percentile = objective.get("metric"), number(objective.get("percentile"))
    if metric == "ttft_ms":
        return f"ttft_{objective.get('input_tokens')}_p{percentile or 50:.0f}"
    names = {"decode_tokens_s": "sessions_throughput", "output_tokens_s": "sessions_throughput"}
    return {**names, "memory_used_fraction": "gpu_memory_share"}.get(str(metric), "")


def _chosen(entry: Acceptance, plan: Mapping[str, Any], choice: Choice) -> Threshold | None:
    by_source = {threshold.source: threshold for threshold in entry.thresholds}
    objective = objective_of(entry, plan)
    if objective is not None:
        by_source[PLAN] = objective
    wanted = (choice.by_check or {}).get(entry.id)
    for source in (wanted,) if wanted else choice.order:
        if source in by_source:
            return by_source[source]
    if objective is not None:
        return objective
    limit = (choice.objectives or {}).get(entry.id)
    if limit is not None:
        same = (one for one in entry.thresholds if (one.expected, one.warn, one.fail) == (limit, None, limit))
        return next(same, Threshold(OVERRIDE, limit, None, limit))
    return next((threshold for threshold in entry.thresholds if fits(threshold, plan)), None)


def fits(threshold: Threshold, plan: Mapping[str, Any]) -> bool:
    """Say whether a threshold was set for what the plan has: those for GPUs judge no CPU engine."""
    engine = plan.get("engine")
    cpu = isinstance(engine, Mapping) and engine.get("platform") == "cpu"
    return not (cpu and "gpu" in threshold.needs)


def _overridden(entry: Acceptance, threshold: Threshold | None, given: Mapping[str, float | None]) -> Threshold | None:
    if not given:
        return threshold
    base = threshold or Threshold(OVERRIDE)
    numbers = {name: given.get(name, getattr(base, name)) for name in _NUMBERS}
    result = Threshold(OVERRIDE, numbers["expected"], numbers["warn"], numbers["fail"])
    in_force = [value for value in (result.expected, result.warn, result.fail) if value is not None]
    if in_force != sorted(in_force, reverse=entry.better == AT_LEAST):
        rule = "expected <= warn <= fail" if entry.better == AT_MOST else "expected >= warn >= fail"
        raise VerificationError(
            "bad-threshold",
            f"{OVERRIDE}.{entry.id}",
            f"with what is left of the source's it is {_describe(result, entry)}, which is not {rule}",
            "Give all three numbers.",
        )
    return result


def _impossible(threshold: Threshold, floor: Floor, better: str) -> bool:
    numbers = (threshold.expected, threshold.warn, threshold.fail)
    return any(value is not None and beyond(floor.value, value, better) for value in numbers)


def _derived(threshold: Threshold, floor: Floor, better: str) -> Threshold:
    """Return limits that can be kept. What the source asks for stays where it can; the order is kept."""
    expected = derived_expected(floor, better)
    if threshold.expected is not None and not beyond(expected, threshold.expected, better):
        expected = threshold.expected
    warn, fail = (
        expected * share if value is None or beyond(expected, value, better) else value
        for value, share in zip((threshold.warn, threshold.fail), proportions(better))
    )
    warn = min(warn, fail) if better == AT_MOST else max(warn, fail)
    return Threshold(f"{threshold.source}, derived", expected, warn, fail)


def _describe(threshold: Threshold, entry: Acceptance) -> str:
    words = [f"{entry.better} {figure(threshold.expected)}"] if threshold.expected is not None else []
    worse = "above" if entry.better == AT_MOST else "below"
    words += [f"warning {worse} {figure(threshold.warn)}"] if threshold.warn is not None else []
    # One number that must be kept is said once.
    apart = threshold.fail is not None and threshold.fail != threshold.expected
    words += [f"failure {worse} {figure(threshold.fail)}"] if apart and threshold.fail is not None else []
    return f"{', '.join(words)} {entry.unit}".strip()


def _first(threshold: Threshold, entry: Acceptance) -> str:
    value = next((getattr(threshold, name) for name in _NUMBERS if getattr(threshold, name) is not None), 0.0)
    return f"{entry.better} {figure(value)} {entry.unit}"


def _source(source: Any) -> str:
    word = str(source).strip()
    return word if word == PLAN or word.startswith("§") else f"§{word}"


def _refuse_source(entries: Mapping[str, Acceptance], name: str, source: str) -> None:
    if name not in entries:
        raise VerificationError(
            "no-such-check",
            f"verify_threshold_sources.{name}",
            "there is no such figure",
            "docs/acceptance.md lists them.",
        )
    known = [threshold.source for threshold in entries[name].thresholds] + [PLAN]
    if source not in known:
        raise VerificationError(
            "no-such-source",
            f"verify_threshold_sources.{name}",
            f"it has no threshold from {source}",
            f"It has: {', '.join(known)}.",
        )


def _numbers(name: str, given: Any) -> dict[str, float | None]:
    place = f"{OVERRIDE}.{name}"
    if not isinstance(given, Mapping):
        value = number(given)
        if value is None:
            raise VerificationError("bad-threshold", place, f"{given!r} is no number", "Say a plain number.")
        return {"expected": value, "warn": None, "fail": value}
    read = {str(key): None if value is None else number(value) for key, value in given.items()}
    share = read.get(_SHARE)
    readable = all(key in (*_NUMBERS, _SHARE) and (given[key] is None or read[key] is not None) for key in given)
    if not readable or not (share is None or 0 <= share < 1):
        raise VerificationError(
            "bad-threshold",
            place,
            f"{dict(given)!r} can't be read",
            "Give numbers for expected, warn and fail, and for low_share one from 0 to below 1.",
        )
    return read
