"""Timings as ratios to a baseline of the same run: the only figures that mean something on a shared machine."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Seconds of several runs of one thing."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The median, in seconds."""
        return statistics.median(self.seconds)


def clock(action: Callable[[], object]) -> float:
    """Seconds that `action` takes."""
    began = time.monotonic()
    action()
    return time.monotonic() - began


def alternate(actions: dict[str, Callable[[], object]], repeat: int) -> dict[str, Sample]:
    """Run the actions in turn, `repeat` rounds, so that whatever else the machine does falls on all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(repeat):
        for name, action in actions.items():
            taken = clock(action)
            print(f"  round {number + 1}/{repeat}  {name}: {taken:.1f} s", flush=True)
            seconds[name].append(taken)
    return {name: Sample(name, tuple(taken)) for name, taken in seconds.items()}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least-squares slope of y over x: here seconds an added host costs."""
    mean_x = statistics.fmean(x for x, _ in points)
    mean_y = statistics.fmean(y for _, y in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x, _ in points)


def command(argv: Sequence[str], timeout_s: float = 1800) -> str:
    """Run a command; its output, or an error with its last words."""
    done = subprocess.run(list(argv), capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"bench: {' '.join(argv)[:120]} failed with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}"
        )
    return done.stdout
