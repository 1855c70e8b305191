# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for the data port, names, ports and room."""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..evidence import interface_match
from .expectation import GIB, Expectation
from .findings import ERROR, UNKNOWN, WARNING, Host, Problem, Rule, always, gigabytes
from .pci_ids import nic_name

# What the kernel takes off an interface's MTU for RoCE's headers (iboe_get_mtu, include/rdma/ib_addr.h), and what is
# left is rounded down to one of these.
_RDMA_HEADERS = 96
_RDMA_MTUS = (256, 512, 1024, 2048, 4096)
# Estimates: what an environment with torch and its CUDA libraries takes unpacked, and a rank of shared memory.
_ENGINE_BYTES = 20 * GIB
_SHM_BYTES_A_RANK = GIB
SHM = "/dev/shm"  # noqa: S108 - looked at, not written to


def rdma_mtu(mtu: int) -> int:
    """The RDMA MTU that an Ethernet interface of this MTU gets, 0 where it gets none."""
    return max((size for size in _RDMA_MTUS if size <= mtu - _RDMA_HEADERS), default=0)


def data_port(seen: Mapping[str, Any], expected: Expectation) -> dict[str, Any] | None:
    """The data interface as it was seen, None where there is none of that name."""
    wanted = expected.data_interface
    return next((nic for nic in seen.get("interfaces") or () if nic["name"] == wanted), None)


def _absent(host: Host) -> Iterable[Problem]:
    if data_port(host.seen, host.expected) is not None:
        return
    name = host.expected.data_interface or ""
    names = [nic["name"] for nic in host.seen["interfaces"]]
    # Newer mlx5 drivers tell the port's name, and udev puts it behind the interface's.
    renamed = [other for other in names if re.fullmatch(rf"{re.escape(name)}np\d+", other)]
    if renamed:
        yield Problem(
            f"has no interface {name}, and one {renamed[0]}: a newer driver names its port too",
            f"set data_interface: {renamed[0]}, or name the interface by its MAC address",
        )
    else:
        yield Problem(
            f"has no interface {name} (it has {', '.join(names) or 'none'})", "set data_interface to the data port"
        )


def _down(host: Host) -> Iterable[Problem]:
    nic = data_port(host.seen, host.expected)
    if nic and nic["operstate"] == "down":
        fix = f"ip link set {nic['name']} up; then cable, module (ethtool -m) and switch port"
        yield Problem(f"{nic['name']} has no link", fix)


def _rate(host: Host) -> Iterable[Problem]:
    nic = data_port(host.seen, host.expected)
    if nic is None or nic["operstate"] == "down":
        return
    wanted = host.expected.nic_gbit_s or 0
    if nic["speed_mbit_s"] is None:
        yield Problem(f"the rate of {nic['name']} can't be read", f"look at `ethtool {nic['name']}`", UNKNOWN)
    elif nic["speed_mbit_s"] < wanted * 1000:
        yield Problem(
            f"{nic['name']} runs at {nic['speed_mbit_s'] / 1000:g} Gbit/s, and the plan is for {wanted:g}",
            "compare speed and FEC with the switch's port, and look at cable and module; or plan with what there is",
        )


def _mtu(host: Host) -> Iterable[Problem]:
    nic, wanted = data_port(host.seen, host.expected), host.expected.mtu_bytes
    if nic and nic["mtu"] != wanted:
        yield Problem(
            f"{nic['name']} has an MTU of {nic['mtu']} bytes, and {wanted} is wanted on every host and switch port",
            f"ip link set {nic['name']} mtu {wanted}, and in the network's configuration (role host_network)",
        )


def _rdma_mtu(host: Host) -> Iterable[Problem]:
    nic, wanted = data_port(host.seen, host.expected), host.expected.rdma_mtu_bytes or 0
    if nic and nic["mtu"] and rdma_mtu(nic["mtu"]) < wanted:
        least = wanted + 104
        yield Problem(
            f"{nic['name']} has an MTU of {nic['mtu']} bytes: RDMA gets {rdma_mtu(nic['mtu'])}, not {wanted}",
            f"{least} bytes or more end to end: ip link set {nic['name']} mtu {least} (role host_network)",
        )


