# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""GPUs among themselves: ``p2pBandwidthLatencyTest``, nvbandwidth's matrix of devices, or the role verify's own program
(`gpu_pairs.py`); and ``nvidia-smi topo -m``.

One bad pair disappears in a mean: every pair is looked at, against the median.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from . import gpu_pairs
from .findings import Context, Findings, flag, nothing, real, whole
from .result import Evidence, clean_lines, number

P2P_TOOL = "p2p_bandwidth"
TOPOLOGY_TOOL = "nvidia_topology"

# A pair below this share of the median is a bad one.
LOW_SHARE = 0.8

_MATRIX = re.compile(
    r"^Unidirectional P2P=Enabled Bandwidth.*Matrix|memcpy CE GPU\(row\) (?:->|<-) GPU\(column\) bandwidth",
    re.IGNORECASE,
)
_BANNER = re.compile(r"^\[P2P \(Peer-to-Peer\) GPU Bandwidth Latency Test\]")
# With the factor that makes microseconds of it.
_LATENCIES = (
    (re.compile(r"^P2P=Enabled Latency .*Matrix \(us\)"), 1.0),
    (re.compile(r"^Device to Device Latency SM GPU\(row\) <-> GPU\(column\) \(ns\)"), 1e-3),
)
_COLUMNS = re.compile(r"^\s*(?:D\\D|GPU)?((?:\s+\d{1,3}){2,})\s*$")
_DEVICE = re.compile(r"^Device: (\d{1,3}), ")
_CANNOT = re.compile(r"^Device=(\d{1,3}) CANNOT Access Peer Device=(\d{1,3})")
_OWN_FAILED = re.compile(r"^gpu_pairs: (.*)$")
_FAILED = re.compile(r"CUDA error|cudaError|CUDA failure|no CUDA-capable device", re.IGNORECASE)

_NODE = re.compile(r"^(?:GPU|NIC)\d{1,3}$|^(?:mlx\d|bnxt|irdma)\w*$")
_LINK = re.compile(r"^(?:X|NV\d{1,3}|PIX|PXB|PHB|NODE|SYS|SOC)$")
_NIC_NAME = re.compile(r"^\s+(NIC\d{1,3}):\s+(\S+)\s*$")
_LEGEND = re.compile(r"^Legend:")
_CLOSENESS = ("PIX", "PXB", "PHB", "NODE", "SYS", "SOC")


def parse_p2p(text: str, context: Context | None = None) -> Evidence:
    """Judge the unidirectional bandwidth between every two GPUs of a host.

    Args:
        text: what the tool printed.
        context: ``expected_gpus``, ``minimum_gbyte_s`` (least of every pair), ``low_share`` (of the median, below which
            a pair is a bad one; 0.8), ``latency`` (true: without a latency the result is unknown).

    Returns:
        ``median_gbyte_s``, ``pairs`` (a number; ordered pairs), ``low_pairs`` (``[from, to]`` each), ``gpus``,
        ``latency_us`` (median of all pairs, as GPUs see it; None where it wasn't measured).
    """
    lines = clean_lines(text)
    found = Findings()
    names = ("median_gbyte_s", "pairs", "gpus", "latency_us")
    values: dict[str, Any] = {**dict.fromkeys(names), "low_pairs": []}
    for line in lines:
        cannot = _CANNOT.match(line)
        if cannot is not None:
            found.failures.append(
                f"GPU {cannot.group(1)} can't reach GPU {cannot.group(2)}: look at the fabric, ACS, IOMMU"
            )
        if _FAILED.search(line) or _OWN_FAILED.match(line):
            found.failures.append(f"the run failed: {line.strip()[:160]}")
    own = gpu_pairs.documents(lines)
    if own:
        pairs = gpu_pairs.read(own, found)
        if pairs is not None:
            values["latency_us"] = pairs.latency_us
            _judge_pairs(pairs.bandwidth, pairs.gpus, context, values, found)
        return found.evidence(P2P_TOOL, values)
    start = next((place for place, line in enumerate(lines) if _MATRIX.search(line)), None)
    if start is None:
        return found.evidence(P2P_TOOL, values) if found.failures else nothing(P2P_TOOL, values, lines, "P2P matrix")
    matrix = _read_matrix(lines[start + 1 :])
    devices = {match.group(1) for match in map(_DEVICE.match, lines[:start]) if match is not None}
    if matrix is None or (devices and len(devices) != len(matrix)):
        found.unknowns.append("the matrix of unidirectional bandwidth is not complete: cut off")
        return found.evidence(P2P_TOOL, values)
    values["latency_us"] = _latency(lines, len(matrix))
    if values["latency_us"] is None and any(_BANNER.match(line) for line in lines[:start]):
        found.unknowns.append("the matrix of latencies, which comes last, is not complete: cut off")
    figures = {(row, column): cell for row, cells in enumerate(matrix) for column, cell in enumerate(cells)}
    ordered = {pair: figure for pair, figure in figures.items() if pair[0] != pair[1]}
    _judge_pairs(ordered, len(matrix), context, values, found)
    return found.evidence(P2P_TOOL, values)


