# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Control groups for the lab's hosts, on the unified hierarchy, whichever way the machine mounts it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from .commands import LabError

MOUNTINFO = Path("/proc/self/mountinfo")


def unified_mount(mountinfo: str) -> Path | None:
    """Where cgroup2 is mounted, from the text of /proc/self/mountinfo; None where it isn't."""
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        if right.split(" ", 1)[0] == "cgroup2":
            return Path(left.split()[4])
    return None


def root() -> Path:
    """The machine's cgroup2 mount, or LabError where it has none."""
    mount = unified_mount(MOUNTINFO.read_text(encoding="utf-8"))
    if mount is None:
        raise LabError(
            "LAB_NO_CGROUP2", "/proc/self/mountinfo", "no cgroup2 mount", "mount -t cgroup2 none /sys/fs/cgroup/unified"
        )
    return mount


def group_of(lab: str, host: str) -> str:
    """Name of a host's group, below the root."""
    return f"moefleet-{lab}-{host}"


def tree(group: Path) -> Iterator[Path]:
    """`group` and all groups below it, the deepest first; those that vanish meanwhile are passed over."""
    return (Path(directory) for directory, _, _ in os.walk(group, topdown=False))


def processes(group: Path) -> list[int]:
    """Every process in `group` and below it."""
    pids: list[int] = []
    for directory in tree(group):
        try:
            pids += [int(pid) for pid in (directory / "cgroup.procs").read_text(encoding="utf-8").split()]
        except OSError:
            continue
    return sorted(set(pids))


def remove(group: Path, timeout_s: float = 10.0) -> bool:
    """Kill whatever still runs in `group` and remove it with all below it; returns whether there was one."""
    if not group.exists():
        return False
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            if processes(group):
                (group / "cgroup.kill").write_text("1", encoding="utf-8")
            for directory in tree(group):
                directory.rmdir()
            return True
        except OSError as error:
            if not group.exists():
                return True
            if time.monotonic() > deadline:
                raise LabError(
                    "LAB_CGROUP_STUCK", str(group), str(error), "see which process is in it: systemd-cgls"
                ) from error
            time.sleep(0.2)
