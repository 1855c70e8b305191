# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Numbers as a person reads them, with their units."""

from __future__ import annotations

from typing import Any

_GIB = 1024**3
_UNKNOWN = "unknown"


def figure(value: float) -> str:
    """A number with as many digits as a person reads."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def quantity(value: float | None, unit: str) -> str:
    """A number and its unit; ``None`` is unknown, never zero."""
    return _UNKNOWN if value is None else f"{figure(value)} {unit}"


def milliseconds(value: float | None) -> str:
    """A time given in milliseconds; from ten seconds on in seconds."""
    if value is not None and value >= 10_000:
        return f"{figure(value / 1000)} s"
    return quantity(value, "ms")


def gib(size: float | None) -> str:
    """Bytes of memory as GiB."""
    return _UNKNOWN if size is None else f"{size / _GIB:,.1f} GiB"


def moved(size: float | None) -> str:
    """Bytes on the wire or of one token, in decimal units."""
    if size is None:
        return _UNKNOWN
    return quantity(size / 1e6, "MB") if size >= 1e6 else quantity(size / 1e3, "kB")


def percent(share: float | None, *, signed: bool = False) -> str:
    """A share as a percentage, with its sign where it is a change."""
    if share is None:
        return _UNKNOWN
    if signed:
        return "0 %" if abs(share) < 0.0005 else f"{100 * share:+.1f} %"
    return f"{100 * share:.3g} %"


def span(low: float, high: float) -> str:
    """Both ends of a range."""
    return f"{figure(low)} to {figure(high)}"


def number(value: Any) -> float | None:
    """A number of the data, or ``None`` where there is none (a truth value is no number)."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
