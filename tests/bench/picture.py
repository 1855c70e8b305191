"""A picture of measured curves for the documentation: one SVG file, both axes by magnitude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ansible_collections.moefleet.serving.plugins.module_utils.pages.plot import Scale, log_scale

# Told apart by colour-blind readers, too: Okabe and Ito's blue, vermilion and green, and other marks.
_COLOURS = ("#0072b2", "#d55e00", "#009e73")
_WIDTH, _HEIGHT = 760, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 64, 48


@dataclass(frozen=True)
class Curve:
    """Points of positive x and y; dashed where it is no measurement."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


def _number(value: float) -> str:
    return f"{value:,.10g}"


def picture(curves: Sequence[Curve], x_name: str, y_name: str, title: str) -> str:
    """The curves with their names above, in one frame."""
    positive = [Curve(curve.name, [p for p in curve.points if min(p) > 0], curve.dashed) for curve in curves]
    everything = [point for curve in positive for point in curve.points]
    x, y = log_scale([point[0] for point in everything]), log_scale([point[1] for point in everything])
    shapes = _grid(x, y) + "".join(_curve(curve, number, x, y) for number, curve in enumerate(positive))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        f' font-family="system-ui, sans-serif" font-size="13" role="img">\n<title>{escape(title)}</title>\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{shapes}'
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 10}" text-anchor="middle">{escape(x_name)}</text>\n'
        f'<text x="16" y="{(_TOP + _HEIGHT - _BOTTOM) / 2}" text-anchor="middle"'
        f' transform="rotate(-90 16 {(_TOP + _HEIGHT - _BOTTOM) / 2})">{escape(y_name)}</text>\n</svg>\n'
    )


def _across(x: Scale, value: float) -> float:
    return _LEFT + x.share(value) * (_WIDTH - _LEFT - _RIGHT)


def _down(y: Scale, value: float) -> float:
    return _TOP + (1 - y.share(value)) * (_HEIGHT - _TOP - _BOTTOM)


def _grid(x: Scale, y: Scale) -> str:
    lines = ""
    for value in x.ticks():
        at = _across(x, value)
        lines += f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" stroke="#ddd"/>'
        lines += f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{_number(value)}</text>\n'
    for value in y.ticks():
        at = _down(y, value)
        lines += f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>'
        lines += f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{_number(value)}</text>\n'
    return lines


def _curve(curve: Curve, number: int, x: Scale, y: Scale) -> str:
    """Its line, its marks where it was measured, and its name in the row of names."""
    colour = _COLOURS[number % len(_COLOURS)]
    places = [(_across(x, a), _down(y, b)) for a, b in curve.points]
    dash = ' stroke-dasharray="7 5"' if curve.dashed else ""
    stroke = f'fill="none" stroke="{colour}" stroke-width="2.5"{dash}'
    through = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    drawn = f'<polyline points="{through}" {stroke}/>\n'
    marks = [] if curve.dashed else places
    for a, b in marks:
        drawn += (
            f'<circle cx="{a:.1f}" cy="{b:.1f}" r="5" fill="{colour}"/>'
            if number % 4 < 2
            else f'<rect x="{a - 4.5:.1f}" y="{b - 4.5:.1f}" width="9" height="9" fill="{colour}"/>'
        )
    left, row = _LEFT + (number % 2) * 340, 20 + 20 * (number // 2)
    return (
        drawn + f'<line x1="{left}" x2="{left + 28}" y1="{row}" y2="{row}" {stroke}/>'
        f'<text x="{left + 36}" y="{row + 4}">{escape(curve.name)}</text>\n'
    )
