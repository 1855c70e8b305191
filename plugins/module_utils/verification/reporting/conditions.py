# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Under which conditions the figures were measured: load, kernel, versions, topology, time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...pages.markup import folded, soft, table, text
from ...pages.quantities import figure, number
from .reading import SERVICE, Entry

_FEW = 4
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+([+-][\d:]+|Z)?")


def conditions(report: Entry) -> str:
    """The section: one row where a condition was the same everywhere, else what each host had."""
    by_host = _gathered(report)
    if not by_host:
        return ""
    names = list(dict.fromkeys(name for found in by_host.values() for name in found))
    rows = [(f"<strong>{text(_worded(name))}</strong>", _told(name, by_host)) for name in names]
    return (
        '<section id="conditions"><h2>Conditions of the measurements</h2>'
        + table(("Condition", "During the measurements"), rows, "conditions")
        + soft("Figures of other conditions are other figures. Loads are averages of a minute unless they say more.")
        + "</section>"
    )


def _gathered(report: Entry) -> dict[str, dict[str, list[Any]]]:
    """By host and condition every value that a measurement there had, once each."""
    found: dict[str, dict[str, list[Any]]] = {}
    for measurement in report["measurements"]:
        own = found.setdefault(str(measurement.get("host") or SERVICE), {})
        for name, value in _flat(measurement.get("conditions") or {}):
            values = own.setdefault(name, [])
            if value not in values:
                values.append(value)
    return {host: own for host, own in found.items() if own}


def _flat(given: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Values by their dotted names; what is not there has no name."""
    flat: list[tuple[str, Any]] = []
    for name, value in given.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{above}{name}.")
        elif value not in (None, "", []):
            flat.append((f"{above}{name}", value))
    return flat


def _worded(name: str) -> str:
    return name.replace("_", " ").replace(".", ": ", 1)


def _told(name: str, by_host: Mapping[str, Mapping[str, Sequence[Any]]]) -> str:
    told = {host: _values(own[name]) for host, own in by_host.items() if name in own}
    different = dict.fromkeys(told.values())
    if len(different) == 1 and len(told) > 1:
        return f'{text(next(iter(different)))} <span class="soft">on all that were asked</span>'
    lines = []
    for said in different:
        hosts = ", ".join(host for host in told if told[host] == said)
        lines.append(f'<span class="soft">{text(hosts)}:</span> {text(said)}')
    if len(lines) > _FEW:
        return folded(f"{len(lines)} different", "<br>".join(lines))
    return "<br>".join(lines)


def _values(values: Sequence[Any]) -> str:
    """Values in one line; many numbers are a range."""
    numbers = [found for value in values if (found := number(value)) is not None]
    if len(numbers) == len(values) and len(values) > 1:
        return f"{figure(min(numbers))} to {figure(max(numbers))}"
    if len(values) > 1 and all(isinstance(value, str) and _TIME.fullmatch(value) for value in values):
        return f"{min(values)} to {max(values)}".replace("T", " ")
    lists = [value for value in values if isinstance(value, list) and all(number(item) is not None for item in value)]
    if len(lists) == len(values) and len(values) > 1 and len({len(value) for value in lists}) == 1:
        ends = [(min(column), max(column)) for column in zip(*lists)]
        return ", ".join(figure(low) if low == high else f"{figure(low)} to {figure(high)}" for low, high in ends)
    shown = [_one(value) for value in values]
    return ", ".join(shown[:_FEW]) + (f" and {len(shown) - _FEW} more" if len(shown) > _FEW else "")


def _one(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_one(item) for item in value)
    found = number(value)
    if found is not None:
        return figure(found)
    return value if isinstance(value, str) else json.dumps(value)
