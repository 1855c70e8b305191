# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""nccl-tests: ``all_reduce_perf``, ``alltoall_perf`` and the others.

The verdict is the out-of-place bus bandwidth of the largest size; the average at the end mixes sizes and says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Context, Findings, nothing, real, whole
from .result import Evidence, clean_lines, count, number

TOOL = "nccl_tests"

_HEADER = re.compile(r"^#\s+size\s+count\s+type\b")
_OPTIONS = re.compile(r"^# nThread .*maxBytes (\d{1,18}) step: (\d{1,18})\((factor|bytes)\)")
_RANK = re.compile(r"^#\s+Rank\s+(\d{1,6})\s")
_BOUNDS = re.compile(r"^# Out of bounds values\s*:\s*(\d{1,12})\s+(OK|FAILED)")
_AVERAGE = re.compile(r"^# Avg bus bandwidth\s*:\s*([\d.]+)")
_ROW = re.compile(r"^\s*(\d{1,18})\s+(\d{1,18})\s+([a-z]\w*)\s+\S.*$")
_FAILED = re.compile(
    r"Test (?:NCCL|CUDA) failure.*|.*: Test failure.*|.*unhandled (?:system|cuda) error.*|.*NCCL WARN.*", re.IGNORECASE
)


@dataclass(frozen=True)
class Row:
    """One size: GB/s out of place and in place, and how many values were wrong (None: not checked)."""

    size: int
    out_of_place: float | None
    in_place: float | None
    wrong: int | None


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge a run.

    Args:
        text: what it printed.
        context: ``minimum_busbw_gbyte_s`` (least, at the largest size), ``ranks`` (how many must have taken part),
            ``size_bytes`` (that must have been reached).

    Returns:
        ``busbw_gbyte_s`` (out of place, at the largest size), ``in_place_busbw_gbyte_s``, ``size_bytes``,
        ``wrong_values`` (None where nothing was checked), ``ranks`` (None where they aren't listed), ``rows``.
    """
    lines = clean_lines(text)
    found = Findings()
    rows, order = _read(lines)
    ranks = {match.group(1) for match in map(_RANK.match, lines) if match is not None}
    values: dict[str, Any] = {
        "busbw_gbyte_s": None,
        "in_place_busbw_gbyte_s": None,
        "size_bytes": None,
        "wrong_values": None,
        "ranks": len(ranks) or None,
        "rows": len(rows) or None,
    }
    for line in lines:
        if _FAILED.match(line.strip()):
            found.failures.append(f"the run failed: {line.strip()[:160]}")
    if not rows:
        return found.evidence(TOOL, values) if found.failures else nothing(TOOL, values, lines, "row of nccl-tests")
    last = rows[-1]
    checked = [row.wrong for row in rows if row.wrong is not None]
    values.update(
        busbw_gbyte_s=last.out_of_place,
        in_place_busbw_gbyte_s=last.in_place,
        size_bytes=last.size,
        wrong_values=sum(checked) if checked else None,
    )
    if not order:
        found.unknowns.append("the lines are not in the order in which nccl-tests prints them")
    if last.out_of_place is None:
        found.unknowns.append("the bus bandwidth of the largest size can't be read")
    _judge_end(lines, last.size, values, found)
    _judge(values, context, found)
    return found.evidence(TOOL, values)


def _read(lines: Sequence[str]) -> tuple[list[Row], bool]:
    rows: list[Row] = []
    stages: list[int] = []
    errors = False
    for line in lines:
        for stage, pattern in enumerate((_OPTIONS, _RANK, _HEADER, _ROW, _BOUNDS, _AVERAGE)):
            if pattern.match(line):
                stages.append(stage)
        errors = errors or (_HEADER.match(line) is not None and "error" in line and "#wrong" not in line)
        cells = line.split()
        if _ROW.match(line) and len(cells) >= 11:
            # Some operations have no redop or root: the figures are counted from the end.
            _, _, bus, wrong, _, _, in_place, in_place_wrong = cells[-8:]
            figures = [] if errors else [count(figure) for figure in (wrong, in_place_wrong)]
            known = [figure for figure in figures if figure is not None]
            rows.append(Row(int(cells[0]), number(bus), number(in_place), sum(known) if known else None))
        elif _ROW.match(line):
            stages.append(-1)
    sizes = [row.size for row in rows]
    return rows, stages == sorted(stages) and sizes == sorted(sizes) and 2 in stages


def _judge_end(lines: Sequence[str], size: int, values: dict[str, Any], found: Findings) -> None:
    bounds = [match for match in map(_BOUNDS.match, lines) if match is not None]
    if any(match.group(2) == "FAILED" or match.group(1) != "0" for match in bounds) or values["wrong_values"]:
        figure = values["wrong_values"] if values["wrong_values"] is not None else bounds[-1].group(1)
        found.failures.append(
            f"{figure} values are wrong: the data is corrupted on its way; take the host out of service, look for"
            " Xid and PCIe errors"
        )
    if not bounds or not any(_AVERAGE.match(line) for line in lines):
        found.unknowns.append("the closing lines are missing: the run broke off, or the output is cut off")
    options = next((match for match in map(_OPTIONS.match, lines) if match is not None), None)
    if options is not None:
        most, step = int(options.group(1)), int(options.group(2))
        following = size * max(step, 2) if options.group(3) == "factor" else size + max(step, 1)
        if following <= most:
            found.unknowns.append(f"{most} bytes were asked for, the largest size in the output is {size}: cut off")


def _judge(values: dict[str, Any], context: Context | None, found: Findings) -> None:
    least, ranks, size = real(context, "minimum_busbw_gbyte_s"), whole(context, "ranks"), whole(context, "size_bytes")
    if ranks is not None and values["ranks"] != ranks:
        if values["ranks"] is None:
            found.unknowns.append("the ranks are not listed in this output")
        else:
            found.failures.append(f"{values['ranks']} of {ranks} ranks took part")
    if size is not None and values["size_bytes"] < size:
        found.unknowns.append(f"{size} bytes were not reached, the largest size is {values['size_bytes']}")
    if least is not None and values["busbw_gbyte_s"] is not None and values["busbw_gbyte_s"] < least:
        found.failures.append(
            f"busbw is {values['busbw_gbyte_s']:g} GB/s at {values['size_bytes']} bytes, below {least:g}"
        )
