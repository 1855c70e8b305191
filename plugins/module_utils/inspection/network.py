# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces, addresses, names and ports."""

from __future__ import annotations

import ipaddress
import json
import re
import struct
from typing import Any

from .look import Look, ProbeError

NET = "/sys/class/net"
_LISTENING = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_SERVICE = re.compile(r"([^/]+\.service)\b")


def interfaces(look: Look) -> list[dict[str, Any]]:
    """Every network interface but loopback. ``speed_mbit_s`` is None where there is no rate, as without a link."""
    if not look.path(NET).is_dir():
        raise ProbeError(f"there is no {NET}")
    return [_interface(look, name) for name in look.names(NET) if name != "lo" and look.exists(f"{NET}/{name}/mtu")]


def _interface(look: Look, name: str) -> dict[str, Any]:
    base = f"{NET}/{name}"
    speed = look.number(f"{base}/speed")
    rdma = look.names(f"{base}/device/infiniband")
    address = look.link(f"{base}/device")
    return {
        "name": name,
        "mac": look.word(f"{base}/address"),
        "mtu": look.number(f"{base}/mtu"),
        "operstate": look.word(f"{base}/operstate"),
        "speed_mbit_s": speed if speed and 0 < speed < (1 << 31) else None,
        "port_name": look.word(f"{base}/phys_port_name") or None,
        "pci_address": address if address and _PCI.fullmatch(address) else None,
        "vendor": look.number(f"{base}/device/vendor"),
        "device": look.number(f"{base}/device/device"),
        "driver": look.link(f"{base}/device/driver"),
        "numa_node": look.number(f"{base}/device/numa_node"),
        "firmware": _firmware(look, name, rdma),
        "rdma": {device: _port_state(look, device) for device in rdma},
    }


def _firmware(look: Look, name: str, rdma: list[str]) -> str | None:
    for device in rdma:
        version = look.word(f"/sys/class/infiniband/{device}/fw_ver")
        if version:
            return version
    if not look.exists(f"{NET}/{name}/device"):
        return None
    try:
        told = look.run(["ethtool", "-i", name]).output
    except ProbeError:
        return None
    return firmware_of(told)


def firmware_of(told: str) -> str | None:
    """The firmware's version in what ``ethtool -i`` prints: ``14.32.1010 (MT_2420110034)`` is 14.32.1010."""
    for line in told.splitlines():
        name, _unused, value = line.partition(":")
        if name.strip() == "firmware-version":
            words = value.split()
            return words[0] if words and words[0] != "N/A" else None
    return None


def _port_state(look: Look, device: str) -> str | None:
    """``ACTIVE`` of ``4: ACTIVE``, of a device's first port."""
    word = look.word(f"/sys/class/infiniband/{device}/ports/1/state")
    return None if word is None else word.rpartition(":")[2].strip()


def addresses(look: Look) -> dict[str, list[str]]:
    """Addresses by interface, without prefix length and link-local ones."""
    told = look.run(["ip", "-j", "address", "show"])
    if told.status != 0:
        raise ProbeError(told.complaint.strip() or f"`ip -j address show`: exit status {told.status}")
    try:
        links = json.loads(told.output)
        return {
            str(link["ifname"]): [
                str(entry["local"]) for entry in link.get("addr_info", ()) if entry.get("scope") != "link"
            ]
            for link in links
            if link.get("ifname")
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ProbeError("`ip -j address show` printed no list of interfaces") from None


def resolve(look: Look, names: list[str]) -> dict[str, list[str]]:
    """What each name resolves to, as programs on the host see it; nothing for one that doesn't resolve."""
    if not look.live:
        return {name: _in_hosts_file(look, name) for name in names}
    found = {}
    for name in names:
        lines = look.run(["getent", "ahosts", name]).output.splitlines()
        words = [line.split()[0] for line in lines if line.split()]
        found[name] = list(dict.fromkeys(words))
    return found


def _in_hosts_file(look: Look, name: str) -> list[str]:
    rows = (line.partition("#")[0].split() for line in (look.text("/etc/hosts") or "").splitlines())
    return [row[0] for row in rows if row and name in row[1:]]


def ports(look: Look, asked: list[int]) -> dict[str, Any]:
    """Which of these TCP ports something listens on, and whose they are; and the range that the kernel hands out."""
    held: list[dict[str, Any]] = []
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for port, address, inode in listening(look.text(path) or ""):
            if port in asked:
                held.append({"port": port, "address": address, "inode": inode})
    owners = _owners(look, {entry["inode"] for entry in held}) if held else {}
    words = (look.word("/proc/sys/net/ipv4/ip_local_port_range") or "").split()
    return {
        "held": [{**entry, **owners.get(entry["inode"], {})} for entry in held],
        "ephemeral": [int(word) for word in words] if len(words) == 2 else None,
        "reserved": look.word("/proc/sys/net/ipv4/ip_local_reserved_ports") or "",
    }


def listening(table: str) -> list[tuple[int, str, str]]:
    """(port, address, inode) of the listening sockets in ``/proc/net/tcp`` or ``tcp6``."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTENING:
            address, _unused, port = fields[1].partition(":")
            found.append((int(port, 16), _address(address), fields[9]))
    return found


def _address(text: str) -> str:
    """An address in /proc/net/tcp: 32 bit words, each in the machine's own byte order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    return str(ipaddress.ip_address(struct.pack(f"={len(words)}I", *words)))


def _owners(look: Look, inodes: set[str]) -> dict[str, dict[str, Any]]:
    """The process behind each socket, and the systemd unit it belongs to."""
    found: dict[str, dict[str, Any]] = {}
    sockets = {f"socket:[{inode}]": inode for inode in inodes}
    for pid in (name for name in look.names("/proc") if name.isdecimal()):
        for number in look.names(f"/proc/{pid}/fd"):
            inode = sockets.get(look.link(f"/proc/{pid}/fd/{number}") or "")
            if inode is not None:
                unit = _SERVICE.findall(look.word(f"/proc/{pid}/cgroup") or "")
                found[inode] = {
                    "pid": int(pid),
                    "command": look.word(f"/proc/{pid}/comm"),
                    "unit": unit[-1] if unit else None,
                }
    return found