def _judge_pairs(
    pairs: Mapping[tuple[int, int], float | None],
    gpus: int,
    context: Context | None,
    values: dict[str, Any],
    found: Findings,
) -> None:
    """Store what is known of every ordered pair in ``values``, and hold each against the median."""
    known = {pair: figure for pair, figure in pairs.items() if figure is not None}
    median = round(statistics.median(known.values()), 2) if known else None
    values.update(median_gbyte_s=median, pairs=len(known), gpus=gpus)
    if flag(context, "latency") and values["latency_us"] is None:
        found.unknowns.append("the latency between every two GPUs is not in this result")
    if len(known) != len(pairs) or median is None:
        found.unknowns.append("a pair's bandwidth can't be read")
        return
    expected = whole(context, "expected_gpus")
    if expected is not None and expected != gpus:
        found.failures.append(f"{gpus} of {expected} GPUs took part")
    share, least = real(context, "low_share"), real(context, "minimum_gbyte_s")
    limit = max((LOW_SHARE if share is None else share) * median, least or 0.0)
    for (row, column), figure in known.items():
        if figure < limit:
            values["low_pairs"].append([row, column])
            found.failures.append(f"GPU {row} to GPU {column}: {figure:g} GB/s, below {limit:.4g} (median {median:g})")


def parse_topology(text: str, context: Context | None = None) -> Evidence:
    """Judge ``nvidia-smi topo -m``.

    Args:
        text: what it printed.
        context: ``expected_gpus``, ``nvlink`` (true: every two GPUs must be linked by NVLink).

    Returns:
        ``gpus`` (a number), ``gpu_links`` (by GPU and GPU: ``NV18``, ``SYS`` …), ``nic_affinity`` (by NIC, ``mlx5_0``:
        the GPUs that are nearest), ``nic_links`` (by NIC and GPU), ``numa`` (by GPU).
    """
    lines = clean_lines(text)
    found = Findings()
    values: dict[str, Any] = {"gpus": None, "gpu_links": {}, "nic_affinity": {}, "nic_links": {}, "numa": {}}
    start = next(
        (place for place, line in enumerate(lines) if len(_nodes(line)) > 0 and "GPU0" in line.split()[:1]), None
    )
    if start is None:
        return nothing(TOPOLOGY_TOOL, values, lines, "topology")
    nodes = _nodes(lines[start])
    links: dict[str, list[str]] = {}
    for line in lines[start + 1 :]:
        cells = line.split()
        if cells and cells[0] in nodes and cells[0] not in links:
            links[cells[0]] = cells[1 : len(nodes) + 1]
            numa = cells[len(nodes) + 2 : len(nodes) + 3]
            if cells[0].startswith("GPU"):
                values["numa"][cells[0]] = int(numa[0]) if numa and numa[0].isdecimal() else None
    names = {match.group(1): match.group(2) for match in map(_NIC_NAME.match, lines) if match is not None}
    if not _is_matrix(nodes, links) or not any(_LEGEND.match(line) for line in lines[start:]):
        found.unknowns.append("the matrix or its legend is not complete: cut off")
        return found.evidence(TOPOLOGY_TOOL, values)
    gpus = [node for node in nodes if node.startswith("GPU")]
    values["gpus"] = len(gpus)
    values["gpu_links"] = {
        gpu: {other: links[gpu][nodes.index(other)] for other in gpus if other != gpu} for gpu in gpus
    }
    for node in nodes:
        if node in gpus:
            continue
        name = names.get(node, node)
        if node.startswith("NIC") and node not in names:
            found.unknowns.append(f"the legend does not name {node}: cut off")
        near = {gpu: links[node][nodes.index(gpu)] for gpu in gpus}
        values["nic_links"][name] = near
        best = next((link for link in _CLOSENESS if link in near.values()), None)
        values["nic_affinity"][name] = [gpu for gpu, link in near.items() if link == best]
    _judge_topology(gpus, context, values, found)
    return found.evidence(TOPOLOGY_TOOL, values)


