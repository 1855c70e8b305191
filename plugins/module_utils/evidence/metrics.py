# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A vLLM server's ``/metrics``: Prometheus text exposition format 0.0.4.

Every series of vLLM bears the label ``engine``: the data-parallel rank. The server creates them for all ranks that it
was configured with, so a rank's name here proves that the head knows it, and only a counter that grew proves that it
works.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .result import FAIL, PASS, UNKNOWN, Evidence, clean_lines

TOOL = "vllm_metrics"

# Name without the suffix _total that counters get on the wire, by the name used here.
COUNTERS: dict[str, str] = {
    "requests_succeeded": "vllm:request_success",
    "generation_tokens": "vllm:generation_tokens",
    "prompt_tokens": "vllm:prompt_tokens",
    "preemptions": "vllm:num_preemptions",
}
GAUGES: dict[str, str] = {
    "requests_running": "vllm:num_requests_running",
    "requests_waiting": "vllm:num_requests_waiting",
}

_SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?\s*$")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_ESCAPES = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


@dataclass(frozen=True)
class Sample:
    """One line of the exposition: ``name{labels} value``."""

    name: str
    labels: dict[str, str]
    value: float


def parse(text: str, expected_engines: Iterable[int] | None = None) -> Evidence:
    """Read the engines and their counters.

    Args:
        text: the body of the answer.
        expected_engines: the ranks that have to be there; None judges only that there are some.

    Returns:
        ``engines`` (ranks, sorted), ``models`` (names, sorted) and ``per_engine``: for each rank (as text, it is a key
        of JSON) the figures named in COUNTERS and GAUGES, None where the server has no such series.
    """
    values: dict[str, Any] = {"engines": None, "models": None, "per_engine": None}
    if not text.strip():
        return Evidence(TOOL, values, UNKNOWN, ("the answer is empty",))
    samples, bad_line = read_samples(text)
    if bad_line:
        return Evidence(TOOL, values, UNKNOWN, (f"not a line of Prometheus text format: {bad_line[:120]}",))
    if not text.endswith("\n"):
        return Evidence(TOOL, values, UNKNOWN, ("the answer is cut off: its last line has no end",))
    engines, models, per_engine = _collect(samples)
    if not engines:
        return Evidence(TOOL, values, UNKNOWN, ("no series of vLLM with an engine label",))
    values.update(engines=engines, models=models, per_engine=per_engine)
    missing = sorted(set(expected_engines or ()) - set(engines))
    if missing:
        return Evidence(TOOL, values, FAIL, (f"engines missing: {', '.join(map(str, missing))}",))
    return Evidence(TOOL, values, PASS)


def read_samples(text: str) -> tuple[list[Sample], str]:
    """Return the samples, and the first line that is none (empty when all are)."""
    samples: list[Sample] = []
    for line in clean_lines(text):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        sample = _read_sample(stripped)
        if sample is None:
            return samples, stripped
        samples.append(sample)
    return samples, ""


def _read_sample(line: str) -> Sample | None:
    match = _SAMPLE.match(line)
    if match is None:
        return None
    labels: dict[str, str] = {}
    raw, position = match.group(2) or "", 0
    while position < len(raw):
        label = _LABEL.match(raw, position)
        if label is None:
            return None
        labels[label.group(1)] = re.sub(r'\\[n"\\]', lambda found: _ESCAPES[found.group(0)], label.group(2))
        position = label.end()
    try:
        return Sample(match.group(1), labels, float(match.group(3)))
    except ValueError:
        return None


def _collect(samples: list[Sample]) -> tuple[list[int], list[str], dict[str, dict[str, float | None]]]:
    wanted = {name: key for key, name in GAUGES.items()}
    for key, name in COUNTERS.items():
        wanted[name] = wanted[f"{name}_total"] = key
    engines: set[int] = set()
    models: set[str] = set()
    figures: dict[tuple[int, str], float] = {}
    for sample in samples:
        engine = sample.labels.get("engine", "")
        if not sample.name.startswith("vllm:") or not re.match(r"^\d{1,6}$", engine, re.ASCII):
            continue
        engines.add(int(engine))
        if "model_name" in sample.labels:
            models.add(sample.labels["model_name"])
        key_of = wanted.get(sample.name)
        if key_of is not None and math.isfinite(sample.value):
            # request_success has one series a finish reason: their sum is the number of answers.
            figures[int(engine), key_of] = figures.get((int(engine), key_of), 0.0) + sample.value
    names = list(COUNTERS) + list(GAUGES)
    per_engine = {str(engine): {name: figures.get((engine, name)) for name in names} for engine in sorted(engines)}
    return sorted(engines), sorted(models), per_engine
