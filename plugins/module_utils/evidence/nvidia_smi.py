# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``nvidia-smi``: the whole query (``-q`` as text or XML) and the MIG modes (``--query-gpu`` as CSV)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Context, Findings, flag, nothing, whole, word, words
from .result import Evidence, clean_lines, count, number

TOOL = "nvidia_smi"
MIG_TOOL = "nvidia_mig"

ADVICE_FABRIC = "look at the fabric manager: systemctl status nvidia-fabricmanager, its version must be the driver's"

_GPU = re.compile(r"^GPU ([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])\s*$")
_PAIR = re.compile(r"^(\s*)(\S[^:]*?)\s*:\s(.*)$")
_SECTION = re.compile(r"^(\s+)(\S[^:]*?)\s*$")
_BUS = re.compile(r"([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}(?:\.[0-9A-Fa-f])?)")
_LOST = re.compile(r"Unable to determine the device handle for gpu.*|.*\bGPU is lost\b.*", re.IGNORECASE)
_BROKEN = re.compile(
    r"NVIDIA-SMI has failed.*|Failed to initialize NVML.*|No devices were found.*|.*Driver/library version mismatch.*",
    re.IGNORECASE,
)
_ABSENT = ("", "n/a", "[n/a]", "not supported", "[not supported]", "none")

_FABRIC_PATHS = ("fabric/state", "fabric/status")

# Where the figures stand: 535 renamed "Power Readings", 580 split the draw in two. The module's own power (boards
# with a CPU) is another section and never the GPU's.
_POWER_SECTIONS = ("gpu power readings", "power readings")
_DRAWS = ("power draw", "instantaneous power draw", "instant power draw", "average power draw")
_LIMITS = ("current power limit", "power limit", "enforced power limit")


@dataclass(frozen=True)
class Gpu:
    """One GPU of the query. A state that isn't printed is None; ``N/A`` is printed, and says that there is none."""

    bus_id: str
    fabric_state: str | None
    fabric_status: str | None
    fabric_bandwidth: str | None
    mig: tuple[str | None, str | None]
    power_w: float | None
    power_limit_w: float | None


@dataclass(frozen=True)
class Query:
    """The whole query."""

    driver_version: str | None
    cuda_version: str | None
    attached: int | None
    gpus: tuple[Gpu, ...]
    ordered: bool = True


def parse(text: str, context: Context | None = None) -> Evidence:
    """Read ``nvidia-smi -q`` or ``nvidia-smi -q -x``.

    Args:
        text: what it printed.
        context: ``expected_gpus`` (a number, or the list of PCI addresses), ``driver_version`` (loaded one that is
            wanted), ``fabric_required`` (true: a host with NVSwitch, whose fabric must be ready).

    Returns:
        ``driver_version``, ``cuda_version``, ``gpus`` (a number), ``bus_ids``, ``fabric_ready`` (None where the GPUs
        have no fabric), ``not_ready`` and ``missing`` (PCI addresses), ``power_w`` and ``power_limit_w`` (W, all GPUs
        together; None where one of them doesn't say), ``mig_not_off``.
    """
    lines = clean_lines(text)
    found = Findings()
    for line in lines:
        _read_complaint(line.strip(), found)
    query = read(lines)
    values = _values(query)
    if query is None or (query.attached is None and not query.gpus):
        if found.failures:
            return found.evidence(TOOL, values)
        return nothing(TOOL, values, lines, "nvidia-smi query")
    _judge_count(query, context, values, found)
    _judge_fabric(query, flag(context, "fabric_required"), values, found)
    wanted = word(context, "driver_version")
    if query.driver_version is None:
        found.unknowns.append("the driver's version is not in this output")
    elif wanted is not None and query.driver_version != wanted:
        found.failures.append(
            f"driver {query.driver_version} is loaded, {wanted} is wanted: reboot after installing it"
        )
    return found.evidence(TOOL, values)


