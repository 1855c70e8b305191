# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A plot with axes as SVG whose width is that of its box: x are percentages, y are pixels, texts keep their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .markup import text
from .quantities import figure
from .strips import at

# Heights in pixels: of the whole, and of the labels below.
_HEIGHT, _BOTTOM = 330, 26
_WIDE = 1000


@dataclass(frozen=True)
class Scale:
    """From the least to the greatest value of an axis, by magnitude where ``log`` is set."""

    low: float
    high: float
    log: bool

    def share(self, value: float) -> float:
        """Where a value stands between the ends, from 0 to 1."""
        if self.log:
            return (math.log(max(value, self.low)) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Round values between the ends: powers of ten, with more of each the fewer there are, or equal steps."""
        if not self.log:
            step = _round_step((self.high - self.low) / 5)
            first = math.ceil(self.low / step)
            return [step * k for k in range(first, math.floor(self.high / step) + 1)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        width = math.log10(self.high / self.low)
        leads = (1, 1.5, 2, 3, 4, 5, 7) if width < 1.2 else (1, 2, 5) if width < 3 else (1,)
        found = [lead * 10.0**decade for decade in decades for lead in leads]
        return [value for value in found if self.low * 0.999 <= value <= self.high * 1.001]


def log_scale(values: Sequence[float]) -> Scale:
    """A scale by magnitude with a little room around the values, which are positive."""
    low, high = min(values), max(values)
    room = max((high / low) ** 0.04, 1.05)
    return Scale(low / room, high * room, log=True)


def linear_scale(values: Sequence[float]) -> Scale:
    """A scale from zero to a little more than the greatest value."""
    return Scale(0.0, max([*values, 1e-9]) * 1.08, log=False)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(lead * power for lead in (1, 2, 2.5, 5, 10) if lead * power >= least)


@dataclass(frozen=True)
class Plot:
    """Two scales and what they are of; the methods make shapes, ``draw`` puts them into a picture."""

    x: Scale
    y: Scale
    x_name: str
    y_name: str
    # Pixels that are kept free for remarks above.
    top: int = 16

    def line(self, kind: str, points: Sequence[tuple[float, float]]) -> str:
        """A line through points, in a frame that is stretched while the line keeps its width."""
        through = " ".join(f"{_WIDE * self.x.share(x):.1f},{self._down(y):.1f}" for x, y in points)
        return (
            f'<svg x="0" y="0" width="100%" height="{_HEIGHT}" viewBox="0 0 {_WIDE} {_HEIGHT}" '
            f'preserveAspectRatio="none"><polyline class="{kind}" points="{through}"/></svg>'
        )

    def upright(self, kind: str, x: float, words: str, line: int) -> str:
        """A line across the plot at ``x`` with a remark above the plot, on its first or second line."""
        share = self.x.share(x)
        anchor, shift = ("end", -6) if share > 0.5 else ("start", 6)
        y = 13 + 17 * line
        return (
            f'<line class="{kind}" x1="{at(share)}" x2="{at(share)}" y1="{y - 11}" y2="{_HEIGHT - _BOTTOM}"/>'
            f'<text class="remark" x="{at(share)}" dx="{shift}" y="{y}" text-anchor="{anchor}">{text(words)}</text>'
        )

    def dot(self, kind: str, x: float, y: float, title: str, label: str = "", *, below: bool = False) -> str:
        """A point with what it is, shown where the pointer rests, and a label where it needs one."""
        share, down = self.x.share(x), self._down(y)
        anchor, shift = ("end", -9) if share > 0.62 else ("start", 9)
        shown = (
            f'<text class="dot-label" x="{at(share)}" dx="{shift}" y="{down + (17 if below else -8):.1f}" '
            f'text-anchor="{anchor}">{text(label)}</text>'
            if label
            else ""
        )
        circle = (
            f'<circle class="{kind}" cx="{at(share)}" cy="{down:.1f}" r="5.5"><title>{text(title)}</title></circle>'
        )
        return circle + shown

    def draw(self, title: str, shapes: str) -> str:
        """The picture: labels of y in a column of their own, grid, labels of x, then the shapes."""
        levels, grid = "", ""
        for value in self.y.ticks():
            down = self._down(value)
            levels += f'<text x="44" y="{down + 4:.1f}" text-anchor="end">{figure(value)}</text>'
            grid += f'<line class="gridline" x1="0" x2="100%" y1="{down:.1f}" y2="{down:.1f}"/>'
        for value in self.x.ticks():
            share = self.x.share(value)
            anchor = "start" if share < 0.03 else "end" if share > 0.97 else "middle"
            grid += (
                f'<line class="gridline" x1="{at(share)}" x2="{at(share)}" y1="{self.top}" y2="{_HEIGHT - _BOTTOM}"/>'
            )
            grid += f'<text x="{at(share)}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{figure(value)}</text>'
        return (
            f'<div class="plot"><svg class="levels" width="48" height="{_HEIGHT}" aria-hidden="true">{levels}</svg>'
            f'<svg class="area" width="100%" height="{_HEIGHT}" role="img" aria-label="{text(title)}">'
            f"<title>{text(title)}</title>{grid}{shapes}</svg>"
            f'<p class="axes">up: {text(self.y_name)} · right: {text(self.x_name)}</p></div>'
        )

    def _down(self, y: float) -> float:
        return self.top + (1 - self.y.share(y)) * (_HEIGHT - self.top - _BOTTOM)
