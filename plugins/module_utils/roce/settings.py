# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings by name: as wanted, as seen, and what has to be done about the difference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Union

from ..hosts.commands import Runner


@dataclass(frozen=True)
class Seen:
    """A setting as it is. `value` None is unknown, for `reason`.

    `available` False: this host offers no way to read or set it, so nobody can do anything about it from here.
    """

    value: str | None
    reason: str = ""
    available: bool = True


@dataclass(frozen=True)
class Host:
    """Where settings are read and written."""

    interface: str
    run: Runner
    root: Path = Path("/")
    device: str = ""
    port: int = 1
    pci: str = ""

    def path(self, *parts: str) -> Path:
        """A path under the root."""
        return self.root.joinpath(*parts)

    def read(self, *parts: str) -> str | None:
        """A small file's text without the white space around it, or None where it can't be read."""
        try:
            return self.path(*parts).read_text(encoding="utf-8", errors="replace").strip()
        except (OSError, ValueError):
            return None


@dataclass(frozen=True)
class Run:
    """A program to run."""

    argv: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join(self.argv)


@dataclass(frozen=True)
class Write:
    """A file of the kernel to write. `within`: a configfs directory that has to be there for it."""

    path: Path
    text: str
    within: Path | None = None

    def __str__(self) -> str:
        return f"echo {self.text} > {self.path}"


Step = Union[Run, Write]


# The driver checks these together, so they are set together.
GROUPS = (("priority_buffers", "buffer_sizes"), ("priority_classes", "class_algorithms", "class_shares"))


class ApplyError(RuntimeError):
    """A step failed or had no effect."""


def group(setting: str) -> tuple[str, ...]:
    """The settings that go with one, itself among them."""
    return next((names for names in GROUPS if setting in names), (setting,))


def differing(wanted: Mapping[str, str], seen: Mapping[str, Seen]) -> list[str]:
    """Names of settings that are known and not as wanted."""
    return [name for name, value in wanted.items() if seen[name].value not in (None, value)]


def unknown(wanted: Mapping[str, str], seen: Mapping[str, Seen]) -> dict[str, str]:
    """Reasons of those that nobody knows, by name."""
    return {name: seen[name].reason for name in wanted if seen[name].value is None}


def execute(step: Step, run: Runner) -> None:
    """Do one step.

    Raises:
        ApplyError: it failed; the message names the step and the system's reason.
    """
    if isinstance(step, Run):
        result = run(step.argv)
        if result.status:
            raise ApplyError(result.why)
        return
    made = False
    try:
        if step.within is not None and not step.within.is_dir():
            step.within.mkdir()
            made = True
        step.path.write_text(step.text, encoding="utf-8")
    except OSError as error:
        raise ApplyError(f"{step}: {error.strerror or error}") from error
    finally:
        if made and step.within is not None:
            # The value stays with the device; the directory would only keep the kernel's module in use.
            step.within.rmdir()
