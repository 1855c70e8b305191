# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Charts of the report as SVG text. Colours come from the page's style sheet, so they follow its themes."""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ...pages.quantities import figure

_LABEL_WIDTH = 64
_BAR_WIDTH = 330
_VALUE_WIDTH = 150
_ROW_HEIGHT = 26
_BAR_HEIGHT = 14
_HEAD_HEIGHT = 24


class Bar(NamedTuple):
    """One bar: its label, its value, and the objective it is held against (None: it has none).

    ``failed`` where something else than that objective says so.
    """

    label: str
    value: float
    limit: float | None
    failed: bool = False


def bars(title: str, unit: str, rows: Sequence[Bar], end: float | None = None) -> str:
    """Draw horizontal bars from zero on one scale, which several charts share where its ``end`` is given.

    An objective is a line across its bar.
    """
    own = max([row.value for row in rows] + [row.limit for row in rows if row.limit is not None] + [1e-9])
    top = own if end is None else end
    width = _LABEL_WIDTH + _BAR_WIDTH + _VALUE_WIDTH
    height = _HEAD_HEIGHT + _ROW_HEIGHT * len(rows)
    spoken = html.escape(_spoken(title, unit, rows))
    parts = [
        f'<svg class="bars" viewBox="0 0 {width} {height}" role="img" aria-label="{spoken}">',
        f'<text class="bar-title" x="0" y="15">{html.escape(title)}</text>',
    ]
    for index, row in enumerate(rows):
        parts.append(_bar(row, unit, top, _HEAD_HEIGHT + index * _ROW_HEIGHT))
    parts.append("</svg>")
    return "".join(parts)


def latency_rows(
    figures: Mapping[str, float | None], limits: Mapping[str, float], failed: Collection[str] = ()
) -> list[Bar]:
    """Return the percentiles of one latency in ascending order; ``limits`` has the objectives by the same names."""
    names = sorted((name for name in figures if name[:1] == "p"), key=lambda name: float(name[1:]))
    rows: list[Bar] = []
    for name in names:
        value = figures[name]
        if value is not None:
            rows.append(Bar(name.upper(), value, limits.get(name), name in failed))
    return rows


def _bar(row: Bar, unit: str, top: float, offset: float) -> str:
    length = max(1.0, _BAR_WIDTH * row.value / top)
    middle = offset + _ROW_HEIGHT / 2
    over = row.failed or (row.limit is not None and row.value > row.limit)
    y = middle - _BAR_HEIGHT / 2
    drawn = (
        f'<text class="bar-label" x="0" y="{middle + 4:.1f}">{html.escape(row.label)}</text>'
        f'<rect class="{"bar-over" if over else "bar-good"}" x="{_LABEL_WIDTH}" y="{y:.1f}" width="{length:.1f}"'
        f' height="{_BAR_HEIGHT}" rx="2"/>'
        f'<text class="bar-value" x="{_LABEL_WIDTH + _BAR_WIDTH + 8}" y="{middle + 4:.1f}">'
        + ('<tspan class="bar-sign">✗ </tspan>' if over else "")
        + f"{figure(row.value)} {html.escape(unit)}"
        + ("" if row.limit is None else f" (≤ {figure(row.limit)})")
        + "</text>"
    )
    if row.limit is not None:
        x = _LABEL_WIDTH + _BAR_WIDTH * row.limit / top
        drawn += (
            f'<line class="bar-limit" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4:.1f}" y2="{y + _BAR_HEIGHT + 4:.1f}">'
            f"<title>objective: at most {figure(row.limit)} {html.escape(unit)}</title></line>"
        )
    return drawn


def _spoken(title: str, unit: str, rows: Sequence[Bar]) -> str:
    said = ", ".join(f"{row.label} {figure(row.value)} {unit}" for row in rows)
    return f"{title}: {said}"
