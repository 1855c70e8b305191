# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How this package runs a program: one injectable function, no shell, in the C locale, with a time limit."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

TIMEOUT_S = 30
NOT_FOUND = 127


@dataclass(frozen=True)
class Result:
    """What a program answered. `code` 127 means that it isn't there or didn't end; `err` says which."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def why(self) -> str:
        """What went wrong, in one line."""
        words = " ".join((self.err or self.out).split()) or f"exit status {self.code}"
        return f"{' '.join(self.argv)}: {words}"


Runner = Callable[[Sequence[str]], Result]


def run(argv: Sequence[str]) -> Result:
    """Run a program and return its answer, whatever it is."""
    words = tuple(argv)
    # sbin is where these tools lie, and not on every path.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    environment = {**os.environ, "PATH": path, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            words, check=False, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, env=environment
        )
    except FileNotFoundError:
        return Result(words, NOT_FOUND, "", f"{words[0]} is not installed")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Result(words, NOT_FOUND, "", str(error))
    return Result(words, done.returncode, done.stdout, done.stderr)
