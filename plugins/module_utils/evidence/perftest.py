# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""perftest: ``ib_write_bw``, ``ib_send_bw``, ``ib_read_bw`` and the ``_lat`` tools, as text or ``--out_json``.

The text says its unit in the header: Gb/sec with ``--report_gbits``, else MB/sec or MiB/sec, both of 2^20 bytes. The
JSON says none: it is Gb/s with ``--report_gbits``. In duration mode (``-D``) no peak is measured, 0.00 is printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .findings import Context, Findings, nothing, real, whole, word
from .result import Evidence, clean_lines, count, number

BANDWIDTH_TOOL = "ib_bandwidth"
LATENCY_TOOL = "ib_latency"

# Gb/s of one unit of the header.
_UNITS: dict[str, float] = {"Gb": 1.0, "MB": 2**20 * 8 / 1e9, "MiB": 2**20 * 8 / 1e9}
# RoCE v2 over IPv4: Ethernet with preamble and gap, IP, UDP, BTH, ICRC beside the payload of a packet, bytes.
_OVERHEAD_BYTES = 82
# What a healthy link reaches of its payload rate.
_HEALTHY = 0.9

_BW_HEADER = re.compile(r"^\s*#bytes\s+#iterations\s+BW peak\[(\w+)/sec\]\s+BW average\[(\w+)/sec\]")
_BW_ROW = re.compile(r"^\s*(\d{1,15})\s+(\d{1,15})\s+(-?[\d.]+|-?nan|-?inf)\s+(-?[\d.]+|-?nan|-?inf)\s+([\d.]+)")
_LAT_HEADER = re.compile(r"^\s*#bytes\s+#iterations\s+t_\w+\[usec\]")
_LAT_COLUMN = re.compile(r"#bytes|#iterations|t_\w+\[usec\]|[\d.]+% percentile\[usec\]|tps average")
_RULE = re.compile(r"^-{20,}\s*$")
_MTU = re.compile(r"^\s*Mtu\s*:\s*(\d{3,5})\[B\]")
_BANNER = re.compile(r"^\s*\w+ (Bidirectional )?(?:BW|Latency) Test\s*$")
_FAILED = re.compile(
    r"Couldn't (?:allocate|create|connect|read|get|listen|bind|init)"
    r"|[Ff]ailed to (?:create|modify|allocate|open|exchange)"
    r"|Failed status|Completion with error|Unable to (?:find|open|init|connect)|IB device .* not found"
    r"|Problems with warm up|Unsupported|No IB devices"
)
_MEMORY = re.compile(r"Couldn't allocate MR|[Ff]ailed to create (?:mr|MR)|cuMemAlloc|register memory", re.IGNORECASE)
_CUDA = re.compile(r"CUDA|cuMem|GPU buffer")
# The fields of a result in the order in which they are printed, and the two braces after the last.
_RESULT_KEYS = ("MsgSize", "n_iterations", "BW_peak", "BW_average", "MsgRate", "t_min", "t_max", "t_typical", "t_avg")
_CLOSED = re.compile(r":\s*\"?-?[\w.]+\"?,?\s*\}\s*\}")
_PAIR = re.compile(r'"?(\w[\w% .-]*?)"?\s*:\s*"?([^",{}\n]+?)"?[ \t]*(?:,|$|(?=\}))', re.MULTILINE)


def parse_bandwidth(text: str, context: Context | None = None) -> Evidence:
    """Judge a bandwidth run by its largest message.

    Args:
        text: what the client printed, or its JSON.
        context: ``minimum_gbit_s`` (least), ``line_rate_gbit_s`` (of the port: what it carries of payload, less a
            tenth, is the least; more than the line is not believed), ``unit`` (of a JSON's figures: ``Gb`` or ``MB``).

    Returns:
        ``bandwidth_gbit_s`` (average; both directions together where ``bidirectional``), ``peak_gbit_s`` (None where it
        wasn't measured), ``message_bytes``, ``rows`` (a number), ``bidirectional``, ``mtu``.
    """
    lines = clean_lines(text)
    found = Findings()
    values: dict[str, Any] = {
        "bandwidth_gbit_s": None,
        "peak_gbit_s": None,
        "message_bytes": None,
        "rows": None,
        "bidirectional": None,
        "mtu": None,
    }
    document = _read_json(lines)
    if document is not None:
        _store_bandwidth_json(document, word(context, "unit") or "Gb", values, found)
    else:
        _store_bandwidth_text(lines, values, found)
    _read_failures(lines, found, values["bandwidth_gbit_s"] is not None)
    if values["bandwidth_gbit_s"] is None and not found.failures and not found.unknowns:
        return nothing(BANDWIDTH_TOOL, values, lines, "bandwidth")
    _judge_bandwidth(values, context, found)
    return found.evidence(BANDWIDTH_TOOL, values)


