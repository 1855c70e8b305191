# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Measurements against the catalogue: a check for every figure at every place that it belongs to."""

from __future__ import annotations

import shlex
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..evidence.result import FAIL, NOT_APPLICABLE, PASS, SEVERITY, UNKNOWN, WARN, number, worst
from ..pages.quantities import figure
from .catalogue.model import (
    AT_MOST,
    EXPERIMENTS,
    FABRIC,
    HOST,
    LARGEST,
    LAST,
    MEAN,
    MEDIAN,
    PAIR,
    SERVICE,
    SMALLEST,
    WATCHED,
    Acceptance,
)
from .floors import beyond
from .limits import Choice, Limits, limits_of
from .measurement import Measurement, Run
from .model import Check, VerificationError

_HERE = "not applicable here"
_SAMPLES_FOR_P99 = 1000

_MEASURE = {
    FABRIC: "ansible-playbook verify.yml --tags fabric -e stop_service=true",
    SERVICE: "ansible-playbook verify.yml",
    EXPERIMENTS: "ansible-playbook playbooks/experiments.yml --tags experiments",
    WATCHED: "ansible-playbook verify.yml",
}

_STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    MEAN: statistics.fmean,
    MEDIAN: statistics.median,
    LARGEST: max,
    SMALLEST: min,
    LAST: lambda values: values[-1],
}


@dataclass(frozen=True)
class Place:
    """Where a figure belongs: a host, an ordered pair of hosts, or neither."""

    host: str = ""
    peer: str = ""

    def name(self) -> str:
        """Return the place as people write it."""
        return f"{self.host} -> {self.peer}" if self.peer else self.host or "the service"


@dataclass(frozen=True)
class _Measured:
    """The runs of one figure at one place, read: values of the runs that count, and what is wrong with the others.

    ``spoiled`` are the figures of runs that don't count: they are shown, and judge nothing. ``notes`` are what passing
    runs say of themselves. ``noise``: a run calls its own change one that repetitions alone may make.
    """

    place: Place
    runs: int
    asked: int
    values: tuple[float, ...]
    spoiled: tuple[float, ...]
    words: tuple[str, ...]
    verdicts: tuple[str, ...]
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    command: str
    samples: int | None
    noise: bool

    def value(self, entry: Acceptance) -> float | None:
        """Return the figure that is judged; None where no run gave one."""
        return _STATISTICS[entry.statistic](self.values) if self.values else None

    def best(self, entry: Acceptance) -> float:
        """Return the best run's figure."""
        return min(self.values) if entry.better == AT_MOST else max(self.values)


def judge_measurements(
    catalogue: Sequence[Acceptance],
    measurements: Sequence[Mapping[str, Any] | Measurement],
    plan: Mapping[str, Any],
    choice: Choice | None = None,
    *,
    phases: Sequence[str] = (),
    require_all: bool = False,
) -> list[Check]:
    """Judge what was measured, and say what was not.

    Args:
        catalogue: the figures that there are.
        measurements: what was measured, in any order.
        plan: the structure of ``artifacts/plan.json``.
        choice: what the inventory says about thresholds.
        phases: whose figures must all have been measured; of the others what was measured is judged too.
        require_all: whether a figure that this place can't have is a failure.

    Raises:
        VerificationError: a measurement is of no figure of the catalogue, or can't be read.
    """
    by_check: dict[str, list[Measurement]] = {entry.id: [] for entry in catalogue}
    omitted: set[str] = set()
    for given in measurements:
        measurement = _read(given)
        if measurement.check not in by_check:
            raise VerificationError(
                "no-such-check",
                "measurements",
                f"the catalogue has no figure {measurement.check!r}",
                f"There are: {', '.join(by_check)}.",
            )
        if measurement.left_out and not measurement.runs:
            omitted.add(measurement.check)
        else:
            by_check[measurement.check].append(measurement)
    checks: list[Check] = []
    for entry in catalogue:
        if by_check[entry.id] or (entry.phase in phases and entry.id not in omitted):
            checks += _judge(entry, by_check[entry.id], plan, choice or Choice())
    return [_required(check) for check in checks] if require_all else checks


def places_of(entry: Acceptance, plan: Mapping[str, Any]) -> list[Place]:
    """Return every place that a figure belongs to under a plan."""
    hosts = [str(host["name"]) for host in (plan.get("layout") or {}).get("hosts") or ()]
    if entry.scope == HOST:
        return [Place(host) for host in hosts]
    if entry.scope == PAIR:
        return [Place(host, peer) for host in hosts for peer in hosts if host != peer]
    return [Place()]


def _read(given: Mapping[str, Any] | Measurement) -> Measurement:
    if isinstance(given, Measurement):
        return given
    try:
        return Measurement.from_dict(given)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationError(
            "bad-measurement", "measurements", f"one has no usable {error}", "Give check, host, peer, runs and argv."
        ) from None


