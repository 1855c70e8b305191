# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run a host's own programs: one way, with a time limit and in one language."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

TIMEOUT_S = 30.0
ABSENT, TOO_LONG = 127, 124


@dataclass(frozen=True)
class Result:
    """How a program ended: `status` 127 is a program that isn't there, 124 one that took too long."""

    status: int
    output: str
    errors: str = ""

    @property
    def why(self) -> str:
        """Its last words, for a message."""
        return " ".join((self.errors or self.output).split())[-300:] or f"status {self.status}"


Runner = Callable[[Sequence[str]], Result]


def run(argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> Result:
    """Run a program and return what it said; nothing is raised, a failure is a status."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    try:
        done = subprocess.run(
            list(argv),
            env={**os.environ, "LC_ALL": "C", "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        return Result(ABSENT, "", f"{argv[0]}: not installed")
    except OSError as error:
        return Result(ABSENT, "", f"{argv[0]}: {error}")
    except subprocess.TimeoutExpired:
        return Result(TOO_LONG, "", f"{argv[0]}: no answer within {timeout_s:.0f} s")
    return Result(done.returncode, done.stdout, done.stderr)


def under(root: Path, path: str) -> Path:
    """A host's path below the prefix that stands for its root."""
    return root / path.lstrip("/")


def text(path: Path) -> str | None:
    """A small file's text without white space around it; None where it can't be read, as for a link's speed while it
    is down.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
