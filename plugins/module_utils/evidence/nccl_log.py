# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What NCCL and Gloo say of themselves: NCCL_DEBUG=INFO, ProcessGroupGloo's warnings, and the names in /etc/hosts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from .findings import Context, Findings, flag, nothing, words
from .result import Evidence, clean_lines

NCCL_TOOL = "nccl_debug"
GLOO_TOOL = "gloo_log"
HOSTS_TOOL = "etc_hosts"

SOCKET, IB, IB_GDR = "socket", "ib", "ib_gdr"

_INFO = re.compile(r"\bNCCL (?:INFO|WARN|VERSION)\b|\bNCCL version \d", re.IGNORECASE)
_CHANNEL = re.compile(
    r"Channel \S+ ?: .*\bvia (NET/[^/\s]+)(/\S*)?|Channel \S+ ?: .*\bvia (P2P|SHM|direct)", re.IGNORECASE
)
_NETWORK = re.compile(r"Using network (\S+)")
_SOCKET_IF = re.compile(r"(?:NET/Socket|Bootstrap) ?: Using (.*)$")
_IF_NAME = re.compile(r"(?:\[\d+\])?([A-Za-z][\w.@-]*):(?:\[[0-9a-fA-F:.%\w]*\]|\d+\.\d+\.\d+\.\d+|[0-9a-fA-F:]+)<\d*>")
_IB_USING = re.compile(r"NET/IB\w* ?: Using (.*)$")
_IB_DEVICE = re.compile(r"\[\d+\]([A-Za-z][\w.-]*):(\d+)/(\w+)")
_OOB = re.compile(r"; OOB ([A-Za-z][\w.@-]*):")
_USING = re.compile(r"NET/\w+ ?: (?:Using|No device found)")
_PROCESS = re.compile(r"(\S+:\d+):\d+ \[\d+\] NCCL ")
_VERSION = re.compile(r"NCCL version (\d[\w.]*)(?:\+cuda([\d.]+))?", re.IGNORECASE)
_NO_DEVICE = re.compile(r"NET/IB ?: No device found|Failed to open libibverbs|NCCL_IB_DISABLE set by environment to 1")
_WARN = re.compile(r"\bNCCL WARN (.*)$")
_TIMEOUT = re.compile(r"completion .*with (?:error|status)\D{0,3}12\b|IBV_WC_RETRY_EXC_ERR|status=12\b")
_MEMORY = re.compile(r"(?:ibv_reg_mr\w*|ibv_create_cq|ibv_create_qp).*(?:Cannot allocate memory|ENOMEM)")

_RANK = re.compile(r"\[rank ?(\d{1,6})\]|\[\d+,(\d{1,6})\]<|_DP(\d{1,6})\b")
_LOOPBACK = re.compile(r"Unable to resolve hostname to a \(local\) address|Using the loopback address as fallback")
_MESH = re.compile(r"Gloo connectFullMesh failed|gloo.*(?:Connection refused|timed out|connect.*failed)", re.IGNORECASE)
_CONNECTED = re.compile(
    r"Rank (\d{1,6}) is connected to (\d{1,6}) peer ranks\. Expected number of connected peer ranks is ?: (\d{1,6})"
)


