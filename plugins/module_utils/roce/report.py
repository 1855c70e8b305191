# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a port is, for people and for other roles: found again each time, never remembered."""

from __future__ import annotations

from typing import Any

from ..evidence import lldp
from ..evidence.result import FAIL, PASS, UNKNOWN
from . import devices, tools
from .converge import Survey
from .desired import Desired


def active_mtu(state: Survey) -> tuple[int | None, str]:
    """RDMA's own MTU, and where it is from: what the device says, else what follows from the interface's."""
    host = state.host
    answer = host.run(("ibv_devinfo", "-d", host.device, "-i", str(host.port)))
    said = tools.active_mtu(answer.stdout, host.device, host.port) if answer.status == 0 else None
    if said is not None:
        return said, "ibv_devinfo"
    return devices.rdma_mtu(state.interface.mtu), "computed from the interface's MTU"


def other_end(state: Survey, desired: Desired) -> dict[str, Any]:
    """What the switch's port announces by LLDP, against what it should have: never a pass where it says nothing."""
    answer = state.host.run(("lldpctl", "-f", "json", state.interface.name))
    if answer.status:
        return {"verdict": UNKNOWN, "reasons": [answer.why], "switch": None, "port": None, "pfc": None}
    context: dict[str, Any] = {"interfaces": [state.interface.name]}
    if desired.qos_expected:
        context.update(lossless_priority=desired.chain.priority, dscp=desired.chain.dscp)
    read = lldp.parse(answer.stdout, context)
    peer = read.values["neighbours"].get(state.interface.name, {})
    verdict = UNKNOWN if read.verdict == PASS and peer.get("pfc") is None else read.verdict
    told = {name: peer.get(name) for name in ("switch", "port", "pfc")}
    return {"verdict": verdict, "reasons": list(read.reasons), **told}


def facts(state: Survey, desired: Desired) -> dict[str, Any]:
    """Everything that is told of a port. Unknown values are None, and `unknown` says why."""
    table = devices.gids(state.host) if state.host.device else []
    gid, no_gid = devices.choose_gid(table, state.interface.name, desired.network)
    mtu, source = active_mtu(state) if state.host.device else (None, "no RDMA device")
    ecn = state.host.read("proc", "sys", "net", "ipv4", "tcp_ecn")
    told = {name: seen.value for name, seen in state.seen.items()}
    reasons = dict(state.unknown)
    if gid is None:
        reasons["gid"] = no_gid
    if ecn is None:
        reasons["tcp_ecn"] = "/proc/sys/net/ipv4/tcp_ecn can't be read"
    return {
        "interface": state.interface.name,
        "device": state.host.device or None,
        "port": state.host.port,
        "driver": state.interface.driver or None,
        "backend": state.backend,
        "skipped": state.skipped or None,
        "mtu": state.interface.mtu,
        "active_mtu": mtu,
        "active_mtu_from": source,
        "gid": {"index": gid.index, "gid": gid.address.exploded, "address": gid.ipv4} if gid is not None else None,
        "traffic_class": desired.chain.traffic_class,
        "settings": {**told, "tcp_ecn": ecn},
        "unknown": reasons,
        "other_end": other_end(state, desired),
    }


def unmet(state: Survey, desired: Desired) -> list[str]:
    """What the port needs and other roles provide: its MTU and its address."""
    if state.skipped:
        return []
    wrong: list[str] = []
    if state.interface.mtu is None or state.interface.mtu < desired.minimum_mtu:
        small = devices.rdma_mtu(state.interface.mtu)
        wrong.append(
            f"mtu of {state.interface.name} is {state.interface.mtu}, which makes RDMA's {small}; it should be at least"
            f" {desired.minimum_mtu}, for {devices.rdma_mtu(desired.minimum_mtu)}"
        )
    if desired.subnet:
        gid, reason = devices.choose_gid(devices.gids(state.host), state.interface.name, desired.network)
        if gid is None:
            wrong.append(f"gid: {reason}")
    peer = other_end(state, desired)
    if peer["verdict"] == FAIL:
        wrong += [f"the other end: {reason}" for reason in peer["reasons"]]
    return wrong
