# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Programs that start others: as another user where asked, and ended with all of them when their time is over."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Between asking a group to end and ending it.
GRACE_S = 5.0


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit status, what it printed (standard output and error), and whether time was over."""

    status: int
    output: str
    timed_out: bool


def account_of(user: str) -> Any | None:
    """Return the account of a user's name; None of an empty one.

    Raises:
        OSError: there is no such user.
    """
    if not user:
        return None
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise OSError(f"there is no user {user}") from None


def start(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    output: int = subprocess.PIPE,
    directory: str | None = None,
    account: Any | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program as the leader of a group, with nothing but ``environment``.

    Raises:
        OSError: it can't be run.
    """
    identity: dict[str, Any] = {}
    if account is not None and account.pw_uid != os.geteuid():
        identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=directory,
        env=dict(environment),
        start_new_session=True,
        **identity,
    )


def end(process: subprocess.Popen[bytes]) -> bytes:
    """End a program with all that it started, and return what it had printed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):  # it ended between the time limit and the signal
            os.killpg(process.pid, number)
        try:
            output, _unused = process.communicate(timeout=GRACE_S)
            return output or b""
        except subprocess.TimeoutExpired:
            continue
    return b""


def execute(
    argv: Sequence[str],
    environment: Mapping[str, str],
    timeout_s: float,
    *,
    directory: str | None = None,
    account: Any | None = None,
) -> Ended:
    """Run a program for at most ``timeout_s``.

    Raises:
        OSError: it can't be run.
    """
    with start(argv, environment, directory=directory, account=account) as process:
        timed_out = False
        try:
            output, _unused = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            timed_out = True
            output = end(process)
    return Ended(process.returncode, output.decode("utf-8", "replace"), timed_out)