def read(lines: Sequence[str]) -> Query | None:
    """Return the query as data, None where there is none or the XML is cut off."""
    joined = "\n".join(lines)
    start, end = joined.find("<nvidia_smi_log"), joined.rfind("</nvidia_smi_log>")
    if start != -1:
        return _read_xml(joined[start : end + len("</nvidia_smi_log>")]) if end != -1 else None
    return _read_text(lines)


def parse_mig(text: str, context: Context | None = None) -> Evidence:
    """Read ``nvidia-smi --query-gpu=index,mig.mode.current,mig.mode.pending --format=csv``, with its header or without
    (or the whole query).

    Args:
        text: what it printed.
        context: ``expected_gpus``.

    Returns:
        ``not_off`` (the GPUs, by their first column, that are in MIG mode now or after the next reset), ``gpus`` (a
        number), ``unsupported`` (GPUs that have no such mode, which is as good as off).
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {"not_off": [], "gpus": None, "unsupported": []}
    found = Findings()
    for line in lines:
        _read_complaint(line.strip(), found)
    rows = _mig_rows(lines)
    if not rows:
        return found.evidence(MIG_TOOL, values) if found.failures else nothing(MIG_TOOL, values, lines, "MIG modes")
    for name, current, pending in rows:
        states = [str(state).strip().strip("[]").lower() for state in (current, pending)]
        if "enabled" in states:
            values["not_off"].append(name)
            found.failures.append(
                f"GPU {name}: MIG is {current} now and {pending} after a reset: nvidia-smi -i {name} -mig 0, then reset"
                " the GPU or reboot"
            )
        elif states[0] in _ABSENT and states[1] in _ABSENT:
            values["unsupported"].append(name)
        elif states != ["disabled", "disabled"]:
            found.unknowns.append(f"GPU {name}: the MIG modes {current!r}, {pending!r} can't be read")
    values["gpus"] = len(rows)
    if len({name for name, _, _ in rows}) != len(rows):
        found.unknowns.append("a GPU is listed twice")
    _expect(len(rows), context, found)
    return found.evidence(MIG_TOOL, values)


def _read_complaint(line: str, found: Findings) -> None:
    if _LOST.match(line):
        address = _BUS.search(line)
        where = address.group(1) if address is not None else "one GPU"
        found.failures.append(f"{where} does not answer ({line[:120]}): look for Xid 79 in dmesg, power-cycle the host")
    elif _BROKEN.match(line):
        found.failures.append(
            f"{line[:160]}: the driver is not loaded, or another version than its libraries; load it or reboot"
        )


def _values(query: Query | None) -> dict[str, Any]:
    gpus = query.gpus if query is not None else ()
    return {
        "driver_version": query.driver_version if query is not None else None,
        "cuda_version": query.cuda_version if query is not None else None,
        "gpus": None if query is None else query.attached if query.attached is not None else len(gpus) or None,
        "bus_ids": [gpu.bus_id for gpu in gpus],
        "fabric_ready": None,
        "not_ready": [],
        "missing": [],
        "power_w": _total([gpu.power_w for gpu in gpus]),
        "power_limit_w": _total([gpu.power_limit_w for gpu in gpus]),
        "mig_not_off": [gpu.bus_id for gpu in gpus if "enabled" in [str(mode).lower() for mode in gpu.mig]],
    }


def _judge_count(query: Query, context: Context | None, values: dict[str, Any], found: Findings) -> None:
    if query.attached is None:
        found.unknowns.append("the output does not say how many GPUs are attached")
    elif query.attached != len(query.gpus):
        found.unknowns.append(f"{query.attached} GPUs are attached but {len(query.gpus)} described: cut off")
    if not query.ordered:
        found.unknowns.append("the lines are not in the order in which nvidia-smi prints them")
    if query.attached == 0:
        found.failures.append("no GPU is attached: look for RmInitAdapter and Xid in dmesg")
    expected = None if context is None else context.get("expected_gpus")
    if isinstance(expected, (list, tuple)):
        seen = {_short(gpu.bus_id) for gpu in query.gpus}
        missing = [address for address in words(context, "expected_gpus") or [] if _short(address) not in seen]
        values["missing"] = missing
        if missing:
            found.failures.append(
                f"{len(query.gpus)} of {len(expected)} GPUs are attached, missing: {', '.join(missing)}; look for its"
                " address in dmesg (Xid, RmInitAdapter), reseat or power-cycle"
            )
        return
    _expect(query.attached, context, found)


def _expect(seen: int | None, context: Context | None, found: Findings) -> None:
    expected = None if context is None else context.get("expected_gpus")
    wanted = len(expected) if isinstance(expected, (list, tuple)) else whole(context, "expected_gpus")
    if wanted is not None and seen is not None and seen != wanted:
        found.failures.append(f"{seen} of {wanted} GPUs are attached: look for the missing one in dmesg and lspci")


def _judge_fabric(query: Query, required: bool | None, values: dict[str, Any], found: Findings) -> None:
    states = [(gpu, _plain(gpu.fabric_state), _plain(gpu.fabric_status)) for gpu in query.gpus]
    if all(gpu.fabric_state is None for gpu in query.gpus):
        if required:
            found.unknowns.append("the fabric's state is not in this output")
        return
    if all(state in _ABSENT and status in _ABSENT for gpu, state, status in states if gpu.fabric_state is not None):
        if required:
            found.failures.append(f"no GPU has a fabric: {ADVICE_FABRIC}")
        return
    known = True
    for gpu, state, status in states:
        if (state, status) == ("completed", "success"):
            if _plain(gpu.fabric_bandwidth) == "degraded":
                found.warnings.append(f"{gpu.bus_id}: the fabric's bandwidth is degraded")
            continue
        if gpu.fabric_state is None or (status is None and state == "completed") or _cut(state, status):
            found.unknowns.append(f"{gpu.bus_id}: the fabric's state is cut off")
            known = False
            continue
        values["not_ready"].append(gpu.bus_id)
        found.failures.append(f"{gpu.bus_id}: fabric state {gpu.fabric_state}, {gpu.fabric_status}; {ADVICE_FABRIC}")
    values["fabric_ready"] = False if values["not_ready"] else True if known and query.gpus else None


def _cut(state: str | None, status: str | None) -> bool:
    return any(
        value is not None and value != whole_word and whole_word.startswith(value)
        for value, whole_word in ((state, "completed"), (status, "success"))
    )


def _plain(value: str | None) -> str | None:
    return None if value is None else value.strip().lower()


def _short(address: str) -> str:
    # 00000000:18:00.0, 0000:18:00.0 and 18:00.0 are one device of domain 0.
    parts = address.strip().lower().split(":")
    domain = parts[-3].lstrip("0") if len(parts) > 2 else ""
    return f"{domain}:{':'.join(parts[-2:])}"


def _total(figures: Sequence[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return round(sum(known), 2) if known and len(known) == len(figures) else None


def _watts(value: str | None) -> float | None:
    match = re.match(r"^(\d+(?:[.,]\d+)?)\s*W$", value.strip()) if value is not None else None
    return number(match.group(1).replace(",", ".")) if match is not None else None


def _gpu(bus_id: str, fields: dict[str, str]) -> Gpu:
    def power(names: Sequence[str]) -> float | None:
        figures = [_watts(fields.get(f"{section}/{name}")) for section in _POWER_SECTIONS for name in names]
        return next((figure for figure in figures if figure is not None), None)

    return Gpu(
        bus_id=bus_id,
        fabric_state=fields.get("fabric/state"),
        fabric_status=fields.get("fabric/status"),
        fabric_bandwidth=fields.get("fabric/health/bandwidth"),
        mig=(fields.get("mig mode/current"), fields.get("mig mode/pending")),
        power_w=power(_DRAWS),
        power_limit_w=power(_LIMITS),
    )


def _read_text(lines: Sequence[str]) -> Query:
    head: dict[str, str] = {}
    blocks: list[tuple[str, dict[str, str]]] = []
    stack: list[tuple[int, str]] = []
    ordered = True
    for line in lines:
        gpu = _GPU.match(line)
        if gpu is not None:
            blocks.append((gpu.group(1), {}))
            stack = []
            continue
        pair, section = _PAIR.match(line), _SECTION.match(line)
        if pair is None and section is None:
            continue
        indent = len((pair or section).group(1))  # type: ignore[union-attr]
        if not indent and pair is not None:
            if not blocks:
                head.setdefault(pair.group(2).lower(), pair.group(3).strip())
            continue
        stack = [entry for entry in stack if entry[0] < indent]
        if pair is None:
            stack.append((indent, section.group(2).lower()))  # type: ignore[union-attr]
        else:
            path = "/".join([name for _, name in stack] + [pair.group(2).lower()])
            # Each GPU has one of each, in its place: more, or one elsewhere, is another GPU's.
            if path.rpartition("/")[2] in ("state", "status"):
                ordered = ordered and path in _FABRIC_PATHS and bool(blocks) and path not in blocks[-1][1]
            if blocks:
                blocks[-1][1].setdefault(path, pair.group(3).strip())
    return Query(
        driver_version=_version(head.get("driver version")),
        cuda_version=_version(head.get("cuda version")),
        attached=count(head.get("attached gpus")),
        gpus=tuple(_gpu(bus_id, fields) for bus_id, fields in blocks),
        ordered=ordered and len({bus_id for bus_id, _ in blocks}) == len(blocks),
    )


def _read_xml(document: str) -> Query | None:
    try:
        # The DOCTYPE stands before the root element and was left out: no entities are expanded.
        root = ET.fromstring(document)  # noqa: S314
    except (ET.ParseError, ValueError):
        return None
    gpus = []
    for element in root.iter("gpu"):
        fields: dict[str, str] = {}
        _flatten(element, "", fields)
        fields = {
            path.replace("current mig", "current").replace("pending mig", "pending"): value
            for path, value in fields.items()
        }
        gpus.append(_gpu(element.get("id", ""), fields))
    return Query(
        driver_version=_version(root.findtext("driver_version")),
        cuda_version=_version(root.findtext("cuda_version")),
        attached=count((root.findtext("attached_gpus") or "").strip()),
        gpus=tuple(gpus),
    )


def _flatten(element: ET.Element, path: str, fields: dict[str, str]) -> None:
    for child in element:
        name = f"{path}/{child.tag}".lstrip("/").replace("_", " ").lower()
        if len(child):
            _flatten(child, name, fields)
        elif child.text is not None:
            fields.setdefault(name, child.text.strip())


def _version(value: str | None) -> str | None:
    return value.strip() if value is not None and re.match(r"^\d+(?:\.\d+)+$", value.strip()) else None


def _mig_rows(lines: Sequence[str]) -> list[tuple[Any, str, str]]:
    query = read(lines)
    if query is not None and query.gpus:
        return [(gpu.bus_id, str(gpu.mig[0]), str(gpu.mig[1])) for gpu in query.gpus]
    columns = (0, 1, 2)
    rows: list[tuple[Any, str, str]] = []
    for line in lines:
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) < 2:
            continue
        names = [cell.lower() for cell in cells]
        if "mig.mode.current" in names and "mig.mode.pending" in names:
            columns = (0, names.index("mig.mode.current"), names.index("mig.mode.pending"))
        elif re.match(r"^(?:\d{1,3}|GPU-[0-9a-fA-F-]+|[0-9a-fA-F:.]{7,16})$", cells[0]):
            name: Any = int(cells[0]) if cells[0].isdecimal() else cells[0]
            cells += [""] * (max(columns) + 1 - len(cells))
            # A row that ends early is cut off: its mode reads as a question, not as "not supported".
            rows.append((name, cells[columns[1]] or "?", cells[columns[2]] or "?"))
    return rows
