# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Decode tokens/s by the speed of the hosts' ports: which layout is worth its traffic on which network."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .markup import soft, table, text
from .plan_data import Data, best_other, layout_name, listed, part
from .plot import Plot, log_scale
from .quantities import figure, number

Points = list[tuple[float, float]]

# Port speeds in Gb/s that the table below the plot names beside the plan's own.
_NAMED = (100.0, 400.0)


def rates(plan: Data) -> str:
    """The section, empty without curves."""
    curves = _curves(plan)
    values = [value for points in curves.values() for unused, value in points]
    speeds = [speed for points in curves.values() for speed, unused in points]
    if not values or min(speeds) == max(speeds):
        return ""
    mine, own = layout_name(plan), own_rate(plan)
    best = str(best_other(plan).get("layout"))
    best = best if best in curves and best != mine else next((name for name in curves if name != mine), "")
    plot = Plot(log_scale(speeds), log_scale(values), "Gb/s of a host's ports", "likely decode tokens/s", top=44)
    kinds = {name: "curve mine" if name == mine else "curve best" if name == best else "curve" for name in curves}
    # The two that matter are drawn last, above the others.
    shapes = "".join(plot.line(kinds[name], curves[name]) for name in sorted(curves, key=lambda name: len(kinds[name])))
    crossover = number(plan.get("wins_from_nic_gbit_s"))
    shapes += _marks(plot, curves, mine, best, own) + _crossover(plot, curves, mine, crossover)
    drawn = plot.draw(f"Decode tokens/s of {len(curves)} layouts by port speed", shapes)
    return (
        f'<section id="rates"><h2>What the network is worth</h2><p>{text(_said(own, crossover, mine, best))}</p>'
        f"{drawn}{_legend(curves, kinds, own)}</section>"
    )


def own_rate(plan: Data) -> float | None:
    """Gb/s of all data ports of one host of the plan."""
    cluster = part(plan, "cluster")
    speed, ports = number(cluster.get("nic_gbit_s")), number(cluster.get("nics_per_host"))
    return speed * ports if speed and ports else None


def value_at(points: Sequence[tuple[float, float]], speed: float) -> float | None:
    """A curve's value between its points, by magnitude; ``None`` outside of them."""
    for (left, low), (right, high) in zip(points, points[1:]):
        if left <= speed <= right:
            share = (math.log(speed) - math.log(left)) / (math.log(right) - math.log(left))
            return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return None


def _curves(plan: Data) -> dict[str, Points]:
    """Each layout's points in order of speed; those without a positive value cannot be shown by magnitude."""
    found: dict[str, Points] = {}
    for name in part(plan, "by_port_rate"):
        pairs = (
            (number(item.get("nic_gbit_s")), number(item.get("decode_tokens_s")))
            for item in listed(plan, "by_port_rate", name)
        )
        points = sorted({(speed, value) for speed, value in pairs if speed and value and speed > 0 and value > 0})
        if len(points) > 1:
            found[str(name)] = points
    return found


def _said(own: float | None, crossover: float | None, mine: str, best: str) -> str:
    if not best:
        return f"{mine} alone fits and may be launched."
    has = f"the plan has {figure(own)} Gb/s" if own is not None else "the plan's speed is not known"
    if crossover is None:
        return f"At no port speed compared is {mine} as fast as {best}; {has} a host."
    if own is not None and own >= crossover:
        return f"{mine} is the faster one from {figure(crossover)} Gb/s a host upwards; {has}."
    return f"{mine} is as fast as {best} only from {figure(crossover)} Gb/s a host upwards; {has}."


def _marks(plot: Plot, curves: dict[str, Points], mine: str, best: str, own: float | None) -> str:
    """The plan's own speed with the two figures there."""
    if own is None or not plot.x.low <= own <= plot.x.high:
        return ""
    shapes = plot.upright("own", own, f"this plan, {figure(own)} Gb/s", 1)
    for name, kind, word in ((best, "dot best", "best other"), (mine, "dot mine", "planned")):
        value = value_at(curves.get(name, []), own)
        if value is not None:
            shapes += plot.dot(kind, own, value, name, f"{figure(value)} {word}", below=name == mine)
    return shapes


def _crossover(plot: Plot, curves: dict[str, Points], mine: str, crossover: float | None) -> str:
    if crossover is None or not plot.x.low <= crossover <= plot.x.high:
        return ""
    value = value_at(curves.get(mine, []), crossover)
    shapes = plot.upright("cross", crossover, f"as fast from {figure(crossover)} Gb/s", 0)
    return shapes + ("" if value is None else plot.dot("dot cross", crossover, value, f"{figure(crossover)} Gb/s"))


def _legend(curves: dict[str, Points], kinds: dict[str, str], own: float | None) -> str:
    """The same figures as a table: the plan's own speed, and others that are sold."""
    last = max(points[-1][0] for points in curves.values())
    speeds = sorted({speed for speed in (own, *_NAMED, last) if speed is not None})
    heads = ["Layout", *(f">{figure(speed)} Gb/s{' (plan)' if speed == own else ''}" for speed in speeds)]
    rows = []
    for name, points in curves.items():
        values = (value_at(points, speed) for speed in speeds)
        rows.append(
            [f"{_swatch(kinds[name])} {text(name)}", *("" if value is None else figure(value) for value in values)]
        )
    return table(heads, rows, "rates") + soft("Likely decode tokens/s of the whole cluster; all else as planned.")


def _swatch(kind: str) -> str:
    line = f'<line class="{kind}" x1="1" x2="33" y1="5" y2="5"/>'
    return f'<svg class="swatch" width="34" height="10" aria-hidden="true">{line}</svg>'
