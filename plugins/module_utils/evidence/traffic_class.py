# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""DSCP, ECN, traffic class, priority: four numbers that must say the same.

The traffic class (the IP header's byte that NCCL_IB_TC, cma_roce_tos and the global tclass of sysfs set) is
DSCP * 4 + ECN: 26 as a traffic class is DSCP 6, and 106 and 104 are both DSCP 26. By default a NIC gives DSCP d the
priority d // 8.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Context, Findings, nothing, table, word
from .result import FAIL, UNKNOWN, Evidence, clean_lines, count, worst

TOOL = "traffic_class"

_GLOBAL = re.compile(r"^Global tclass\s*=\s*(\S+)\s*$", re.IGNORECASE)
_BARE = re.compile(r"^(?:0[xX][0-9a-fA-F]{1,4}|\d{1,6})$", re.ASCII)

_DSCP_MAX = 63
_CLASS_MAX = 255


@dataclass(frozen=True)
class Settings:
    """What is set, as it is written; None where it isn't given."""

    dscp: str | None = None
    ecn: str | None = None
    nccl_ib_tc: str | None = None
    cma_roce_tos: str | None = None
    global_tclass: str | None = None
    lossless_priority: str | None = None


def traffic_class(dscp: int, ecn: int = 0) -> int:
    """Return the traffic class of a DSCP (0 … 63) with ECN bits (0 … 3; 2 is ECT(0)).

    Raises:
        ValueError: one of them is out of its range.
    """
    if not 0 <= dscp <= _DSCP_MAX or not 0 <= ecn <= 3:
        raise ValueError(f"DSCP must be 0 to 63 and ECN 0 to 3, not {dscp} and {ecn}")
    return dscp * 4 + ecn


def default_priority(dscp: int) -> int:
    """Return the priority that a NIC gives a DSCP unless it was told otherwise."""
    return dscp // 8


def read_number(text: str | None) -> int | None:
    """Return a traffic class as NCCL reads it (decimal or ``0x68``), None of what is no number."""
    if text is None or not _BARE.match(text.strip()):
        return None
    return int(text.strip(), 16 if text.strip()[:2].lower() == "0x" else 10)


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge whether DSCP, traffic classes and priority go together.

    Args:
        text: ``/sys/class/infiniband/DEVICE/tc/1/traffic_class`` (``Global tclass=106``), a number, or a table of cases
            (CSV with a header of the names below).
        context: ``dscp``, ``ecn``, ``nccl_ib_tc``, ``cma_roce_tos``, ``lossless_priority`` and ``dscp_to_priority``
            (the NIC's mapping, else DSCP // 8).

    Returns:
        ``traffic_class``, ``dscp``, ``ecn`` and ``priority`` that packets get (None where they can't be known),
        ``consistent``; of a table with several rows: ``cases``, the same and ``verdict`` and ``reasons`` by case.
    """
    lines = clean_lines(text)
    mapping = _mapping(table(context, "dscp_to_priority"))
    rows = _rows(lines)
    if rows is not None:
        return _parse_table(rows, lines, mapping)
    given = {name: word(context, name) for name in Settings.__dataclass_fields__ if name != "global_tclass"}
    named = [match.group(1) for match in map(_GLOBAL.match, lines) if match is not None]
    bare = [line.strip() for line in lines if _BARE.match(line.strip())]
    text_class = named[-1] if named else bare[-1] if bare else None
    if text_class is None:
        return nothing(TOOL, _empty(), lines, "traffic class")
    values, found = judge(Settings(**given, global_tclass=text_class), mapping)
    return found.evidence(TOOL, values)


def judge(settings: Settings, mapping: Mapping[int, int] | None = None) -> tuple[dict[str, Any], Findings]:
    """Return the values and the findings of one set of settings.

    Args:
        settings: what is set.
        mapping: the NIC's priority by DSCP; a DSCP that isn't in it gets ``default_priority``.
    """
    found = Findings()
    values = _empty()
    dscp = _in_range("dscp", settings.dscp, _DSCP_MAX, found)
    ecn = _in_range("ecn", settings.ecn, 3, found)
    lossless = _in_range("lossless_priority", settings.lossless_priority, 7, found)
    classes = {
        name: value
        for name, text in (
            ("global tclass", settings.global_tclass),
            ("NCCL_IB_TC", settings.nccl_ib_tc),
            ("cma_roce_tos", settings.cma_roce_tos),
        )
        # A global traffic class of 0 is one that isn't set.
        if (value := _in_range(name, text, _CLASS_MAX, found)) is not None and (value or name != "global tclass")
    }
    if not classes and settings.global_tclass is not None:
        classes = {"global tclass": 0}
        found.notes.append("no global traffic class is set: NCCL's own counts")
    if found.failures or not classes:
        values["consistent"] = False if found.failures else None
        if not found.failures:
            found.unknowns.append("no traffic class is given")
        return values, found
    # The global one overrides what a program asks for.
    effective = next(iter(classes.values()))
    values.update(traffic_class=effective, dscp=effective // 4, ecn=effective % 4)
    values["priority"] = (mapping or {}).get(effective // 4, default_priority(effective // 4))
    for name, value in classes.items():
        wanted = (effective // 4 if dscp is None else dscp, effective % 4 if ecn is None else ecn)
        _compare(name, value, wanted, found)
    if lossless is not None and values["priority"] != lossless:
        found.failures.append(
            f"DSCP {values['dscp']} goes to priority {values['priority']}, the lossless one is {lossless}: use a DSCP"
            f" of {lossless * 8} to {lossless * 8 + 7}, or map DSCP {values['dscp']} to {lossless} on NIC and switch"
        )
    values["consistent"] = not found.failures
    return values, found


def _compare(name: str, value: int, wanted: tuple[int, int], found: Findings) -> None:
    dscp, ecn = wanted
    if value // 4 != dscp:
        hint = f"traffic class {value} is DSCP {value // 4}"
        if value == dscp:
            hint = f"{value} is the DSCP, as a traffic class it is DSCP {value // 4}: write {traffic_class(dscp)}"
        found.failures.append(f"{name} is not DSCP {dscp}: {hint}")
    elif value % 4 != ecn:
        found.warnings.append(
            f"{name} {value} has ECN bits {value % 4}, elsewhere they are {ecn}: the same DSCP, but write one number"
        )


def _in_range(name: str, text: str | None, highest: int, found: Findings) -> int | None:
    if text is None:
        return None
    value = read_number(text)
    if value is None:
        found.failures.append(f"{name} {text!r} is no number: NCCL would read 0")
    elif value > highest:
        found.failures.append(f"{name} {value} is out of range, the highest is {highest}")
        return None
    return value


def _empty() -> dict[str, Any]:
    return {"traffic_class": None, "dscp": None, "ecn": None, "priority": None, "consistent": None}


def _mapping(given: Mapping[str, Any] | None) -> dict[int, int]:
    pairs = [(count(key), count(value)) for key, value in (given or {}).items()]
    return {dscp: priority for dscp, priority in pairs if dscp is not None and priority is not None}


def _rows(lines: Sequence[str]) -> list[dict[str, str]] | None:
    header: list[str] | None = None
    rows: list[dict[str, str]] = []
    for line in lines:
        cells = [cell.strip() for cell in line.split(",")]
        if "nccl_ib_tc" in cells or ("dscp" in cells and len(cells) > 1):
            header = cells
        elif header is not None and len(cells) == len(header):
            rows.append(dict(zip(header, cells)))
        elif len(cells) > 1 and " " not in line.strip():
            # A row that is cut off, or stands before its header.
            rows.append({})
    return rows if header is not None else None


def _parse_table(rows: Sequence[Mapping[str, str]], lines: Sequence[str], mapping: Mapping[int, int]) -> Evidence:
    if not rows:
        return nothing(TOOL, _empty(), lines, "row of settings")
    cases: dict[str, dict[str, Any]] = {}
    reasons: list[str] = []
    for number, row in enumerate(rows, start=1):
        name = row.get("case") or str(number)
        if not row:
            cases[name] = {**_empty(), "verdict": UNKNOWN, "reasons": ["the row is cut off"]}
        else:
            fields = Settings.__dataclass_fields__
            named = {key: value for key, value in row.items() if key in fields}
            values, found = judge(Settings(**{"lossless_priority": row.get("lossless_prio"), **named}), mapping)
            judged = found.evidence(TOOL, values)
            cases[name] = {**values, "verdict": judged.verdict, "reasons": list(judged.reasons)}
        reasons.extend(f"{name}: {reason}" for reason in cases[name]["reasons"])
    verdict = worst(case["verdict"] for case in cases.values())
    first = next(iter(cases.values()))
    values = {key: first[key] for key in _empty()} if len(cases) == 1 else _empty()
    if len(cases) > 1:
        values["consistent"] = verdict not in (FAIL, UNKNOWN)
    return Evidence(TOOL, {**values, "cases": cases}, verdict, tuple(reasons))
