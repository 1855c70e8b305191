# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tools print, as settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from ..evidence import ethtool, ib_port, qos, traffic_class

PRIORITIES = 8


def joined(values: Iterable[Any]) -> str:
    """A list as settings are written: with commas."""
    return ",".join(str(value) for value in values)


def mlnx_qos(text: str) -> dict[str, str]:
    """``mlnx_qos -i IF``: settings by name; what it doesn't print isn't there."""
    read = qos.parse_mlnx_qos(text).values
    found = {name: str(read[name]) for name in ("dcbx", "trust") if read[name] is not None}
    for name, key in (("pfc", "pfc"), ("priority_buffers", "buffer"), ("buffer_sizes", "buffer_bytes")):
        if read[key] is not None:
            found[name] = joined(read[key])
    found.update({f"dscp_priority[{dscp}]": str(to) for dscp, to in (read["dscp_to_priority"] or {}).items()})
    # Some versions end the line with another word than the parser's.
    sizes = re.search(r"^Receive buffer size \(bytes\):\s*((?:\d+,){8})", text, re.MULTILINE)
    if sizes:
        found.setdefault("buffer_sizes", sizes.group(1).rstrip(","))
    classes = read["priority_to_tc"] or {}
    if sorted(classes) == list(range(PRIORITIES)):
        found["priority_classes"] = joined(classes[priority] for priority in range(PRIORITIES))
        found.update(_classes(text))
    return found


def _classes(text: str) -> dict[str, str]:
    """What each traffic class does. A class that no priority goes to isn't printed: strict, without a share."""
    heads = re.findall(r"^tc: (\d).*tsa: (\w+)(?:, bw: (\d+)%)?", text, re.MULTILINE)
    algorithms = {int(number): algorithm for number, algorithm, _ in heads}
    shares = {int(number): share for number, _, share in heads}
    return {
        "class_algorithms": joined(algorithms.get(number, "strict") for number in range(PRIORITIES)),
        "class_shares": joined(shares.get(number) or 0 for number in range(PRIORITIES)),
    }


def pause(text: str) -> str | None:
    """``ethtool -a IF``: on where either direction is on."""
    read = ethtool.parse_pause(text).values
    if read["rx"] is None or read["tx"] is None:
        return None
    return "on" if read["rx"] or read["tx"] else "off"


def dcb(text: str) -> dict[str, Any] | None:
    """``dcb -j … show``: its object, empty where nothing is set, or None for anything else."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    return value if isinstance(value, dict) else None


def global_class(text: str) -> str | None:
    """``tc/1/traffic_class`` of OFED: ``Global tclass=106``, or a number."""
    value = traffic_class.parse(text).values["traffic_class"]
    return None if value is None else str(value)


def active_mtu(text: str, device: str, port: int) -> int | None:
    """``ibv_devinfo``: RDMA's own MTU, in bytes."""
    value = ib_port.parse(text).values["active_mtu"].get(device if port == 1 else f"{device}:{port}")
    return value if isinstance(value, int) else None
