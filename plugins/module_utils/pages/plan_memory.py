# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The memory of the fullest rank as one stacked bar against the budget and the device."""

from __future__ import annotations

from typing import NamedTuple

from .markup import facts, soft, table, text
from .plan_data import Data, listed, part
from .quantities import gib, moved, number, percent
from .strips import at, block, strip, tick

# Components that have a name of their own in the bar; what is smaller than this share of the device is put together.
_SMALL = 0.012
_NAMES = {"mla_copy": "MLA copy", "kv_cache": "KV cache"}
_APART = ("kv_cache", "overhead")
_BAR_TOP, _BAR_HEIGHT = 30.0, 40.0


class Piece(NamedTuple):
    """A part of the bar: letter, name, style and bytes."""

    letter: str
    name: str
    kind: str
    size: float


def memory(plan: Data) -> str:
    """The section, empty without a budget."""
    rank = part(plan, "memory", "per_rank")
    budget, device = number(rank.get("budget_bytes")), number(rank.get("usable_bytes"))
    overhead = {end: number(value) for end, value in part(rank, "overhead_range_bytes").items()}
    low, likely, high = (overhead.get(end) for end in ("low", "likely", "high"))
    if not budget or not device or low is None or likely is None or high is None:
        return ""
    pieces = _pieces(rank, device, likely)
    fixed = sum(piece.size for piece in pieces) - likely
    drawn = _bar(pieces, fixed, (low, likely, high), budget, device)
    return (
        '<section id="memory"><h2>Memory of the fullest rank</h2>'
        f"{drawn}{_legend(pieces, rank, budget)}{_numbers(rank)}{_remedies(rank)}"
        + soft(str(rank.get("overhead_reason") or ""))
        + "</section>"
    )


def _pieces(rank: Data, device: float, overhead: float) -> list[Piece]:
    """Weights from the greatest component to the smallest, those too small to see together, then KV cache, overhead."""
    sizes = {name: size for name, value in part(rank, "components").items() if (size := number(value))}
    if not any(name not in _APART for name in sizes):
        sizes["weights"] = number(rank.get("weights_bytes")) or 0.0
    weights = sorted(((size, name) for name, size in sizes.items() if name not in _APART), reverse=True)
    entries = [
        (_name(name), f"w{index % 4}", size) for index, (size, name) in enumerate(weights) if size >= _SMALL * device
    ]
    rest = sum(size for size, unused in weights if size < _SMALL * device)
    if rest:
        entries.append(("other weights", f"w{len(entries) % 4}", rest))
    entries.append(("KV cache", "kv", number(rank.get("kv_cache_bytes")) or 0.0))
    entries.append(("overhead, likely", "oh", overhead))
    return [Piece(chr(ord("A") + index), *entry) for index, entry in enumerate(entries)]


def _name(component: str) -> str:
    return _NAMES.get(component, component.replace("_", " "))


def _bar(pieces: list[Piece], fixed: float, overhead: tuple[float, float, float], budget: float, device: float) -> str:
    low, likely, high = (fixed + size for size in overhead)
    most = max(device, high) * 1.001
    shapes = block("beyond", 0, device / most, _BAR_TOP, _BAR_HEIGHT)
    shapes += block("room", 0, budget / most, _BAR_TOP, _BAR_HEIGHT)
    start = 0.0
    for piece in pieces:
        shapes += _piece(piece, start / most, (start + piece.size) / most)
        start += piece.size
    shapes += block("maybe", likely / most, high / most, _BAR_TOP, _BAR_HEIGHT)
    if budget > high:
        shapes += _inside("headroom", (high + budget) / 2 / most, (budget - high) / most)
    shapes += _whisker(low / most, likely / most, high / most)
    shapes += tick("bar-limit", budget / most, 20, _BAR_TOP + _BAR_HEIGHT + 4)
    shapes += tick("device", device / most, _BAR_TOP - 4, _BAR_TOP + _BAR_HEIGHT + 22)
    shapes += f'<text x="{at(budget / most)}" y="14" text-anchor="end">budget {gib(budget)}</text>'
    shapes += f'<text class="axis" x="{at(device / most)}" y="104" text-anchor="end">device {gib(device)}</text>'
    told = ", ".join(f"{piece.name} {gib(piece.size)}" for piece in pieces)
    ends = (
        f"with the overhead's range {gib(low)} to {gib(high)} of a budget of {gib(budget)} on a device of {gib(device)}"
    )
    return strip(f"Memory of the fullest rank: {told}; {ends}", shapes, 110)


