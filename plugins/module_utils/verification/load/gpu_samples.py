# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The GPUs while a load runs: nvidia-smi asked again and again by a transient unit; the peak of their memory, and the
mean of their use.

The unit outlives the connection that started it and ends by itself when its time is over, so that a run of Ansible
which breaks off leaves nothing behind for longer. Each answer is a process of its own: nothing waits in a buffer.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...evidence.result import clean_lines, count, number
from ...inspection.look import ProbeError, Runner, run_command

UNIT = "moefleet-gpu-watch.service"
OUTPUT = "/run/moefleet-gpu-watch.csv"
_TIMEOUT_S = 60.0
_QUERY = "nvidia-smi --query-gpu=timestamp,index,memory.used,memory.total,utilization.gpu --format=csv,noheader,nounits"
_TIME = "%Y/%m/%d %H:%M:%S.%f"
# Without an answer for longer than this many intervals and seconds, a peak may have passed unseen.
_GAP_INTERVALS, _GAP_S = 5, 10.0


@dataclass(frozen=True)
class Peak:
    """The most memory of a GPU that was seen in use, and all that it has. Both in MiB."""

    index: int
    used_mib: float
    total_mib: float


@dataclass(frozen=True)
class Watched:
    """What was seen of a host's GPUs: ``peaks`` is None where that isn't known, for ``reason``; empty without GPUs.

    ``use_percent`` is the mean over all answers and GPUs of the share of time in which a kernel ran; None where an
    answer had none.
    """

    peaks: tuple[Peak, ...] | None
    samples: int = 0
    seconds: float = 0.0
    longest_gap_s: float = 0.0
    reason: str = ""
    use_percent: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the structure that the module hands out."""
        peaks = None if self.peaks is None else [asdict(peak) for peak in self.peaks]
        return {**asdict(self), "peaks": peaks}


def has_gpus(devices: str = "/dev") -> bool:
    """Say whether the host has a GPU's device."""
    return any(Path(devices).glob("nvidia[0-9]*"))


def running(run: Runner = run_command) -> bool:
    """Say whether the unit runs."""
    return run(["systemctl", "is-active", UNIT], _TIMEOUT_S).output.strip() == "active"


def start(interval_s: float, most_s: float, run: Runner = run_command, output: str = OUTPUT) -> None:
    """Begin to watch, anew where an earlier run left a unit behind; it ends by itself after ``most_s``.

    Raises:
        ProbeError: systemd doesn't start it.
    """
    end(run)
    Path(output).unlink(missing_ok=True)
    loop = f"while :; do {_QUERY}; sleep {interval_s:g}; done"
    place = ("--property=StandardOutput=file:" + output, "--property=StandardError=inherit")
    life = (f"--property=RuntimeMaxSec={most_s:g}", "--property=Nice=10", "--collect", "--quiet")
    status, said, complaint = run(["systemd-run", f"--unit={UNIT}", *life, *place, "sh", "-c", loop], _TIMEOUT_S)
    if status != 0:
        raise ProbeError((complaint or said).strip() or f"systemd-run: exit status {status}")


def end(run: Runner = run_command) -> None:
    """End the unit; one that isn't there has ended."""
    run(["systemctl", "stop", UNIT], _TIMEOUT_S)


def collect(interval_s: float, now: datetime.datetime, run: Runner = run_command, output: str = OUTPUT) -> Watched:
    """End the unit, read what it saw until ``now`` (the host's local time), and remove it."""
    try:
        ran = running(run)
        end(run)
        text = Path(output).read_text(encoding="utf-8", errors="replace")
    except (ProbeError, OSError) as error:
        return Watched(None, reason=f"the GPUs were not watched: {error}")
    Path(output).unlink(missing_ok=True)
    watched = read(text, interval_s, now)
    if not ran and not watched.reason:
        return replace(watched, peaks=None, use_percent=None, reason=f"{UNIT} ended before the load did")
    return watched


def read(text: str, interval_s: float, now: datetime.datetime) -> Watched:
    """Read the answers of nvidia-smi, and whether they came often enough, until ``now``, to have seen the peak."""
    peaks: dict[int, Peak] = {}
    times: list[datetime.datetime] = []
    uses: list[float | None] = []
    unread: list[str] = []
    for line in clean_lines(text):
        row = _row(line)
        if row is not None:
            time, found, use = row
            uses.append(use)
            before = peaks.get(found.index)
            peaks[found.index] = found if before is None or found.used_mib > before.used_mib else before
            times.append(time)
        elif line.strip():
            unread.append(line.strip())
    said = f" (nvidia-smi: {unread[-1][:160]})" if unread else ""
    if not times:
        return Watched(None, reason=f"nvidia-smi gave no answer while the load ran{said}")
    moments = sorted(set(times))
    gap_s = max((later - earlier).total_seconds() for earlier, later in zip(moments, [*moments[1:], now]))
    limit_s = _GAP_INTERVALS * interval_s + _GAP_S
    late = f"nvidia-smi gave no answer for {gap_s:.0f} s while the load ran{said}" if gap_s > limit_s else ""
    listed = None if late else tuple(peaks[index] for index in sorted(peaks))
    seconds = (moments[-1] - moments[0]).total_seconds()
    known = [use for use in uses if use is not None]
    use_percent = None if late or len(known) < len(uses) else round(sum(known) / len(known), 2)
    return Watched(listed, len(moments), round(seconds, 1), round(gap_s, 1), late, use_percent)


def _row(line: str) -> tuple[datetime.datetime, Peak, float | None] | None:
    """The time of an answer, a GPU's memory, and its use in percent (None: it says none)."""
    cells: Sequence[str] = [cell.strip() for cell in line.split(",")]
    if len(cells) != 5:
        return None
    index, used, total = count(cells[1]), number(cells[2]), number(cells[3])
    try:
        time = datetime.datetime.strptime(cells[0], _TIME)  # noqa: DTZ007 - nvidia-smi prints local time, without a zone
    except ValueError:
        return None
    if index is None or used is None or total is None or total <= 0:
        return None
    return time, Peak(index, used, total), number(cells[4])
