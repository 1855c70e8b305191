# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What every parser of this package returns: values, a verdict and the reasons for it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

PASS = "pass"  # noqa: S105 - a verdict
WARN = "warn"
FAIL = "fail"
UNKNOWN = "unknown"
# A check that this machine can't have: neither a pass nor a fault. Only verification says it, no parser does.
NOT_APPLICABLE = "not applicable"

# From harmless to worst. A known failure outranks an unknown: it is what somebody has to act on first.
SEVERITY: tuple[str, ...] = (PASS, WARN, UNKNOWN, FAIL)

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_MPI_TAG = re.compile(r"^\[\d+,\d+\]<(?:stdout|stderr)>:\s?")


@dataclass(frozen=True)
class Evidence:
    """One tool's output, read. A value that the output does not hold is None and ``reasons`` says why."""

    tool: str
    values: dict[str, Any]
    verdict: str
    reasons: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the structure that modules hand out and reports store."""
        return {
            "tool": self.tool,
            "values": dict(self.values),
            "verdict": self.verdict,
            "reasons": list(self.reasons),
        }


def worst(verdicts: Iterable[str]) -> str:
    """Return the worst of ``verdicts``. Nothing judged is unknown, not passed."""
    ranked = [SEVERITY.index(verdict) for verdict in verdicts]
    return SEVERITY[max(ranked)] if ranked else UNKNOWN


def clean_lines(text: str) -> list[str]:
    """Split output into lines without colour escapes, carriage returns and mpirun's ``[1,0]<stdout>:`` tags."""
    plain = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return [_MPI_TAG.sub("", line) for line in plain.split("\n")]


def number(value: Any) -> float | None:
    """Return ``value`` as a finite number, or None when it is none (a truth value is no number)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def count(value: Any) -> int | None:
    """Return ``value`` as a whole number that is not negative, or None when it is none."""
    result = number(value)
    if result is None or result < 0 or result != int(result):
        return None
    return int(result)