def _judge(
    entry: Acceptance, measurements: Sequence[Measurement], plan: Mapping[str, Any], choice: Choice
) -> list[Check]:
    limits = limits_of(entry, plan, choice)
    absent = [one for one in measurements if one.not_applicable and not one.runs]
    by_place: dict[Place, list[Measurement]] = {}
    for one in measurements:
        if one.runs or not one.not_applicable:
            by_place.setdefault(_place(entry, one), []).append(one)
    measured = [_gather(entry, place, ones) for place, ones in by_place.items()]
    known = [value for one in measured if (value := one.value(entry)) is not None]
    middle = statistics.median(known) if limits.low_share and len(known) > 1 else None
    checks = [_check_measured(entry, limits, one, middle) for one in measured]
    excused = [one for one in absent if _place(entry, one) not in by_place]
    checks += [_check_absent(entry, limits, one) for one in excused]
    expected = places_of(entry, plan)
    missing = [place for place in expected if place not in by_place and not _covered(place, excused)]
    if not expected:
        return [*checks, _check_alone(entry, limits)]
    if missing and not checks:
        return [_check_missing(entry, limits, Place())]
    return checks + [_check_missing(entry, limits, place) for place in missing]


def _place(entry: Acceptance, one: Measurement) -> Place:
    """What is of the whole or of a group is of no host, whichever host it was measured from."""
    if entry.scope == PAIR:
        return Place(one.host, one.peer)
    return Place(one.host) if entry.scope == HOST else Place()


def _covered(place: Place, excused: Sequence[Measurement]) -> bool:
    """Say whether a place is among those that can't have the figure: itself, its host, its peer, or everywhere."""
    return any(
        (one.host, one.peer) in ((place.host, place.peer), (place.host, ""), (place.peer, ""), ("", ""))
        for one in excused
    )


def _gather(entry: Acceptance, place: Place, ones: Sequence[Measurement]) -> _Measured:
    runs = [run for one in ones for run in one.runs]
    values: list[float] = []
    spoiled: list[float] = []
    words: list[str] = []
    verdicts: list[str] = []
    reasons: list[str] = []
    notes: list[str] = []
    for index, run in enumerate(runs):
        verdict, value, reason = _read_run(entry, run)
        verdicts.append(verdict)
        if isinstance(value, str):
            words.append(value)
        elif value is not None:
            values.append(value * entry.scale)
        elif (lost := number(_dig(run.values, entry.figure))) is not None:
            spoiled.append(lost * entry.scale)
        if verdict != PASS:
            reasons.append(f"run {index + 1} of {len(runs)}: {reason}" if len(runs) > 1 else reason)
        else:
            notes += run.reasons
    return _Measured(
        place=place,
        runs=len(runs),
        asked=sum(one.asked for one in ones),
        values=tuple(values),
        spoiled=tuple(spoiled),
        words=tuple(sorted(set(words))),
        verdicts=tuple(verdicts),
        reasons=tuple(reasons),
        notes=tuple(notes),
        command=shlex.join(next((one.argv for one in ones if one.argv), ())),
        samples=_samples(entry, runs),
        noise=any(run.values.get("within_noise") is True for run in runs),
    )


def _read_run(entry: Acceptance, run: Run) -> tuple[str, float | str | None, str]:
    """Return a run's verdict, its figure (None where it doesn't count), and what is wrong."""
    said = "; ".join(run.reasons) or f"its verdict is {run.verdict}, without a reason"
    if run.verdict not in SEVERITY:
        return UNKNOWN, None, f"its verdict {run.verdict!r} is none"
    if run.verdict in (FAIL, UNKNOWN):
        return run.verdict, None, said
    found = _dig(run.values, entry.figure)
    value = number(found)
    if value is not None:
        return run.verdict, value, said
    if not entry.unit:
        return run.verdict, str(found) if isinstance(found, str) else None, said
    return UNKNOWN, None, f"it has no {entry.figure}"


def _dig(values: Mapping[str, Any], path: str) -> Any:
    found: Any = values
    for name in filter(None, path.split(".")):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if path else None


def _samples(entry: Acceptance, runs: Sequence[Run]) -> int | None:
    """The least number of requests that a percentile rests on; None where none was asked for."""
    if not entry.figure.endswith(".p99"):
        return None
    counts = [number(run.values.get("samples") or run.values.get("completed")) for run in runs]
    known = [int(count) for count in counts if count is not None]
    return min(known) if known else None


