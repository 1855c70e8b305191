# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Memory for the lab: how much its ranks need, and a swap file of its own where the machine falls short."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .commands import LabError, run

GIB = 1 << 30
SWAPS = Path("/proc/swaps")


def meminfo(text: str) -> dict[str, int]:
    """Bytes by name from the text of /proc/meminfo."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {
        name: int(value.split()[0]) * 1024 for name, value in pairs if value.split() and value.split()[0].isdecimal()
    }


def swap_files(text: str) -> dict[str, int]:
    """Size in bytes by path from the text of /proc/swaps."""
    rows = (line.split() for line in text.splitlines()[1:])
    return {row[0]: int(row[2]) * 1024 for row in rows if len(row) >= 3}


def swap_needed(memory: Mapping[str, int], needed_bytes: int, reserve_bytes: int) -> int:
    """Bytes of swap file that are missing, rounded up to GiB.

    Counted against the machine's whole memory, not the free part: a lab that is already running holds its share.
    """
    short = needed_bytes + reserve_bytes - memory["MemTotal"]
    return 0 if short <= 0 else -(-short // GIB) * GIB


def active_bytes(path: Path, swaps: Path = SWAPS) -> int:
    """Size of the swap file `path` while the kernel uses it, 0 when it doesn't (the kernel names files by their real
    path).
    """
    return swap_files(swaps.read_text(encoding="utf-8")).get(os.path.realpath(path), 0)


def make(path: Path, size_bytes: int) -> None:
    """Create and switch on a swap file (allocated whole: the kernel refuses holes). Failing leaves no file behind."""
    try:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        finally:
            os.close(descriptor)
        run(["mkswap", str(path)])
        run(["swapon", str(path)])
    except (OSError, LabError) as error:
        path.unlink(missing_ok=True)
        if isinstance(error, LabError):
            raise
        why = f"{size_bytes / GIB:.0f} GiB of swap: {error.strerror}"
        raise LabError(
            "LAB_SWAP_NOT_MADE", str(path), why, "put the lab on a disk that can hold a swap file"
        ) from error


def remove(path: Path) -> None:
    """Switch a swap file off and delete it. Slow when much of it is in use."""
    if active_bytes(path):
        run(["swapoff", str(path)], timeout_s=900)
    path.unlink(missing_ok=True)
