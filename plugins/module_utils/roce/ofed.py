# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""OFED's way: ``mlnx_qos`` for the port, and files that only its driver has for congestion control and the class."""

from __future__ import annotations

from collections.abc import Mapping

from . import tools
from .devices import INFINIBAND, NET
from .settings import Host, Run, Seen, Step, Write, group

NAME = "ofed"
TOOL = "mlnx_qos"
# Options of mlnx_qos that take a setting as it is written here. One a call: it refuses --trust with --dscp2prio.
OPTIONS = {
    "dcbx": "-d",
    "trust": "--trust",
    "pfc": "--pfc",
    "priority_buffers": "--prio2buffer",
    "buffer_sizes": "--buffer_size",
    "priority_classes": "--prio_tc",
    "class_algorithms": "--tsa",
    "class_shares": "--tcbw",
}
# Why mlnx_qos may not have printed a setting, where that is no fault.
SILENT = {
    "dscp_priority": "mlnx_qos prints the map only where DSCP is trusted",
    "priority_buffers": "this mlnx_qos prints no buffers",
    "buffer_sizes": "this mlnx_qos prints no buffers",
}


def tree(host: Host) -> bool:
    """Whether OFED's driver runs the port: its files are there."""
    places = ((*NET, host.interface, "ecn"), (*NET, host.interface, "qos"), (*INFINIBAND, host.device, "tc"))
    return any(host.path(*place).is_dir() for place in places)


def _file(host: Host, setting: str) -> tuple[str, ...] | None:
    """The file of a setting that has one."""
    name, _, priority = setting.partition("[")
    ecn = (*NET, host.interface, "ecn")
    return {
        "ecn_np": (*ecn, "roce_np", "enable", priority.rstrip("]")),
        "ecn_rp": (*ecn, "roce_rp", "enable", priority.rstrip("]")),
        "cnp_dscp": (*ecn, "roce_np", "cnp_dscp"),
        "cnp_priority": (*ecn, "roce_np", "cnp_802p_prio"),
        "traffic_class": (*INFINIBAND, host.device, "tc", str(host.port), "traffic_class"),
    }.get(name)


def read(host: Host, settings: list[str]) -> dict[str, Seen]:
    """Read settings by name."""
    answer = host.run((TOOL, "-i", host.interface))
    printed = tools.mlnx_qos(answer.stdout) if answer.status == 0 else {}
    seen: dict[str, Seen] = {}
    for setting in settings:
        place = _file(host, setting)
        if place is not None:
            seen[setting] = _from_file(host, setting, place)
        elif setting in printed:
            seen[setting] = Seen(printed[setting])
        elif answer.status:
            seen[setting] = Seen(None, answer.why)
        else:
            why = SILENT.get(setting.partition("[")[0])
            seen[setting] = Seen(None, why or f"mlnx_qos -i {host.interface} does not print it", available=why is None)
    return seen


def _from_file(host: Host, setting: str, place: tuple[str, ...]) -> Seen:
    text = host.read(*place)
    if text is None:
        return Seen(None, f"{host.path(*place)} can't be read: is it OFED's driver that runs the port?")
    if setting != "traffic_class":
        return Seen(text)
    value = tools.global_class(text)
    return Seen(value) if value is not None else Seen(None, f"{host.path(*place)} says {text!r}")


def steps(host: Host, setting: str, wanted: Mapping[str, str], seen: Mapping[str, Seen]) -> tuple[Step, ...]:  # noqa: ARG001
    """How a setting is set. Those of a group go in one call, all of the group that is wanted."""
    place = _file(host, setting)
    if place is not None:
        return (Write(host.path(*place), wanted[setting]),)
    call = (TOOL, "-i", host.interface)
    name, _, dscp = setting.partition("[")
    if name == "dscp_priority":
        return (Run((*call, "--dscp2prio", f"set,{dscp.rstrip(']')},{wanted[setting]}")),)
    given = [other for other in group(setting) if other in wanted]
    return (Run((*call, *(word for other in given for word in (OPTIONS[other], wanted[other])))),)
