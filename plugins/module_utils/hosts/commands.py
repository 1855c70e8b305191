# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way the modules of this room run a program: bounded in time, in English, and never an exception."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

TIMEOUT_S = 120.0
NOT_FOUND = 127
TIMED_OUT = 124


@dataclass(frozen=True)
class Result:
    """How a program ended. A program that isn't there has status 127, one that had no end 124."""

    status: int
    stdout: str = ""
    stderr: str = ""

    @property
    def last_words(self) -> str:
        """What it said last, for an error message."""
        return (self.stderr.strip() or self.stdout.strip())[-400:] or f"exit status {self.status}"


Runner = Callable[[Sequence[str]], Result]


def run(argv: Sequence[str]) -> Result:
    """Run a program with the C locale."""
    environment = {**os.environ, "LC_ALL": "C", "LANGUAGE": "C"}
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=TIMEOUT_S,
            env=environment,
            check=False,
        )
    except OSError as error:
        return Result(NOT_FOUND, stderr=f"{argv[0]}: {error.strerror}")
    except subprocess.TimeoutExpired:
        return Result(TIMED_OUT, stderr=f"{' '.join(argv)}: no end after {TIMEOUT_S:.0f} s")
    return Result(done.returncode, done.stdout, done.stderr)


def inside(root: Path, argv: Sequence[str]) -> list[str]:
    """The command that does the same inside of `root`."""
    return list(argv) if root == Path("/") else ["chroot", str(root), *argv]
