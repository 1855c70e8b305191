# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The other layouts: what each would reach, what limits it, whether it fits and can be launched, and which are best."""

from __future__ import annotations

from collections.abc import Sequence

from .markup import SIGNS, folded, soft, table, text
from .plan_data import Data, listed, part, usable, words
from .plot import Plot, linear_scale, log_scale
from .quantities import figure, gib, milliseconds, number, span
from .strips import span_strip

_HEADS = (">No.", "Layout", "Decode tokens/s", "Likely", ">TPOT", ">TTFT", "Limit", ">Headroom", "Launches")
_KINDS = ("serving_layout", "Is", ">Decode tokens/s", ">TPOT", ">TTFT", ">Headroom", "Launches")
_LAUNCHES = {"yes": ("pass", "yes"), "unproven": ("unknown", "unproven"), "no": ("fail", "no")}


def alternatives(plan: Data) -> str:
    """The section, empty without alternatives."""
    found, kinds = listed(plan, "alternatives"), _kinds(listed(plan, "layouts"))
    if not found:
        return f'<section id="alternatives"><h2>Layouts compared</h2>{kinds}</section>' if kinds else ""
    kept = [item for item in found if usable(item) or item.get("requested")]
    dropped = [item for item in found if item not in kept]
    front = words(plan, "pareto")
    return (
        '<section id="alternatives"><h2>Layouts compared</h2>'
        f"{kinds}<h3>All sizes of them</h3>{_table(kept, front)}{_front(kept, front)}{_dropped(dropped)}</section>"
    )


def _kinds(found: Sequence[Data]) -> str:
    """What each value of ``serving_layout`` would be with the inventory's sizes; empty where the plan lacks it."""
    rows = []
    for item in found:
        name = f"<strong>{text(item.get('kind'))}</strong>" if item.get("chosen") else text(item.get("kind"))
        likely = number(part(item, "decode_tokens_s").get("likely"))
        sign, word = _LAUNCHES["no"] if not item.get("fits") else _launches(item)
        told = f" {text(item['reason'])}" if sign != "pass" and item.get("reason") else ""
        rows.append(
            (
                name + (' <span class="tag">planned</span>' if item.get("chosen") else ""),
                text(item.get("layout") or "-"),
                figure(likely) if likely is not None else "unknown",
                text(milliseconds(number(item.get("tpot_ms")))),
                text(milliseconds(number(item.get("ttft_ms")))),
                text(gib(number(item.get("headroom_bytes")))),
                f'<span class="{sign}">{SIGNS[sign]} {text(word)}</span>{told}',
            )
        )
    asked = "One variable asks for each: ansible-playbook site.yml -e serving_layout=…"
    return table(_KINDS, rows, "kinds") + soft(asked) if rows else ""


def _launches(item: Data) -> tuple[str, str]:
    return _LAUNCHES.get(str(item.get("launchable")), ("unknown", str(item.get("launchable"))))


def _table(kept: Sequence[Data], front: Sequence[str]) -> str:
    most = max((number(part(item, "decode_tokens_s").get("high")) or 0.0 for item in kept), default=0.0)
    reasons = list(dict.fromkeys(str(item["reason"]) for item in kept if item.get("reason")))
    rows = []
    for place, item in enumerate(kept, start=1):
        row = _row(place, item, most * 1.02, front)
        note = f"<sup>{reasons.index(str(item['reason'])) + 1}</sup>" if item.get("reason") else ""
        rows.append((*row[:-1], row[-1] + note))
    notes = "".join(f"<li>{text(reason)}</li>" for reason in reasons)
    told = "Pale: the range expected; dark line: likely; thin line: the bound at peak rates. ◆ on the front, see below."
    return table(_HEADS, rows, "layouts") + (f'<ol class="notes">{notes}</ol>' if notes else "") + soft(told)


def _row(place: int, item: Data, most: float, front: Sequence[str]) -> tuple[str, ...]:
    given = part(item, "decode_tokens_s")
    low, likely, high = (number(given.get(end)) for end in ("low", "likely", "high"))
    name = str(item.get("layout"))
    shown = f"<strong>{text(name)}</strong>" if item.get("requested") else text(name)
    tags = ' <span class="tag">planned</span>' if item.get("requested") else ""
    tags += ' <span class="front" title="on the front">◆</span>' if name in front else ""
    fits = "" if item.get("fits") else f'<span class="fail">{SIGNS["fail"]} does not fit</span> '
    known = low is not None and likely is not None and high is not None
    ends = f"{span(low, high)}" if low is not None and high is not None else "unknown"
    kind, word = _launches(item)
    return (
        str(place),
        shown + tags,
        span_strip(f"{name}: {ends} tokens/s", given, most, bound=number(given.get("bound"))) if known else "",
        (f"<strong>{figure(likely)}</strong>" if likely is not None else "") + f'<br><span class="soft">{ends}</span>',
        text(milliseconds(number(item.get("tpot_ms")))),
        text(milliseconds(number(item.get("ttft_ms")))),
        text(item.get("limited_by")),
        fits + text(gib(number(item.get("headroom_bytes")))),
        f'<span class="{kind}">{SIGNS[kind]} {text(word)}</span>',
    )


def _front(kept: Sequence[Data], front: Sequence[str]) -> str:
    """Tokens/s against both times; a layout that another one beats in all three is pale."""
    plots = "".join(
        _scatter(kept, front, key, name)
        for key, name in (("tpot_ms", "time per output token, ms"), ("ttft_ms", "time to first token, ms"))
    )
    if not plots:
        return ""
    said = ", ".join(front) or "none"
    return (
        "<h3>More tokens or less waiting</h3>"
        f"<p>Best at once in tokens/s and both times (◆): {text(said)}. Up and to the left is better.</p>"
        f'<div class="charts">{plots}</div>' + soft("Numbers are those of the table.")
    )


def _scatter(kept: Sequence[Data], front: Sequence[str], key: str, name: str) -> str:
    points = [
        (place, item, wait, likely)
        for place, item in enumerate(kept, start=1)
        if (wait := number(item.get(key)) or 0.0) > 0
        and (likely := number(part(item, "decode_tokens_s").get("likely")) or 0.0) > 0
    ]
    if len(points) < 2:
        return ""
    plot = Plot(
        log_scale([point[2] for point in points]), linear_scale([point[3] for point in points]), name, "tokens/s"
    )
    shapes = ""
    for place, item, wait, likely in reversed(points):
        layout = str(item.get("layout"))
        kind = "dot mine" if item.get("requested") else "dot best" if layout in front else "dot"
        label = f"{place} planned" if item.get("requested") else f"{place} ◆" if layout in front else ""
        title = f"{place}: {layout}, {figure(likely)} tokens/s, {milliseconds(wait)}"
        shapes += plot.dot(kind, wait, likely, title, label)
    return f"<div>{plot.draw(f'Decode tokens/s against {name}', shapes)}</div>"


def _dropped(dropped: Sequence[Data]) -> str:
    if not dropped:
        return ""
    rows = [
        (
            text(item.get("layout")),
            text(figure(likely)) if (likely := number(part(item, "decode_tokens_s").get("likely"))) is not None else "",
            text(item.get("reason")),
        )
        for item in dropped
    ]
    shown = table(("Layout", ">Would decode", "Why it is out"), rows, "reasons")
    return folded(f"{len(dropped)} layouts that are out, and why", shown, printed=True)
