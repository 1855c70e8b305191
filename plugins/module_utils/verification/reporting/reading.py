# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What every part of the report asks of it: its keys filled up, its checks in words, in order and joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...evidence.result import FAIL, NOT_APPLICABLE, PASS, UNKNOWN, WARN
from ..catalogue.all import BY_ID
from ..catalogue.model import AT_LEAST, AT_MOST, FABRIC
from . import schema

# One check, measurement or prediction of a report.
Entry = Mapping[str, Any]

SERVICE = "the service"
# What somebody has to act on is shown first.
WORST_FIRST = (FAIL, UNKNOWN, WARN, PASS, NOT_APPLICABLE)
# Units whose figures are better small, for figures that are not in the catalogue and whose check does not say.
_SMALL_IS_GOOD = ("us", "ms", "s", "percent", "%")
_OBJECTIVE = re.compile(r"\b(at most|at least)\s+([0-9][0-9,]*\.?[0-9]*(?:e[+-]?[0-9]+)?)", re.IGNORECASE)
_CHECK_DEFAULTS: dict[str, Any] = {
    "rank": None,
    "reason": "",
    "fix": "",
    "peer": "",
    "value": None,
    "unit": "",
    "source": "",
    "command": "",
}


def complete(report: Entry) -> dict[str, Any]:
    """Return a report of this or an earlier version with every key that this version has."""
    checks = [{**_CHECK_DEFAULTS, **check} for check in report.get("checks") or ()]
    return {
        "thresholds": {},
        "benchmark": None,
        "evidence": {},
        **report,
        "schema": schema.NAME,
        "checks": checks,
        "counts": {verdict: sum(check["verdict"] == verdict for check in checks) for verdict in schema.VERDICTS},
        "predictions": list(report.get("predictions") or ()),
        "measurements": list(report.get("measurements") or ()),
    }


def where(check: Entry) -> str:
    """The place of a check: a host, two hosts of a pair, or the service."""
    host, peer = str(check.get("host") or ""), str(check.get("peer") or "")
    if peer:
        return f"{host} → {peer}"
    return host or SERVICE


def key(check: Entry) -> str:
    """A check's name across runs."""
    rank = check.get("rank")
    parts = (check["id"], check.get("host") or "", check.get("peer") or "", "" if rank is None else str(rank))
    return "|".join(map(str, parts))


def of_verdicts(checks: Iterable[Entry], *verdicts: str) -> list[Entry]:
    """Checks that came out so, in the order of the verdicts given and then of checking."""
    listed = list(checks)
    return [check for verdict in verdicts for check in listed if check["verdict"] == verdict]


def together(checks: Sequence[Entry]) -> list[tuple[Entry, list[Entry]]]:
    """Join checks that say the same of several places: the first of them, and all of them."""
    joined: dict[str, list[Entry]] = {}
    for check in checks:
        own = {name: value for name, value in check.items() if name not in ("host", "command")}
        joined.setdefault(repr(sorted(own.items(), key=lambda item: item[0])), []).append(check)
    return [(same[0], same) for same in joined.values()]


def places(checks: Sequence[Entry]) -> str:
    """The places of checks that say the same."""
    return ", ".join(dict.fromkeys(where(check) for check in checks))


def better(check: Entry) -> str:
    """Which way a figure is better: by the catalogue, else as its check says, else by its unit."""
    known = BY_ID.get(str(check["id"]))
    if known is not None:
        return known.better
    found = _OBJECTIVE.search(str(check.get("expected") or ""))
    if found:
        return found.group(1).lower()
    return AT_MOST if check.get("unit") in _SMALL_IS_GOOD else AT_LEAST


def is_of_the_fabric(check: Entry) -> bool:
    """Whether a figure doesn't depend on what is served."""
    known = BY_ID.get(str(check["id"]))
    return known is not None and known.phase == FABRIC


def objective(check: Entry) -> float | None:
    """The limit that a check's words name, in the figure's unit."""
    found = _OBJECTIVE.search(str(check.get("expected") or ""))
    return float(found.group(2).replace(",", "")) if found else None


def by_check(measurements: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Measurements by what they are of: for many checks, of which each has few."""
    found: dict[str, list[Entry]] = {}
    for one in measurements:
        found.setdefault(str(one["check"]), []).append(one)
    return found


def measurements_of(check: Entry, measurements: Iterable[Entry]) -> list[Entry]:
    """What a check was judged by. What is of no host was measured from any."""
    host, peer = check.get("host") or "", check.get("peer") or ""
    return [
        one
        for one in measurements
        if one["check"] == check["id"]
        and (not host or (one.get("host") or "") == host)
        and (one.get("peer") or "") == peer
    ]


def number_at(values: Mapping[str, Any] | None, path: str) -> float | None:
    """The number at a dotted path of a parser's values."""
    found: Any = values or {}
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return float(found) if isinstance(found, (int, float)) and not isinstance(found, bool) else None
