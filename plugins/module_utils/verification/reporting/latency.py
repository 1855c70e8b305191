# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Latencies of the service against their objectives: time to first token by length of the prompt, and the benchmark."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ...evidence.result import FAIL
from ...pages.markup import facts, folded, soft, text
from ...pages.quantities import number, quantity
from .charts import Bar, bars, latency_rows
from .reading import Entry, objective

_TTFT = re.compile(r"ttft_(\d+)_(p[\d.]+)")
_LATENCY_TITLES = {
    "ttft": "Time to first token",
    "tpot": "Time per output token",
    "itl": "Inter-token latency",
    "e2el": "Whole answer",
}


def first_tokens(report: Entry) -> str:
    """Percentiles of the time to first token, a chart for every length of prompt, all on one scale."""
    panels = [(length, rows, samples) for length, rows, samples in _by_length(report) if rows]
    if not panels:
        return ""
    top = max(max(row.value, row.limit or 0.0) for unused, rows, unused_samples in panels for row in rows)
    charts = "".join(
        f"<div>{bars(f'{length:,} input tokens{_counted(samples)}', 'ms', rows, top)}</div>"
        for length, rows, samples in panels
    )
    return (
        f'<section id="first-token"><h2>Time to first token</h2><div class="charts">{charts}</div>'
        + soft("All on one scale. The upright line is the objective of that percentile; ✗ is above it.")
        + "</section>"
    )


def _counted(samples: int | None) -> str:
    return "" if samples is None else f", {samples:,} requests"


def _by_length(report: Entry) -> list[tuple[int, list[Bar], int | None]]:
    figures: dict[int, dict[str, float | None]] = {}
    limits: dict[int, dict[str, float]] = {}
    failed: dict[int, set[str]] = {}
    samples: dict[int, int | None] = {}
    for check in report["checks"]:
        found = _TTFT.fullmatch(str(check["id"]))
        if found and check["value"] is not None:
            length, name = int(found.group(1)), found.group(2)
            figures.setdefault(length, {})[name] = float(check["value"])
            limit = objective(check)
            if limit is not None:
                limits.setdefault(length, {})[name] = limit
            if check["verdict"] == FAIL:
                failed.setdefault(length, set()).add(name)
    for measurement in report["measurements"]:
        found = _TTFT.fullmatch(str(measurement["check"]))
        for run in measurement.get("runs") or () if found else ():
            values: Mapping[str, Any] = (run.get("evidence") or {}).get("values") or {}
            length = int(found.group(1)) if found else 0
            samples[length] = values.get("completed")
            for name, value in (values.get("ttft_ms") or {}).items():
                if number(value) is not None:
                    figures.setdefault(length, {}).setdefault(name, number(value))
    return [
        (
            length,
            latency_rows(figures[length], limits.get(length, {}), failed.get(length, set())),
            samples.get(length),
        )
        for length in sorted(figures)
    ]


def benchmark(report: Entry) -> str:
    """The one benchmark of the service, where there was one."""
    values: Mapping[str, Any] = report["benchmark"] or {}
    bench: Mapping[str, Any] = report["evidence"].get("bench") or {}
    if not values:
        asked = any(check["section"] == "benchmark" for check in report["checks"])
        return '<section id="benchmark"><h2>Benchmark</h2><p>It was not run.</p></section>' if asked else ""
    limits: Mapping[str, float] = report["thresholds"]
    counted = f"{_or_dash(values.get('completed'))} of {_or_dash(values.get('requested'))} completed"
    tiles = (
        ("Requests", f"{counted}, {_or_dash(values.get('failed'))} failed"),
        ("Output throughput", quantity(values.get("output_tokens_s"), "tokens/s")),
        ("Total throughput", quantity(values.get("total_tokens_s"), "tokens/s")),
        ("Duration", quantity(values.get("duration_s"), "s")),
    )
    charts = "".join(_latency_chart(name, values, limits) for name in _LATENCY_TITLES)
    return (
        f'<section id="benchmark"><h2>Benchmark</h2>{facts(tiles)}<div class="charts" id="latency">{charts}</div>'
        + (soft("The upright line is the objective of that percentile; ✗ is above it.") if charts else "")
        + folded("The command, and what it printed", _printed(bench))
        + "</section>"
    )


def _printed(bench: Mapping[str, Any]) -> str:
    parts: Sequence[str] = (" ".join(map(str, bench.get("argv") or ())), bench.get("output_tail") or "")
    return "".join(f'<pre tabindex="0">{text(part)}</pre>' for part in parts if part)


def _latency_chart(name: str, values: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    own_limits = {
        key[len(name) + 1 : -3]: limit
        for key, limit in limits.items()
        if key.startswith(f"{name}_") and key.endswith("_ms")
    }
    rows = latency_rows(values.get(f"{name}_ms") or {}, own_limits)
    return f"<div>{bars(_LATENCY_TITLES[name], 'ms', rows)}</div>" if rows else ""


def _or_dash(value: object) -> str:
    return "unknown" if value is None else str(value)