def _nic_model(host: Host) -> Iterable[Problem]:
    nic = data_port(host.seen, host.expected)
    wanted = host.expected.nic_models
    name = nic_name(nic["vendor"], nic["device"]) if nic else None
    if nic and not (name and any(fnmatch.fnmatch(name.lower(), pattern.lower()) for pattern in wanted)):
        yield Problem(
            f"{nic['name']} is a {name or 'device without PCI identifiers'}, and {' or '.join(wanted)} is expected",
            "set data_interface to the right port, or nic_models to what is there",
        )


def _firmware(host: Host) -> Iterable[Problem]:
    nic, wanted = data_port(host.seen, host.expected), host.expected.nic_firmware or ""
    if nic is None:
        return
    if nic["firmware"] is None:
        yield Problem(f"the firmware of {nic['name']} can't be read", f"look at `ethtool -i {nic['name']}`", UNKNOWN)
    elif _numbers(nic["firmware"]) < _numbers(wanted):
        yield Problem(
            f"{nic['name']} has firmware {nic['firmware']}, and {wanted} is the oldest accepted",
            "update it (mlxfwmanager, mstflint) on all hosts alike, and power-cycle",
        )


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def _address(host: Host) -> Iterable[Problem]:
    nic, wanted = data_port(host.seen, host.expected), host.expected.data_address
    found = (host.seen["addresses"] or {}).get(host.expected.data_interface or "", [])
    if nic and wanted not in found:
        yield Problem(
            f"{nic['name']} has {', '.join(found) or 'no address'}, and the plan's address of this host is {wanted}",
            "give the data port its address (role host_network), or correct data_address in the inventory",
        )


def _rdma_port(host: Host) -> Iterable[Problem]:
    nic = data_port(host.seen, host.expected)
    if nic is None or nic["operstate"] == "down":
        return
    if not nic["rdma"]:
        yield Problem(
            f"{nic['name']} has no RDMA device ({nic['driver'] or 'no driver'}): NCCL would take TCP without a word",
            "load mlx5_ib (role ofed), or set data_interface to the port that has one",
            WARNING,
        )
    for device, state in nic["rdma"].items():
        if state != "ACTIVE":
            message = f"RDMA device {device} of {nic['name']} is {state or 'in an unknown state'}, not ACTIVE"
            yield Problem(message, "look at link and switch port; `rdma link` shows when it is right")


def _hca(host: Host) -> Iterable[Problem]:
    """NCCL takes TCP, and says nothing, where its setting selects no active port."""
    setting = host.expected.hca or ""
    states = {name: state for nic in host.seen["interfaces"] for name, state in nic["rdma"].items()}
    ports = [interface_match.Name(name, 1, state == "ACTIVE") for name, state in sorted(states.items())]
    if states and not interface_match.select(setting, ports):
        there = ", ".join(f"{name} {state or 'unknown'}" for name, state in sorted(states.items()))
        yield Problem(
            f"NCCL_IB_HCA={setting} selects no active port of {there}: NCCL would take TCP without a word",
            "correct rdma_device in the inventory, and write whole names with = in front",
        )


def _own_name(host: Host) -> Iterable[Problem]:
    own = host.seen["own_name"]
    bad = _unreachable(own["addresses"])
    if bad:
        yield Problem(
            f"its own name {own['name']} resolves to {', '.join(bad)}: other hosts are told to connect to themselves",
            f"take {own['name']} off the line of {bad[0]} in /etc/hosts and give it its data address there",
        )
    elif not own["addresses"]:
        yield Problem(f"its own name {own['name']} does not resolve", f"add {own['name']} to /etc/hosts or DNS")


def _own_elsewhere(host: Host) -> Iterable[Problem]:
    own = host.seen["own_name"]
    mine = {address for addresses in host.seen["addresses"].values() for address in addresses}
    others = [address for address in own["addresses"] if not _is_link_local(address)]
    if others and not mine.intersection(others) and not _unreachable(others):
        yield Problem(
            f"its own name {own['name']} resolves to {', '.join(others)}, which is no address of this host",
            "correct it in /etc/hosts or DNS",
        )


