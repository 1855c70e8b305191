# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far hosts are, in words for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def bytes_words(amount: float) -> str:
    """Bytes in decimal units, as disks and links count."""
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.2f} TB"


def time_words(seconds: float) -> str:
    """Time left."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def words(status: Mapping[str, Any]) -> str:
    """One host: bytes, rate, time left."""
    if status.get("state") == "complete":
        return "complete"
    have, total, rate = (float(status.get(name, 0)) for name in ("have_bytes", "total_bytes", "rate"))
    if status.get("state") != "fetching" or not total:
        return "looking at what is there"
    left = f"{time_words((total - have) / rate)} left" if rate > 0 else "waiting"
    return f"{bytes_words(have)} of {bytes_words(total)} ({have / total:.0%}), {bytes_words(rate)}/s, {left}"


def order(states: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The hosts as a chain: those that have all come first, so that a source is not asked for what the group has."""
    return sorted(states, key=lambda name: not states[name]["whole"])


def before(chain: Sequence[str], me: str) -> str:
    """The host that gives to this one; empty for the first."""
    place = chain.index(me)
    return chain[place - 1] if place else ""
