# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Where the time goes: bytes on the wire, the terms of a step, the first token's parts, and what a change would do."""

from __future__ import annotations

from collections.abc import Callable

from .markup import facts, soft
from .plan_data import Data, limit, listed, part
from .quantities import figure, milliseconds, moved, number, percent, quantity, span
from .strips import Row, bar, change_strip, rows, span_strip

# A change smaller than this share is not drawn.
_NOTHING = 0.0005


def network(plan: Data) -> str:
    """Bytes a token and the ceiling that the ports set, by back end; empty where nothing crosses hosts."""
    found = part(plan, "network")
    sizes, bounds, chosen = part(found, "port_bytes_per_token"), part(found, "bound_tokens_s"), found.get("backend")
    charts = _backends("Bytes a token through each host's ports", sizes, chosen, moved)
    charts += _backends("Most tokens/s that the ports allow", bounds, chosen, lambda value: quantity(value, "tokens/s"))
    if not charts:
        return ""
    hosts, met = number(found.get("hosts")), number(found.get("expected_hosts"))
    line = number(found.get("line_bytes_s"))
    entries = (
        ("Back end", chosen or ""),
        ("Line rate of a host", "" if line is None else f"{figure(line / 1e9)} GB/s each way"),
        ("Kept by headers", percent(number(found.get("goodput_fraction"))) + " goodput"),
        ("A token's experts are on", "" if met is None else f"{figure(met)} of {figure(hosts or 0)} hosts"),
    )
    return (
        '<section id="network"><h2>Network</h2>'
        f'<div class="charts">{charts}</div><div class="below">{facts(entry for entry in entries if entry[1])}</div>'
        + soft("Prompt and generated tokens together; the chosen back end is marked ●.")
        + "</section>"
    )


def _backends(title: str, values: Data, chosen: object, unit: Callable[[float], str]) -> str:
    sizes = {name: size for name, value in values.items() if (size := number(value)) is not None}
    most = max(sizes.values(), default=0.0)
    return rows(
        title,
        (
            Row(
                f"{'● ' if name == chosen else ''}{name.replace('_', ' ')}",
                bar(f"{name}: {unit(size)}", size, most, "bar-good" if name == chosen else "pale"),
                unit(size),
            )
            for name, size in sizes.items()
        ),
    )


def steps(plan: Data) -> str:
    """What a decode step takes at peak rates, the first token's parts and percentiles, and other rates."""
    found = part(plan, "performance")
    charts = "".join((_terms(found), _first_token(found), _percentiles(found), _throughputs(found)))
    if not charts:
        return ""
    sequences, arrivals = number(found.get("sequences_per_rank")), number(found.get("arrival_rate_per_s"))
    told = [
        f"{figure(sequences)} sequences at once on each data parallel rank" if sequences is not None else "",
        f"{figure(arrivals)} requests a second" if arrivals is not None else "",
    ]
    return (
        f'<section id="time"><h2>Where the time goes</h2><div class="charts">{charts}</div>'
        + soft("; ".join(item for item in told if item))
        + "</section>"
    )


def _terms(found: Data) -> str:
    terms = {name: size for name, value in part(found, "decode_step_ms").items() if (size := number(value)) is not None}
    most, slowest = max(terms.values(), default=0.0), found.get("limited_by")
    return rows(
        "A decode step at peak rates: the longest term limits",
        (
            Row(
                f"{'● ' if name == slowest else ''}{limit(name).removeprefix('the ')} ({name})"
                if limit(name) != name
                else f"{'● ' if name == slowest else ''}{name}",
                bar(f"{name}: {milliseconds(value)}", value, most, "bar-good" if name == slowest else "pale"),
                milliseconds(value),
            )
            for name, value in sorted(terms.items(), key=lambda term: -term[1])
        ),
    )


def _first_token(found: Data) -> str:
    parts = {
        name: size for name, value in part(found, "ttft_ms", "parts_p50").items() if (size := number(value)) is not None
    }
    most = max(parts.values(), default=0.0)
    return rows(
        "Parts of the median time to first token",
        (
            Row(name.replace("_", " "), bar(f"{name}: {milliseconds(value)}", value, most), milliseconds(value))
            for name, value in parts.items()
        ),
    )


def _percentiles(found: Data) -> str:
    given = {name: part(found, "ttft_ms", name) for name in ("p50", "p95", "p99")}
    return _ranges("Time to first token by percentile", {name.upper(): item for name, item in given.items()}, "ms")


def _throughputs(found: Data) -> str:
    given = {name: part(found, f"{name}_tokens_s") for name in ("decode", "output", "prefill")}
    return _ranges("Tokens/s: decode, in answers, in prompts", given, "tokens/s")


def _ranges(title: str, given: dict[str, Data], unit: str) -> str:
    known = {
        name: item
        for name, item in given.items()
        if number(item.get("high")) is not None and number(item.get("low")) is not None
    }
    most = max((max(item["high"], number(item.get("bound")) or 0.0) for item in known.values()), default=0.0)
    return rows(
        title,
        (
            Row(
                name,
                span_strip(
                    f"{name}: {span(item['low'], item['high'])} {unit}",
                    item,
                    most * 1.02,
                    bound=number(item.get("bound")),
                ),
                f"{figure(likely)} {unit}" if (likely := number(item.get("likely"))) is not None else "unknown",
            )
            for name, item in known.items()
        ),
    )


def sensitivity(plan: Data) -> str:
    """A tornado for decode and one for the first token: what 10 % less and 10 % more of each input change."""
    effects = listed(plan, "sensitivity")
    charts = "".join(
        _tornado(effects, key, title)
        for key, title in (("decode_tokens_s", "Decode tokens/s"), ("ttft_ms", "Time to first token"))
    )
    if not charts:
        return ""
    return (
        '<section id="sensitivity"><h2>What a change of 10 % does</h2>'
        f'<div class="charts">{charts}</div>'
        + soft("Upper bar: 10 % less of the input, lower bar: 10 % more; left is a decrease, right an increase.")
        + "</section>"
    )


def _tornado(effects: list[Data], key: str, title: str) -> str:
    found = []
    for effect in effects:
        less, more = number(part(effect, key).get("-10%")), number(part(effect, key).get("+10%"))
        if less is not None and more is not None:
            found.append((max(abs(less), abs(more)), str(effect.get("input")), less, more))
    moving = sorted((item for item in found if item[0] >= _NOTHING), key=lambda item: -item[0])
    most = max((item[0] for item in moving), default=0.0)
    drawn = rows(title, (_change(name, less, more, most) for unused, name, less, more in moving))
    still = [name for size, name, *unused in found if size < _NOTHING]
    return f"<div>{drawn}{soft('Next to nothing: ' + ', '.join(still)) if still else ''}</div>" if found else ""


def _change(name: str, less: float, more: float, most: float) -> Row:
    left, right = percent(less, signed=True), percent(more, signed=True)
    told = f"{name}: {left} with 10 % less, {right} with 10 % more"
    return Row(name, change_strip(told, less, more, most), f"{left} / {right}")
