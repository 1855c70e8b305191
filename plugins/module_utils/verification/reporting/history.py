# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Earlier runs: what is kept of each, and what got worse since the last good one.

A good run is one without failures and unknowns. A figure got worse when it moved in the bad direction by more than its
noise: the larger of a floor, of how far the runs within one verification lay apart, and of how far the good
verifications before lay apart. Until there are three of those, nobody knows the last, and the floor is higher.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ...evidence.result import FAIL, PASS, UNKNOWN, WARN
from ...pages.quantities import figure
from ..catalogue.model import AT_MOST
from .reading import Entry, better, by_check, is_of_the_fabric, key, measurements_of, where
from .spread import spread_percent

SCHEMA = "moefleet.verify.run/1"
# Percent of the figure. The first where there are ENOUGH good runs to know its noise, the second where there are not.
FLOOR, FLOOR_AT_FIRST = 5.0, 20.0
ENOUGH = 3
# So many earlier runs say what the noise is, and are drawn.
LOOK_BACK = 20
_GOOD, _BAD = (PASS, WARN), (FAIL, UNKNOWN)
_PLANNED = "planned otherwise then"
_MEASURED = "measured otherwise then"
# Words of a command that say what load it makes: a figure under another load is another figure. For how long is none of
# them: a run's length follows from how fast the runs before were.
_LOAD = re.compile(
    r"(?<!\S)--?((?:random-)?(?:input|output)-len|max-concurrency|request-rate|size|s|parallel|P)[ =]([\w.]+)"
)
_NAMED_LOAD = ("input_tokens", "output_tokens", "concurrency", "rate", "message_bytes", "size_bytes")


def entry(report: Entry) -> dict[str, Any]:
    """What is kept of one run: the verdict of every check and every figure, with its noise and what it rests on."""
    figures: dict[str, Any] = {}
    measurements = by_check(report["measurements"])
    for check in report["checks"]:
        if check["value"] is not None:
            measured = measurements_of(check, measurements.get(check["id"], ()))
            figures[key(check)] = {
                "value": check["value"],
                "unit": check["unit"],
                "spread_percent": round(spread_percent(check, measured), 3),
                "plan": plan_of(report, check),
                "load": load_of(measured),
            }
    return {
        "schema": SCHEMA,
        "generated_at": report["generated_at"],
        "verdict": report["verdict"],
        "counts": dict(report["counts"]),
        "checks": {key(check): check["verdict"] for check in report["checks"]},
        "figures": figures,
    }


def file_name(run: Entry) -> str:
    """The name of a run's file: names in order are runs in order."""
    when = datetime.datetime.fromisoformat(str(run["generated_at"]))
    if when.tzinfo is not None:
        when = when.astimezone(datetime.timezone.utc)
    return f"{when:%Y%m%dT%H%M%SZ}.json"


def dump(run: Entry) -> str:
    """A run as the text of its file."""
    return json.dumps(run, sort_keys=True, separators=(",", ":")) + "\n"


