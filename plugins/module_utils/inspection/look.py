# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How probes see a host: files below a root, and commands that only read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, NamedTuple

from ..hosts import commands

COMMAND_TIMEOUT_S = 3.0


class ProbeError(Exception):
    """A probe could not see what it was to report; the text says why."""


class Result(NamedTuple):
    """How a command ended."""

    status: int
    output: str
    complaint: str = ""


Runner = Callable[[Sequence[str], float], Result]


def run_command(argv: Sequence[str], timeout_s: float = COMMAND_TIMEOUT_S) -> Result:
    """Run a command that changes nothing.

    Raises:
        ProbeError: it is not there, may not be run, or did not end in time.
    """
    done = commands.run(argv, timeout_s)
    if done.ended:
        return Result(done.status, done.stdout, done.stderr)
    if done.status == commands.TIMED_OUT:
        raise ProbeError(f"`{argv[0]}` gave no answer within {timeout_s:g} s")
    raise ProbeError(f"cannot run `{argv[0]}`: {done.stderr}")


@dataclass(frozen=True)
class Look:
    """A host, or an image or a test's tree below ``root``. Below another root than / no command is run."""

    root: Path = Path("/")
    runner: Runner = run_command
    command_timeout_s: float = COMMAND_TIMEOUT_S

    @property
    def live(self) -> bool:
        """Whether commands speak of what is looked at."""
        return self.root == Path("/") or self.runner is not run_command

    def path(self, path: str) -> Path:
        """A path of the host, where it really is."""
        return self.root / path.lstrip("/")

    def run(self, argv: Sequence[str]) -> Result:
        """Run a read-only command on the host; ProbeError where it can't be."""
        if not self.live:
            raise ProbeError(f"`{argv[0]}` speaks of this machine, not of {self.root}")
        return self.runner(argv, self.command_timeout_s)

    def bytes(self, path: str) -> bytes | None:
        """A file's content; None where there is no such file, ProbeError where it can't be read."""
        try:
            return self.path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ProbeError(f"{path}: {error.strerror or error}") from None

    def text(self, path: str) -> str | None:
        """A text file's content; None where there is no such file."""
        raw = self.bytes(path)
        return None if raw is None else raw.decode("utf-8", "replace")

    def word(self, path: str) -> str | None:
        """The content of a file of one line, as in /sys; None where it isn't there or can't be read."""
        try:
            text = self.text(path)
        except ProbeError:
            return None
        return None if text is None else text.strip()

    def number(self, path: str) -> int | None:
        """A whole number in a file, None where there is none."""
        word = self.word(path)
        try:
            return None if word is None else int(word, 0)
        except ValueError:
            return None

    def names(self, path: str) -> list[str]:
        """The entries of a directory, sorted; none where it isn't there."""
        try:
            return sorted(entry.name for entry in self.path(path).iterdir())
        except OSError:
            return []

    def link(self, path: str) -> str | None:
        """The last part of what a symbolic link points to, None where there is no link."""
        try:
            return self.path(path).readlink().name
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is a file, directory or link."""
        return os.path.lexists(self.path(path))
