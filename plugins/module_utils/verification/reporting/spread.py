# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How far the runs of one figure lay apart."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from ..catalogue.all import BY_ID
from .reading import Entry, number_at


def run_values(check: Entry, measured: Sequence[Entry]) -> list[float]:
    """What each run of a check found, in the parser's own unit; empty where that is not known."""
    known = BY_ID.get(str(check["id"]))
    if known is None:
        return []
    runs = [run for one in measured for run in one.get("runs") or ()]
    read = [number_at((run.get("evidence") or {}).get("values"), known.figure) for run in runs]
    return [value for value in read if value is not None]


def spread_percent(check: Entry, measured: Sequence[Entry]) -> float:
    """How far the farthest run lay from the middle one, in percent of that; 0 for a single run."""
    values = run_values(check, measured)
    middle = median(values) if values else 0.0
    if not middle:
        return 0.0
    return 100.0 * max(abs(value - middle) for value in values) / abs(middle)