def parse_latency(text: str, context: Context | None = None) -> Evidence:
    """Judge a latency run.

    Args:
        text: what the client printed, or its JSON.
        context: ``message_bytes`` (which size; else the smallest), ``maximum_average_us``, ``maximum_p99_us``,
            ``maximum_p999_us`` (limits).

    Returns:
        ``average_us``, ``p99_us``, ``p999_us`` (None where they weren't measured), ``message_bytes``, ``rows``.
    """
    lines = clean_lines(text)
    found = Findings()
    values: dict[str, Any] = {"average_us": None, "p99_us": None, "p999_us": None, "message_bytes": None, "rows": None}
    rows = _latency_rows(lines, found)
    size = whole(context, "message_bytes")
    chosen = [row for row in rows if size in (None, count(row.get("#bytes")))]
    if chosen:
        row = min(chosen, key=lambda cells: count(cells.get("#bytes")) or 0)
        values = {
            "average_us": number(row.get("t_avg[usec]")),
            "p99_us": number(row.get("99% percentile[usec]")),
            "p999_us": number(row.get("99.9% percentile[usec]")),
            "message_bytes": count(row.get("#bytes")),
            "rows": len(rows),
        }
    _read_failures(lines, found, bool(chosen))
    if not rows and not found.failures and not found.unknowns:
        return nothing(LATENCY_TOOL, values, lines, "latency")
    if rows and not chosen:
        found.unknowns.append(f"{size} bytes were not measured")
    if chosen and not values["average_us"]:
        found.unknowns.append("the average latency can't be read")
        values["average_us"] = None
    for name in ("average_us", "p99_us", "p999_us"):
        limit = real(context, f"maximum_{name}")
        if limit is not None and values[name] is None:
            found.unknowns.append(f"{name} was not measured")
        elif limit is not None and values[name] > limit:
            found.failures.append(f"{name} is {values[name]:g}, above {limit:g}")
    return found.evidence(LATENCY_TOOL, values)


def payload_rate(line_rate_gbit_s: float, mtu: int) -> float:
    """Return what a port of this rate (Gb/s) carries of RDMA payload at this RDMA MTU (bytes), in Gb/s."""
    return line_rate_gbit_s * mtu / (mtu + _OVERHEAD_BYTES)


def _judge_bandwidth(values: dict[str, Any], context: Context | None, found: Findings) -> None:
    bandwidth = values["bandwidth_gbit_s"]
    if bandwidth is None:
        return
    if bandwidth <= 0:
        found.failures.append("the average bandwidth is 0: nothing was sent")
    directions = 2 if values["bidirectional"] else 1
    line, least = real(context, "line_rate_gbit_s"), real(context, "minimum_gbit_s")
    if line is not None:
        if bandwidth > line * directions:
            found.unknowns.append(
                f"{bandwidth:g} Gb/s is more than the line's {line * directions:g}: another unit, or another device?"
            )
        least = least if least is not None else _HEALTHY * payload_rate(line, values["mtu"] or 1024) * directions
    if least is not None and bandwidth < least:
        found.failures.append(
            f"{bandwidth:g} Gb/s at {values['message_bytes']} bytes, below {least:.3g}: look at the MTU, pauses and"
            " discards, the PCIe link (lspci LnkSta) and the NUMA node"
        )


def _read_failures(lines: Sequence[str], found: Findings, measured: bool) -> None:
    failed = [line.strip() for line in lines if _FAILED.search(line)]
    if not failed or (measured and not any("ompletion with error" in line for line in failed)):
        return
    if any(_MEMORY.search(line) for line in failed) and any(_CUDA.search(line) for line in lines):
        found.failures.append(
            f"GPU memory could not be registered ({failed[0][:80]}): load nvidia_peermem, or use --use_cuda_dmabuf with"
            " the open driver"
        )
    elif any("status 12" in line or "error 12" in line for line in failed):
        found.failures.append(f"the peer did not answer ({failed[0][:80]}): compare GID index, MTU and traffic class")
    else:
        found.failures.append(f"the run failed: {failed[0][:120]}")
    found.unknowns.clear()


def _table(lines: Sequence[str], header: re.Pattern[str], found: Findings) -> tuple[str, list[str]] | None:
    """Return the last table's header and rows; complains where no rule closes it."""
    starts = [place for place, line in enumerate(lines) if header.match(line)]
    if not starts:
        return None
    rows: list[str] = []
    for line in lines[starts[-1] + 1 :]:
        if _RULE.match(line):
            sizes = [int(row.split(maxsplit=1)[0][:15]) for row in rows]
            if sizes != sorted(sizes) or not any(_BANNER.match(before) for before in lines[: starts[-1]]):
                found.unknowns.append("the lines are not in the order in which perftest prints them")
            return lines[starts[-1]], rows
        if not re.match(r"^\s*\d+\s", line):
            if line.strip():
                break
            continue
        rows.append(line)
    found.unknowns.append("the table is not closed: cut off")
    return lines[starts[-1]], rows


