# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The requests of one or several benchmark runs as one result: percentiles are of all requests, not of percentiles."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...evidence import bench_serve
from ...evidence.result import FAIL, PASS, UNKNOWN, Evidence, number


@dataclass(frozen=True)
class Request:
    """One answered request: seconds to the first token, between tokens, and for the whole answer; its tokens."""

    ttft_s: float
    itl_s: tuple[float, ...]
    e2el_s: float
    tokens: int

    @property
    def tpot_s(self) -> float | None:
        """Seconds a token after the first; None for an answer of one token."""
        return (self.e2el_s - self.ttft_s) / (self.tokens - 1) if self.tokens > 1 else None


def read_details(text: str) -> list[Request] | None:
    """Read the answered requests of a result that was saved with its details; None where it has none."""
    try:
        document = json.loads(text)
        columns = [document[name] for name in ("ttfts", "itls", "output_lens", "errors")]
    except (ValueError, KeyError, TypeError):
        return None
    if not all(isinstance(column, list) for column in columns) or len({len(column) for column in columns}) != 1:
        return None
    found: list[Request] = []
    for ttft, itls, tokens, error in zip(*columns):
        first, gaps = number(ttft), [number(gap) for gap in itls or ()]
        if error or first is None or not tokens:
            continue
        steps = tuple(gap for gap in gaps if gap is not None)
        found.append(Request(first, steps, first + sum(steps), int(tokens)))
    return found


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return a percentile (0-100), linear between neighbours; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * share / 100
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def merge(runs: Sequence[Mapping[str, Any]], requests: Sequence[Request], shares: Sequence[float]) -> Evidence:
    """Join runs that followed each other into one evidence of ``vllm bench serve``.

    Args:
        runs: the evidence of each.
        requests: the answered requests of all.
        shares: percentiles (0-100) to compute.
    """
    values: dict[str, Any] = {name: _sum(runs, name) for name in ("requested", "completed", "failed", "duration_s")}
    seconds = values["duration_s"]
    for name in ("output_tokens_s", "total_tokens_s"):
        amounts = [_product(run["values"], name) for run in runs]
        known = [amount for amount in amounts if amount is not None]
        values[name] = sum(known) / seconds if seconds and len(known) == len(runs) and known else None
    samples = {
        "ttft": [request.ttft_s for request in requests],
        "tpot": [request.tpot_s for request in requests if request.tpot_s is not None],
        "itl": [gap for request in requests for gap in request.itl_s],
        "e2el": [request.e2el_s for request in requests],
    }
    for latency, seen in samples.items():
        figures = {f"p{share:g}": _ms(percentile(seen, share)) for share in shares}
        values[f"{latency}_ms"] = {"mean": _ms(sum(seen) / len(seen) if seen else None), **figures}
    verdicts = [str(run["verdict"]) for run in runs]
    verdict = FAIL if FAIL in verdicts else PASS if verdicts and set(verdicts) == {PASS} else UNKNOWN
    reasons = tuple(dict.fromkeys(str(reason) for run in runs for reason in run["reasons"]))
    return Evidence(bench_serve.TOOL, values, verdict, reasons)


def goodput(requests: Sequence[Request], objectives: Mapping[str, float]) -> float | None:
    """Return the percentage of answered requests that kept every objective (``ttft``, ``tpot``, ``e2el`` in ms)."""
    if not requests or not objectives:
        return None
    return 100.0 * sum(_kept(request, objectives) for request in requests) / len(requests)


def _kept(request: Request, objectives: Mapping[str, float]) -> bool:
    seen = {"ttft": request.ttft_s, "tpot": request.tpot_s or 0.0, "e2el": request.e2el_s}
    return all(seen[name] * 1000 <= limit for name, limit in objectives.items() if name in seen)


def _sum(runs: Sequence[Mapping[str, Any]], name: str) -> Any:
    known = [run["values"].get(name) for run in runs]
    return None if not known or None in known else sum(known)


def _product(values: Mapping[str, Any], name: str) -> float | None:
    rate, seconds = number(values.get(name)), number(values.get("duration_s"))
    return None if rate is None or seconds is None else rate * seconds


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