def _check_measured(entry: Acceptance, limits: Limits, one: _Measured, middle: float | None) -> Check:
    value = one.value(entry)
    verdicts = list(one.verdicts) or [UNKNOWN]
    reasons = list(one.reasons) or ([] if one.runs else ["there was no run"])
    if value is not None:
        band = limits.verdict(value, entry.better)
        verdicts.append(band)
        if band != PASS:
            reasons.insert(0, f"{entry.title} is {_amount(value, entry)}")
        elif one.noise and limits.threshold is not None:
            verdicts.append(WARN)
            reasons.insert(0, f"{entry.title} is {_amount(value, entry)}, which repetitions alone may make")
        verdict, reason = _compare(entry, limits.low_share, one, value, middle)
        verdicts.append(verdict)
        reasons += [reason] if reason else []
    judged = len(reasons)
    reasons += one.notes
    if 0 < one.runs < one.asked:
        reasons.append(f"{one.runs} runs of {one.asked} that were asked for")
    if one.samples is not None and one.samples < _SAMPLES_FOR_P99:
        reasons.append(f"{one.samples} samples: too few for a 99th percentile, this is about the slowest of them")
    verdict = worst(verdicts)
    if judged and not reasons[0].startswith(entry.title):
        reasons[0] = f"{entry.title}: {reasons[0]}"
    reasons += [note] if (note := limits.note(entry)) else []
    return replace(
        _blank(entry, limits, one.place),
        verdict=verdict,
        observed=_observed(entry, one, value),
        reason="; ".join(dict.fromkeys(reasons)),
        fix=_fix(entry, one.place) if verdict != PASS else "",
        value=value,
        command=one.command,
    )


def _compare(
    entry: Acceptance, low_share: float, one: _Measured, value: float, middle: float | None
) -> tuple[str, str]:
    """Hold a place against the median of all. Where only some runs are that bad it may be noise, which warns."""
    if middle is None or middle <= 0:
        return PASS, ""
    limit = middle / low_share if entry.better == AT_MOST else middle * low_share
    if not beyond(value, limit, entry.better):
        return PASS, ""
    times = value / middle
    share = f"{times:.3g} times" if entry.better == AT_MOST else f"{100 * times:.3g} % of"
    reason = f"{one.place.name()} has {share} the median of all places, {_amount(middle, entry)}"
    if beyond(one.best(entry), limit, entry.better):
        return FAIL, reason
    return WARN, f"{reason}, though its best run is {_amount(one.best(entry), entry)}"


def _observed(entry: Acceptance, one: _Measured, value: float | None) -> str:
    if value is None and one.spoiled:
        return ", ".join(_amount(lost, entry) for lost in one.spoiled[:3]) + ", where a run went wrong"
    if value is None:
        return ", ".join(one.words) or ("not measured" if not one.runs else worst(one.verdicts))
    if len(one.values) == 1:
        return _amount(value, entry)
    spread = f"{figure(min(one.values))} to {figure(max(one.values))}"
    return f"{_amount(value, entry)} ({entry.statistic} of {len(one.values)} runs, {spread})"


def _check_absent(entry: Acceptance, limits: Limits, one: Measurement) -> Check:
    return replace(
        _blank(entry, limits, Place(one.host, one.peer)),
        verdict=NOT_APPLICABLE,
        observed="not measured",
        reason=f"{_HERE}: {one.not_applicable}",
        command=shlex.join(one.argv),
    )


def _check_alone(entry: Acceptance, limits: Limits) -> Check:
    reason = f"{_HERE}: the plan has no second host"
    return replace(_blank(entry, limits, Place()), verdict=NOT_APPLICABLE, observed="not measured", reason=reason)


def _check_missing(entry: Acceptance, limits: Limits, place: Place) -> Check:
    at = f" at {place.name()}" if place.host else ""
    return replace(
        _blank(entry, limits, place),
        observed="not measured",
        reason=f"{entry.title} was not measured{at}",
        fix=f"Measure it: `{_MEASURE[entry.phase]}`.",
    )


def _blank(entry: Acceptance, limits: Limits, place: Place) -> Check:
    return Check(
        id=entry.id,
        section=entry.section,
        title=entry.title,
        host=place.host,
        verdict=UNKNOWN,
        expected=limits.describe(entry),
        observed="",
        peer=place.peer,
        unit=entry.unit,
        source=limits.threshold.source if limits.threshold is not None else "",
    )


def _fix(entry: Acceptance, place: Place) -> str:
    return entry.fix.format(host=place.host or "the hosts", peer=place.peer or "its peer")


def _required(check: Check) -> Check:
    if check.verdict != NOT_APPLICABLE:
        return check
    return replace(
        check,
        verdict=FAIL,
        reason=f"{check.reason}, and verify_require_all asks for every figure",
        fix="Bring what is missing, or set verify_require_all to false.",
    )


def _amount(value: float, entry: Acceptance) -> str:
    return f"{figure(value)} {entry.unit}".strip()
