# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kernel's own way: ``dcb`` of iproute2 for the port, and mlx5's debugfs for congestion notification."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import tools
from .settings import Host, Run, Seen, Step, Write, group

NAME = "inbox"
TOOL = "dcb"
NOT_MAPPED = "not mapped"
CC_PARAMS = ("sys", "kernel", "debug", "mlx5")
OBJECTS = ("dcbx", "app", "pfc", "ets", "buffer")
# Files of congestion control. Writing the priority also makes it a fixed one (mode 0).
CC_FILES = {"cnp_dscp": "np_cnp_dscp", "cnp_priority": "np_cnp_prio"}
# List setting → object of dcb, its key in JSON, its word on the command line.
LISTS = {
    "priority_buffers": ("buffer", "prio_buffer", "prio-buffer"),
    "buffer_sizes": ("buffer", "buffer_size", "buffer-size"),
    "priority_classes": ("ets", "prio_tc", "prio-tc"),
    "class_algorithms": ("ets", "tc_tsa", "tc-tsa"),
    "class_shares": ("ets", "tc_bw", "tc-bw"),
}
FIRMWARE = "the kernel's driver doesn't tell: the firmware has it (mlxconfig ROCE_CC_PRIO_MASK_P1)"
NOWHERE = {
    "traffic_class": "the kernel's driver has no override: NCCL_IB_TC and the connection manager set the class",
    "ecn_np": FIRMWARE,
    "ecn_rp": FIRMWARE,
}


def speaks(host: Host) -> bool:
    """Whether the port's driver takes DCB commands."""
    answer = host.run((TOOL, "-j", "pfc", "show", "dev", host.interface))
    return answer.status == 0 and "prio_pfc" in (tools.dcb(answer.stdout) or {})


def read(host: Host, settings: list[str]) -> dict[str, Seen]:
    """Read settings by name."""
    shown: dict[str, dict[str, Any] | str] = {}
    for name in OBJECTS:
        answer = host.run((TOOL, "-j", name, "show", "dev", host.interface))
        value = tools.dcb(answer.stdout) if answer.status == 0 else None
        shown[name] = value if value is not None else answer.why
    return {setting: _read(host, setting, shown) for setting in settings}


def _read(host: Host, setting: str, shown: dict[str, dict[str, Any] | str]) -> Seen:  # noqa: PLR0911 - one a setting
    name, _, key = setting.partition("[")
    if name in NOWHERE:
        return Seen(None, NOWHERE[name], available=False)
    if name in CC_FILES:
        return _congestion(host, name)
    place = LISTS[name][0] if name in LISTS else {"dcbx": "dcbx", "pfc": "pfc"}.get(name, "app")
    value = shown[place]
    if isinstance(value, str):
        return Seen(None, value, available=place == "pfc" or "not supported" not in value)
    if name == "dcbx":
        return Seen("os" if value.get("host") else "firmware")
    if name == "trust":
        return Seen("dscp" if value.get("dscp_prio") else "pcp")
    if name == "dscp_priority":
        own = [str(prio) for dscp, prio in value.get("dscp_prio") or [] if dscp == int(key.rstrip("]"))]
        return Seen(",".join(own) or NOT_MAPPED)
    listed = value.get("prio_pfc" if name == "pfc" else LISTS[name][1])
    if not isinstance(listed, list):
        return Seen(None, f"dcb -j {place} show dev {host.interface} has no such list")
    return Seen(",".join(str(int(item)) if isinstance(item, bool) else str(item) for item in listed))


def _congestion(host: Host, name: str) -> Seen:
    place = (*CC_PARAMS, host.pci, "cc_params")
    value = host.read(*place, CC_FILES[name])
    if value is None:
        why = "is debugfs mounted, and the kernel not locked down (Secure Boot)?"
        return Seen(None, f"{host.path(*place, CC_FILES[name])} can't be read: {why}", available=False)
    mode = host.read(*place, "np_cnp_prio_mode") if name == "cnp_priority" else "0"
    return Seen(value if mode in ("0", None) else f"{value} in mode {mode}")


def _pairs(values: str) -> list[str]:
    return [f"{index}:{value}" for index, value in enumerate(values.split(","))]


def _app(host: Host, verb: str, *pairs: str) -> Run:
    return Run((TOOL, "app", verb, "dev", host.interface, "dscp-prio", *pairs))


def steps(host: Host, setting: str, wanted: Mapping[str, str], seen: Mapping[str, Seen]) -> tuple[Step, ...]:
    """How a setting is set. Those of a group go in one call, all of the group that is wanted."""
    name, _, key = setting.partition("[")
    dscp, value = key.rstrip("]"), wanted[setting]
    if name in CC_FILES:
        return (Write(host.path(*CC_PARAMS, host.pci, "cc_params", CC_FILES[name]), value),)
    if name == "dcbx":
        return (Run((TOOL, "dcbx", "set", "dev", host.interface, "host", "cee", "ieee")),)
    if name == "trust":
        # DSCP is trusted from the first mapping on, and PCP again when the last one goes.
        return () if value == "dscp" else (_app(host, "flush"),)
    if name == "dscp_priority":
        before = seen[setting].value
        old = before.split(",") if before not in (None, NOT_MAPPED) else []
        gone = (_app(host, "del", *(f"{dscp}:{priority}" for priority in old)),) if old else ()
        return (*gone, _app(host, "add", f"{dscp}:{value}"))
    if name == "pfc":
        on = [f"{index}:on" for index, flag in enumerate(value.split(",")) if flag == "1"]
        return (Run((TOOL, "pfc", "set", "dev", host.interface, "prio-pfc", "all:off", *on)),)
    given = [other for other in group(setting) if other in wanted]
    words = [word for other in given for word in (LISTS[other][2], *_pairs(wanted[other]))]
    return (Run((TOOL, LISTS[setting][0], "set", "dev", host.interface, *words)),)
