# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""One stage of load: how many requests, run after run until its time is over, and what the engines counted."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from ...evidence.result import PASS, Evidence
from .. import bench_runner
from .merging import Request, goodput, merge, read_details

LATENCY = "latency"
SESSIONS = "sessions"
SOAK = "soak"

# A stage that has lasted for this share of its time is not started again for the rest.
_ENOUGH = 0.75
_MOST_RUNS = 50
# The first of several runs only has to tell how fast the service is.
_FIRST_WAVES = 2
# Fewer requests of an engine say nothing about how evenly they are spread.
REQUESTS_OF_AN_ENGINE = 25

Bench = Callable[[bench_runner.BenchRequest], "tuple[dict[str, Any], str]"]


@dataclass(frozen=True)
class Load:
    """What a stage brought: each run as ``bench_runner`` returns it, all of them as one evidence, and the requests."""

    runs: tuple[dict[str, Any], ...]
    evidence: Evidence
    requests: tuple[Request, ...]
    seconds: float


def run_stage(
    kind: str,
    request: bench_runner.BenchRequest,
    duration_s: float,
    objectives: Mapping[str, float],
    *,
    bench: Bench = bench_runner.measure,
    seed: int | None = None,
) -> Load:
    """Run one stage.

    Args:
        kind: LATENCY makes ``request.num_prompts`` requests; SOAK makes as many as ``request.request_rate`` brings in
            ``duration_s``; SESSIONS keeps ``request.concurrency`` requests running for ``duration_s``.
        request: the load and the service.
        duration_s: how long a SESSIONS or SOAK stage lasts.
        objectives: what a request has to keep to count as good, in ms by ``ttft``, ``tpot``, ``e2el``.
        bench: runs one benchmark.
        seed: seed of the first run's prompts. Other prompts each time, or a prefix cache would answer them.
    """
    started = time.monotonic()
    deadline = started + request.timeout_s
    number = int(time.time()) % 1_000_000 if seed is None else seed
    runs: list[dict[str, Any]] = []
    requests: list[Request] = []
    detailed = True
    measured = 0.0
    prompts = _first(kind, request, duration_s)
    while True:
        left = max(1.0, deadline - time.monotonic())
        wanted = replace(request, num_prompts=prompts, seed=number + len(runs), detailed=True, timeout_s=left)
        run, saved = bench(wanted)
        runs.append(run)
        details = read_details(saved)
        detailed = detailed and details is not None
        requests += details or ()
        seconds = run["evidence"]["values"].get("duration_s")
        completed = run["evidence"]["values"].get("completed")
        measured += seconds or 0.0
        over = kind != SESSIONS or run["evidence"]["verdict"] != PASS or not seconds or not completed
        if over or measured >= _ENOUGH * duration_s or len(runs) >= _MOST_RUNS or time.monotonic() >= deadline:
            break
        prompts = max(request.concurrency, math.ceil(completed / seconds * (duration_s - measured)))
    evidences = [run["evidence"] for run in runs]
    if len(runs) == 1 or not detailed:
        last = evidences[-1]
        joined = Evidence(last["tool"], dict(last["values"]), last["verdict"], tuple(last["reasons"]))
    else:
        joined = merge(evidences, requests, [float(share) for share in request.percentiles])
    joined.values["goodput_percent"] = goodput(requests, objectives) if detailed else None
    joined.values["error_percent"] = error_percent(joined.values)
    joined.values["samples"] = joined.values.get("completed")
    return Load(tuple(runs), joined, tuple(requests), round(time.monotonic() - started, 1))


def error_percent(values: Mapping[str, Any]) -> float | None:
    """Return the percentage of requests that failed; None where it isn't known."""
    requested, failed = values.get("requested"), values.get("failed")
    return None if not requested or failed is None else 100.0 * failed / requested


def engine_growth(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> dict[int, float] | None:
    """Return by engine how much a counter grew between two readings of /metrics; None where one is missing.

    A counter that shrank is one of an engine that was started again: None, for nothing is known then.
    """
    if not after.get("per_engine"):
        return None
    grown: dict[int, float] = {}
    for engine, figures in after["per_engine"].items():
        end = figures.get(name)
        start = ((before.get("per_engine") or {}).get(engine) or {}).get(name) or 0.0
        if end is None or end < start:
            return None
        grown[int(engine)] = end - start
    return grown


def variation_percent(amounts: Sequence[float]) -> float | None:
    """Return the coefficient of variation, the standard deviation as a percentage of the mean; None of nothing."""
    mean = statistics.fmean(amounts) if amounts else 0.0
    return 100.0 * statistics.pstdev(amounts) / mean if mean > 0 else None


def _first(kind: str, request: bench_runner.BenchRequest, duration_s: float) -> int:
    if kind == SOAK:
        return max(1, math.ceil(request.request_rate * duration_s))
    return request.concurrency * _FIRST_WAVES if kind == SESSIONS else request.num_prompts
