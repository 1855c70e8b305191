# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What all hosts send at a time: the sum over a round of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...evidence.result import PASS, WARN
from .schedule import not_applicable

# Where the bandwidth of a pair is, and what makes it Gb/s; the first that every pair of a round has is taken.
_FIGURES = (("rdma_bandwidth_1mb", "bandwidth_gbit_s", 1.0), ("tcp_bandwidth", "received_bit_s", 1e-9))

_Known = dict[tuple[str, str], "float | None"]


def aggregate(pairs: Sequence[Sequence[Sequence[str]]], measurements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the measurement of the aggregate bandwidth: one run a round, the sum over its pairs and both directions.

    A pair's directions are measured one after the other, so that each host's port carries its own in full.

    Args:
        pairs: the rounds, each with its pairs of hosts.
        measurements: those of all hosts.

    Returns:
        A measurement whose values are ``aggregate_gbit_s``, ``flows`` (how many directions) and ``of`` (which check).
    """
    figures = {check: _known(check, figure, scale, measurements) for check, figure, scale in _FIGURES}
    runs = [_total(entry, figures) for entry in pairs]
    result = not_applicable("aggregate_bandwidth", "" if runs else "one host, which has no other to speak to", "")
    return {**result, "runs": runs}


def _known(check: str, figure: str, scale: float, measurements: Sequence[Mapping[str, Any]]) -> _Known:
    return {
        (str(entry["host"]), str(entry["peer"])): _mean(entry, figure, scale)
        for entry in measurements
        if entry.get("check") == check and not entry.get("not_applicable")
    }


def _mean(entry: Mapping[str, Any], figure: str, scale: float) -> float | None:
    found = [run.get("evidence") or {} for run in entry.get("runs") or ()]
    # What a run that failed or was cut off says of itself is no bandwidth.
    values = [(one.get("values") or {}).get(figure) if one.get("verdict") in (PASS, WARN) else None for one in found]
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) * scale if known and len(known) == len(values) else None


def _total(entry: Sequence[Sequence[str]], figures: Mapping[str, _Known]) -> dict[str, Any]:
    ordered = [(pair[0], pair[1]) for pair in entry] + [(pair[1], pair[0]) for pair in entry]
    values: dict[str, Any] = {"aggregate_gbit_s": None, "flows": len(ordered), "of": None}
    for check, known in figures.items():
        parts = [known.get(pair) for pair in ordered]
        if None not in parts:
            values.update(aggregate_gbit_s=round(sum(part for part in parts if part is not None), 3), of=check)
            break
    found = values["aggregate_gbit_s"] is not None
    evidence = {
        "tool": "aggregate",
        "values": values,
        "verdict": "pass" if found else "unknown",
        "reasons": [] if found else ["a pair of this round has no bandwidth"],
    }
    return {"evidence": evidence, "output": ""}
