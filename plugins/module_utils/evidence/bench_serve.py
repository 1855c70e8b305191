# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``vllm bench serve``: the JSON of ``--save-result`` or the text that it prints.

The tool exits 0 when every request failed, so only the counts are believed. ``failed`` exists from vLLM 0.11.1;
before that it is requested - completed, which needs the number of prompts that were asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .result import FAIL, PASS, UNKNOWN, Evidence, clean_lines, count, number

TOOL = "vllm_bench_serve"
LATENCIES: tuple[str, ...] = ("ttft", "tpot", "itl", "e2el")

_BANNER = "Serving Benchmark Result"
_TEXT_COUNTS = {
    "completed": re.compile(r"^Successful requests:\s+(\S+)\s*$"),
    "failed": re.compile(r"^Failed requests:\s+(\S+)\s*$"),
}
_TEXT_NUMBERS = {
    "duration_s": re.compile(r"^Benchmark duration \(s\):\s+(\S+)\s*$"),
    "output_tokens_s": re.compile(r"^Output token throughput \(tok/s\):\s+(\S+)\s*$"),
    # "Total Token throughput" until 0.10, "Total token throughput" since.
    "total_tokens_s": re.compile(r"^Total [Tt]oken throughput \(tok/s\):\s+(\S+)\s*$"),
}
_TEXT_LATENCY = re.compile(r"^(Mean|Median|P[\d.]+) (TTFT|TPOT|ITL|E2EL) \(ms\):\s+(\S+)\s*$")
_JSON_LATENCY = re.compile(r"^(mean|median|std|p[\d.]+)_(ttft|tpot|itl|e2el)_ms$")
_JSON_NUMBERS = {
    "duration_s": "duration",
    "output_tokens_s": "output_throughput",
    "total_tokens_s": "total_token_throughput",
}


def parse(text: str, requested: int | None = None, thresholds: Mapping[str, float] | None = None) -> Evidence:
    """Read one result.

    Args:
        text: the JSON file's content, or everything that the tool printed.
        requested: how many prompts were asked for; the JSON says it itself.
        thresholds: limits by name, ``ttft_p99_ms: 1500`` (at most) and ``output_tokens_s: 5000`` (at least).

    Returns:
        ``requested``, ``completed``, ``failed`` (requests), ``duration_s``, ``output_tokens_s``, ``total_tokens_s``
        (tokens/s) and ``ttft_ms``, ``tpot_ms``, ``itl_ms``, ``e2el_ms``: milliseconds by ``mean``, ``p50``, ``p99`` ...
    """
    lines = clean_lines(text)
    document = _find_json("\n".join(lines))
    values = _empty_values()
    complaint = _read_json(document, values) if document is not None else _read_text(lines, values)
    if values["requested"] is None:
        values["requested"] = requested
    if complaint:
        return Evidence(TOOL, values, UNKNOWN, (complaint,))
    _complete_counts(values)
    return _judge(values, requested, dict(thresholds or {}))


def threshold_value(values: Mapping[str, Any], name: str) -> float | None:
    """Return the measured figure that a threshold's name speaks of: ``ttft_p99_ms``, ``itl_mean_ms``,
    ``output_tokens_s``.

    Raises:
        KeyError: no result of this tool has such a figure.
    """
    if name in ("output_tokens_s", "total_tokens_s"):
        return number(values.get(name))
    match = re.match(r"^(ttft|tpot|itl|e2el)_(mean|std|p[\d.]+)_ms$", name)
    if match is None:
        raise KeyError(name)
    return number((values.get(f"{match.group(1)}_ms") or {}).get(match.group(2)))


def is_lower_bound(name: str) -> bool:
    """Say whether a threshold of this name is a floor (throughput) rather than a ceiling (latency)."""
    return name.endswith("_tokens_s")


def _empty_values() -> dict[str, Any]:
    values: dict[str, Any] = {"requested": None, "completed": None, "failed": None}
    values.update(dict.fromkeys(_JSON_NUMBERS))
    values.update({f"{latency}_ms": {} for latency in LATENCIES})
    return values


