# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the plan expected beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from ...evidence.result import PASS, WARN
from ...pages.markup import mark, soft, table, text
from ...pages.quantities import figure, number, span
from ...pages.strips import at, span_strip, strip
from .reading import Entry

_HEADS = ("Figure", "", ">Expected", ">Measured", ">Error", "")


def predicted(entries: Sequence[Entry]) -> str:
    """The section; empty where nothing was predicted."""
    if not entries:
        return ""
    told = (
        "Pale: the range expected; upright line: likely; ●: measured. Each figure has its own scale, from zero. "
        "Error: measured against likely."
    )
    return (
        '<section id="predicted"><h2>Predicted and measured</h2>'
        + table(_HEADS, [_row(entry) for entry in entries], "predicted")
        + soft(told)
        + "</section>"
    )


def _row(entry: Entry) -> tuple[str, ...]:
    low, likely, high, measured = (number(entry.get(name)) for name in ("low", "likely", "high", "measured"))
    if low == high:  # one figure is no range, which a measurement could be in
        low = high = None
    unit, error = str(entry.get("unit") or ""), number(entry.get("error_percent"))
    ends = span(low, high) if low is not None and high is not None else ""
    expected = "not predicted" if likely is None else f"<strong>{figure(likely)}</strong> {text(unit)}"
    return (
        f"<strong>{text(entry.get('name'))}</strong>",
        _strip(entry, low, likely, high, measured),
        expected + (f'<br><span class="soft">{ends}</span>' if ends else ""),
        "not measured" if measured is None else f"<strong>{figure(measured)}</strong> {text(unit)}",
        "" if error is None else f"{error:+.0f} %",
        _inside(None if low is None else entry.get("inside"), measured, likely),
    )


def _inside(inside: object, measured: float | None, likely: float | None) -> str:
    """In words. A prediction that was wrong is no fault of the service."""
    if measured is None or likely is None:
        return ""
    if inside is None:
        return '<span class="soft">no range</span>'
    return mark(PASS, "in the range") if inside else mark(WARN, "outside the range")


def _strip(entry: Entry, low: float | None, likely: float | None, high: float | None, measured: float | None) -> str:
    known = [value for value in (low, likely, high, measured) if value is not None]
    most = max([*known, 1e-9]) * 1.05
    words = [f"{name} {figure(value)}" for name, value in (("low", low), ("likely", likely), ("high", high)) if value]
    words.append("not measured" if measured is None else f"measured {figure(measured)}")
    title = f"{entry.get('name')}, {entry.get('unit')}: {', '.join(words)}"
    dot = "" if measured is None else f'<circle class="measured" cx="{at(measured / most)}" cy="11" r="5.5"/>'
    if low is None or high is None:
        return strip(title, f'<line class="track" x1="0" x2="100%" y1="11" y2="11"/>{dot}')
    drawn = span_strip(title, {"low": low, "likely": likely, "high": high}, most)
    return drawn.replace("</svg>", f"{dot}</svg>")
