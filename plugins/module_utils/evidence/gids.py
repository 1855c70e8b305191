# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""GID tables of RDMA devices: ``show_gids``, ``ibv_devinfo -v``, or sysfs.

The GID that RoCE v2 over IPv4 needs is of type "RoCE v2" and maps an IPv4 address (``::ffff:10.77.3.21``). Its index is
whatever the order in which addresses were set made it, and may differ from host to host.

sysfs is read as ``grep . /sys/class/infiniband/*/ports/*/gids/* …/gid_attrs/types/* …/gid_attrs/ndevs/*`` prints it
(``PATH:VALUE``), or as ``tail -n +1`` does (``==> PATH <==``, the value below).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .findings import Context, ContextError, Findings, nothing, whole, word, words
from .result import Evidence, clean_lines, count

TOOL = "gids"

_ROW = re.compile(
    r"^(\S+)\s+(\d{1,9})\s+(\d{1,9})\s+([0-9a-fA-F:]{39})(?:\s+(\d+\.\d+\.\d+\.\d+))?\s+(v1|v2|IB)?(?:\s+(\S+))?\s*$",
    re.ASCII,
)
_HEADER = re.compile(r"^DEV\s+PORT\s+INDEX\b")
_FOOTER = re.compile(r"^n_gids_found=(\d+)\s*$")
_DEVICE = re.compile(r"^hca_id:\s+(\S+)\s*$")
_PORT = re.compile(r"^\s+port:\s+(\d{1,9})\s*$")
_GID = re.compile(r"^\s+GID\[\s*(\d{1,9})\]:\s+([0-9a-fA-F:.]+)\s*(?:,\s*(\S.*?))?\s*$")
_SYSFS = re.compile(
    r"infiniband/([^/\s]+)/ports/(\d{1,9})/(gids|gid_attrs/types|gid_attrs/ndevs)/(\d{1,9})(?:\s*[:=]\s*|\s+<==\s*$|\s+)(\S.*?)?\s*$"
)


@dataclass(frozen=True)
class Gid:
    """One entry of a table. ``version`` is ``v1``, ``v2`` or None where the output doesn't say."""

    device: str
    port: int
    index: int
    address: ipaddress.IPv6Address
    version: str | None
    netdev: str | None = None

    @property
    def ipv4(self) -> str | None:
        """Return the IPv4 address that it maps, None of another GID."""
        return str(self.address.ipv4_mapped) if self.address.ipv4_mapped is not None else None


def parse(text: str, context: Context | None = None) -> Evidence:
    """Choose the GID of RoCE v2 over IPv4 of each device.

    Args:
        text: the table.
        context: ``subnet`` (``10.77.3.0/24``) or ``address`` (the IPv4 address that the GID must map), ``devices``
            (those that are wanted), ``interface`` (the network interface that is), ``gid_index`` (what
            NCCL_IB_GID_INDEX is set to: it must be the right one).

    Returns:
        ``index`` and ``address`` by device (``mlx5_0``, or ``mlx4_0:2`` for a second port; None where the device has
        no such GID), ``netdev`` by device, ``gids`` (each with ``device``, ``port``,
        ``index``, ``gid``, ``ipv4``, ``version``).
    """
    lines = clean_lines(text)
    found = Findings()
    gids = read(lines, found)
    ports = sorted({(gid.device, gid.port) for gid in gids})
    values: dict[str, Any] = {
        "index": {},
        "address": {},
        "netdev": {},
        "gids": [
            {
                "device": gid.device,
                "port": gid.port,
                "index": gid.index,
                "gid": str(gid.address.exploded),
                "ipv4": gid.ipv4,
                "version": gid.version,
            }
            for gid in gids
        ],
    }
    if not gids and not found.unknowns and not found.failures:
        return nothing(TOOL, values, lines, "GID")
    wanted = words(context, "devices")
    interface = word(context, "interface")
    for device, port in ports:
        key = device if port == 1 else f"{device}:{port}"
        table = [gid for gid in gids if (gid.device, gid.port) == (device, port)]
        if wanted is not None and device not in wanted and f"{device}:{port}" not in wanted:
            continue
        if interface is not None and not any(gid.netdev == interface for gid in table):
            continue
        _choose(key, table, context, values, found)
    for device in wanted or ():
        if device.partition(":")[0] not in {gid.device for gid in gids}:
            found.unknowns.append(f"{device} is not in this output")
    _judge(context, values, found)
    return found.evidence(TOOL, values)


def read(lines: Sequence[str], found: Findings | None = None) -> list[Gid]:
    """Return the entries that aren't zero. Complaints about the output's completeness go to ``found``."""
    complaints = found if found is not None else Findings()
    if any(_SYSFS.search(line) for line in lines):
        return _read_sysfs(lines, complaints)
    if any(_DEVICE.match(line) for line in lines):
        return _read_devinfo(lines, complaints)
    return _read_show_gids(lines, complaints)


def common_index(hosts: Mapping[str, Mapping[str, int | None]]) -> int | None:
    """Return the one index that every device of every host has, None where there is none: then NCCL_IB_GID_INDEX can't
    be the same everywhere and is better left unset (NCCL 2.21 and newer find the GID themselves).

    Args:
        hosts: ``values["index"]`` of each host.
    """
    indexes = {index for devices in hosts.values() for index in devices.values()}
    return indexes.pop() if len(indexes) == 1 else None


def _choose(key: str, table: Sequence[Gid], context: Context | None, values: dict[str, Any], found: Findings) -> None:
    untyped = [gid for gid in table if gid.version is None]
    right = [gid for gid in table if gid.version == "v2" and gid.ipv4 is not None]
    selected = [gid for gid in right if _is_asked_for(gid, context)]
    if not selected and right:
        found.notes.append(f"{key} has no address in what was asked for: {', '.join(str(gid.ipv4) for gid in right)}")
        return
    values["netdev"][key] = next((gid.netdev for gid in table if gid.netdev), None)
    values["index"][key] = selected[0].index if selected else None
    values["address"][key] = selected[0].ipv4 if selected else None
    if not selected:
        if untyped:
            found.unknowns.append(f"{key}: this output does not say which GIDs are RoCE v2")
        else:
            found.failures.append(
                f"{key} has no GID of RoCE v2 with an IPv4 address: give its interface an address, see that it is up"
            )
    elif len({gid.ipv4 for gid in selected}) > 1:
        found.warnings.append(
            f"{key} has several GIDs of RoCE v2 with IPv4 (index {', '.join(str(gid.index) for gid in selected)}): the"
            " lowest was taken; say which with the context subnet or address"
        )


def _is_asked_for(gid: Gid, context: Context | None) -> bool:
    address, subnet = word(context, "address"), word(context, "subnet")
    if address is not None:
        return gid.ipv4 == address.partition("/")[0]
    if subnet is None:
        return True
    try:
        return ipaddress.IPv4Address(str(gid.ipv4)) in ipaddress.IPv4Network(subnet, strict=False)
    except ValueError as error:
        raise ContextError(f"context subnet must be an IPv4 network, not {subnet!r}") from error


def _judge(context: Context | None, values: dict[str, Any], found: Findings) -> None:
    if not values["index"] and not found.unknowns and not found.failures:
        asked = word(context, "address") or word(context, "subnet") or word(context, "interface")
        found.failures.append(
            f"no device has a GID of RoCE v2 for {asked or 'what was asked for'}: give the interface its address"
        )
    pinned = whole(context, "gid_index")
    for device, index in values["index"].items():
        if pinned is not None and index is not None and index != pinned:
            found.failures.append(
                f"{device}: NCCL_IB_GID_INDEX is {pinned} but the GID of RoCE v2 with IPv4 has index {index}: set it by"
                " host, or leave it unset (NCCL 2.21 and newer)"
            )


def _address(text: str) -> ipaddress.IPv6Address | None:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        return None


def _version(text: str | None) -> str | None:
    name = (text or "").strip().lower()
    return {"v1": "v1", "v2": "v2", "roce v2": "v2", "ib/roce v1": "v1", "roce v1": "v1", "ib": "v1"}.get(name)


def _read_show_gids(lines: Sequence[str], found: Findings) -> list[Gid]:
    gids: list[Gid] = []
    footer: int | None = None
    ordered = True
    for line in lines:
        ordered = ordered and not (gids and _HEADER.match(line)) and not (footer is not None and _ROW.match(line))
        row, end = _ROW.match(line.replace("\t", " \t")), _FOOTER.match(line)
        if end is not None:
            footer = count(end.group(1))
        if row is None:
            continue
        device, port, index, gid, ipv4, version, netdev = row.groups()
        address = _address(gid)
        if address is None:
            continue
        entry = Gid(device, int(port), int(index), address, _version(version), netdev)
        if ipv4 is not None and ipv4 != entry.ipv4:
            found.unknowns.append(f"{device}: GID {index} is {gid} but said to be {ipv4}")
        gids.append(entry)
    if (gids or footer is not None) and footer != len(gids):
        counted = "its last line is missing" if footer is None else f"{footer} GIDs were found"
        found.unknowns.append(f"{len(gids)} GIDs can be read but {counted}: cut off")
    if not ordered or not _is_sorted(gids):
        found.unknowns.append("the lines are not in the order in which show_gids prints them")
    if footer == 0:
        found.failures.append("there is no GID at all: no RDMA device, or its port has no interface")
    return [gid for gid in gids if int(gid.address)]


def _is_sorted(gids: Sequence[Gid]) -> bool:
    """Say whether each port's rows stand together, by index as numbers or, as a shell sorts, as texts."""
    ports = [(gid.device, gid.port) for gid in gids]
    if any(ports.index(port) + ports.count(port) <= place for place, port in enumerate(ports)):
        return False
    return all(
        indexes in (sorted(indexes), sorted(indexes, key=str))
        for port in set(ports)
        for indexes in [[gid.index for gid in gids if (gid.device, gid.port) == port]]
    )


def _read_devinfo(lines: Sequence[str], found: Findings) -> list[Gid]:
    gids: list[Gid] = []
    device, port = "", 0
    seen: dict[str, int] = {}
    for line in lines:
        header, number, row = _DEVICE.match(line), _PORT.match(line), _GID.match(line)
        if header is not None:
            device, port = header.group(1), 0
            seen.setdefault(device, 0)
        elif number is not None:
            port = int(number.group(1))
        elif row is not None and device and port:
            address = _address(row.group(2))
            if address is not None and int(address):
                gids.append(Gid(device, port, int(row.group(1)), address, _version(row.group(3))))
                seen[device] += 1
    for name, entries in seen.items():
        if not entries:
            found.unknowns.append(f"{name}: no GID in this output; ibv_devinfo prints them with -v")
    return gids


def _read_sysfs(lines: Sequence[str], found: Findings) -> list[Gid]:
    tables: dict[tuple[str, int, int], dict[str, str]] = {}
    pending: tuple[tuple[str, int, int], str] | None = None
    for line in lines:
        match = _SYSFS.search(line)
        if match is None:
            if pending is not None and line.strip():
                tables.setdefault(pending[0], {})[pending[1]] = line.strip()
            pending = None
            continue
        key = (match.group(1), int(match.group(2)), int(match.group(4)))
        pending = (key, match.group(3)) if not match.group(5) else None
        if match.group(5):
            tables.setdefault(key, {})[match.group(3)] = match.group(5)
    gids: list[Gid] = []
    for (device, port, index), fields in sorted(tables.items()):
        address = _address(fields.get("gids", ""))
        if address is None:
            if "gids" in fields or "RoCE v2" in fields.get("gid_attrs/types", ""):
                found.unknowns.append(f"{device}: GID {index} can't be read")
        elif int(address):
            entry = Gid(device, port, index, address, _version(fields.get("gid_attrs/types")))
            gids.append(replace(entry, netdev=fields.get("gid_attrs/ndevs")))
    return gids