def _latency(lines: Sequence[str], gpus: int) -> float | None:
    """The median latency between two GPUs with P2P; None where its matrix isn't there or isn't whole."""
    for heading, scale in _LATENCIES:
        start = next((place for place, line in enumerate(lines) if heading.match(line)), None)
        matrix = None if start is None else _read_matrix(lines[start + 1 :])
        if matrix is None or len(matrix) != gpus:
            continue
        figures = [figure for row, cells in enumerate(matrix) for column, figure in enumerate(cells) if row != column]
        known = [figure for figure in figures if figure is not None]
        if known and len(known) == len(figures):
            return round(statistics.median(known) * scale, 3)
    return None


def _judge_topology(gpus: Sequence[str], context: Context | None, values: dict[str, Any], found: Findings) -> None:
    expected = whole(context, "expected_gpus")
    if expected is not None and expected != len(gpus):
        found.failures.append(f"{len(gpus)} of {expected} GPUs are there")
    kinds = {link for links in values["gpu_links"].values() for link in links.values()}
    linked = {link for link in kinds if link.startswith("NV")}
    wanted = context is not None and bool(context.get("nvlink"))
    if (wanted and kinds != linked) or (linked and len(kinds) > 1 and len(gpus) > 4):
        odd = [
            f"{gpu}-{other} {link}"
            for gpu, links in values["gpu_links"].items()
            for other, link in links.items()
            if gpu < other and (not link.startswith("NV") or len(linked) > 1)
        ]
        found.failures.append(
            f"not every two GPUs are linked alike ({', '.join(odd[:4])}{' …' if len(odd) > 4 else ''}): look at the"
            " fabric manager and nvidia-smi nvlink --status"
        )


def _read_matrix(lines: Sequence[str]) -> list[list[float | None]] | None:
    size: int | None = None
    rows: list[list[float | None]] = []
    for line in lines:
        header = _COLUMNS.match(line)
        if size is None:
            if header is not None:
                size = len(header.group(1).split())
            elif line.strip():
                return None
            continue
        cells = line.split()
        if len(cells) != size + 1 or cells[0] != str(len(rows)):
            return None
        rows.append([number(cell) for cell in cells[1:]])
        if len(rows) == size:
            return rows
    return None


def _nodes(line: str) -> list[str]:
    return [token for token in line.split() if _NODE.match(token)]


def _is_matrix(nodes: Sequence[str], links: dict[str, list[str]]) -> bool:
    if list(links) != list(nodes) or any(len(row) != len(nodes) for row in links.values()):
        return False
    if not all(_LINK.match(cell) for row in links.values() for cell in row):
        return False
    return all(
        (links[one][column] == "X") == (one == other) and links[one][column] == links[other][row]
        for row, one in enumerate(nodes)
        for column, other in enumerate(nodes)
    )
