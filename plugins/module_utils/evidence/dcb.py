# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""iproute2's ``dcb``: any of ``pfc``, ``app``, ``ets``, ``buffer``, ``apptrust``, ``dcbx`` ``show dev IF``, as text or
``-j``, together or alone.

mlx5 has no apptrust: there, the first DSCP entry in the app table switches the port to DSCP trust, and removing the
last one switches it back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .findings import Context, Findings, flag, json_documents, nothing, whole
from .port_qos import PRIORITIES, empty_values, judge
from .result import Evidence, clean_lines, count

TOOL = "dcb"

# Names that iproute2 prints for DSCPs unless it is called with -N (lib/rt_names.c and its table).
_NAMES: dict[str, int] = {
    "default": 0,
    "be": 0,
    "le": 1,
    "ef": 46,
    "va": 44,
    "voice-admit": 44,
    **{f"cs{number}": number * 8 for number in range(8)},
    **{f"af{number}{drop}": number * 8 + drop * 2 for number in range(1, 5) for drop in range(1, 4)},
}
_ARRAYS = ("prio-pfc", "prio-tc", "tc-tsa", "tc-bw", "prio-buffer", "buffer-size", "dscp-prio")
_KEYS = (
    *_ARRAYS,
    "pfc-cap",
    "macsec-bypass",
    "delay",
    "total-size",
    "default-prio",
    "ethtype-prio",
    "order:",
    "willing",
)
_FAILED = re.compile(
    r"Operation not supported|Operation not permitted|Cannot find device|No such device|Object \"?\w+\"? is unknown",
    re.IGNORECASE,
)


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge what the outputs hold; what isn't in them is judged only where the context asks for it.

    Args:
        text: the outputs.
        context: as of ``mlnx_qos``: ``pfc``, ``lossless_priority``, ``dscp``, ``trust``, ``dcbx``.

    Returns:
        The same values as ``mlnx_qos``; ``dscp_to_priority`` holds the entries of the app table alone.
    """
    lines = clean_lines(text)
    values = empty_values()
    found = Findings()
    parts: set[str] = set()
    for document in json_documents("\n".join(lines)):
        for entry in document if isinstance(document, list) else [document]:
            parts |= _read_json(entry, values, found)
    parts |= _read_text(lines, values, found)
    for line in lines:
        if _FAILED.search(line):
            found.failures.append(f"dcb failed: {line.strip()[:160]}: use the physical function, or mlnx_qos")
    if not parts:
        return found.evidence(TOOL, values) if found.failures else nothing(TOOL, values, lines, "DCB configuration")
    if values["trust"] is None and values["dscp_to_priority"]:
        values["trust"] = "dscp"
    judge(values, context, sorted(parts & {"pfc", "trust"}), found)
    if values["dscp_to_priority"] is None and whole(context, "dscp") is not None and flag(context, "pfc") is not False:
        found.notes.append("an app table without entries prints nothing: dcb app add dev IF dscp-prio DSCP:PRIORITY")
    return found.evidence(TOOL, values)


def _read_text(lines: Sequence[str], values: dict[str, Any], found: Findings) -> set[str]:
    parts: set[str] = set()
    for line in lines:
        tokens = line.split()
        if not tokens or tokens[0] not in _KEYS:
            dcbx = _controller(tokens)
            if dcbx is not None:
                values["dcbx"] = dcbx
                parts.add("dcbx")
            continue
        if tokens[0] == "order:":
            _set_trust(tokens[1:], values)
            parts.add("trust")
        elif tokens[0] in _ARRAYS:
            pairs = [token.rpartition(":")[::2] for token in tokens[1:] if ":" in token]
            if len(pairs) != len(tokens) - 1:
                found.unknowns.append(f"{tokens[0]} can't be read: cut off")
            parts |= _store(tokens[0], pairs, values, found)
    return parts


def _read_json(entry: Any, values: dict[str, Any], found: Findings) -> set[str]:
    parts: set[str] = set()
    if not isinstance(entry, Mapping):
        return parts
    for key, value in entry.items():
        name = str(key).replace("_", "-")
        if name == "order" and isinstance(value, list):
            _set_trust([str(item) for item in value], values)
            parts.add("trust")
        elif name in _ARRAYS and isinstance(value, list):
            pairs = [
                (str(item[0]), _plain(item[1]))
                if isinstance(item, list) and len(item) == 2
                else (str(index), _plain(item))
                for index, item in enumerate(value)
            ]
            parts |= _store(name, pairs, values, found)
    flags = [str(key) for key, value in entry.items() if value is True]
    modes = entry.get("dcbx")
    dcbx = _controller(modes if isinstance(modes, list) else flags)
    if dcbx is not None:
        values["dcbx"] = dcbx
        parts.add("dcbx")
    return parts


def _plain(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _controller(tokens: Sequence[Any]) -> str | None:
    # "host ieee": the host negotiates; "lld-managed": an agent in the NIC's firmware does.
    names = {str(token).replace("_", "-") for token in tokens}
    if not names or not names <= {"host", "lld-managed", "cee", "ieee", "static"}:
        return None
    return "firmware" if "lld-managed" in names else "os" if names & {"host", "static"} else None


def _set_trust(order: Sequence[str], values: dict[str, Any]) -> None:
    values["trust"] = order[0].lower() if order else None


def _store(name: str, pairs: Sequence[tuple[str, str]], values: dict[str, Any], found: Findings) -> set[str]:
    if name == "dscp-prio":
        return _store_dscp(pairs, values, found)
    key = {"prio-pfc": "pfc", "prio-tc": "priority_to_tc", "prio-buffer": "buffer", "buffer-size": "buffer_bytes"}.get(
        name
    )
    if key is None:
        return {"ets"}
    numbers = {count(left): _number(right) for left, right in pairs}
    if sorted(-1 if left is None else left for left in numbers) != list(range(PRIORITIES)) or None in numbers.values():
        found.unknowns.append(f"{name} is not complete: cut off")
        return {key}
    by_priority = [numbers[priority] for priority in range(PRIORITIES)]
    values[key] = dict(enumerate(by_priority)) if key == "priority_to_tc" else by_priority
    return {key}


def _number(text: str) -> int | None:
    lowered = text.lower()
    if lowered in ("on", "off"):
        return int(lowered == "on")
    size = re.match(r"^(\d{1,15})(?:\.(\d))?(k|m|g)?b?$", lowered)
    if size is None:
        return None
    unit = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}[size.group(3) or ""]
    return int(float(f"{size.group(1)}.{size.group(2) or 0}") * unit)


def _store_dscp(pairs: Sequence[tuple[str, str]], values: dict[str, Any], found: Findings) -> set[str]:
    mapping: dict[int, int] = {}
    for left, right in pairs:
        dscp, priority = _NAMES.get(left.lower(), count(left)), count(right)
        if dscp is None or dscp > 63 or priority is None or priority >= PRIORITIES:
            found.unknowns.append(f"the DSCP entry {left}:{right} can't be read")
        elif mapping.setdefault(dscp, priority) != priority:
            found.failures.append(f"DSCP {dscp} has two priorities, {mapping[dscp]} and {priority}: remove one")
    values["dscp_to_priority"] = mapping
    return {"app"}
