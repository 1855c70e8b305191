# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Making measurements, as `measurement.Measurement` reads them."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from ..evidence.result import PASS, UNKNOWN


def measured(
    check: str,
    values: Mapping[str, Any],
    verdict: str = PASS,
    reasons: Sequence[str] = (),
    *,
    host: str = "",
    tool: str = "",
    output: str = "",
    argv: Sequence[str] = (),
    conditions: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a measurement of one run."""
    evidence = {"tool": tool, "values": dict(values), "verdict": verdict, "reasons": list(reasons)}
    return {
        "check": check,
        "host": host,
        "peer": "",
        "runs": [{"evidence": evidence, "output": output}],
        "argv": list(argv),
        "conditions": dict(conditions or {}),
        "not_applicable": "",
    }


def value(check: str, figure: float | None, reason: str = "", **more: Any) -> dict[str, Any]:
    """Return a measurement of a single figure; None is unknown, for ``reason``."""
    verdict = UNKNOWN if figure is None else more.pop("verdict", PASS)
    more.pop("verdict", None)
    return measured(check, {"value": figure}, verdict, (reason,) if reason else (), **more)


def not_applicable(check: str, why: str, host: str = "") -> dict[str, Any]:
    """Return a measurement that this place can't have."""
    return {
        "check": check,
        "host": host,
        "peer": "",
        "runs": [],
        "argv": [],
        "conditions": {},
        "not_applicable": why,
    }


def conditions() -> dict[str, Any]:
    """Return what a result rests on here and now: time, load averages, kernel, processors."""
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "load_averages": [round(average, 2) for average in os.getloadavg()],
        "kernel": platform.release(),
        "processors": os.cpu_count(),
    }
