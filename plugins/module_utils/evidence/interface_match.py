# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""NCCL's own matching rules for NCCL_IB_HCA and NCCL_SOCKET_IFNAME.

``^`` in front excludes, ``=`` (after it) matches whole names, else entries are prefixes: ``mlx5_1`` also selects
``mlx5_10``. Entries are separated by commas; ``:PORT`` counts for devices. No entry at all matches everything, so ``^``
alone excludes everything. A NCCL_SOCKET_IFNAME shorter than two characters is ignored, and NCCL looks by itself: first
for ``ib…``, then for anything but ``docker…``, ``lo…`` and ``virbr…``, then for those.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import ib_port
from .findings import Context, Findings, json_documents, nothing, words
from .result import Evidence, clean_lines, count

HCA_TOOL = "hca_match"
INTERFACE_TOOL = "interface_match"

MAX_DEVICES = 32
MAX_INTERFACES = 16
_AUTOMATIC = ("ib", "^docker,lo,virbr", "docker", "lo", "virbr")
_NAME = re.compile(r"^[A-Za-z][\w.-]*(?::\d{1,3})?$")
_NO_NAMES = ("null", "none", "true", "false")
_IP_BRIEF = re.compile(r"^([A-Za-z][\w.-]*)(?:@\S+)?\s+(UP|DOWN|UNKNOWN|LOWERLAYERDOWN|DORMANT)\b\s*(.*)$")
_IP_LONG = re.compile(r"^\d+: ([A-Za-z][\w.-]*)(?:@\S+)?: <([A-Z_,0-9-]*)>")
_DEVICES_LINE = re.compile(r"^\s+([A-Za-z][\w.-]*)\s+[0-9a-f]{16}\s*$")


@dataclass(frozen=True)
class Name:
    """A device's port, or an interface (port None)."""

    name: str
    port: int | None = None
    active: bool = True


def select(setting: str, names: Sequence[Name], limit: int = MAX_DEVICES) -> list[Name]:
    """Return what a value of NCCL_IB_HCA selects; for NCCL_SOCKET_IFNAME see ``select_interfaces``."""
    rest = setting
    excludes = rest.startswith("^")
    rest = rest[1:] if excludes else rest
    exact = rest.startswith("=")
    rest = rest[1:] if exact else rest
    entries = _entries(rest, limit)
    return [name for name in names if name.active and _matches(name, entries, exact) != excludes][:limit]


def select_interfaces(setting: str | None, names: Sequence[Name]) -> list[Name]:
    """Return the interfaces that a value of NCCL_SOCKET_IFNAME selects, or that NCCL chooses without one."""
    if setting is not None and len(setting) > 1:
        return select(setting, names, MAX_INTERFACES)
    for attempt in _AUTOMATIC:
        chosen = select(attempt, names, MAX_INTERFACES)
        if chosen:
            return chosen
    return []


def parse_hca(text: str, context: Context | None = None) -> Evidence:
    """Say which RDMA devices NCCL_IB_HCA selects.

    Args:
        text: the devices: JSON with ``devices`` (and the value, or ``cases`` with one each), ``ibdev2netdev``,
            ``rdma link``, ``ibv_devinfo``, ``ibv_devices``, or names.
        context: ``NCCL_IB_HCA`` (the value), ``devices`` (instead of the text), ``expected`` (what must be selected).

    Returns:
        ``selected`` (names; of several cases a list of such lists), ``cases`` (``value`` and ``selected`` each),
        ``devices``.
    """
    return _parse(HCA_TOOL, "NCCL_IB_HCA", text, context)


def parse_interface(text: str, context: Context | None = None) -> Evidence:
    """Say which interfaces NCCL_SOCKET_IFNAME selects.

    Args:
        text: the interfaces: JSON with ``interfaces`` (and the value, or ``cases``), ``ip -br link``, ``ip link``, or
            names.
        context: ``NCCL_SOCKET_IFNAME`` (the value; without it NCCL chooses), ``interfaces`` (instead of the text),
            ``expected`` (what must be selected).

    Returns:
        ``selected``, ``cases``, ``interfaces``: as of hca_match.
    """
    return _parse(INTERFACE_TOOL, "NCCL_SOCKET_IFNAME", text, context)


