# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How judges put what they found into words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..evidence.result import UNKNOWN
from .model import Judgement, View


def unknown(view: View, probe: str, expected: str) -> Judgement:
    """Judge what a probe did not see, with the probe's own reason."""
    return Judgement(UNKNOWN, expected, "unknown", view.state.why(probe))


def pairs(values: Mapping[str, str | None]) -> str:
    """Return ``name=value`` in the order of the names."""
    return (
        ", ".join(
            "{}={}".format(name, "(not set)" if values[name] is None else values[name]) for name in sorted(values)
        )
        or "nothing"
    )


def some(items: Any, most: int = 5) -> str:
    """Return the first of many, and how many more there are."""
    listed = list(items)
    rest = len(listed) - most
    return ", ".join(listed[:most]) + (f" and {rest} more" if rest > 0 else "")
