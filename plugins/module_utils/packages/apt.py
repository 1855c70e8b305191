# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""apt and dpkg, by their commands."""

from __future__ import annotations

import fcntl
import re
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ..hosts import files
from . import versions
from .model import CHANGE_TIMEOUT_S, Change, Installed, PackageError, Pin, Runner

# What dpkg's status letters say of an installation that didn't end (dpkg-query(1)); triggers that wait are no fault.
BROKEN = {"U": "unpacked, not configured", "F": "half configured", "H": "half installed"}
REPAIR = "dpkg --configure -a, then apt-get --fix-broken install"
# At 1000 a pinned version wins over a newer one, and apt by itself never goes back to it from one installed by hand.
PRIORITY = 1000
LOCK = "var/lib/dpkg/lock-frontend"
FORMAT = "${Package}\\t${Architecture}\\t${Version}\\t${db:Status-Abbrev}\\n"
_SIMULATED = re.compile(r"^(Inst|Remv|Purg) (\S+)(?: \[[^\]]*\])?(?: \((\S+))?")


def read_installed(listing: str, native: str) -> dict[str, Installed]:
    """Packages in `dpkg-query`'s listing. One of another architecture than the host's is called ``name:arch``."""
    found = {}
    for line in listing.splitlines():
        name, architecture, version, status = (*line.split("\t"), "", "", "")[:4]
        # A package that is gone leaves its configuration ("c") or nothing ("n") behind: it isn't there.
        if len(status) < 2 or status[1] in "nc":
            continue
        called = name if architecture in (native, "all") else f"{name}:{architecture}"
        broken = BROKEN.get(status[1], "to be reinstalled" if status[2:3] == "R" else "")
        found[called] = Installed(called, version, held=status[0] == "h", broken=broken)
    return found


def read_madison(listing: str) -> dict[str, list[str]]:
    """Versions by package in `apt-cache madison`'s listing; rows of source packages are none."""
    found: dict[str, list[str]] = {}
    for line in listing.splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) == 3 and not columns[2].endswith("Sources"):
            found.setdefault(columns[0], []).append(columns[1])
    return {name: versions.newest_first(offered) for name, offered in found.items()}


def read_simulation(output: str) -> dict[str, str | None]:
    """What `apt-get --simulate` would do: a package's version afterwards, None for one that goes."""
    found: dict[str, str | None] = {}
    for line in output.splitlines():
        match = _SIMULATED.match(line)
        if match:
            found[match.group(2)] = match.group(3) if match.group(1) == "Inst" else None
    return found