def _parse(tool: str, variable: str, text: str, context: Context | None) -> Evidence:
    kind = "devices" if tool == HCA_TOOL else "interfaces"
    lines = clean_lines(text)
    document = next(
        (entry for entry in json_documents("\n".join(lines)) if isinstance(entry, dict) and kind in entry), {}
    )
    named = words(context, kind)
    if named is not None:
        names = [_name(item, kind) for item in named]
    elif document:
        names = [_name(item, kind) for item in document[kind]] if isinstance(document[kind], list) else []
    else:
        names = _read_names(lines, kind)
    cases = _cases(document, variable, context)
    values: dict[str, Any] = {"selected": None, "cases": [], kind: [name.name for name in names]}
    found = Findings()
    if not names:
        return nothing(tool, values, lines, f"list of {kind}")
    if not cases:
        if tool == HCA_TOOL:
            found.notes.append(f"{variable} is not given: NCCL takes every device")
        cases = [""]
    for case in cases:
        chosen = select(case, names) if tool == HCA_TOOL else select_interfaces(case or None, names)
        values["cases"].append({"value": case, "selected": _unique(chosen)})
        _judge(variable, case, _unique(chosen), names, found)
    selections = [case["selected"] for case in values["cases"]]
    values["selected"] = selections[0] if len(selections) == 1 else selections
    expected = words(context, "expected")
    if expected is not None and any(sorted(selection) != sorted(expected) for selection in selections):
        found.failures.append(f"{variable} selects {values['selected']}, expected: {', '.join(expected)}")
    return found.evidence(tool, values)


def _judge(variable: str, setting: str, chosen: Sequence[str], names: Sequence[Name], found: Findings) -> None:
    if not chosen:
        idle = [name.name for name in names if not name.active]
        found.failures.append(
            f"{variable}={setting} selects nothing: NCCL would silently use TCP, or not start; there are"
            f" {', '.join(name.name for name in names)}{f' ({chr(44).join(idle)} down)' if idle else ''}"
        )
    bare = setting.partition(":")[0]
    others = [name for name in chosen if name != bare]
    if _NAME.match(bare) and bare in chosen and others and not setting.startswith(("^", "=")):
        found.notes.append(f"{variable}={setting} also selects {', '.join(others)}: write ={bare} for it alone")


def _entries(text: str, limit: int) -> list[tuple[str, int | None]]:
    entries: list[tuple[str, int | None]] = []
    for part in text.split(","):
        name, colon, port = part.partition(":")
        digits = re.match(r"\s*[+-]?\d{1,9}", port)
        if name:
            # As atoi: what is no number is 0, a port that doesn't exist.
            entries.append((name, (int(digits.group()) if digits is not None else 0) if colon else None))
    return entries[:limit]


def _matches(name: Name, entries: Sequence[tuple[str, int | None]], exact: bool) -> bool:
    if not entries:
        return True
    for wanted, port in entries:
        fits = name.name == wanted if exact else name.name.startswith(wanted)
        if fits and (port in (None, -1) or name.port is None or name.port == port):
            return True
    return False


def _unique(chosen: Sequence[Name]) -> list[str]:
    return list(dict.fromkeys(name.name for name in chosen))


def _cases(document: Mapping[str, Any], variable: str, context: Context | None) -> list[str]:
    for source in (context or {}, document):
        value = source.get(variable, source.get("value"))
        if value is not None:
            return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]
    rows = document.get("cases")
    if not isinstance(rows, list):
        return []
    return [str(row.get(variable, row.get("value", ""))) if isinstance(row, Mapping) else str(row) for row in rows]


def _name(item: Any, kind: str) -> Name:
    if isinstance(item, Mapping):
        port = count(item.get("port"))
        state = str(item.get("state", "ACTIVE")).upper()
        return Name(str(item.get("name", "")), port, state in ("ACTIVE", "PORT_ACTIVE", "UP", "UNKNOWN", "TRUE"))
    name, _, port_text = str(item).partition(":")
    return Name(name, (count(port_text) or 1) if kind == "devices" else None)


def _read_names(lines: Sequence[str], kind: str) -> list[Name]:
    if kind == "devices":
        ports = ib_port.read(lines)
        if ports:
            return [Name(port.device, port.port, port.state in (None, "ACTIVE")) for port in ports]
        listed = [match.group(1) for match in map(_DEVICES_LINE.match, lines) if match is not None]
        return [Name(name, 1) for name in listed] or [Name(name, 1) for name in _bare(lines)]
    names: list[Name] = []
    for line in lines:
        brief, long = _IP_BRIEF.match(line), _IP_LONG.match(line)
        if brief is not None:
            names.append(Name(brief.group(1), None, brief.group(2) in ("UP", "UNKNOWN")))
        elif long is not None:
            names.append(Name(long.group(1), None, "UP" in long.group(2).split(",")))
    return names or [Name(name) for name in _bare(lines)]


def _bare(lines: Sequence[str]) -> list[str]:
    return [word for line in lines for word in [line.rstrip()] if _NAME.match(word) and word not in _NO_NAMES]
