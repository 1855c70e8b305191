# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was measured, as modules hand it out and the report judges it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One run of a tool: what its parser read, and the last part of what it printed."""

    values: Mapping[str, Any]
    verdict: str
    reasons: tuple[str, ...] = ()
    output: str = ""

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Run:
        """Read ``{evidence: {values, verdict, reasons}, output}``; what is missing is unknown."""
        evidence: Mapping[str, Any] = entry.get("evidence") or {}
        return cls(
            values=evidence.get("values") or {},
            verdict=str(evidence.get("verdict") or "unknown"),
            reasons=tuple(str(reason) for reason in evidence.get("reasons") or ()),
            output=str(entry.get("output") or ""),
        )


@dataclass(frozen=True)
class Measurement:
    """Every run of one check at one place.

    Attributes:
        check: the `id` of its catalogue entry.
        host: where it ran; empty for the service as a whole.
        peer: the other end of a pair.
        runs: the runs that count; warm-up is not among them.
        argv: the command, which reproduces it.
        conditions: what the result rests on: load averages, kernel, versions, time.
        not_applicable: why this place can't have such a figure; empty where it can.
        asked: how many runs were asked for; 0 where nobody says.
        left_out: why it was left out on purpose, as in quick mode; empty where it wasn't.
    """

    check: str
    host: str = ""
    peer: str = ""
    runs: tuple[Run, ...] = ()
    argv: tuple[str, ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)
    not_applicable: str = ""
    asked: int = 0
    left_out: str = ""

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Measurement:
        """Read one entry of a module's ``measurements``."""
        return cls(
            check=str(entry["check"]),
            host=str(entry.get("host") or ""),
            peer=str(entry.get("peer") or ""),
            runs=tuple(Run.from_dict(run) for run in entry.get("runs") or ()),
            argv=tuple(str(word) for word in entry.get("argv") or ()),
            conditions=entry.get("conditions") or {},
            not_applicable=str(entry.get("not_applicable") or ""),
            asked=int(entry.get("asked") or 0),
            left_out=str(entry.get("left_out") or ""),
        )
