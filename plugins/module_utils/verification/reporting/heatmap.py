# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Host x host tables for what was measured of pairs: the colour says how much, the number says it exactly.

Five steps of one hue, by how many times worse than the best a cell is, so that the same colour means the same in every
map and run, and reads the same to every pair of eyes and in grey.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...evidence.result import FAIL, NOT_APPLICABLE, PASS, UNKNOWN, WARN
from ...pages.markup import SIGNS, text
from ...pages.quantities import figure
from ..catalogue.model import AT_MOST
from .reading import Entry, better

# In a cell without a number.
_NONE = SIGNS[NOT_APPLICABLE]
# A cell that is less than so many times worse than the best is of this step, or of a step before; the last has no end.
STEPS = (1.1, 1.25, 1.5, 2.0)
_SPOKEN = {PASS: "", WARN: "warning", FAIL: "failed", UNKNOWN: "unknown", NOT_APPLICABLE: "not applicable"}


def heat_maps(checks: Sequence[Entry], hosts: Sequence[str]) -> str:
    """A map for every figure of pairs that was measured at all."""
    of_pairs = [check for check in checks if check["peer"]]
    maps = []
    for identifier in dict.fromkeys(check["id"] for check in of_pairs):
        own = [check for check in of_pairs if check["id"] == identifier]
        if any(check["value"] is not None for check in own):
            maps.append(heat_map(own, hosts))
    kind = "maps many" if len(hosts) > 8 else "maps"
    return f'<div class="{kind}">{"".join(maps)}</div>' if maps else ""


def level(value: float, best: float) -> int:
    """The step of a value: how many times it is worse than the best one, whichever way is better."""
    small, large = sorted((abs(value), abs(best)))
    if small == large:
        return 0
    return sum(large >= step * small for step in STEPS)


def heat_map(checks: Sequence[Entry], hosts: Sequence[str]) -> str:
    """One figure: rows send, columns receive."""
    first = checks[0]
    values = [float(check["value"]) for check in checks if check["value"] is not None]
    small_is_good = better(first) == AT_MOST
    best = min(values) if small_is_good else max(values)
    cells = {(str(check["host"]), str(check["peer"])): check for check in checks}
    # A host that is measured but not in the plan still has its row.
    names = list(dict.fromkeys([*hosts, *(name for pair in cells for name in pair)]))
    heads = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    rows = "".join(
        f'<tr><th scope="row">{text(row)}</th>' + "".join(_cell(row, column, cells, best) for column in names) + "</tr>"
        for row in names
    )
    unit = str(first["unit"])
    return (
        f'<figure class="map" id="map-{text(first["id"])}"><div class="wide" tabindex="0" role="group" '
        f'aria-label="{text(first["title"])}"><table class="heat"><caption>{text(first["title"])}'
        f'<span class="soft">, {text(unit)}, {text(first["expected"] or "no objective")}</span></caption>'
        f'<thead><tr><th scope="col" class="corner">from ↓ to →</th>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        f"</div>{_legend(checks, best, unit, len(names))}</figure>"
    )


def _cell(row: str, column: str, cells: Mapping[tuple[str, str], Entry], best: float) -> str:
    if row == column:
        return '<td class="self" aria-label="itself">·</td>'
    check = cells.get((row, column))
    if check is None:
        return f'<td class="missing" title="{text(f"{row} → {column}: not measured")}"><span>{_NONE}</span></td>'
    verdict, value = str(check["verdict"]), check["value"]
    sign = SIGNS[verdict] if verdict != PASS else ""
    spoken = f'<span class="spoken"> {_SPOKEN[verdict]}</span>' if _SPOKEN.get(verdict) else ""
    title = text(f"{row} → {column}: {check['observed']}" + (f". {check['reason']}" if check["reason"] else ""))
    if value is None:
        return f'<td class="missing {_class(verdict)}" title="{title}"><span>{sign or _NONE}{spoken}</span></td>'
    shown = f"<b>{sign}</b> " if sign else ""
    step = level(float(value), best)
    return f'<td class="h{step} {_class(verdict)}" title="{title}">{shown}{_figure(float(value))}{spoken}</td>'


def _figure(value: float) -> str:
    """As many decimals for every figure of a size, so that a column of them can be compared."""
    if abs(value) >= 100 or value == 0:
        return figure(value)
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _class(verdict: str) -> str:
    return verdict.replace(" ", "-")


def _legend(checks: Sequence[Entry], best: float, unit: str, hosts: int) -> str:
    used = {level(float(check["value"]), best) for check in checks if check["value"] is not None}
    words = [*(f"to {step:g}" for step in STEPS), "more"]
    shown = [f'<i class="h{step}"></i>{word}' for step, word in enumerate(words) if step <= max(used)]
    shown.append(f"times worse than the best, {figure(best)} {text(unit)}")
    if max(used) == 0:
        shown = [f'<i class="h0"></i>all within a tenth of the best, {figure(best)} {text(unit)}']
    keys = []
    found = {str(check["verdict"]) for check in checks}
    if FAIL in found:
        keys.append(f'<i class="key fail">{SIGNS[FAIL]}</i> failed')
    if WARN in found:
        keys.append(f'<i class="key warn">{SIGNS[WARN]}</i> warning')
    measured = sum(check["value"] is not None for check in checks)
    pairs = hosts * (hosts - 1)
    if measured < pairs:
        keys.append(f'<i class="key missing"></i> {pairs - measured} of {pairs} not measured')
    listed = "".join(f"<span>{words}</span>" for words in [*shown, *keys])
    return f'<figcaption class="legend">{listed}</figcaption>'