def _store_bandwidth_text(lines: Sequence[str], values: dict[str, Any], found: Findings) -> None:
    table = _table(lines, _BW_HEADER, found)
    if table is None:
        return
    header = _BW_HEADER.match(table[0])
    parsed = [match for match in map(_BW_ROW.match, table[1]) if match is not None]
    unit = _UNITS.get(header.group(2)) if header is not None else None
    if unit is None or len(parsed) != len(table[1]) or not parsed:
        found.unknowns.append("the table can't be read")
        return
    size, _, peak, average, _ = parsed[-1].groups()
    mtu = next((match for match in map(_MTU.match, lines) if match is not None), None)
    banner = next((match for match in map(_BANNER.match, lines) if match is not None), None)
    values.update(
        bandwidth_gbit_s=_scaled(average, unit),
        peak_gbit_s=_scaled(peak, unit) or None,
        message_bytes=int(size),
        rows=len(parsed),
        bidirectional=banner is not None and banner.group(1) is not None,
        mtu=int(mtu.group(1)) if mtu is not None else None,
    )
    if values["bandwidth_gbit_s"] is None:
        found.unknowns.append(f"the average {average} is no number")


def _scaled(text: Any, unit: float) -> float | None:
    value = number(text)
    return None if value is None else round(value * unit, 3)


def _read_json(lines: Sequence[str]) -> dict[str, str] | None:
    """Return the fields of the last result, also of the JSON that older versions printed without all its signs."""
    joined = "\n".join(lines)
    start = max(joined.rfind('"results"'), joined.rfind("results:"), joined.rfind("results :"))
    if start == -1 or ("BW_average" not in joined[start:] and "t_avg" not in joined[start:]):
        return None
    fields = {key.strip(): value.strip() for key, value in _PAIR.findall(joined[:start])}
    result = {key.strip(): value.strip() for key, value in _PAIR.findall(joined[start:])}
    places = [place for name in _RESULT_KEYS if (place := joined.find(name, start)) != -1]
    ordered = places == sorted(places) and -1 < joined.find("test_info") < start
    closed = _CLOSED.search(joined[start:]) is not None
    return {**fields, **result, "closed": "yes" if ordered and closed else "no"}


def _store_bandwidth_json(document: Mapping[str, str], unit: str, values: dict[str, Any], found: Findings) -> None:
    scale = _UNITS.get(unit)
    if scale is None:
        found.unknowns.append(f"{unit} is no unit of perftest's: Gb, MB or MiB")
        return
    if document["closed"] != "yes":
        found.unknowns.append("the JSON is not closed, or its fields are not in their order: cut off")
    values.update(
        bandwidth_gbit_s=_scaled(document.get("BW_average"), scale),
        peak_gbit_s=_scaled(document.get("BW_peak"), scale) or None,
        message_bytes=count(document.get("MsgSize")),
        rows=1,
        bidirectional="bidirectional" in document.get("test", "").lower(),
        mtu=count(document.get("Mtu")),
    )
    if values["bandwidth_gbit_s"] is None:
        found.unknowns.append("the average bandwidth is not in this JSON")


def _latency_rows(lines: Sequence[str], found: Findings) -> list[dict[str, str]]:
    document = _read_json(lines)
    if document is not None and "t_avg" in document:
        if document["closed"] != "yes":
            found.unknowns.append("the JSON is not closed, or its fields are not in their order: cut off")
        names = {"#bytes": ("MsgSize",), "t_avg[usec]": ("t_avg",)}
        percentiles = {"99": "99% percentile[usec]", "99.9": "99.9% percentile[usec]"}
        row = {column: document[key] for column, keys in names.items() for key in keys if key in document}
        for key, value in document.items():
            figure = re.search(r"percentile_([\d.]+)$|^t?_?p?([\d.]+)%? ?_?percentile$|^(99(?:\.9)?)", key)
            percent = next((group for group in figure.groups() if group), "") if figure is not None else ""
            if percent in percentiles:
                row[percentiles[percent]] = value
        return [row]
    table = _table(lines, _LAT_HEADER, found)
    if table is None:
        return []
    columns = _LAT_COLUMN.findall(table[0])
    rows = [dict(zip(columns, row.split())) for row in table[1]]
    if not rows or any(len(row.split()) < len(columns) for row in table[1]):
        found.unknowns.append("the table can't be read: cut off")
        return []
    return rows
