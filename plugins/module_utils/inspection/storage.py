# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Room on the file systems of given paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .look import Look


def room(look: Look, path: str) -> dict[str, Any]:
    """Room for a path: of the nearest directory above it that is there. Sizes in bytes."""
    asked = look.path(path)
    there = asked
    while not there.exists() and there != there.parent:
        there = there.parent
    stats = os.statvfs(there)
    below = str(there)[len(str(look.root).rstrip("/")) :] or "/"
    return {
        "path": path,
        "measured_at": below,
        "exists": there == asked,
        "free_bytes": stats.f_bavail * stats.f_frsize,
        "total_bytes": stats.f_blocks * stats.f_frsize,
        "held_bytes": _size(str(asked)) if there == asked and asked.is_dir() else 0,
        "read_only": bool(stats.f_flag & os.ST_RDONLY),
        "device": there.stat().st_dev,
    }


def _size(directory: str, most: int = 2000) -> int:
    """Bytes of the files below a directory, of the first so many."""
    total = count = 0
    for place, _unused, names in os.walk(directory):
        for name in names:
            count += 1
            if count > most:
                return total
            total += Path(place, name).lstat().st_size
    return total
