# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is checked of one benchmark run: that every request was completed, and each objective of the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..evidence import bench_serve
from ..evidence.result import FAIL, PASS, UNKNOWN
from .model import BENCH, Check, Planned

# Fewer samples than this have no 99th percentile that means anything.
SAMPLES_FOR_P99 = 1000

_SPEED = "Compare with the plan's estimate, and look for other load on the hosts and the network."


def check_bench(
    plan: Planned, thresholds: Mapping[str, float], bench: Mapping[str, Any] | None, missing: str
) -> list[Check]:
    """Judge one benchmark run: every request completed, and each objective kept. None was not run, for ``missing``."""
    title, expected = "The benchmark's requests were all completed", "every request completed"
    if bench is None:
        reason = f"the benchmark was not run: {missing}"
        return [
            Check(
                "bench_complete",
                BENCH,
                title,
                "",
                UNKNOWN,
                expected,
                "not run",
                reason,
                "It runs once every engine answers.",
            ),
            *_objectives(thresholds, {}, 0, reason),
        ]
    evidence = bench["evidence"]
    values = evidence["values"]
    wanted, completed, failed = values["requested"], values["completed"], values["failed"]
    observed = "requested {}, completed {}, failed {}".format(
        *tuple("unknown" if number is None else number for number in (wanted, completed, failed))
    )
    expected = f"requested {wanted}, completed {wanted}, failed 0"
    reasons = list(evidence["reasons"])
    if bench["timed_out"]:
        reasons.insert(0, f"it was ended after {bench['seconds']:g} s")
    verdict = FAIL if bench["timed_out"] else evidence["verdict"]
    if verdict == PASS:
        checks = [Check("bench_complete", BENCH, title, "", PASS, expected, observed)]
    else:
        tail = " ".join(str(bench["output_tail"]).split())[-300:]
        reason = "; ".join(reasons) + (f" (its last words: {tail})" if tail else "")
        checks = [
            Check(
                "bench_complete",
                BENCH,
                title,
                "",
                verdict,
                expected,
                observed,
                reason,
                f"Run it by hand on {plan.head}: `{' '.join(bench['argv'])}`",
            )
        ]
    return checks + _objectives(thresholds, values, completed or 0, "the benchmark has no such figure")


def _objectives(thresholds: Mapping[str, float], values: Mapping[str, Any], samples: int, missing: str) -> list[Check]:
    return [_objective(name, limit, values, samples, missing) for name, limit in sorted(thresholds.items())]


def _objective(name: str, limit: float, values: Mapping[str, Any], samples: int, missing: str) -> Check:
    label, unit = describe_figure(name)
    identifier = f"bench_{name}"
    floor = bench_serve.is_lower_bound(name)
    expected = f"{'at least' if floor else 'at most'} {_figure(limit)} {unit}"
    try:
        measured = bench_serve.threshold_value(values, name)
    except KeyError:
        return Check(
            identifier,
            BENCH,
            label,
            "",
            UNKNOWN,
            expected,
            "unknown",
            f"there is no such figure as {name}",
            "Use names such as ttft_p99_ms, tpot_p50_ms or output_tokens_s in verify_thresholds.",
        )
    if measured is None:
        return Check(
            identifier, BENCH, label, "", UNKNOWN, expected, "not measured", missing, "See the benchmark's own check."
        )
    note = ""
    if "_p99_" in name and samples < SAMPLES_FOR_P99:
        note = f"{samples} samples: too few for a 99th percentile, this is about the slowest of them"
    observed = f"{_figure(measured)} {unit}"
    if (measured >= limit) if floor else (measured <= limit):
        return Check(identifier, BENCH, label, "", PASS, expected, observed, note)
    reason = f"{label} is {observed}, {'below' if floor else 'above'} {_figure(limit)} {unit}"
    return Check(
        identifier, BENCH, label, "", FAIL, expected, observed, "; ".join(filter(None, (reason, note))), _SPEED
    )


def describe_figure(name: str) -> tuple[str, str]:
    """Return a figure's name for people, and its unit."""
    words = {
        "ttft": "time to first token",
        "tpot": "time per output token",
        "itl": "inter-token latency",
        "e2el": "whole answer",
    }
    parts = name.split("_")
    if parts[0] in words and len(parts) == 3:
        return f"{words[parts[0]]}, {parts[1].upper() if parts[1][:1] == 'p' else parts[1]}", "ms"
    return {"output_tokens_s": "output throughput", "total_tokens_s": "total throughput"}.get(name, name), "tokens/s"


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
