# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Errors of the lab, and the one way its modules run a command."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

COMMAND_TIMEOUT_S = 60.0


class LabError(Exception):
    """Something the lab can't do: `code` for machines, `place` where it happened, `fix` what to do about it."""

    def __init__(self, code: str, place: str, message: str, fix: str) -> None:
        self.code = code
        self.place = place
        self.fix = fix
        super().__init__(f"{code} at {place}: {message} ({fix})")


def run(argv: Sequence[str], timeout_s: float = COMMAND_TIMEOUT_S, stdin: str | None = None) -> str:
    """Run a command and return its standard output; raise LabError with its last words when it fails."""
    try:
        done = subprocess.run(list(argv), capture_output=True, text=True, timeout=timeout_s, input=stdin, check=False)
    except FileNotFoundError as error:
        raise LabError("LAB_COMMAND_MISSING", argv[0], str(error), f"install the package that has {argv[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(
            "LAB_COMMAND_HANGS", " ".join(argv), f"no end after {timeout_s:.0f} s", "run it by hand"
        ) from error
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-400:]
        raise LabError("LAB_COMMAND_FAILED", " ".join(argv), f"exit {done.returncode}: {words}", "run it by hand")
    return done.stdout
