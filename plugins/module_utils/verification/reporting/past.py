# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What changed since the last good run, and how the figures went over the runs."""

from __future__ import annotations

from collections.abc import Sequence

from ...evidence.result import FAIL, PASS, WARN
from ...pages.markup import SIGNS, folded, mark, soft, table, text
from ...pages.quantities import figure
from .reading import Entry, where

_WIDTH, _HEIGHT = 120, 26
_HEADS = ("", "What", "Where", ">Then", ">Now", ">Change", ">Noise", "Over the runs")


def past(report: Entry) -> str:
    """The section; empty in a report without a history."""
    history = report.get("history")
    if not history:
        return ""
    parts = [_runs(history["runs"]), _compared(history)]
    if history["worse"]:
        parts.append(f"<h3>Got worse</h3>{_changes(history['worse'], FAIL)}")
    if history["new_failures"]:
        parts.append(f"<h3>Failing since the last good run</h3>{_turns(history['new_failures'])}")
    if history["mended"]:
        parts.append(f"<h3>Mended since the run before</h3>{_turns(history['mended'])}")
    if history["better"]:
        count = len(history["better"])
        parts.append(folded(f"{count} got better", _changes(history["better"], PASS), printed=True))
    if any(len(entry["values"]) > 1 for entry in history["series"]):
        parts.append(folded("Figures over the runs", _series(history["series"])))
    if history["not_compared"]:
        parts.append(_not_compared(history["not_compared"]))
    return f'<section id="history"><h2>Since the last good run</h2>{"".join(parts)}</section>'


def _compared(history: Entry) -> str:
    if history["compared_with"] is None:
        return f"<p>{text(history['note'])}</p>"
    said = f"Compared with the run of {_when(history['compared_with'])}."
    if not history["worse"] and not history["new_failures"]:
        said += " Nothing got worse by more than its noise."
    return f"<p>{text(said)}</p>"


def _when(moment: str) -> str:
    return moment.replace("T", " ")[:16]


def _runs(runs: Sequence[Entry]) -> str:
    chips = "".join(
        f'<li class="chip {text(run["verdict"])}" title="{text(_when(run["generated_at"]))}">'
        f'{SIGNS[run["verdict"]]}<span class="spoken"> {text(run["verdict"])}, {text(_when(run["generated_at"]))}'
        "</span></li>"
        for run in runs
    )
    return f'<ol class="runs" aria-label="Verdicts of the last runs, the newest last">{chips}</ol>'


def _changes(changes: Sequence[Entry], verdict: str) -> str:
    rows = [
        (
            mark(WARN if verdict == FAIL else PASS, "worse" if verdict == FAIL else "better"),
            text(change["title"]),
            text(where(change)),
            f"{figure(change['before'])} {text(change['unit'])}",
            f"<strong>{figure(change['now'])}</strong> {text(change['unit'])}",
            f"{change['change_percent']:+.0f} %",
            f"± {change['noise_percent']:.0f} %",
            sparkline(f"{change['title']}, {where(change)}, {change['unit']}", change.get("series") or ()),
        )
        for change in changes
    ]
    return table(_HEADS, rows, "changes")


def _turns(turns: Sequence[Entry]) -> str:
    rows = [
        (mark(turn["verdict"]), text(turn["title"]), text(where(turn)), text(_when(turn["since"]))) for turn in turns
    ]
    return table(("Verdict", "What", "Where", "Since the run of"), rows, "turns")


def _series(series: Sequence[Entry]) -> str:
    rows = [
        (
            text(entry["title"]),
            text(where(entry)),
            f"{figure(min(entry['values']))} to {figure(max(entry['values']))}",
            f"<strong>{figure(entry['values'][-1])}</strong> {text(entry['unit'])}",
            sparkline(f"{entry['title']}, {entry['unit']}", entry["values"]),
        )
        for entry in series
    ]
    return table(("What", "Where", ">Range", ">Now", "Over the runs"), rows, "series")


def _not_compared(entries: Sequence[Entry]) -> str:
    reasons = dict.fromkeys(str(entry["reason"]) for entry in entries)
    told = "; ".join(f"{sum(entry['reason'] == reason for entry in entries)} {reason}" for reason in reasons)
    return soft(f"Not compared: {told}.")


def sparkline(title: str, values: Sequence[float]) -> str:
    """A line through values in order, the last of them a dot; its scale is its own."""
    if len(values) < 2:
        return '<span class="soft">first run</span>'
    low, high = min(values), max(values)
    room = (high - low) or abs(high) or 1.0
    step = (_WIDTH - 12) / (len(values) - 1)
    points = [
        (6 + step * index, _HEIGHT - 5 - (_HEIGHT - 10) * (value - low) / room) for index, value in enumerate(values)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    x, y = points[-1]
    spoken = text(f"{title}: {', '.join(figure(value) for value in values)}")
    return (
        f'<svg class="spark" width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{spoken}"><title>{spoken}</title><polyline points="{line}"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/></svg>'
    )