def load(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Read runs, the oldest first; a file that can't be read, or is of another form, is left out."""
    runs = []
    for text in texts:
        try:
            run = json.loads(text)
            if run["schema"] == SCHEMA and isinstance(run["checks"], dict) and isinstance(run["figures"], dict):
                datetime.datetime.fromisoformat(run["generated_at"])
                runs.append(run)
        except (ValueError, KeyError, TypeError):
            continue
    return sorted(runs, key=file_name)


def surplus(names: Iterable[str], keep: int) -> list[str]:
    """The names of the oldest runs, those beyond the number that is kept."""
    ordered = sorted(names)
    return ordered[: max(0, len(ordered) - max(0, keep))]


def plan_of(report: Entry, check: Entry) -> str:
    """The part of the plan that a figure depends on, as a digest; empty for a link or a host, which have none."""
    hosts = [(host["name"], host["ranks"]) for host in report["hosts"]]
    if check["peer"]:
        return ""
    service: Mapping[str, Any] = report["service"]
    parts: list[Any] = [hosts]
    if is_of_the_fabric(check):
        if check["host"]:
            return ""
    else:
        parts += [service[name] for name in ("model", "engine", "engines", "layout")]
    return _digest(parts)


def load_of(measured: Sequence[Entry]) -> str:
    """The load that a figure was measured under, as a digest of what its command and conditions say of it."""
    said: dict[str, str] = {}
    for one in measured[:1]:
        said.update(_LOAD.findall(" ".join(map(str, one.get("argv") or ()))))
        conditions: Mapping[str, Any] = one.get("conditions") or {}
        said.update({name: str(conditions[name]) for name in _NAMED_LOAD if name in conditions})
    return _digest(said) if said else ""


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def compare(report: Entry, runs: Sequence[Entry]) -> dict[str, Any]:
    """Compare a report with the runs before it, the oldest first."""
    now = entry(report)
    good = [run for run in runs if run["verdict"] in _GOOD]
    told: dict[str, Any] = {
        "compared_with": good[-1]["generated_at"] if good else None,
        "note": "" if good else "There is no earlier run to compare with." if not runs else "No earlier run was good.",
        "runs": [
            {name: run[name] for name in ("generated_at", "verdict", "counts")} for run in [*runs[-LOOK_BACK:], now]
        ],
        "worse": [],
        "better": [],
        "not_compared": [],
        "series": [],
        "new_failures": _new_failures(report, runs, good),
        "mended": _mended(report, runs),
    }
    for check in report["checks"]:
        if check["value"] is not None:
            _compare_figure(check, now["figures"][key(check)], runs, good, told)
    for name in ("worse", "better"):
        told[name].sort(key=lambda change: -abs(change["change_percent"]))
    return told


def sentences(told: Entry) -> list[str]:
    """What got worse, a line each."""
    return [
        f"{change['title']}, {where(change)}: {figure(change['before'])} -> {figure(change['now'])} {change['unit']} "
        f"({change['change_percent']:+.0f} %, noise +-{change['noise_percent']:.0f} %)"
        for change in told["worse"]
    ]


def _named(check: Entry) -> dict[str, Any]:
    return {name: check[name] for name in ("id", "title", "host", "peer", "rank")}


def _compare_figure(
    check: Entry, own: Entry, runs: Sequence[Entry], good: Sequence[Entry], told: dict[str, Any]
) -> None:
    name = key(check)
    comparable = [run["figures"][name] for run in good if _alike(run["figures"].get(name), own)]
    drawn = [run["figures"][name]["value"] for run in runs if _alike(run["figures"].get(name), own)]
    series = [*drawn[-LOOK_BACK:], own["value"]]
    if not comparable:
        last = next((run["figures"][name] for run in reversed(good) if name in run["figures"]), None)
        if last is not None:
            reason = _PLANNED if last.get("plan") != own["plan"] else _MEASURED
            told["not_compared"].append({**_named(check), "reason": reason})
        return
    before = float(comparable[-1]["value"])
    noise = noise_percent(comparable, own)
    # What grows from nothing has no percentage: it counts as doubled.
    change = 100.0 * (own["value"] - before) / (abs(before) or abs(own["value"]) or 1.0)
    entered = {
        **_named(check),
        "unit": own["unit"],
        "before": before,
        "now": own["value"],
        "change_percent": round(change, 2),
        "noise_percent": round(noise, 2),
        "series": series,
    }
    if abs(change) > noise:
        told["worse" if (change > 0) == (better(check) == AT_MOST) else "better"].append(entered)
    if not check["peer"]:
        told["series"].append({**_named(check), "unit": own["unit"], "values": series})


def _alike(before: Entry | None, now: Entry) -> bool:
    return before is not None and all(before.get(name) == now[name] for name in ("unit", "plan", "load"))


def noise_percent(earlier: Sequence[Entry], now: Entry) -> float:
    """How far a figure moves without meaning anything, in percent, from the good runs before and this one."""
    recent = earlier[-LOOK_BACK:]
    values = [float(one["value"]) for one in recent]
    middle = median(values)
    apart = 100.0 * max(abs(value - middle) for value in values) / abs(middle) if middle else 0.0
    floor = FLOOR if len(values) >= ENOUGH else FLOOR_AT_FIRST
    return max(floor, apart, float(recent[-1].get("spread_percent") or 0), float(now.get("spread_percent") or 0))


def _new_failures(report: Entry, runs: Sequence[Entry], good: Sequence[Entry]) -> list[dict[str, Any]]:
    """Checks that are bad now and were not bad in the last good run, with the run since which they have been bad."""
    if not good:
        return []
    found = []
    for check in report["checks"]:
        if check["verdict"] in _BAD:
            since = report["generated_at"]
            for run in reversed(runs):
                before = run["checks"].get(key(check), UNKNOWN)
                if before not in _BAD:
                    break
                # A run of other parts says nothing of this check.
                since = run["generated_at"] if key(check) in run["checks"] else since
            found.append({**_named(check), "verdict": check["verdict"], "since": since})
    return found


def _mended(report: Entry, runs: Sequence[Entry]) -> list[dict[str, Any]]:
    """Checks that are good now, and were bad in the last run that had them."""
    before: dict[str, str] = {}
    for run in runs:
        before.update(run["checks"])
    return [
        {**_named(check), "verdict": check["verdict"], "since": report["generated_at"]}
        for check in report["checks"]
        if check["verdict"] in _GOOD and before.get(key(check)) in _BAD
    ]
