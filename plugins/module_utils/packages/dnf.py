# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""dnf and rpm, by their commands; holds are locks of dnf's plugin versionlock."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from ..hosts.commands import NOT_FOUND
from . import versions
from .model import CHANGE_TIMEOUT_S, Change, Installed, PackageError, Pin, Runner

_INSTALLED = "%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\n"
_OFFERED = "%{name}\\t%{epoch}:%{version}-%{release}"
# name-epoch:version-release.arch, as versionlock prints a lock.
_LOCK = re.compile(r"^(?P<name>[^!\s]\S*)-(?P<evr>\d+:[^-\s]+-[^-\s]+)\.(?:\*|[^.\s]+)$")
PLUGIN = "dnf install python3-dnf-plugin-versionlock"


def read_installed(listing: str, locked: Sequence[tuple[str, str]]) -> dict[str, Installed]:
    """Packages in rpm's listing. One whose lock is of another version isn't held: dnf would move it, or hide it."""
    locks = set(locked)
    found = {}
    for line in listing.splitlines():
        name, evr, _ = (*line.split("\t"), "", "")[:3]
        if evr and name != "gpg-pubkey":
            found[name] = Installed(name, evr, held=(name, evr) in locks)
    return found


def read_locks(listing: str) -> list[tuple[str, str]]:
    """Name and version of each lock; exclusions (``!``) and notices are none."""
    matches = (_LOCK.match(line.strip()) for line in listing.splitlines())
    return [(match.group("name"), match.group("evr")) for match in matches if match]


def read_offered(listing: str) -> dict[str, list[str]]:
    """Versions by package in `dnf repoquery`'s listing, the newest first."""
    found: dict[str, list[str]] = {}
    for line in listing.splitlines():
        name, _, evr = line.strip().partition("\t")
        if evr:
            found.setdefault(name, []).append(evr)
    return {name: versions.newest_first(offered, versions.rpm) for name, offered in found.items()}


class Dnf:
    """dnf and rpm of this host."""

    compare = staticmethod(versions.rpm)
    update = "dnf makecache --refresh"
    release = "dnf versionlock delete"
    repair = "dnf check, then what it names"

    def __init__(self, run: Runner, lock_timeout_s: int = 300) -> None:
        self._run = run
        self._lock_timeout_s = lock_timeout_s  # dnf waits for its lock by itself, without an end: ours is the command's

    def _checked(self, argv: Sequence[str], purpose: str, timeout_s: float = CHANGE_TIMEOUT_S) -> str:
        done = self._run(argv, timeout_s=timeout_s)
        if done.status == NOT_FOUND:
            raise PackageError(f"could not {purpose}: {done.words}")
        if done.status != 0:
            fix = (
                f" Its plugin is missing: {PLUGIN}."
                if "versionlock" in argv and "No such command" in done.words
                else ""
            )
            raise PackageError(f"could not {purpose}: {done.words}.{fix}")
        return done.stdout

    def installed(self) -> dict[str, Installed]:
        """Every package that is there."""
        listing = self._checked(
            ["rpm", "--query", "--all", f"--queryformat={_INSTALLED}"], "list the installed packages"
        )
        locks = self._checked(
            ["dnf", "--quiet", "--cacheonly", "versionlock", "list"], "read dnf's locks", timeout_s=self._lock_timeout_s
        )
        return read_installed(listing, read_locks(locks))

    def candidates(self, names: Sequence[str]) -> dict[str, list[str]]:
        """What the sources offer. Locks hide all other versions: they are set aside for the question."""
        if not names:
            return {}
        argv = ["dnf", "--quiet", "--disableplugin=versionlock", "repoquery", "--showduplicates"]
        return read_offered(self._checked([*argv, f"--queryformat={_OFFERED}\\n", *names], "ask dnf for versions"))

    def refresh(self) -> None:
        """Fetch the sources' lists."""
        self._checked(["dnf", "--quiet", "makecache", "--refresh"], "fetch the sources' lists")

    def pins(self) -> str | None:
        """None: the locks are the pins."""
        return None

    def pins_text(self, pins: Sequence[Pin]) -> str | None:
        """None: the locks are the pins."""
        del pins
        return None

    def write_pins(self, text: str | None) -> None:
        """Nothing: the locks are the pins."""
        del text

    def _script(self, change: Change, there: dict[str, Installed]) -> str:
        """The transaction for `dnf shell`: the one way in which dnf does all of it at once."""
        lines = []
        for name, version in change.install.items():
            now = there.get(name)
            older = now is not None and version is not None and self.compare(version, now.version) < 0
            verb = "downgrade" if older else "install" if now is None else "upgrade"
            lines.append(f"{verb} {f'{name}-{version}' if version else name}")
        lines += [f"remove {name}" for name in change.remove]
        return "\n".join([*lines, "run", ""])

    def predict(self, change: Change, pins: str | None) -> dict[str, str | None]:
        """What is asked for, by name. dnf has no simulation with a listing to rely on: dependencies aren't foretold."""
        del pins
        return {**change.install, **dict.fromkeys(change.remove)}

    def apply(self, change: Change) -> None:
        """The transaction, in one call."""
        script = self._script(change, self.installed())
        with tempfile.TemporaryDirectory(prefix="moefleet-dnf-") as directory:
            path = Path(directory) / "transaction"
            path.write_text(script, encoding="utf-8")
            argv = ["dnf", "--assumeyes", "--setopt=install_weak_deps=False", "shell", str(path)]
            done = self._run(argv, timeout_s=CHANGE_TIMEOUT_S)
        if done.status != 0:
            raise PackageError(f"dnf failed at: {'; '.join(script.split(chr(10))[:-2])}: {done.words}")

    def set_hold(self, names: Sequence[str], held: bool) -> None:
        """Lock packages to what is installed, or take every lock of their names away."""
        if not names:
            return
        locks = read_locks(self._checked(["dnf", "--quiet", "--cacheonly", "versionlock", "list"], "read dnf's locks"))
        stale = [f"{name}-{evr}.*" for name, evr in locks if any(fnmatchcase(name, wanted) for wanted in names)]
        if stale:
            self._checked(["dnf", "--quiet", "versionlock", "delete", *stale], "take locks away")
        if held:
            there = self.installed()
            nevras = [f"{name}-{there[name].version}.*" for name in names if name in there]
            self._checked(["dnf", "--quiet", "versionlock", "add", "--raw", *nevras], "lock packages")
