# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Engine versions, compared by their release numbers."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?(?:[-+.]?[A-Za-z0-9.+-]*)?")


class Version(NamedTuple):
    """A release; suffixes such as ``rc1`` and ``+cpu`` do not take part in comparisons."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def parse_version(text: str) -> Version | None:
    """``0.19.1``, ``v0.19.1``, ``0.32.0+cpu``, ``0.18.0+rhaiv``; ``None`` for anything else."""
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        return None
    return Version(int(match.group(1)), int(match.group(2)), int(match.group(3) or 0))


def version(text: str) -> Version:
    """Like :func:`parse_version` for versions written in this code."""
    found = parse_version(text)
    if found is None:
        raise ValueError(f"{text!r} is no version")
    return found
