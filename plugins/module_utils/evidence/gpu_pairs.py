# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the role verify's own program prints of every two GPUs of a host, as JSON: bandwidth and latency of each."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Findings, json_documents
from .result import count, number

# The key by which the program's document is known, with the version of its form.
MARK = "moefleet_gpu_pairs"
VERSION = 1

Pair = tuple[int, int]


@dataclass(frozen=True)
class Pairs:
    """Ordered pairs of GPUs: GB/s of each (None where it can't be read), and the median latency in us."""

    gpus: int
    bandwidth: Mapping[Pair, float | None]
    latency_us: float | None


def documents(lines: Sequence[str]) -> list[Mapping[str, Any]]:
    """Return the program's results in an output."""
    return [entry for entry in json_documents("\n".join(lines)) if isinstance(entry, dict) and MARK in entry]


def read(found_documents: Sequence[Mapping[str, Any]], found: Findings) -> Pairs | None:
    """Read the one result that there must be; None, and a reason, where it can't be read."""
    if len(found_documents) > 1:
        found.unknowns.append("there is more than one run in this output: give one at a time")
        return None
    document = found_documents[0]
    if document.get(MARK) != VERSION:
        found.unknowns.append(f"the result is of form {document.get(MARK)!r}, not {VERSION}")
        return None
    gpus = count(document.get("gpus"))
    listed = document.get("pairs")
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    if gpus is None or gpus < 2 or not isinstance(listed, list) or len(entries) != len(listed):
        found.unknowns.append("the result's GPUs or pairs can't be read")
        return None
    bandwidth: dict[Pair, float | None] = {
        (one, other): None for one in range(gpus) for other in range(gpus) if one != other
    }
    latencies: list[float | None] = []
    for entry in entries:
        one, other = count(entry.get("from")), count(entry.get("to"))
        if one is None or other is None or (one, other) not in bandwidth or bandwidth[one, other] is not None:
            found.unknowns.append(f"the pair {entry.get('from')!r} to {entry.get('to')!r} is none, or there twice")
            return None
        bandwidth[one, other] = _positive(entry.get("gbyte_s"))
        latencies.append(_positive(entry.get("latency_us")))
        _judge(one, other, entry, found)
    known = [latency for latency in latencies if latency is not None]
    whole = len(known) == len(bandwidth)
    if not whole and document.get("latency_missing"):
        found.notes.append(f"no latency: {str(document['latency_missing'])[:200]}")
    return Pairs(gpus, bandwidth, round(statistics.median(known), 3) if whole else None)


def _judge(one: int, other: int, entry: Mapping[str, Any], found: Findings) -> None:
    """Unreachable, and wrong data, are failures however fast the copy was; neither is assumed where it isn't said."""
    if entry.get("peer") is False:
        found.failures.append(f"GPU {one} can't reach GPU {other}: look at the fabric, ACS, IOMMU")
    elif entry.get("peer") is not True:
        found.unknowns.append(f"whether GPU {one} reaches GPU {other} is not in this result")
    wrong = count(entry.get("wrong_values"))
    if wrong is None:
        found.unknowns.append(f"whether what GPU {other} got from GPU {one} is right is not in this result")
    elif wrong:
        found.failures.append(f"{wrong} wrong values from GPU {one} to GPU {other}: don't use this host")


def _positive(value: Any) -> float | None:
    figure = number(value)
    return figure if figure is not None and figure > 0 else None
