# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One run at a time changes a lab: a lock that belongs to a living process, so that a crash never leaves it locked."""

from __future__ import annotations

import fcntl
from pathlib import Path

from .commands import LabError
from .processes import record, recorded_pid


def command_line(pid: int) -> str:
    """What `pid` was started as, for people to recognise it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return "?"


def refuse_others(lock: Path, owner_pid: int) -> bool:
    """Whether `owner_pid` holds `lock`; LabError when another living process does."""
    holder = recorded_pid(lock)
    if holder is not None and holder != owner_pid:
        raise LabError(
            "LAB_BUSY",
            str(lock),
            f"the lab is being changed by process {holder} ({command_line(holder)[:120]})",
            "wait for it to end, or stop it, then run again",
        )
    return holder == owner_pid


def acquire(lock: Path, owner_pid: int) -> bool:
    """Take `lock` for `owner_pid` until that process ends; returns whether it was free before.

    Raises LabError when another living process holds it, or when it can't be written. Taking it twice for the same
    owner is fine.
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.with_suffix(".guard").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if refuse_others(lock, owner_pid):
                return False
            record(lock, owner_pid)
    except OSError as error:
        fix = f"give {lock.parent} to the user who runs Ansible"
        raise LabError("LAB_LOCK_NOT_WRITABLE", str(lock), error.strerror or str(error), fix) from error
    return True
