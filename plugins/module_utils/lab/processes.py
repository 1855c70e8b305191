# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Processes that outlive the Ansible run that started them, known by pid and start time so that a reused pid is never
mistaken.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

POLL_S = 0.1


def start_ticks(pid: int) -> int | None:
    """Clock ticks from boot to the start of `pid`, or None when there is no such process (zombies count as gone)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command name, in parentheses, may hold anything; the fields after the last ')' are state, ppid, …, starttime
    # (field 22).
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def record(path: Path, pid: int) -> None:
    """Write down who runs: pid and start time."""
    path.write_text(json.dumps({"pid": pid, "start_ticks": start_ticks(pid)}), encoding="utf-8")


def recorded_pid(path: Path) -> int | None:
    """The pid in `path` if that very process still runs, else None."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        pid, ticks = int(known["pid"]), int(known["start_ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if start_ticks(pid) == ticks else None


def spawn(argv: Sequence[str], log: Path, pid_file: Path) -> int:
    """Start a process in a session of its own, its output in `log`, and write it down in `pid_file`."""
    with log.open("ab") as out:
        child = subprocess.Popen(  # pylint: disable=consider-using-with  # it is meant to outlive this process
            list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, cwd="/"
        )
    record(pid_file, child.pid)
    return child.pid


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Whether `pid` ended within `timeout_s` seconds."""
    deadline = time.monotonic() + timeout_s
    ticks = start_ticks(pid)
    while ticks is not None and start_ticks(pid) == ticks:
        if time.monotonic() > deadline:
            return False
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)  # reap it when it is our own child, as it is in a run that starts and stops
        time.sleep(POLL_S)
    return True


def end(pid: int, timeout_s: float = 5.0) -> None:
    """End a process, forcibly if it has to be."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait_gone(pid, timeout_s):
            return


def stop(pid_file: Path) -> bool:
    """End the recorded process; returns whether there was one."""
    pid = recorded_pid(pid_file)
    if pid is not None:
        end(pid)
    pid_file.unlink(missing_ok=True)
    return pid is not None