def _find_json(text: str) -> dict[str, Any] | None:
    """Return the last JSON object in ``text`` that is a result; warnings may stand before it, other results too."""
    decoder = json.JSONDecoder()
    found: dict[str, Any] | None = None
    position = text.find("{")
    while position != -1:
        try:
            candidate, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position = text.find("{", position + 1)
            continue
        if isinstance(candidate, dict) and "completed" in candidate:
            found = candidate
        position = text.find("{", end)
    return found


def _read_json(document: Mapping[str, Any], values: dict[str, Any]) -> str:
    values["requested"] = count(document.get("num_prompts"))
    values["completed"] = count(document.get("completed"))
    values["failed"] = count(document.get("failed"))
    for name, key in _JSON_NUMBERS.items():
        values[name] = number(document.get(key))
    for key, value in document.items():
        match = _JSON_LATENCY.match(str(key))
        if match is not None:
            _store_latency(values, match.group(2), match.group(1), value)
    return "" if values["completed"] is not None else "the result does not say how many requests were completed"


def _read_text(lines: list[str], values: dict[str, Any]) -> str:
    start = next((index for index, line in enumerate(lines) if _BANNER in line), None)
    if start is None:
        return "no benchmark result in this output" if any(line.strip() for line in lines) else "the output is empty"
    complete = False
    for line in (line.strip() for line in lines[start + 1 :]):
        if re.match(r"^={20,}$", line):
            complete = True
            break
        for name, pattern in _TEXT_COUNTS.items():
            found = pattern.match(line)
            if found is not None:
                values[name] = count(found.group(1))
        for name, pattern in _TEXT_NUMBERS.items():
            found = pattern.match(line)
            if found is not None:
                values[name] = number(found.group(1))
        latency = _TEXT_LATENCY.match(line)
        if latency is not None:
            _store_latency(values, latency.group(2).lower(), latency.group(1).lower(), latency.group(3))
    if values["completed"] is None:
        return "the result does not say how many requests were completed"
    return "" if complete else "the result is cut off: its closing line is missing"


def _store_latency(values: dict[str, Any], latency: str, statistic: str, raw: Any) -> None:
    values[f"{latency}_ms"]["p50" if statistic == "median" else statistic] = number(raw)


def _complete_counts(values: dict[str, Any]) -> None:
    if values["requested"] is None and values["failed"] is not None:
        values["requested"] = values["completed"] + values["failed"]
    if values["failed"] is None and values["requested"] is not None and values["requested"] >= values["completed"]:
        values["failed"] = values["requested"] - values["completed"]
    if values["completed"] == 0:
        # The tool prints 0.00 ms where it has not a single sample.
        for latency in LATENCIES:
            values[f"{latency}_ms"] = dict.fromkeys(values[f"{latency}_ms"])


def _judge(values: Mapping[str, Any], requested: int | None, thresholds: Mapping[str, float]) -> Evidence:
    failures: list[str] = []
    unknowns: list[str] = []
    completed, failed = values["completed"], values["failed"]
    wanted = requested if requested is not None else values["requested"]
    if completed == 0:
        failures.append("not one request was completed")
    if failed:
        failures.append(f"{failed} requests failed")
    if wanted is not None and completed != wanted:
        failures.append(f"{completed} of {wanted} requested prompts were completed")
    if failed is None:
        unknowns.append("this output neither counts failed requests nor says how many were requested")
    for name, limit in sorted(thresholds.items()):
        _judge_threshold(values, name, limit, failures, unknowns)
    verdict = FAIL if failures else UNKNOWN if unknowns else PASS
    return Evidence(TOOL, dict(values), verdict, tuple(failures + unknowns))


def _judge_threshold(
    values: Mapping[str, Any], name: str, limit: float, failures: list[str], unknowns: list[str]
) -> None:
    try:
        measured = threshold_value(values, name)
    except KeyError:
        unknowns.append(f"there is no such figure as {name}")
        return
    if measured is None:
        unknowns.append(f"{name} was not measured")
    elif is_lower_bound(name) and measured < limit:
        failures.append(f"{name} is {measured:g}, below {limit:g}")
    elif not is_lower_bound(name) and measured > limit:
        failures.append(f"{name} is {measured:g}, above {limit:g}")
