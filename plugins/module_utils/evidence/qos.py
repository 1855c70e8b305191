# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A port's QoS: ``mlnx_qos -i IF``, and ``parse_dcb`` for iproute2's ``dcb``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .dcb import parse as parse_dcb
from .findings import Context, Findings, nothing
from .port_qos import PRIORITIES, empty_values, judge
from .result import Evidence, clean_lines

__all__ = ["MLNX_TOOL", "parse_dcb", "parse_mlnx_qos"]

MLNX_TOOL = "mlnx_qos"

_DCBX = re.compile(r"^DCBX mode: (.+?)\s*$")
_TRUST = re.compile(r"^Priority trust state: (\w+)\s*$")
_MAPPED = re.compile(r"^\s*prio:(\d) dscp:((?:\d{1,2},?)*)\s*$")
_ROW = re.compile(r"^\s*(priority|enabled|buffer)\s+(\d{1,3}(?:\s+\d{1,3})*)\s*$")
_TC = re.compile(r"^tc: (\d)\b(?:.*\btsa: (\w+))?")
_TC_PRIORITY = re.compile(r"^\s+priority:\s+(\d)\s*$")
_BUFFERS = re.compile(r"^Receive buffer size \(bytes\): (\d{1,10}(?:,\d{1,10})*),max_buffer_size=(\d+)\s*$")
_CABLE = re.compile(r"^Cable len: (\d+)\s*$")
_UNSUPPORTED = re.compile(r"^(Priority trust state|Buffers commands|Rate limit|ETS features) (?:is|are) not supported")
# The lines in the order in which they are printed; those of a numbered stage by their number.
_STAGES = (
    _DCBX,
    _TRUST,
    _MAPPED,
    _BUFFERS,
    _CABLE,
    re.compile(r"^PFC configuration:"),
    re.compile(r"^\s*priority\s+\d"),
    re.compile(r"^\s*enabled\s+\d"),
    re.compile(r"^\s*buffer\s+\d"),
    _TC,
)
_NUMBERED = (_STAGES.index(_MAPPED), _STAGES.index(_TC))
_FAILED = re.compile(r"^(?:Traceback|Error|.*(?:Operation not permitted|No such device|Cannot find device)).*")


def parse_mlnx_qos(text: str, context: Context | None = None) -> Evidence:
    """Judge ``mlnx_qos -i IF``.

    Args:
        text: what it printed.
        context: ``pfc`` (true: the network is lossless, one priority has PFC; false: none may have; else at least one
            must), ``lossless_priority`` (it has PFC), ``dscp`` (it must go to that priority), ``trust`` (else dscp),
            ``dcbx`` (else os).

    Returns:
        ``trust`` (``dscp``, ``pcp``), ``dcbx`` (``os``, ``firmware``), ``pfc`` (eight of 0 and 1, by priority),
        ``dscp_to_priority`` (by DSCP; None where the block isn't printed: unknown, not the default), ``buffer`` (by
        priority), ``priority_to_tc``, ``buffer_bytes``.
    """
    lines = clean_lines(text)
    found = Findings()
    values = _read_mlnx_qos(lines, found)
    if values["trust"] is None and values["pfc"] is None and values["dcbx"] is None and not found.failures:
        return nothing(MLNX_TOOL, values, lines, "QoS configuration")
    judge(values, context, ("trust", "dcbx", "pfc"), found)
    return found.evidence(MLNX_TOOL, values)


def _read_mlnx_qos(lines: Sequence[str], found: Findings) -> dict[str, Any]:
    values = empty_values()
    rows: dict[str, list[int]] = {}
    mapping: dict[int, int] = {}
    classes: dict[int, int] = {}
    current: int | None = None
    no_ets = False
    order: list[tuple[int, int]] = []
    for line in lines:
        mapped, row = _MAPPED.match(line), _ROW.match(line)
        order.extend(
            (stage, int(match.group(1)) if stage in _NUMBERED else 0)
            for stage, pattern in enumerate(_STAGES)
            if (match := pattern.match(line)) is not None
        )
        tc, member = _TC.match(line), _TC_PRIORITY.match(line)
        if mapped is not None:
            mapping.update({int(dscp): int(mapped.group(1)) for dscp in mapped.group(2).split(",") if dscp})
        elif row is not None:
            rows.setdefault(row.group(1), [int(cell) for cell in row.group(2).split()])
        elif tc is not None:
            current = int(tc.group(1))
        elif member is not None and current is not None:
            classes[int(member.group(1))] = current
        no_ets = _read_rest(line, values, found) or no_ets
    if order != sorted(order):
        found.unknowns.append("the lines are not in the order in which mlnx_qos prints them")
    _store(values, rows, mapping, found)
    values["priority_to_tc"] = classes or None
    if sorted(classes) != list(range(PRIORITIES)) and not no_ets and (values["trust"] or values["pfc"] or mapping):
        found.unknowns.append("the traffic classes at the end of the output are not complete: cut off")
    return values


def _store(values: dict[str, Any], rows: dict[str, list[int]], mapping: dict[int, int], found: Findings) -> None:
    if mapping:
        values["dscp_to_priority"] = mapping
        if sorted(mapping) != list(range(64)):
            found.unknowns.append(f"{len(mapping)} of 64 DSCPs are in the mapping: cut off")
    for name, key in (("enabled", "pfc"), ("buffer", "buffer")):
        values[key] = _by_priority(rows.get("priority"), rows.get(name))
        if name in rows and values[key] is None:
            found.unknowns.append(f"the PFC table's row {name} can't be read: cut off")
    if values["pfc"] is not None and any(enabled > 1 for enabled in values["pfc"]):
        values["pfc"] = None


def _read_rest(line: str, values: dict[str, Any], found: Findings) -> bool:
    buffers, unsupported = _BUFFERS.match(line), _UNSUPPORTED.match(line)
    dcbx, trust = _DCBX.match(line), _TRUST.match(line)
    if dcbx is not None:
        values["dcbx"] = _controller(dcbx.group(1))
    elif trust is not None:
        values["trust"] = trust.group(1).lower()
    elif buffers is not None:
        values["buffer_bytes"] = [int(size) for size in buffers.group(1).split(",") if size]
    elif unsupported is not None:
        if unsupported.group(1) == "Priority trust state":
            found.failures.append(
                "the port can't trust DSCP: a virtual function, or no driver for it (load mlx5_core with DCB, use the"
                " physical function)"
            )
        return unsupported.group(1) == "ETS features"
    elif _FAILED.match(line):
        found.failures.append(f"mlnx_qos failed: {line.strip()[:160]}")
    return False


def _controller(text: str) -> str:
    name = text.split(maxsplit=1)[0].lower()
    return {"os": "os", "firmware": "firmware", "fw": "firmware"}.get(name, text.lower())


def _by_priority(header: Sequence[int] | None, row: Sequence[int] | None) -> list[int] | None:
    if header is None or row is None or sorted(header) != list(range(PRIORITIES)) or len(row) != PRIORITIES:
        return None
    return [value for _, value in sorted(zip(header, row))]
