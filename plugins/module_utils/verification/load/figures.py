# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The figures of a stage of load, by the ids of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ...evidence import bench_serve
from ...evidence.result import FAIL, PASS, UNKNOWN
from ..entries import measured, not_applicable, value
from .stages import REQUESTS_OF_AN_ENGINE, Load, engine_growth, variation_percent

# The percentiles of the time to first token that are figures, by the length of the prompt.
_SHORTEST = 512
LENGTHS: Mapping[int, tuple[str, ...]] = {
    _SHORTEST: ("p50", "p95", "p99"),
    2048: ("p95",),
    4096: ("p95",),
    8192: ("p95",),
}


def latency_ids(tokens: int) -> list[str]:
    """Return the ids of the figures of one length; none for a length that is no figure."""
    return [f"ttft_{tokens}_{name}" for name in LENGTHS.get(tokens, ())]


def too_long(tokens: int, output: int, most: int) -> str:
    """Return why a prompt can't be asked; empty where it can."""
    if not most or tokens + output <= most:
        return ""
    return f"{tokens} tokens in and {output} out are more than the service's context of {most} (max_model_len)"


def latency(tokens: int, load: Load, conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of a latency stage."""
    evidence = load.evidence
    return [_of_load(name, load, evidence.verdict, evidence.reasons, conditions) for name in latency_ids(tokens)]


def sessions(
    load: Load, before: Mapping[str, Any], after: Mapping[str, Any], conditions: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the figures of the sessions; ``before`` and ``after`` are readings of /metrics around them."""
    verdict, reasons, values = load.evidence.verdict, load.evidence.reasons, load.evidence.values
    common = _common(load, conditions)
    return [
        _of_load("sessions_throughput", load, verdict, reasons, conditions),
        _of_load("sessions_p99", load, verdict, reasons, conditions),
        value("sessions_error_rate", values["error_percent"], "; ".join(reasons), **common),
        value(
            "sessions_goodput",
            values["goodput_percent"],
            "" if values["goodput_percent"] is not None else "this version's result has no figures of each request",
            **common,
        ),
        _preemptions(before, after),
        _variation(before, after, values.get("completed") or 0),
    ]


def soak(load: Load, conditions: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the figures of the long run at a rate."""
    values = load.evidence.values
    reasons = "; ".join(load.evidence.reasons)
    return [value("soak_error_rate", values["error_percent"], reasons, **_common(load, conditions))]


def full_context(answer: Mapping[str, Any], prompt: int, output: int) -> dict[str, Any]:
    """Judge the request that fills the whole context.

    Args:
        answer: ``service_client.completion``'s result, with ``prompt_tokens`` and ``finish``.
        prompt: tokens that were sent.
        output: tokens that were asked for.
    """
    seconds = answer.get("seconds")
    values = {"e2el_ms": {"p50": None if seconds is None else round(seconds * 1000, 1)}, "requested": 1}
    got = {"prompt tokens": (prompt, answer.get("prompt_tokens")), "tokens": (output, answer.get("tokens"))}
    wrong = [f"{name}: {seen} instead of {wanted}" for name, (wanted, seen) in got.items() if seen != wanted]
    if answer.get("error"):
        wrong = [str(answer["error"])]
    values["completed"] = 0 if wrong else 1
    return measured(
        "full_context",
        values,
        FAIL if wrong else PASS,
        wrong,
        tool=bench_serve.TOOL,
        conditions={"prompt_tokens": prompt, "output_tokens": output},
    )


def _of_load(
    check: str, load: Load, verdict: str, reasons: Sequence[str], conditions: Mapping[str, Any]
) -> dict[str, Any]:
    return measured(check, load.evidence.values, verdict, reasons, tool=load.evidence.tool, **_common(load, conditions))


def _common(load: Load, conditions: Mapping[str, Any]) -> dict[str, Any]:
    last = load.runs[-1]
    more = {"runs": len(load.runs), "seconds": load.seconds, "samples": load.evidence.values.get("samples")}
    return {"output": last["output_tail"], "argv": last["argv"], "conditions": {**conditions, **more}}


def _preemptions(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    grown = engine_growth(before, after, "preemptions")
    missing = "the engines' counters of preemptions could not be read, or an engine was started again"
    return value("preemptions", None if grown is None else sum(grown.values()), "" if grown else missing)


def _variation(before: Mapping[str, Any], after: Mapping[str, Any], requests: int) -> dict[str, Any]:
    check = "engine_token_variation"
    grown = engine_growth(before, after, "generation_tokens")
    if not grown:
        return measured(
            check, {"value": None}, UNKNOWN, ("the engines' counters of tokens could not be read, or one began anew",)
        )
    if len(grown) < 2:
        return not_applicable(check, "there is one engine")
    figure = variation_percent(list(grown.values()))
    least = REQUESTS_OF_AN_ENGINE * len(grown)
    if requests < least:
        seen = "unknown" if figure is None or not math.isfinite(figure) else f"{figure:.0f} %"
        why = f"{requests} requests on {len(grown)} engines say nothing (seen: {seen}); from {least} on it is judged"
        return not_applicable(check, why)
    tokens = {str(engine): amount for engine, amount in sorted(grown.items())}
    return value(check, figure, "" if figure is not None else "no token was generated", conditions={"tokens": tokens})