class Apt:
    """apt and dpkg of this host."""

    compare = staticmethod(versions.debian)
    update = "apt-get update"
    release = "apt-mark unhold"
    repair = REPAIR

    def __init__(self, run: Runner, set_name: str, root: Path = Path("/"), lock_timeout_s: int = 300) -> None:
        self._run = run
        self._root = root
        self._lock_timeout_s = lock_timeout_s
        self._pins = root / "etc/apt/preferences.d" / f"60-moefleet-{set_name}"

    def _checked(self, argv: Sequence[str], purpose: str) -> str:
        done = self._run(argv)
        if done.status != 0:
            raise PackageError(f"could not {purpose}: {done.words}")
        return done.stdout

    def await_lock(self) -> None:
        """Wait until nobody else is in the middle of a transaction: its packages would look broken."""
        lock, deadline = self._root / LOCK, time.monotonic() + self._lock_timeout_s
        while lock.exists():
            try:
                with lock.open("r+b") as handle:
                    fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return
            except OSError as error:
                if time.monotonic() > deadline:
                    raise PackageError(
                        f"{lock} is locked for more than {self._lock_timeout_s} s ({error.strerror}): another package"
                        " manager runs. Wait for it (fuser -v shows which), then run this again."
                    ) from error
            time.sleep(1)

    def installed(self) -> dict[str, Installed]:
        """Every package that is there."""
        self.await_lock()
        native = self._checked(["dpkg", "--print-architecture"], "ask dpkg for the architecture").strip()
        listing = self._checked(["dpkg-query", "--show", f"--showformat={FORMAT}"], "list the installed packages")
        return read_installed(listing, native)

    def candidates(self, names: Sequence[str]) -> dict[str, list[str]]:
        """What the sources offer."""
        if not names:
            return {}
        return read_madison(self._checked(["apt-cache", "madison", *names], "ask apt for versions"))

    def refresh(self) -> None:
        """Fetch the sources' lists."""
        done = self._run(["apt-get", "--quiet", "update"], timeout_s=CHANGE_TIMEOUT_S)
        if done.status != 0:
            raise PackageError(f"apt-get update failed: {done.words}. Mend the source that it names, or its network.")

    def pins(self) -> str | None:
        """The set's file of preferences."""
        return files.see(str(self._pins)).content

    def pins_text(self, pins: Sequence[Pin]) -> str | None:
        """The file of preferences: full versions for packages, any revision of the version for globs."""
        stanzas = []
        if not pins:
            return None
        for pin in pins:
            pattern = rf"/^([0-9]+:)?{re.escape(pin.version)}(-.*)?$/"
            version = pin.version if pin.exact else pattern
            stanzas.append(f"Package: {' '.join(pin.names)}\nPin: version {version}\nPin-Priority: {PRIORITY}\n")
        return "# Written by moefleet: these packages belong together.\n" + "\n".join(stanzas)

    def write_pins(self, text: str | None) -> None:
        """Put the file of preferences in place, or take it away."""
        if text is None:
            self._pins.unlink(missing_ok=True)
        elif text != self.pins():
            files.write(files.Wanted(str(self._pins), text))

    def _transaction(self, change: Change) -> list[str]:
        options = [
            "--quiet",
            "--yes",
            "--no-install-recommends",
            f"--option=DPkg::Lock::Timeout={self._lock_timeout_s}",
        ]
        options += ["--option=Dpkg::Options::=--force-confold", "--option=Dpkg::Options::=--force-confdef"]
        options += ["--allow-downgrades"] if change.downgrade else []
        options += ["--purge"] if change.purge else []
        install = [f"{name}={version}" if version else name for name, version in change.install.items()]
        return ["apt-get", *options, "install", *install, *(f"{name}-" for name in change.remove)]

    def predict(self, change: Change, pins: str | None) -> dict[str, str | None]:
        """Simulate the transaction with the pins as they are going to be, holds let go."""
        argv = self._transaction(change)
        with tempfile.TemporaryDirectory(prefix="moefleet-preferences-") as directory:
            parts = Path(directory)
            for file in self._pins.parent.glob("*") if self._pins.parent.is_dir() else ():
                if file.is_file() and file != self._pins:
                    shutil.copy(file, parts / file.name)
            if pins is not None:
                (parts / self._pins.name).write_text(pins, encoding="utf-8")
            simulate = ["--simulate", "--allow-change-held-packages", f"--option=Dir::Etc::preferencesparts={parts}"]
            done = self._run([argv[0], *simulate, *argv[1:]])
        if done.status != 0:
            words = " ".join(f"{done.stdout} {done.stderr}".split())
            raise PackageError(f"apt can't do this, and nothing was changed: {' '.join(argv)}: {words}")
        return read_simulation(done.stdout)

    def apply(self, change: Change) -> None:
        """The transaction, in one call."""
        argv = self._transaction(change)
        done = self._run(argv, timeout_s=CHANGE_TIMEOUT_S)
        if done.status != 0:
            raise PackageError(f"{' '.join(argv)} failed: {done.words}")

    def set_hold(self, names: Sequence[str], held: bool) -> None:
        """Mark packages."""
        if names:
            self._checked(
                ["apt-mark", "hold" if held else "unhold", *names], "hold packages" if held else "unhold packages"
            )
