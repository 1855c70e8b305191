# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a set of packages is, and how a package manager is asked and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Protocol

from ..hosts.commands import TIMEOUT_S, Result
from .versions import Compare

READ_TIMEOUT_S = TIMEOUT_S
CHANGE_TIMEOUT_S = 3600.0


class PackageError(Exception):
    """Something that can't be done; the text says what, where and how to mend it."""


class Runner(Protocol):
    """Runs a command; never raises for how it ends."""

    def __call__(self, argv: Sequence[str], timeout_s: float = READ_TIMEOUT_S) -> Result:
        """Run `argv` for at most `timeout_s` seconds."""


@dataclass(frozen=True)
class Wanted:
    """A package of the set, or a glob of companions. Without a version any will do."""

    name: str
    version: str | None = None


@dataclass(frozen=True)
class Request:
    """A set as it should be. `companions` are globs of packages that come as dependencies: those that are there, or
    come, get the version, the pin and the hold as well. `absent` are globs of what goes in the same transaction.
    """

    name: str
    packages: tuple[Wanted, ...]
    companions: tuple[Wanted, ...] = ()
    absent: tuple[str, ...] = ()
    hold: bool = True
    allow_downgrade: bool = False
    present: bool = True

    def companion(self, name: str) -> Wanted | None:
        """The companions' entry that a package falls under; None for one of the set itself or a stranger."""
        if any(package.name == name for package in self.packages):
            return None
        return next((entry for entry in self.companions if fnmatchcase(name, entry.name)), None)

    def unwanted(self, name: str) -> bool:
        """Whether a package is to go."""
        if any(package.name == name for package in self.packages):
            return not self.present
        if any(fnmatchcase(name, glob) for glob in self.absent):
            return True
        return not self.present and self.companion(name) is not None


@dataclass(frozen=True)
class Installed:
    """A package that is there. `broken` says in words what dpkg left unfinished, empty where nothing is."""

    name: str
    version: str
    held: bool = False
    broken: str = ""


@dataclass(frozen=True)
class Pin:
    """Packages (names or globs) and the version they are pinned to: a full one, or an upstream one in any revision."""

    names: tuple[str, ...]
    version: str
    exact: bool


@dataclass(frozen=True)
class Change:
    """One transaction."""

    install: Mapping[str, str | None] = field(default_factory=dict)  # name → full version
    remove: tuple[str, ...] = ()
    purge: bool = False
    downgrade: bool = False

    def __bool__(self) -> bool:
        return bool(self.install or self.remove)


class Manager(Protocol):
    """A package manager. Names are the ones that it takes on its command line."""

    compare: Compare
    update: str  # the command that reads the sources again
    release: str  # the one that lets go of a package
    repair: str  # the one that mends what was interrupted

    def installed(self) -> dict[str, Installed]:
        """Every package that is there."""

    def candidates(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The full versions that its sources offer, the newest first. One that no source has is left out."""

    def refresh(self) -> None:
        """Fetch the sources' lists."""

    def pins(self) -> str | None:
        """The set's pins as they are, None where there are none."""

    def pins_text(self, pins: Sequence[Pin]) -> str | None:
        """The pins as they should be; None where this manager has none apart from its holds."""

    def write_pins(self, text: str | None) -> None:
        """Put the pins in place, or take them away."""

    def predict(self, change: Change, pins: str | None) -> dict[str, str | None]:
        """What a transaction would do, by package: its version afterwards, None for one that goes."""

    def apply(self, change: Change) -> None:
        """The transaction."""

    def set_hold(self, names: Sequence[str], held: bool) -> None:
        """Hold packages, or let them go."""