def _unreachable(addresses: list[str]) -> list[str]:
    """Those that lead another host to itself. Link-local ones (nss-myhostname tells all) only if there is no other."""
    loopback = [address for address in addresses if _is_loopback(address)]
    return loopback or (addresses if all(map(_is_link_local, addresses)) else [])


def _is_loopback(address: str) -> bool:
    parsed = _parsed(address)
    return parsed is not None and (parsed.is_loopback or parsed.is_unspecified)


def _is_link_local(address: str) -> bool:
    parsed = _parsed(address)
    return parsed is not None and parsed.is_link_local


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None


def _peers(host: Host) -> Iterable[Problem]:
    for name, wanted in sorted(host.expected.hosts.items()):
        found = host.seen["peers"].get(name) or []
        bad = _unreachable(found)
        if name != host.name and bad:
            yield Problem(f"the name {name} resolves to {bad[0]} there", "correct it in /etc/hosts or DNS", ERROR)
        elif name != host.name and found and wanted and wanted not in found:
            fix = "correct /etc/hosts or DNS, or leave names alone: the service itself uses addresses"
            yield Problem(f"the name {name} resolves to {', '.join(found)} there, not to {wanted}", fix)


def _held(host: Host) -> Iterable[Problem]:
    # A listener on every address of both families is one.
    listeners = {(entry["port"], entry.get("pid") or entry["inode"]): entry for entry in host.seen["ports"]["held"]}
    for entry in listeners.values():
        if entry.get("unit") in (host.expected.service, host.expected.balancer):
            continue
        who = f"{entry['command']} (process {entry['pid']})" if entry.get("pid") else "a process that isn't seen here"
        unit = f" of {entry['unit']}" if entry.get("unit") else ""
        yield Problem(
            f"port {entry['port']} is in use by {who}{unit}, and the plan needs it",
            f"stop {entry.get('unit') or who}, or plan another port",
        )


def _ephemeral(host: Host) -> Iterable[Problem]:
    span = host.seen["ports"]["ephemeral"]
    reserved = _spans(host.seen["ports"]["reserved"])
    for port in host.expected.ports:
        if span and span[0] <= port <= span[1] and not any(low <= port <= high for low, high in reserved):
            yield Problem(
                f"port {port} lies in the range that the kernel hands out to any program ({span[0]}-{span[1]})",
                "plan a port outside of it, or set net.ipv4.ip_local_reserved_ports",
            )


def _spans(text: str) -> list[tuple[int, int]]:
    pairs = [part.partition("-") for part in text.split(",") if part.strip()]
    return [(int(low), int(high or low)) for low, _dash, high in pairs]


def _room(host: Host) -> Iterable[Problem]:
    """Room for what is still to come; what shares a file system shares its room."""
    needs: dict[int, list[tuple[str, int, dict[str, Any]]]] = {}
    for what, path, size in _wanted_rooms(host.expected):
        seen = host.seen["paths"].get(path)
        if seen is None:
            reason = host.why_unseen(f"path {path}")
            yield Problem(
                f"the room for the {what} in {path} could not be seen: {reason}", "look at its mount", UNKNOWN
            )
            continue
        held = seen["held_bytes"]
        left = 0 if what == "engine" and held else max(0, size - held)
        if left and seen["read_only"]:
            yield Problem(f"the {what}'s place {path} is read-only", f"mount {seen['measured_at']} to be written to")
        needs.setdefault(seen["device"], []).append((what, left, seen))
    for entries in needs.values():
        total, free = sum(left for _what, left, _seen in entries), entries[0][2]["free_bytes"]
        if total > free:
            listed = " and ".join(f"{gigabytes(left)} for the {what} in {seen['path']}" for what, left, seen in entries)
            message = f"{gigabytes(free)} are free on {entries[0][2]['measured_at']}, and still wanted are {listed}"
            yield Problem(message, "make room, or point the path to a larger file system")


def _wanted_rooms(expected: Expectation) -> list[tuple[str, str, int]]:
    engine = expected.engine_bytes if expected.engine_bytes is not None else _ENGINE_BYTES * expected.hardware
    rooms = [("model", expected.model_path, expected.model_bytes), ("engine", expected.engine_path, engine)]
    return [(what, path, size) for what, path, size in rooms if path and size]


