# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Environment files with NCCL's and Gloo's variables: one ``NAME=value`` a line, the value from the first ``=`` on.

``NCCL_SOCKET_IFNAME==ens1f0np0`` has the value ``=ens1f0np0``: exactly this interface. Without that sign NCCL takes
prefixes. A variable that is set to nothing is not one that isn't set: NCCL reads some as 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .findings import Context, Findings, nothing, table, whole
from .result import Evidence, clean_lines
from .traffic_class import read_number

TOOL = "environment_file"

_LINE = re.compile(r"^\s*(export\s+)?([A-Z_][A-Z0-9_]*)(\s*)=(.*)$")
_JUDGED = re.compile(r"^(?:NCCL|GLOO|NVSHMEM|UCX|TP|VLLM)_")
_NUMBERS: dict[str, tuple[int, int]] = {
    "NCCL_IB_GID_INDEX": (-1, 255),
    "NCCL_IB_TC": (0, 255),
    "NCCL_IB_FIFO_TC": (0, 255),
    "NCCL_IB_SL": (0, 15),
    "NCCL_IB_TIMEOUT": (0, 31),
    "NCCL_IB_RETRY_CNT": (0, 7),
    "NCCL_IB_ROCE_VERSION_NUM": (1, 2),
    "NCCL_IB_QPS_PER_CONNECTION": (1, 128),
    "NVSHMEM_IB_GID_INDEX": (-1, 255),
    "NVSHMEM_IB_TRAFFIC_CLASS": (0, 255),
}
_DISABLING: dict[str, str] = {
    "NCCL_IB_DISABLE": "it switches RDMA off, everything goes over TCP",
    "NCCL_P2P_DISABLE": "it switches NVLink off",
}


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge a file.

    Args:
        text: its content.
        context: ``expected`` (values that must be set, by name), ``dscp`` (what NCCL_IB_TC must be, as a DSCP).

    Returns:
        ``problems`` (one text each), ``variables`` (by name, secrets left out).
    """
    lines = clean_lines(text)
    variables, found = read(lines)
    values: dict[str, Any] = {"problems": [], "variables": variables}
    if not variables:
        return nothing(TOOL, values, lines, "variable")
    if re.match(r"^[A-Z]+_[A-Z0-9_]*$", lines[-1]):
        found.unknowns.append(f"the last line, {lines[-1]}, is cut off")
    for name, value in variables.items():
        if _JUDGED.match(name):
            _judge(name, value, found)
    _judge_class(variables, whole(context, "dscp"), found)
    for name, expected in (table(context, "expected") or {}).items():
        if variables.get(name) != str(expected):
            found.failures.append(f"{name} is {variables.get(name, 'not set')!r}, expected {str(expected)!r}")
    values["problems"] = list(dict.fromkeys(found.failures))
    values["variables"] = {name: value for name, value in variables.items() if not re.search(r"KEY|TOKEN|SECRET", name)}
    return found.evidence(TOOL, values)


def read(lines: Sequence[str]) -> tuple[dict[str, str], Findings]:
    """Return the variables by name (the last one of a name counts) and what is wrong with the lines."""
    variables: dict[str, str] = {}
    found = Findings()
    for line in lines:
        match = _LINE.match(line)
        if match is None or line.lstrip().startswith(("#", ";")):
            continue
        export, name, space, raw = match.groups()
        if space and not _JUDGED.match(name):
            continue
        value = raw.strip()
        if export and _JUDGED.match(name):
            found.failures.append(f"{name}: `export` is shell, systemd and nccl.conf do not know it: remove it")
        if space:
            found.failures.append(f"{name}: no space may stand before the =")
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        if variables.get(name, value) != value:
            found.failures.append(f"{name} is set twice, to {variables[name]!r} and {value!r}: the last one counts")
        variables[name] = value
    return variables, found


def _judge(name: str, value: str, found: Findings) -> None:
    if not value:
        found.failures.append(f"{name} is set to nothing{_EMPTY.get(name, '')}: leave it out")
        return
    if name in _NUMBERS:
        least, most = _NUMBERS[name]
        figure = -1 if value == "-1" else read_number(value)
        if figure is None:
            found.failures.append(f"{name}={value} is no number, it would be read as 0")
        elif not least <= figure <= most:
            found.failures.append(f"{name}={value} is out of range ({least} to {most})")
    elif name in _DISABLING and value == "1":
        found.failures.append(f"{name}=1: {_DISABLING[name]}; remove it")
    elif name in _NAMES:
        _NAMES[name](name, value, found)


def _judge_nccl_names(name: str, value: str, found: Findings) -> None:
    bare = value.lstrip("^").lstrip("=")
    if not bare.strip(","):
        found.failures.append(f"{name}={value} names nothing")
    elif re.search(r"\s", value):
        found.failures.append(f"{name}={value!r}: a space is part of the name, nothing matches")
    elif not value.startswith(("=", "^")):
        found.notes.append(f"{name}={value} matches prefixes: write {name}=={bare} for exactly these")


def _judge_gloo_names(name: str, value: str, found: Findings) -> None:
    if value.startswith(("=", "^")):
        found.failures.append(f"{name}={value}: only NCCL knows the sign {value[0]}, Gloo looks for that very name")


def _judge_class(variables: Mapping[str, str], dscp: int | None, found: Findings) -> None:
    traffic_class = read_number(variables.get("NCCL_IB_TC"))
    if dscp is None or (traffic_class is None and "NCCL_IB_TC" in variables):
        return
    if (traffic_class or 0) // 4 != dscp:
        found.failures.append(
            f"NCCL_IB_TC is {variables.get('NCCL_IB_TC', 'not set')}, which is DSCP {(traffic_class or 0) // 4}: write"
            f" {dscp * 4} or {dscp * 4 + 2} for DSCP {dscp}"
        )


_EMPTY: dict[str, str] = {
    "NCCL_IB_GID_INDEX": " and read as 0, the link-local GID",
    "NCCL_IB_HCA": " and matches every device",
    "NCCL_SOCKET_IFNAME": " and NCCL chooses itself",
}
_NAMES: dict[str, Callable[[str, str, Findings], None]] = {
    "NCCL_IB_HCA": _judge_nccl_names,
    "NCCL_SOCKET_IFNAME": _judge_nccl_names,
    "GLOO_SOCKET_IFNAME": _judge_gloo_names,
    "TP_SOCKET_IFNAME": _judge_gloo_names,
}
