# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the kernel was started with, and what a unit may use: ``/proc/cmdline`` and ``systemctl show``."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from . import systemd
from .findings import Context, Findings, flag, nothing, whole, word, words
from .result import UNKNOWN, Evidence, clean_lines, worst

COMMAND_LINE_TOOL = "kernel_command_line"

_WORD = re.compile(r"^[A-Za-z][\w.-]*(?:=.*)?$")
_TYPICAL = re.compile(r"(?:^|\s)(?:BOOT_IMAGE=|root=|ro\b|rw\b|quiet\b|initrd=|console=|init=|systemd\.)")
_MODES = ("pt", "off", "on", "force", "soft", "strict", "nopt")
_PROPERTY = re.compile(r"^(Limit(?:MEMLOCK|NOFILE)(?:Soft)?)=")


def parse_kernel_command_line(text: str, context: Context | None = None) -> Evidence:
    """Judge ``/proc/cmdline``.

    Args:
        text: the line.
        context: ``wanted`` (words that must be in it, ``iommu=pt``), ``unwanted`` (words that must not),
            ``gdr_required`` (true: DMA between devices must not be translated).

    Returns:
        ``iommu``: ``pt`` (devices bypass it), ``off``, ``on`` (every DMA is translated), None (not said: the kernel's
        default); ``parameters``: the value by name, the last one where it is given several times (a word without a
        value is true).
    """
    lines = clean_lines(text)
    line = _command_line(lines)
    values: dict[str, Any] = {"iommu": None, "parameters": {}}
    if line is None:
        return nothing(COMMAND_LINE_TOOL, values, lines, "kernel command line")
    tokens = _split(line)
    parameters = {name: value if equals else True for name, equals, value in (token.partition("=") for token in tokens)}
    found = Findings()
    values["parameters"] = parameters
    values["iommu"] = _iommu(parameters, found)
    if values["iommu"] == "on":
        reason = "the IOMMU translates every DMA: GPUDirect is slow or fails; start the kernel with iommu=pt"
        (found.failures if flag(context, "gdr_required") else found.warnings).append(reason)
    for wanted in words(context, "wanted") or ():
        if wanted not in tokens or not _is_effective(wanted, parameters):
            found.failures.append(f"{wanted} is not in effect: set it in the boot loader's configuration and reboot")
    for unwanted in words(context, "unwanted") or ():
        if any(unwanted in (token, token.partition("=")[0]) for token in tokens):
            found.failures.append(f"{unwanted} is set: take it out of the boot loader's configuration and reboot")
    return found.evidence(COMMAND_LINE_TOOL, values)


def parse_service_limits(text: str, context: Context | None = None) -> Evidence:
    """Judge a unit's limits: ``systemctl show UNIT -p LimitMEMLOCK,LimitMEMLOCKSoft,LimitNOFILE,LimitNOFILESoft``.

    Args:
        text: the properties; of several units the worst counts.
        context: ``memlock_bytes`` (least, soft and hard; else unlimited), ``nofile`` (least; else 65536).

    Returns:
        ``memlock_bytes`` and ``nofile``: the lower of soft and hard limit (2^64 - 1 is no limit).
    """
    given = whole(context, "memlock_bytes")
    memlock = given if given is not None else systemd.parse_limit(word(context, "memlock"))
    nofile = whole(context, "nofile")
    judged = [
        systemd.service_limits(
            "\n".join(block),
            systemd.UNLIMITED if memlock is None else memlock,
            65536 if nofile is None else nofile,
        )
        for block in _units(clean_lines(text))
    ]
    if not judged:
        return Evidence(
            systemd.LIMITS_TOOL,
            {"memlock_bytes": None, "nofile": None},
            UNKNOWN,
            ("the output is empty" if not text.strip() else "no limits in this output",),
        )
    verdict = worst(evidence.verdict for evidence in judged)
    values = {
        name: None if None in figures else min(figures)
        for name in ("memlock_bytes", "nofile")
        for figures in [[evidence.values[name] for evidence in judged]]
    }
    reasons = tuple(dict.fromkeys(reason for evidence in judged for reason in evidence.reasons))
    return Evidence(systemd.LIMITS_TOOL, values, verdict, reasons)


def _units(lines: Sequence[str]) -> list[list[str]]:
    blocks: list[list[str]] = []
    seen: set[str] = set()
    for line in lines:
        match = _PROPERTY.match(line)
        if match is None:
            continue
        if not blocks or match.group(1) in seen:
            blocks.append([])
            seen = set()
        seen.add(match.group(1))
        blocks[-1].append(line)
    return blocks


def _command_line(lines: Sequence[str]) -> str | None:
    candidates = [line.strip() for line in lines if line.strip()]
    marked = [line for line in candidates if re.search(r"BOOT_IMAGE=|(?:^|\s)root=", line)]
    typical = [line for line in candidates if _TYPICAL.search(line) or "iommu" in line]
    for group in (marked, typical):
        if group:
            return group[0] if any(_WORD.match(token) and "=" in token for token in _split(group[0])) else None
    return None


def _split(line: str) -> list[str]:
    try:
        tokens = shlex.split(line)
    except ValueError:
        tokens = line.split()
    # What follows "--" is for init.
    return tokens[: tokens.index("--")] if "--" in tokens else tokens


def _is_effective(wanted: str, parameters: dict[str, Any]) -> bool:
    name, equals, value = wanted.partition("=")
    # console= and the like are given several times, each counting; iommu= counts as a whole, the last one wins.
    return not equals or "iommu" not in name or value in str(parameters.get(name)).split(",")


def _iommu(parameters: dict[str, Any], found: Findings) -> str | None:
    modes: dict[str, list[str]] = {}
    for name in ("iommu", "intel_iommu", "amd_iommu"):
        value = parameters.get(name)
        if value is not None:
            modes[name] = [part for part in str(value).split(",") if part] if value is not True else ["on"]
    generic = modes.get("iommu", [])
    for mode in generic:
        if mode not in _MODES and not re.match(
            r"^(?:noforce|merge|nomerge|biomerge|panic|nopanic|usedac|memaper=?\d*)$", mode
        ):
            found.unknowns.append(f"iommu={mode} is no mode that the kernel knows")
    if "off" in generic or "off" in modes.get("intel_iommu", []) or "off" in modes.get("amd_iommu", []):
        return "off"
    if "pt" in generic or parameters.get("iommu.passthrough") in ("1", "y", "Y"):
        return "pt"
    if modes or parameters.get("iommu.passthrough") in ("0", "n", "N"):
        return "on"
    return None
