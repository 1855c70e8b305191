# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``systemctl show UNIT``: one ``Name=value`` a line."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from .result import FAIL, PASS, UNKNOWN, Evidence, clean_lines

LIMITS_TOOL = "service_limits"

# What systemd (older ones print the number) and the kernel mean by "no limit": 2^64 - 1.
UNLIMITED = 2**64 - 1

_PROPERTY = re.compile(r"^([A-Z][A-Za-z0-9]*)=(.*)$")
_VARIABLE = re.compile(r"^\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)$", re.ASCII)


def parse_show(text: str) -> dict[str, str]:
    """Return the properties by name. An empty value is the empty string; a name that isn't there wasn't printed."""
    properties: dict[str, str] = {}
    for line in clean_lines(text):
        match = _PROPERTY.match(line)
        if match is not None:
            properties[match.group(1)] = match.group(2)
    return properties


def exec_command(exec_start: str) -> str:
    """Return the command in the property ExecStart, as systemd prints it: joined by spaces, its quoting lost."""
    match = re.search(r"\bargv\[\]=(.*?) ; ignore_errors=", exec_start, re.DOTALL)
    return match.group(1) if match is not None else ""


def command_digest(command: str) -> str:
    """Return a digest of what follows ``serve`` in a command, however it was quoted; empty without ``serve``."""
    arguments = f" {command}".partition(" serve ")[2]
    if not arguments:
        return ""
    bare = re.sub(r"[\s'\"\\]", "", arguments.replace("$$", "$").replace("%%", "%"))
    return hashlib.sha256(bare.encode("utf-8", "surrogateescape")).hexdigest()


def parse_environment_file(text: str) -> dict[str, str]:
    """Return the variables of a file for ``EnvironmentFile=`` by name; the last line of a name counts.

    A value in double quotes has its backslash escapes undone, one in single quotes is taken as it is.
    """
    variables: dict[str, str] = {}
    for line in clean_lines(text):
        match = _VARIABLE.match(line)
        if match is not None:
            variables[match.group(1)] = _unquoted(match.group(2).strip())
    return variables


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != value[-1] or value[0] not in "'\"":
        return value
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value[0] == '"' else value[1:-1]


def parse_limit(value: str | None) -> int | None:
    """Return a limit as a number, UNLIMITED for ``infinity``, None for what is neither."""
    if value is None:
        return None
    stripped = value.strip().lower()
    if stripped in ("infinity", "unlimited"):
        return UNLIMITED
    return int(stripped) if re.match(r"^\d{1,20}$", stripped, re.ASCII) else None


def service_limits(text: str, memlock_bytes: int = UNLIMITED, nofile: int = 65536) -> Evidence:
    """Judge a unit's limits: what the process gets is the soft limit, and RDMA registration needs all memory lockable.

    Args:
        text: ``systemctl show`` with LimitMEMLOCK, LimitMEMLOCKSoft, LimitNOFILE (LimitNOFILESoft where printed).
        memlock_bytes: the least lockable memory, soft and hard.
        nofile: the least number of open files.
    """
    properties = parse_show(text)
    limits = {
        name: parse_limit(properties.get(name))
        for name in ("LimitMEMLOCK", "LimitMEMLOCKSoft", "LimitNOFILE", "LimitNOFILESoft")
    }
    memlock = [limits["LimitMEMLOCK"], limits["LimitMEMLOCKSoft"]]
    files = [limits["LimitNOFILE"]]
    if "LimitNOFILESoft" in properties:
        files.append(limits["LimitNOFILESoft"])
    values: dict[str, Any] = {"memlock_bytes": _least(memlock), "nofile": _least(files)}
    failures: list[str] = []
    unknowns: list[str] = []
    for name, least, wanted in (
        ("memlock", values["memlock_bytes"], memlock_bytes),
        ("nofile", values["nofile"], nofile),
    ):
        if least is None:
            unknowns.append(f"the {name} limit (soft and hard) is not in this output")
        elif least < wanted:
            failures.append(f"{name} is {show_limit(least)}, needed: {show_limit(wanted)}")
    return Evidence(
        LIMITS_TOOL, values, FAIL if failures else UNKNOWN if unknowns else PASS, tuple(failures + unknowns)
    )


def show_limit(value: int | None) -> str:
    """Return a limit as a person says it."""
    return "unknown" if value is None else "unlimited" if value >= UNLIMITED else str(value)


def _least(limits: list[int | None]) -> int | None:
    known = [limit for limit in limits if limit is not None]
    return min(known) if known and len(known) == len(limits) else None