def _shm(host: Host) -> Iterable[Problem]:
    seen = host.seen["paths"].get(SHM)
    wanted = _shm_bytes(host.expected)
    if seen is None:
        reason = host.why_unseen(f"path {SHM}")
        yield Problem(f"{SHM} could not be seen: {reason}", "look at its mount", UNKNOWN)
    elif seen["free_bytes"] < wanted:
        yield Problem(
            f"{gigabytes(seen['free_bytes'])} of {gigabytes(seen['total_bytes'])} are free in {SHM};"
            f" the ranks need {gigabytes(wanted)}",
            f"remove what a crash left there (ls -l {SHM}), or mount -o remount,size=... {SHM}",
        )


def _shm_bytes(expected: Expectation) -> int:
    if expected.shm_bytes is not None:
        return expected.shm_bytes
    return _SHM_BYTES_A_RANK * (expected.gpus_per_host or 0) * expected.hardware


def _memory(host: Host) -> Iterable[Problem]:
    seen, wanted = host.seen["memory"]["total_bytes"], host.expected.memory_bytes or 0
    if seen < wanted:
        message = f"has {gigabytes(seen)} of memory, and {gigabytes(wanted)} are expected"
        yield Problem(message, "look for failed modules (dmidecode -t memory, ras-mc-ctl), or add memory")


def _has_port(expected: Expectation) -> bool:
    return expected.data_interface is not None


RULES = (
    Rule("nic.absent", ERROR, ("interfaces",), _has_port, _absent, "the data interface is there under its name"),
    Rule("nic.down", ERROR, ("interfaces",), _has_port, _down, "it has a link"),
    Rule("nic.rate", ERROR, ("interfaces",), lambda e: e.hardware and bool(e.nic_gbit_s), _rate, "the plan's rate"),
    Rule("nic.mtu", ERROR, ("interfaces",), lambda e: e.mtu_bytes is not None, _mtu, "exactly the MTU of `mtu_bytes`"),
    Rule("nic.rdma_mtu", ERROR, ("interfaces",), lambda e: bool(e.rdma_mtu_bytes), _rdma_mtu, "room for RDMA's MTU"),
    Rule("nic.model", ERROR, ("interfaces",), lambda e: e.hardware and bool(e.nic_models), _nic_model, "one of a list"),
    Rule(
        "nic.firmware", ERROR, ("interfaces",), lambda e: e.hardware and bool(e.nic_firmware), _firmware, "new enough"
    ),
    Rule(
        "nic.address",
        ERROR,
        ("interfaces", "addresses"),
        lambda e: bool(e.data_address),
        _address,
        "the plan's address",
    ),
    Rule("nic.rdma_port", ERROR, ("interfaces",), lambda e: e.hardware and _has_port(e), _rdma_port, "RDMA, active"),
    Rule("nic.hca", ERROR, ("interfaces",), lambda e: e.hardware and bool(e.hca), _hca, "NCCL finds an active port"),
    Rule("names.own", ERROR, ("own_name",), always, _own_name, "its own name resolves, to no loopback address"),
    Rule(
        "names.own_elsewhere", ERROR, ("own_name", "addresses"), always, _own_elsewhere, "and to an address of its own"
    ),
    Rule("names.peers", WARNING, ("peers",), lambda e: bool(e.hosts), _peers, "other hosts' names, where they resolve"),
    Rule("ports.held", ERROR, ("ports",), lambda e: bool(e.ports), _held, "free, or the service's own"),
    Rule("ports.ephemeral", WARNING, ("ports",), lambda e: bool(e.ports), _ephemeral, "not handed out by chance"),
    Rule("room.disk", ERROR, ("paths",), lambda e: bool(_wanted_rooms(e)), _room, "room for what is still to come"),
    Rule("room.shm", ERROR, ("paths",), lambda e: bool(_shm_bytes(e)), _shm, "room in /dev/shm"),
    Rule("room.memory", ERROR, ("memory",), lambda e: bool(e.memory_bytes), _memory, "as much memory as expected"),
)
