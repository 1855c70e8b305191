# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The port: a network interface, the RDMA device behind it, its GIDs and its MTU, from sysfs."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from ..evidence import ib_port
from ..evidence.gids import Gid
from ..evidence.gids import read as read_gids
from .settings import Host

NET = ("sys", "class", "net")
INFINIBAND = ("sys", "class", "infiniband")


class DeviceError(ValueError):
    """The interface or its RDMA device isn't there, or isn't one to configure."""


class AbsentError(DeviceError):
    """It isn't there, and may yet come: with a driver, or with the network's own set-up."""


@dataclass(frozen=True)
class Interface:
    """A network interface. Empty text is nothing: no driver, no PCI address, no bond."""

    name: str
    mtu: int | None
    state: str
    driver: str
    pci: str
    bond: str


def _link_name(path: Path) -> str:
    """The last part of what a link points to."""
    try:
        return path.readlink().name
    except OSError:
        return ""


def _names(path: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in path.iterdir())
    except OSError:
        return []


def _renamed(name: str, present: list[str]) -> list[str]:
    """Names that this one may have got: newer drivers add the port's name, as in ens1f0np0."""
    return [other for other in present if re.fullmatch(re.escape(name) + r"n?p\d+", other)]


def interface(host: Host) -> Interface:
    """Read an interface.

    Raises:
        DeviceError: it isn't there; the message names those that are, and the likely one first.
    """
    name = host.interface
    if not host.path(*NET, name).exists():
        present = _names(host.path(*NET))
        likely = _renamed(name, present)
        if likely:
            raise DeviceError(f"no interface {name}: it is called {likely[0]} now, so set interface to that")
        raise AbsentError(f"no interface {name}: there are {', '.join(present) or 'none'}")
    mtu = host.read(*NET, name, "mtu") or ""
    device = host.path(*NET, name, "device")
    pci = _link_name(device)
    return Interface(
        name=name,
        mtu=int(mtu) if mtu.isdecimal() else None,
        state=host.read(*NET, name, "operstate") or "",
        driver=_link_name(device / "driver"),
        pci=pci if re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d", pci) else "",
        bond=_link_name(host.path(*NET, name, "master")) if host.path(*NET, name, "bonding_slave").exists() else "",
    )


def devices(host: Host) -> dict[str, int]:
    """RDMA devices of the interface: name to port."""
    found: dict[str, int] = {}
    for device in _names(host.path(*INFINIBAND)):
        for port in _names(host.path(*INFINIBAND, device, "ports")):
            table = host.path(*INFINIBAND, device, "ports", port, "gid_attrs", "ndevs")
            # Entries that hold nothing can't be read.
            names = {host.read(*table.relative_to(host.root).parts, index) for index in _names(table)}
            if host.interface in names and port.isdecimal():
                found.setdefault(device, int(port))
        behind = host.path(*INFINIBAND, device, "device", "net", host.interface).exists()
        if behind or host.read(*INFINIBAND, device, "parent") == host.interface:
            found.setdefault(device, 1)
    return found


def device(host: Host, wanted: str = "") -> tuple[str, int]:
    """The RDMA device of the interface and its port.

    Raises:
        DeviceError: there is none, or another than `wanted`, or several.
    """
    found = devices(host)
    if wanted and wanted in found:
        return wanted, found[wanted]
    if wanted:
        other = f"it is behind {', '.join(found)}" if found else "none is behind it"
        raise DeviceError(f"RDMA device {wanted} isn't behind {host.interface}: {other}")
    if not found:
        there = ", ".join(_names(host.path(*INFINIBAND))) or "no RDMA device at all"
        raise AbsentError(
            f"no RDMA device behind {host.interface} ({there}): load its driver (mlx5_ib), or name the data interface"
        )
    if len(found) > 1:
        raise DeviceError(f"several RDMA devices behind {host.interface} ({', '.join(found)}): set device")
    return next(iter(found.items()))


def gids(host: Host) -> list[Gid]:
    """The port's table, without the entries that hold nothing."""
    place = (*INFINIBAND, host.device, "ports", str(host.port))
    lines = [
        f"{'/'.join(place)}/{kind}/{index}:{host.read(*place, *kind.split('/'), index) or ''}"
        for index in _names(host.path(*place, "gids"))
        for kind in ("gids", "gid_attrs/types", "gid_attrs/ndevs")
    ]
    return sorted(read_gids(lines), key=lambda gid: gid.index)


def choose_gid(table: list[Gid], name: str, subnet: ipaddress.IPv4Network | None) -> tuple[Gid | None, str]:
    """The GID that RoCE v2 uses over IPv4 in the data network, or None and why there is none."""
    usable = {gid.ipv4: gid for gid in table if gid.version == "v2" and gid.ipv4 and gid.netdev in (None, name)}
    inside = [gid for ipv4, gid in usable.items() if subnet is None or ipaddress.IPv4Address(ipv4) in subnet]
    if inside:
        return inside[0], ""
    if usable:
        return None, f"no RoCE v2 GID in {subnet}: {name} has {', '.join(str(ipv4) for ipv4 in usable)}"
    if table:
        return None, f"no RoCE v2 GID with an IPv4 address: {name} has none, only {len(table)} GIDs of other kinds"
    return None, f"{name}: the port's GID table is empty"


def rdma_mtu(mtu: int | None) -> int | None:
    """The MTU that RDMA gets out of an interface's: the largest size that leaves room for the headers."""
    fitting = [size for size in ib_port.MTU_BYTES.values() if mtu is not None and ib_port.interface_mtu(size) <= mtu]
    return max(fitting, default=None)
