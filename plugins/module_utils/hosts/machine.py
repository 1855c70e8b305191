# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is: a machine with a kernel of its own or a container, its processor, and who keeps its clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .commands import NOT_FOUND, Runner

# Files by which containers without systemd's own mark are known.
CONTAINER_FILES = {".dockerenv": "docker", "run/.containerenv": "podman"}
VENDOR = re.compile(r"^vendor_id\s*:\s*(\S+)", re.MULTILINE)

# Programs that keep a clock, by their unit. Debian names chrony's unit otherwise than RHEL does.
TIME_UNITS = {
    "chrony.service": "chrony",
    "chronyd.service": "chrony",
    "systemd-timesyncd.service": "timesyncd",
    "ntp.service": "ntp",
    "ntpd.service": "ntp",
    "ntpsec.service": "ntp",
    "openntpd.service": "openntpd",
}
# Fields of `chronyc -c tracking`: stratum, the clock's error in seconds, and whether it is synchronised at all.
CHRONY_FIELDS, CHRONY_OFFSET, CHRONY_LEAP = 14, 4, 13
TIMESYNC_OFFSET = re.compile(r"^\s*Offset:\s*([+-]?)(\S.*)$", re.MULTILINE)
SPAN = re.compile(r"([0-9.]+)\s*(us|ms|s|min|h)\b")
SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Clock:
    """Which programs keep the clock and whether it is right. None is unknown, and `reason` says why."""

    installed: tuple[str, ...]
    active: tuple[str, ...]
    synchronized: bool | None
    offset_s: float | None
    reason: str


def container(root: Path = Path("/")) -> str:
    """The kind of container this is, empty for a machine, virtual or not."""
    try:
        return (root / "run/systemd/container").read_text(encoding="utf-8").strip() or "container"
    except OSError:
        return next((kind for path, kind in CONTAINER_FILES.items() if (root / path).exists()), "")


def cpu_vendor(root: Path = Path("/")) -> str:
    """The processor's vendor as the kernel names it (GenuineIntel, AuthenticAMD), empty where it names none."""
    try:
        found = VENDOR.search((root / "proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        return ""
    return found.group(1) if found else ""


def existing(patterns: Iterable[str], root: Path = Path("/")) -> list[str]:
    """The files that are there, by path or pattern."""
    found = (path for pattern in patterns for path in root.glob(pattern.lstrip("/")))
    return sorted({f"/{path.relative_to(root)}" for path in found})


def time_units(run: Runner) -> tuple[list[str], list[str]]:
    """Programs that keep a clock: those that are installed, and those of them that run or come at boot."""
    shown = run(["systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState", *TIME_UNITS])
    installed: list[str] = []
    active: list[str] = []
    for block in shown.stdout.split("\n\n"):
        unit = dict(line.partition("=")[::2] for line in block.splitlines())
        program = TIME_UNITS.get(unit.get("Id", ""))
        if program is None or unit.get("LoadState") != "loaded" or program in installed:
            continue
        installed.append(program)
        if unit.get("ActiveState") in ("active", "activating") or unit.get("UnitFileState") in (
            "enabled",
            "enabled-runtime",
        ):
            active.append(program)
    return installed, active


def chrony_offset(text: str) -> tuple[bool | None, float | None, str]:
    """Whether the clock is synchronised and its error in seconds, from `chronyc -c tracking`."""
    fields = text.strip().split(",")
    if len(fields) < CHRONY_FIELDS:
        return None, None, "chronyc printed no tracking data"
    if fields[CHRONY_LEAP].strip() != "Normal":
        return False, None, f"chrony: {fields[CHRONY_LEAP].strip()}"
    try:
        return True, abs(float(fields[CHRONY_OFFSET])), ""
    except ValueError:
        return None, None, f"chronyc printed {fields[CHRONY_OFFSET]!r} for the clock's error"


def timesyncd_offset(text: str) -> tuple[bool | None, float | None, str]:
    """The same from `timedatectl timesync-status`, which prints a span such as `+1min 2.5s` or `-912us`."""
    found = TIMESYNC_OFFSET.search(text)
    parts = SPAN.findall(found.group(2)) if found else []
    if not parts:
        return False, None, "systemd-timesyncd has had no answer from a time server yet"
    return True, sum(float(number) * SECONDS[unit] for number, unit in parts), ""


def clock(run: Runner, root: Path = Path("/")) -> Clock:
    """Who keeps the clock, and how far off it is."""
    if container(root):
        return Clock((), (), None, None, "this is a container: its clock is the machine's")
    installed, active = time_units(run)
    asked = {
        "chrony": (["chronyc", "-c", "tracking"], chrony_offset),
        "timesyncd": (["timedatectl", "timesync-status"], timesyncd_offset),
    }
    if not active or active[0] not in asked:
        return Clock(tuple(installed), tuple(active), None, None, "no program that can be asked keeps the clock")
    argv, parse = asked[active[0]]
    answer = run(argv)
    if answer.status != 0:
        why = f"{argv[0]} is not here" if answer.status == NOT_FOUND else answer.last_words
        return Clock(tuple(installed), tuple(active), None, None, why)
    synchronized, offset, reason = parse(answer.stdout)
    return Clock(tuple(installed), tuple(active), synchronized, offset, reason)
