# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's own program: apply at boot what the host's file says, or check it.

Exit status: 0 as wanted, 1 something differs or could not be set, 2 something can't be told, 3 the file is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..hosts.commands import Runner
from ..hosts.commands import run_briefly as run
from . import converge, report
from .desired import Desired, DesiredError, from_mapping
from .devices import DeviceError
from .settings import ApplyError

SETTINGS = "/etc/moefleet/roce.json"
DIFFERS, UNKNOWN, WRONG_FILE = 1, 2, 3


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")


def read_file(path: Path) -> Desired:
    """The host's choices. DesiredError where the file is missing or wrong."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DesiredError(f"{path}: {error}") from error
    if not isinstance(values, dict):
        raise DesiredError(f"{path} holds no object")
    return from_mapping(values)


def check(desired: Desired, runner: Runner, root: Path) -> int:
    """Compare, change nothing, and name what differs."""
    try:
        state = converge.survey(desired, True, runner, root)
    except (DeviceError, converge.RefusedError) as error:
        _say(f"differs: {error}")
        return DIFFERS
    if state.skipped:
        _say(state.skipped)
        return 0
    for name in state.changes:
        _say(f"differs: {name} is {state.seen[name].value}, should be {state.wanted[name]}")
    unmet = report.unmet(state, desired)
    for words in unmet:
        _say(f"differs: {words}")
    for name, why in state.unknown.items():
        _say(f"unknown: {name}: {why}")
    if state.changes or unmet:
        return DIFFERS
    return UNKNOWN if state.blocked else 0


def apply(desired: Desired, runner: Runner, root: Path) -> int:
    """Set what differs."""
    try:
        outcome = converge.converge(desired, True, runner, root)
    except (DeviceError, converge.RefusedError, ApplyError) as error:
        _say(f"not set: {error}")
        return DIFFERS
    for step in outcome.done:
        _say(str(step))
    _say(outcome.after.skipped or f"{desired.interface}: {len(outcome.done)} steps; as wanted")
    for words in outcome.after.notes:
        _say(f"unknown: {words}")
    return 0


def wait_for_device(desired: Desired, runner: Runner, root: Path, seconds: float) -> None:
    """Drivers come in their own time: the RDMA device after the interface."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            converge.survey(desired, True, runner, root)
        except DeviceError:
            time.sleep(1)
        except converge.RefusedError:
            return
        else:
            return


def main(arguments: Sequence[str] | None = None, runner: Runner = run) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="moefleet-roce", description="Traffic class, PFC and ECN of an interface")
    parser.add_argument("--check", action="store_true", help="compare only; status 1 and its name if a setting differs")
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="for the RDMA device to appear")
    parser.add_argument("--settings", type=Path, default=None, metavar="FILE", help=f"instead of {SETTINGS}")
    parser.add_argument("--root", type=Path, default=Path("/"), help="prefix of every path, for images and tests")
    options = parser.parse_args(arguments)
    try:
        desired = read_file(options.settings or options.root / SETTINGS.lstrip("/"))
    except DesiredError as error:
        _say(str(error))
        return WRONG_FILE
    if options.check:
        return check(desired, runner, options.root)
    wait_for_device(desired, runner, options.root, options.wait)
    return apply(desired, runner, options.root)