def parse_nccl(text: str, context: Context | None = None) -> Evidence:
    """Judge which way NCCL sends what goes to other hosts.

    Args:
        text: the log of NCCL_DEBUG=INFO (with NCCL_DEBUG_SUBSYS that has INIT and NET).
        context: ``gdr_required`` (true: every channel between hosts must be GPUDirect), ``devices`` (RDMA devices) and
            ``interfaces`` that must be used and no others, ``socket_allowed`` (true: no RDMA is planned).

    Returns:
        ``transport`` (``socket``, ``ib``, ``ib_gdr``: the worst of the channels; None where the log doesn't show it),
        ``interfaces``, ``devices``, ``channels`` (by way), ``version``.
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {"transport": None, "interfaces": [], "devices": [], "channels": {}, "version": None}
    found = Findings()
    if not any(_INFO.search(line) for line in lines):
        return nothing(NCCL_TOOL, values, lines, "NCCL message")
    networks: set[str] = set()
    no_device = False
    if not _in_order(lines):
        found.unknowns.append("the lines are not in the order in which NCCL prints them")
    # A last line without an end may have lost "/GDRDMA".
    last = "" if text.endswith("\n") else lines[-1]
    for line in lines:
        network, version = _NETWORK.search(line), _VERSION.search(line)
        if network is not None:
            networks.add(network.group(1).lower())
        if version is not None:
            values["version"] = version.group(1)
        no_device = no_device or _NO_DEVICE.search(line) is not None
        _read_names(line, values)
        if line != last or "/GDRDMA" in line or "NET/Socket" in line:
            _read_channel(line, values["channels"])
        _read_warning(line, found)
    _judge_transport(values, networks, no_device, context, found)
    for name in ("devices", "interfaces"):
        wanted = words(context, name)
        if wanted is not None and values[name] and sorted(values[name]) != sorted(wanted):
            found.failures.append(f"NCCL uses the {name} {', '.join(values[name])}, planned are {', '.join(wanted)}")
    return found.evidence(NCCL_TOOL, values)


def parse_gloo(text: str, context: Context | None = None) -> Evidence:
    """Judge whether Gloo took an address that other hosts can reach.

    Args:
        text: the log.
        context: ``etc_hosts`` and ``hosts``: as of the tool etc_hosts, judged too.

    Returns:
        ``loopback_ranks`` (ranks that took 127.0.0.1), ``connected`` (true, false, None where the log doesn't say).
    """
    raw, lines = text.splitlines(), clean_lines(text)
    values: dict[str, Any] = {"loopback_ranks": [], "connected": None}
    found = Findings()
    for line in raw:
        if _LOOPBACK.search(line):
            rank = _RANK.search(line)
            number = next((int(group) for group in rank.groups() if group), None) if rank is not None else None
            if number is not None and number not in values["loopback_ranks"]:
                values["loopback_ranks"].append(number)
            found.failures.append(
                f"{'a rank' if number is None else f'rank {number}'} took the loopback address: set GLOO_SOCKET_IFNAME"
                " on its host, and let its name resolve to the data network's address (/etc/hosts)"
            )
    for line in lines:
        connected = _CONNECTED.search(line)
        if _MESH.search(line):
            values["connected"] = False
            found.failures.append("Gloo could not connect all ranks: see which took another interface or the loopback")
        elif connected is not None:
            enough = connected.group(2) == connected.group(3)
            values["connected"] = enough and values["connected"] is not False
            if not enough:
                found.failures.append(
                    f"rank {connected.group(1)} is connected to {connected.group(2)} of {connected.group(3)} ranks"
                )
    if context is not None and context.get("etc_hosts") is not None:
        found.failures.extend(parse_hosts(str(context["etc_hosts"]), context).reasons)
    if values["connected"] is None and not found.failures:
        return nothing(GLOO_TOOL, values, lines, "message of Gloo")
    return found.evidence(GLOO_TOOL, values)


def parse_hosts(text: str, context: Context | None = None) -> Evidence:
    """Judge /etc/hosts: a host's own name on 127.0.1.1 makes Gloo and others listen where nobody reaches them.

    Args:
        text: the file.
        context: ``hosts`` (names that must not be loopback; else every name but localhost's).

    Returns:
        ``addresses`` (the first one of each name), ``loopback_names``.
    """
    lines = clean_lines(text)
    addresses: dict[str, str] = {}
    for line in lines:
        fields = line.partition("#")[0].split()
        if len(fields) < 2 or _address(fields[0]) is None:
            continue
        for name in fields[1:]:
            addresses.setdefault(name, fields[0])
    values: dict[str, Any] = {"addresses": addresses, "loopback_names": []}
    if not addresses:
        return nothing(HOSTS_TOOL, values, lines, "address")
    found = Findings()
    wanted = words(context, "hosts")
    for name in wanted if wanted is not None else addresses:
        address = _address(addresses.get(name, ""))
        if address is None:
            found.unknowns.append(f"{name} is not in this file: it is resolved elsewhere, or the file is cut off")
        local = wanted is None and (name.startswith(("localhost", "ip6-")) or name.endswith("localhost"))
        if address is not None and address.is_loopback and not local:
            values["loopback_names"].append(name)
            found.failures.append(
                f"{name} is {addresses[name]} in /etc/hosts: give it the data network's address, or set"
                " GLOO_SOCKET_IFNAME"
            )
    return found.evidence(HOSTS_TOOL, values)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _read_names(line: str, values: dict[str, Any]) -> None:
    sockets, devices, oob = _SOCKET_IF.search(line), _IB_USING.search(line), _OOB.search(line)
    names = _IF_NAME.findall(sockets.group(1)) if sockets is not None else []
    if oob is not None:
        names.append(oob.group(1))
    for name in names:
        if name not in values["interfaces"]:
            values["interfaces"].append(name)
    for name, _, _ in _IB_DEVICE.findall(devices.group(1)) if devices is not None else []:
        if name not in values["devices"]:
            values["devices"].append(name)


def _in_order(lines: Sequence[str]) -> bool:
    """Say whether each process lists its devices, then chooses a network, then opens its first channel."""
    stages: dict[str, list[int]] = {}
    for line in lines:
        process = _PROCESS.search(line)
        if process is None:
            continue
        for stage, pattern in enumerate((_USING, _NETWORK, _CHANNEL)):
            if pattern.search(line):
                seen = stages.setdefault(process.group(1), [])
                if stage not in seen:
                    seen.append(stage)
    return all(seen == sorted(seen) for seen in stages.values())


def _read_channel(line: str, channels: dict[str, int]) -> None:
    match = _CHANNEL.search(line)
    if match is None:
        return
    if match.group(1) is None:
        way = match.group(3).upper()
    elif match.group(1).lower().startswith("net/socket"):
        way = SOCKET
    else:
        way = IB_GDR if "GDRDMA" in (match.group(2) or "") else IB
    channels[way] = channels.get(way, 0) + 1


def _read_warning(line: str, found: Findings) -> None:
    if _TIMEOUT.search(line):
        found.failures.append(
            "a peer did not answer (error 12): compare GID index, MTU and traffic class of both ends, see that UDP port"
            " 4791 passes and the peer still runs"
        )
    elif _MEMORY.search(line):
        found.failures.append("memory could not be registered: LimitMEMLOCK=infinity in the unit, soft and hard")
    else:
        warning = _WARN.search(line)
        if warning is not None:
            found.warnings.append(f"NCCL warns: {warning.group(1).strip()[:200]}")


def _judge_transport(
    values: dict[str, Any], networks: set[str], no_device: bool, context: Context | None, found: Findings
) -> None:
    ways = [way for way in (SOCKET, IB, IB_GDR) if values["channels"].get(way)]
    if ways:
        values["transport"] = ways[0]
    elif "socket" in networks:
        values["transport"] = SOCKET
    elif no_device:
        found.failures.append("NCCL found no RDMA device: look at NCCL_IB_HCA, NCCL_IB_DISABLE, and the ports")
        return
    else:
        found.unknowns.append("the log shows no channel to another host: is NCCL_DEBUG=INFO set, did it get that far?")
        return
    if values["transport"] == SOCKET and not flag(context, "socket_allowed"):
        found.failures.append(
            "NCCL goes over TCP (Socket): no RDMA device was found or NCCL_IB_HCA selects none; it works, at a fraction"
            " of the speed"
        )
    elif values["transport"] == IB and flag(context, "gdr_required"):
        found.failures.append(
            "RDMA without GPUDirect: load nvidia_peermem, or use the open driver with DMA-BUF; see ACS and IOMMU"
        )
