"""Molecule, run and waited for, or run beside something else into a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from ..testinfra.leftovers import leftovers

REPOSITORY = Path(__file__).resolve().parents[2]
TIME_LIMIT_S = 1200


def environment() -> dict[str, str]:
    """Molecule's, with this Python's programs first."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "NO_COLOR": "1",
    }


def molecule(*arguments: str) -> None:
    """Run molecule, which has to succeed."""
    done = subprocess.run(
        ["molecule", *arguments],
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout[-20000:]


class ScenarioBeside:
    """One scenario's whole test sequence, in a process group of its own."""

    def __init__(self, name: str) -> None:
        """Name the scenario; nothing runs yet."""
        self.name = name
        self.log = REPOSITORY / "artifacts" / "molecule" / f"{name}.log"
        self._run: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, and come back at once."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._run = subprocess.Popen(
                ["molecule", "test", "--scenario-name", self.name],
                cwd=REPOSITORY,
                env=environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that it can be ended with all that it started
            )

    def assert_passed(self, time_limit_s: float) -> None:
        """Wait for its end, which has to be a good one that leaves nothing."""
        assert self._run is not None
        status = self._run.wait(timeout=time_limit_s)
        assert status == 0, self.log.read_text(encoding="utf-8", errors="replace")[-20000:]
        assert not leftovers(self.name)

    def end(self) -> None:
        """Stop it where it still runs, and take away what it made."""
        if self._run is not None and self._run.poll() is None:
            os.killpg(self._run.pid, signal.SIGKILL)
            self._run.wait()
        if leftovers(self.name):
            molecule("destroy", "--scenario-name", self.name)
