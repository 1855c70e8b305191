# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd units as a set: their files, whether they come at boot and run, and with which configuration they run.

Whether a daemon has to be restarted is read from the host, not remembered: it has run since before its configuration
was written. So a run that was cut off between the two is finished by the next.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import files
from .commands import Runner

DIRECTORY = "/etc/systemd/system"
PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic"
ON = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
RUNNING = ("active", "reloading", "activating")


class UnitError(Exception):
    """A unit that can't be brought to the wanted state."""


@dataclass(frozen=True)
class Unit:
    """A unit as it should be; None leaves as it is. It is restarted if it runs since before its `configuration`."""

    name: str
    content: str | None = None
    enabled: bool | None = None
    active: bool | None = None
    configuration: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """A unit as it is. `since` is when it was started, in seconds since 1970, None where it doesn't run."""

    loaded: bool
    active: bool
    enabled: bool
    stale_manager: bool
    since: float | None


@dataclass(frozen=True)
class Step:
    """Something to be done: `verb` is remove, write, reload, disable, stop, enable, restart or start."""

    unit: str
    verb: str
    why: str = ""

    def __str__(self) -> str:
        """As a line of the diff."""
        return f"{self.verb} {self.unit}{f' ({self.why})' if self.why else ''}"


def path_of(name: str, root: Path = Path("/")) -> Path:
    """Where the file of a unit of ours is."""
    return root / DIRECTORY.lstrip("/") / name


def read(names: Sequence[str], run: Runner) -> dict[str, State]:
    """The states of units by name, in one call.

    Raises:
        UnitError: systemd can't be asked.
    """
    if not names:
        return {}
    shown = run(["systemctl", "show", f"--property={PROPERTIES}", *names])
    blocks = [block for block in shown.stdout.split("\n\n") if block.strip()]
    if shown.status != 0 or len(blocks) != len(names):
        raise UnitError(f"systemctl show failed: {shown.last_words}. These settings need a host that runs systemd.")
    lag = time.time() - time.monotonic()
    states = {}
    for name, block in zip(names, blocks):
        unit = dict(line.partition("=")[::2] for line in block.splitlines())
        started = int(unit.get("ActiveEnterTimestampMonotonic") or 0)
        active = unit.get("ActiveState") in RUNNING
        states[name] = State(
            unit.get("LoadState") == "loaded",
            active,
            unit.get("UnitFileState") in ON,
            unit.get("NeedDaemonReload") == "yes",
            started / 1e6 + lag if active and started else None,
        )
    return states


def newer(paths: Iterable[str], since: float, root: Path = Path("/")) -> list[str]:
    """Those of the files that were written after a moment."""
    result = []
    for path in paths:
        try:
            if (root / path.lstrip("/")).stat().st_mtime > since:
                result.append(path)
        except OSError:
            continue
    return result


def steps(unit: Unit, state: State, written: Iterable[str] = (), root: Path = Path("/")) -> list[Step]:
    """What has to be done for a unit. `written` are files that this run writes, or would in check mode."""
    result: list[Step] = []
    own = str(path_of(unit.name))
    reasons = [path for path in unit.configuration if path in set(written)]
    if unit.content is not None and files.differs(_wanted(unit, root), files.see(str(path_of(unit.name, root)))):
        result.append(Step(unit.name, "write"))
        reasons.append(own)
    elif state.stale_manager:
        result.append(Step(unit.name, "reload", "its file is newer than what systemd has read"))
    if unit.enabled is not None and unit.enabled != state.enabled:
        result.append(Step(unit.name, "enable" if unit.enabled else "disable"))
    if not state.active:
        return [*result, Step(unit.name, "start")] if unit.active else result
    if unit.active is False:
        return [*result, Step(unit.name, "stop")]
    if state.since is not None:
        watched = [*unit.configuration, *([own] if unit.content is not None else [])]
        reasons += newer(watched, state.since, root)
    if reasons:
        names = ", ".join(sorted(Path(path).name for path in dict.fromkeys(reasons)))
        result.append(Step(unit.name, "restart", f"runs since before {names}"))
    return result


def removal(names: Iterable[str], root: Path = Path("/")) -> list[Step]:
    """What has to be done so that units of ours are gone."""
    return [Step(name, "remove") for name in names if path_of(name, root).exists()]


def _wanted(unit: Unit, root: Path) -> files.Wanted:
    return files.Wanted(str(path_of(unit.name, root)), unit.content or "")


def _systemctl(run: Runner, *arguments: str) -> None:
    done = run(["systemctl", *arguments])
    if done.status == 0:
        return
    words = done.last_words
    if arguments[0] in ("start", "restart"):
        journal = run(["journalctl", "--unit", arguments[-1], "--lines=5", "--output=cat", "--no-pager"]).stdout.strip()
        words = f"{words}; its last words: {journal}" if journal else words
    raise UnitError(f"systemctl {' '.join(arguments)} failed: {words}")


def perform(planned: Sequence[Step], units: Mapping[str, Unit], run: Runner, root: Path = Path("/")) -> None:
    """Do it: first what ends, then all files, one reload of the manager, then what begins.

    Raises:
        UnitError: systemctl failed.
    """
    for step in planned:
        if step.verb == "remove":
            _systemctl(run, "disable", "--now", step.unit)
            path_of(step.unit, root).unlink(missing_ok=True)
        if step.verb == "write":
            files.write(_wanted(units[step.unit], root))
    if any(step.verb in ("remove", "write", "reload") for step in planned):
        _systemctl(run, "daemon-reload")
    for verb in ("disable", "stop", "enable", "restart", "start"):
        for step in planned:
            if step.verb == verb:
                _systemctl(run, verb, step.unit)
