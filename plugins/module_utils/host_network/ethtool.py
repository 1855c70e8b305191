# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ethtool says of a port's firmware, speed, error correction and coalescing, against what is wanted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..hosts.commands import NOT_FOUND, Runner

OK, DIFFERS, UNKNOWN = "ok", "differs", "unknown"
# ethtool's own words on output → the word that it takes.
FEC_WORDS = {"auto": "auto", "off": "off", "rs": "rs", "baser": "baser", "llrs": "llrs", "none": "none"}


@dataclass(frozen=True)
class Check:
    """One setting of one port. `verdict` is unknown, with a reason, where the tool has no answer."""

    interface: str
    setting: str
    observed: str | None
    wanted: str
    verdict: str
    reason: str = ""
    # The command that sets it; empty for what no command can.
    fix: tuple[str, ...] = ()


@dataclass(frozen=True)
class Driver:
    """A port's driver and firmware."""

    name: str
    version: str
    firmware: str
    bus: str


def fields(output: str) -> dict[str, str]:
    """`name: value` lines by name in lower case."""
    rows = (line.partition(":") for line in output.splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in rows}


def driver(output: str) -> Driver:
    """From `ethtool -i`."""
    said = fields(output)
    return Driver(
        said.get("driver", ""),
        said.get("version", ""),
        # mlx5 adds the board's identity in brackets.
        said.get("firmware-version", "").partition(" (")[0],
        said.get("bus-info", ""),
    )


def fec(output: str) -> tuple[tuple[str, ...], str]:
    """From `ethtool --show-fec`: what is configured and what is active, in the words that `--set-fec` takes. Newer
    versions write Supported/Configured.
    """
    said = fields(output)
    configured = said.get("configured fec encodings") or said.get("supported/configured fec encodings") or ""
    words = tuple(FEC_WORDS.get(word.lower(), word.lower()) for word in configured.split())
    active = said.get("active fec encoding") or said.get("active fec encodings") or ""
    return words, " ".join(FEC_WORDS.get(word.lower(), word.lower()) for word in active.split())


def coalescing(output: str) -> dict[str, str]:
    """From `ethtool -c`: value by the name that `-C` takes. Values that the driver hasn't are left out."""
    found = {}
    for name, value in fields(output).items():
        adaptive = re.fullmatch(r"(on|off|n/a)\s+tx:\s*(on|off|n/a)", value.lower())
        if name == "adaptive rx" and adaptive:
            found.update({"adaptive-rx": adaptive.group(1), "adaptive-tx": adaptive.group(2)})
        elif re.fullmatch(r"[a-z-]+", name):
            found[name] = value
    return {name: value for name, value in found.items() if value != "n/a"}


def _fec_check(interface: str, wanted: str, run: Runner) -> Check:
    done = run(["ethtool", "--show-fec", interface])
    if done.status != 0:
        return _unknown(interface, "fec", wanted, done.status, done.last_words)
    configured, active = fec(done.stdout)
    fix = ("ethtool", "--set-fec", interface, "encoding", wanted)
    if wanted == "auto":
        # What is negotiated is never called auto.
        same = "auto" in configured
        return Check(interface, "fec", " ".join(configured) or active, wanted, OK if same else DIFFERS, "", fix)
    if not active:
        return Check(interface, "fec", None, wanted, UNKNOWN, "ethtool names no active encoding; is the link up?")
    # A port without error correction says off or none.
    same = active == wanted or {active, wanted} <= {"off", "none"}
    return Check(interface, "fec", active, wanted, OK if same else DIFFERS, "", fix)


def _unknown(interface: str, setting: str, wanted: str, status: int, why: str) -> Check:
    reason = "ethtool is not installed" if status == NOT_FOUND else why
    return Check(interface, setting, None, wanted, UNKNOWN, reason)


def _coalesce_checks(interface: str, wanted: Mapping[str, Any], run: Runner) -> list[Check]:
    done = run(["ethtool", "-c", interface])
    if done.status != 0:
        return [_unknown(interface, name, word(value), done.status, done.last_words) for name, value in wanted.items()]
    now = coalescing(done.stdout)
    checks = []
    for name, value in wanted.items():
        observed = now.get(name)
        if observed is None:
            checks.append(Check(interface, name, None, word(value), UNKNOWN, "the driver has no such setting"))
            continue
        fix = ("ethtool", "-C", interface, name, word(value))
        checks.append(
            Check(interface, name, observed, word(value), OK if observed == word(value) else DIFFERS, "", fix)
        )
    return checks


def word(value: Any) -> str:
    """A setting as ethtool spells it: YAML's truth is on and off."""
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def checks(wanted: Mapping[str, Any], speed_mbit_s: int | None, run: Runner) -> list[Check]:
    """Everything that is wanted of one port: `name`, and of `fec`, `speed` (Gbit/s), `firmware`, `driver` and
    `coalesce` what is given.
    """
    interface = str(wanted["name"])
    found: list[Check] = []
    if wanted.get("speed"):
        speed = int(wanted["speed"])
        observed = None if speed_mbit_s is None else f"{speed_mbit_s / 1000:g}"
        verdict = UNKNOWN if observed is None else OK if speed_mbit_s == speed * 1000 else DIFFERS
        reason = "the link is down, or its driver has no speed" if observed is None else ""
        found.append(Check(interface, "speed", observed, str(speed), verdict, reason))
    if wanted.get("firmware") or wanted.get("driver"):
        done = run(["ethtool", "-i", interface])
        said = driver(done.stdout)
        for setting, observed in (("firmware", said.firmware), ("driver", said.name)):
            if not wanted.get(setting):
                continue
            then = str(wanted[setting])
            if done.status != 0:
                found.append(_unknown(interface, setting, then, done.status, done.last_words))
            elif observed in ("", "N/A"):
                found.append(Check(interface, setting, None, then, UNKNOWN, "the driver doesn't say"))
            else:
                found.append(Check(interface, setting, observed, then, OK if observed == then else DIFFERS))
    if wanted.get("fec"):
        found.append(_fec_check(interface, str(wanted["fec"]), run))
    if wanted.get("coalesce"):
        found += _coalesce_checks(interface, wanted["coalesce"], run)
    return found