def _piece(piece: Piece, start: float, end: float) -> str:
    drawn = block(f"piece {piece.kind}", start, end, _BAR_TOP, _BAR_HEIGHT)
    if end - start < 0.028:
        return drawn
    middle = at((start + end) / 2)
    return drawn + f'<text class="on" x="{middle}" y="{_BAR_TOP + 25:g}" text-anchor="middle">{piece.letter}</text>'


def _inside(words_: str, middle: float, width: float) -> str:
    """A remark inside of the bar, where the bar is wide enough for it on a laptop."""
    if width < 0.075:
        return ""
    return f'<text class="axis wide-only" x="{at(middle)}" y="{_BAR_TOP + 25:g}" text-anchor="middle">{words_}</text>'


def _whisker(low: float, likely: float, high: float) -> str:
    """From the low to the high end of the whole, with the likely figure between."""
    level = _BAR_TOP + _BAR_HEIGHT + 14
    ends = "".join(tick("whisker", share, level - 5, level + 5) for share in (low, high))
    return (
        f'<line class="whisker" x1="{at(low)}" x2="{at(high)}" y1="{level:g}" y2="{level:g}"/>{ends}'
        f'<circle class="whisker-dot" cx="{at(likely)}" cy="{level:g}" r="4"/>'
        f'<text class="axis" x="{at(low)}" dx="-8" y="{level + 4:g}" text-anchor="end">overhead, low to high</text>'
    )


def _legend(pieces: list[Piece], rank: Data, budget: float) -> str:
    rows = [
        (
            f'<span class="key {piece.kind}">{piece.letter}</span> {text(piece.name)}',
            gib(piece.size),
            percent(piece.size / budget),
        )
        for piece in pieces
    ]
    ranged = part(rank, "overhead_range_bytes")
    high = number(ranged.get("high"))
    likely = number(ranged.get("likely"))
    if high is not None and likely is not None:
        rows.append(
            (
                '<span class="key maybe">+</span> overhead, up to its high end',
                gib(high - likely),
                percent((high - likely) / budget),
            )
        )
    headroom = number(rank.get("headroom_bytes"))
    if headroom is not None:
        rows.append(
            (
                '<span class="key room"></span> <strong>headroom</strong> beyond that'
                if headroom >= 0
                else '<span class="key room"></span> <strong>lacking</strong>',
                f"<strong>{gib(headroom)}</strong>",
                percent(headroom / budget),
            )
        )
    half = (len(rows) + 1) // 2
    heads = ("", ">Size", ">Of budget")
    return f'<div class="charts">{table(heads, rows[:half], "legend")}{table(heads, rows[half:], "legend")}</div>'


def _numbers(rank: Data) -> str:
    """What the KV cache holds."""
    capacity, each = number(rank.get("kv_capacity_tokens")), number(rank.get("kv_bytes_per_token"))
    sessions, room = number(rank.get("sessions")), number(rank.get("kv_capacity_sessions"))
    entries = (
        ("Room for KV cache", "" if capacity is None else f"{capacity:,.0f} tokens"),
        ("KV cache a token", "" if each is None else moved(each)),
        ("Sessions on this rank", "" if sessions is None else f"{sessions:,.0f} planned"),
        ("Sessions it has room for", "" if room is None else f"{room:,.0f} at full context"),
        ("Weights' precision", rank.get("precision") or ""),
    )
    return f'<div class="below">{facts(entry for entry in entries if entry[1])}</div>'


def _remedies(rank: Data) -> str:
    items = "".join(f"<li>{text(item.get('text'))}</li>" for item in listed(rank, "remedies"))
    return f"<h3>What would make it fit</h3><ul>{items}</ul>" if items else ""
