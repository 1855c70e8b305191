# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Horizontal strips as SVG: places along them are percentages, so a strip is as wide as its box and never distorted.

Colours come from the page's style sheet. Each strip has a title that says in words what it shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from .markup import text
from .quantities import number

_MIDDLE = 11.0
_HEIGHT = 22


class Row(NamedTuple):
    """A strip (SVG) with its name before and its value behind it (plain text)."""

    name: str
    strip: str
    value: str


def rows(title: str, entries: Iterable[Row]) -> str:
    """Strips below one another under a common title; empty without entries."""
    body = "".join(
        f'<div class="row"><span class="name">{text(row.name)}</span>{row.strip}'
        f'<span class="value">{text(row.value)}</span></div>'
        for row in entries
    )
    return (
        f'<figure class="rows"><figcaption>{text(title)}</figcaption><div class="grid">{body}</div></figure>'
        if body
        else ""
    )


def strip(title: str, shapes: str, height: int = _HEIGHT) -> str:
    """The picture around shapes whose x are percentages."""
    return (
        f'<svg class="strip" width="100%" height="{height}" role="img" aria-label="{text(title)}">'
        f"<title>{text(title)}</title>{shapes}</svg>"
    )


def at(share: float) -> str:
    """A place or a length as a share of the width."""
    return f"{100 * min(1.0, max(0.0, share)):.2f}%"


def block(kind: str, start: float, end: float, top: float = 4, height: float = 14) -> str:
    """A bar between two shares of the width, however short it is still to be seen."""
    if end <= start:
        return ""
    length = max(end - start, 0.003)
    return f'<rect class="{kind}" x="{at(start)}" y="{top:g}" width="{at(length)}" height="{height:g}"/>'


def tick(kind: str, share: float, top: float = 2, bottom: float = 20) -> str:
    """An upright line."""
    return f'<line class="{kind}" x1="{at(share)}" x2="{at(share)}" y1="{top:g}" y2="{bottom:g}"/>'


def bar(title: str, value: float, most: float, kind: str = "bar-good") -> str:
    """One bar from zero on a scale that ends at ``most``."""
    return strip(title, block(kind, 0.0, value / most if most > 0 else 0.0))


def span_strip(
    title: str, given: Mapping[str, object], most: float, *, target: float | None = None, bound: float | None = None
) -> str:
    """A range: a pale bar from low to high, a dark line at the likely figure, a thick one at the target, a thin one at
    the bound. ``most`` is where the scale ends; it begins at zero.
    """
    low, likely, high = (number(given.get(name)) for name in ("low", "likely", "high"))
    if low is None or high is None or most <= 0:
        return strip(title, "")
    shapes = f'<line class="track" x1="0" x2="100%" y1="{_MIDDLE}" y2="{_MIDDLE}"/>'
    shapes += block("range", low / most, high / most)
    shapes += "" if bound is None else tick("bound", bound / most)
    shapes += "" if likely is None else tick("likely", likely / most, 4, 18)
    shapes += "" if target is None else tick("bar-limit", target / most, 0, 22)
    return strip(title, shapes)


def change_strip(title: str, less: float, more: float, most: float) -> str:
    """Two changes, of a smaller and of a greater input, to the left and right of nothing; ``most`` fills one half."""
    shapes = ""
    for kind, change in (("less", less), ("more", more)):
        start, end = sorted((0.5, 0.5 + change / most / 2 if most > 0 else 0.5))
        shapes += block(kind, start, end, *((4, 7) if kind == "less" else (11, 7)))
    return strip(title, shapes + tick("zero", 0.5, 0, 22))
