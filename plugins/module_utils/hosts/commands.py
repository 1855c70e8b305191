# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way that modules run a program on a host: bounded in time, in English, and never an exception."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

# For what changes something, such as update-grub, on a host with much else to do.
TIMEOUT_S = 600.0
# For what only looks, or sets a port.
SHORT_TIMEOUT_S = 30.0
NOT_FOUND = 127
TIMED_OUT = 124
# sbin is where a host's own tools lie, and not on every path.
SBIN = ("/usr/sbin", "/sbin")
ENVIRONMENT = {
    "LC_ALL": "C",
    "LANG": "C",
    "LANGUAGE": "C",
    "SYSTEMD_COLORS": "0",
    "SYSTEMD_PAGER": "",
    # Nobody is there to answer questions, and Ubuntu's needrestart would restart services behind our back.
    "DEBIAN_FRONTEND": "noninteractive",
    "NEEDRESTART_MODE": "l",
}


@dataclass(frozen=True)
class Result:
    """How a program ended. One that could not be run has status 127, one that had no end 124; `ended` tells these from
    programs that end so.
    """

    status: int
    stdout: str = ""
    stderr: str = ""
    argv: tuple[str, ...] = field(default=(), compare=False)
    ended: bool = field(default=True, compare=False)

    @property
    def words(self) -> str:
        """What it said last, in one line; empty where it said nothing."""
        return " ".join((self.stderr.strip() or self.stdout.strip())[-1500:].split())

    @property
    def last_words(self) -> str:
        """What it said last, for an error message."""
        return self.words[-400:] or f"exit status {self.status}"

    @property
    def why(self) -> str:
        """The command, and what it said last."""
        return f"{' '.join(self.argv)}: {self.last_words}"


Runner = Callable[[Sequence[str]], Result]


def run(argv: Sequence[str], timeout_s: float | None = None) -> Result:
    """Run a program, for at most TIMEOUT_S seconds if nothing else is said."""
    bound = TIMEOUT_S if timeout_s is None else timeout_s
    words = tuple(argv)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *SBIN])
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=bound,
            env={**os.environ, **ENVIRONMENT, "PATH": path},
            check=False,
        )
    except FileNotFoundError:
        return Result(NOT_FOUND, "", f"{words[0]} is not installed", words, ended=False)
    except OSError as error:
        return Result(NOT_FOUND, "", f"{words[0]}: {error.strerror or error}", words, ended=False)
    except subprocess.TimeoutExpired:
        return Result(TIMED_OUT, "", f"{' '.join(words)}: no end after {bound:g} s", words, ended=False)
    return Result(done.returncode, done.stdout, done.stderr, words)


def run_briefly(argv: Sequence[str]) -> Result:
    """Run a program that answers at once."""
    return run(argv, SHORT_TIMEOUT_S)


def inside(root: Path, argv: Sequence[str]) -> list[str]:
    """The command that does the same inside of `root`."""
    return list(argv) if root == Path("/") else ["chroot", str(root), *argv]
