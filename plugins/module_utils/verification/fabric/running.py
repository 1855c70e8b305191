# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Running a step on its host: several times, never longer than allowed, and read by the evidence parsers."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from ...evidence import registry
from ...evidence.result import UNKNOWN, Evidence
from ...hosts import process_group
from ...hosts.commands import NOT_FOUND, TIMED_OUT
from .meeting import Nobody, await_guest, come
from .steps import CLIENT, PROGRAM, SERVER, Read, Step

TAIL_CHARACTERS = 4000
_AGAIN_S = 0.2
_POLL_S = 0.05
# A server that isn't there yet, or is still busy with the run before.
_NOT_THERE = re.compile(
    r"[Cc]onnection refused|unable to connect to server|server is busy|Couldn't connect to"
    r"|Unable to init the socket connection"
)


@dataclass(frozen=True)
class Done:
    """How a program ended: exit status (124 when its time was over, 127 when it isn't there) and all it printed."""

    status: int
    output: str = ""


Run = Callable[[Sequence[str], Mapping[str, str], float], Done]


def run(argv: Sequence[str], environment: Mapping[str, str], timeout_s: float) -> Done:
    """Run a program with the C locale; when its time is over, all its processes are ended."""
    try:
        ended = process_group.execute(argv, _in_english(environment), max(timeout_s, 0.1))
    except OSError as error:
        return Done(NOT_FOUND, f"{argv[0]}: {error.strerror}")
    return Done(TIMED_OUT if ended.timed_out else ended.status, ended.output)


def _in_english(environment: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "LANGUAGE": "C", **environment}


def serve(step: Step, argv: Sequence[str]) -> None:
    """Run a server, again and again, from its client's coming until its going or until the time is over."""
    try:
        with await_guest(step.meet, step.wait_s) as guest:
            deadline = time.monotonic() + step.timeout_s
            while not guest.gone() and time.monotonic() < deadline:
                with process_group.start(argv, _in_english(step.environment), output=subprocess.DEVNULL) as process:
                    while process.poll() is None and time.monotonic() < deadline and not guest.gone(_POLL_S):
                        pass
                    if process.poll() is None:
                        process_group.end(process)
                guest.gone(_POLL_S)
    except (Nobody, OSError):
        # The client's side says what is wrong: it is the one that is read.
        return


@dataclass(frozen=True)
class Place:
    """Where steps run: how programs and servers are run, the clock (seconds), the prefix of the paths that are read."""

    run: Run = run
    serve: Callable[[Step, Sequence[str]], None] = serve
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    root: Path = field(default_factory=lambda: Path("/"))


def measure(step: Step, place: Place) -> list[dict[str, Any]]:
    """Run a step and return one measurement for each of its figures; a server has none."""
    conditions = {**conditions_of(place.root), **step.conditions}
    if step.missing:
        return [_measurement(step, read, [_unknown(read, step.missing)], conditions) for read in step.reads]
    with tempfile.TemporaryDirectory(prefix="moefleet-measure-") as directory:
        argv = step.argv
        if step.program:
            path = Path(directory) / "program.py"
            path.write_text(step.program, encoding="utf-8")
            argv = tuple(str(path) if word == PROGRAM else word for word in argv)
        if step.role == SERVER:
            place.serve(step, argv)
            return []
        try:
            with come(step.meet, step.wait_s) if step.meet else contextlib.nullcontext():
                outputs = _runs(step, argv, place)
        except Nobody as error:
            reason = f"{step.peer} does not take part: {error}"
            return [_measurement(step, read, [_unknown(read, reason)], conditions) for read in step.reads]
    return [_measurement(step, read, [_read(read, done, step) for done in outputs], conditions) for read in step.reads]


def _runs(step: Step, argv: Sequence[str], place: Place) -> list[Done]:
    """The runs that count. Where one can't be run at all, the others would only wait for the same."""
    counted: list[Done] = []
    for number in range(step.warmup + step.repeats):
        done = _attempt(step, argv, place)
        hopeless = done.status in (NOT_FOUND, TIMED_OUT) or (step.role == CLIENT and _refused(done))
        if number >= step.warmup or hopeless:
            counted.append(done)
        if hopeless:
            break
    return counted


def _attempt(step: Step, argv: Sequence[str], place: Place) -> Done:
    deadline = place.clock() + step.wait_s
    while True:
        done = place.run(argv, step.environment, step.timeout_s)
        if step.role != CLIENT or not _refused(done) or place.clock() >= deadline:
            return done
        place.sleep(_AGAIN_S)


def _refused(done: Done) -> bool:
    # iperf3 -J ends with 0 even then.
    return done.status != TIMED_OUT and _NOT_THERE.search(done.output) is not None


def _read(read: Read, done: Done, step: Step) -> dict[str, Any]:
    evidence = registry.parse(read.tool, done.output, read.context)
    reasons = {
        NOT_FOUND: f"it could not be run: {done.output.strip()[-200:]}",
        TIMED_OUT: f"it did not end within {step.timeout_s:g} s",
    }
    if done.status in reasons:
        evidence = Evidence(read.tool, evidence.values, UNKNOWN, (reasons[done.status], *evidence.reasons))
    return {"evidence": evidence.to_dict(), "output": done.output[-TAIL_CHARACTERS:]}


def _unknown(read: Read, reason: str) -> dict[str, Any]:
    return {"evidence": Evidence(read.tool, {}, UNKNOWN, (reason,)).to_dict(), "output": ""}


def _measurement(
    step: Step, read: Read, runs: Sequence[Mapping[str, Any]], conditions: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "check": read.check,
        "host": step.host,
        "peer": step.peer,
        "runs": list(runs),
        "argv": list(step.argv),
        "conditions": dict(conditions),
        "not_applicable": "",
        "asked": step.repeats,
    }


def conditions_of(root: Path = Path("/")) -> dict[str, Any]:
    """What a result rests on: load averages before it (null where they can't be read), kernel, processors, time."""
    try:
        words = (root / "proc" / "loadavg").read_text(encoding="utf-8").split()
        load: list[float] | None = [float(word) for word in words[:3]]
    except (OSError, ValueError):
        load = None
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "load_averages": load,
        "kernel": platform.release(),
        "processors": os.cpu_count(),
        "time": now.isoformat(timespec="seconds"),
    }
