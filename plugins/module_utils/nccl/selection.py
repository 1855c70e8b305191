# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which RDMA ports and interfaces of this host NCCL takes, by its own matching rules, before a rank is started.

A name that matches nothing is no error for NCCL: it uses TCP, at a fraction of the rate, and says so only in its debug
log. A name that matches too much takes the management network's port along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..evidence.interface_match import Name, select, select_interfaces

HCA = "NCCL_IB_HCA"
SOCKET = "NCCL_SOCKET_IFNAME"
GLOO = "GLOO_SOCKET_IFNAME"
_ACTIVE = "4:"  # "4: ACTIVE" (kernel, drivers/infiniband/core/sysfs.c)


@dataclass(frozen=True)
class Selection:
    """What is chosen: ``ports`` as ``mlx5_0:1``, ``interfaces`` by name, and what is wrong, each with what to do."""

    ports: tuple[str, ...]
    interfaces: tuple[str, ...]
    problems: tuple[str, ...]


def rdma_ports(root: Path = Path("/")) -> list[Name]:
    """Every port of every RDMA device, active or not."""
    return [
        Name(device.name, int(port.name), _text(port / "state").startswith(_ACTIVE))
        for device in _names(root / "sys/class/infiniband")
        for port in _names(device / "ports")
        if port.name.isdecimal()
    ]


def interfaces(root: Path = Path("/")) -> list[Name]:
    """Every network interface; one without a carrier can't be chosen."""
    return [
        Name(path.name, None, _text(path / "operstate") not in ("down", "lowerlayerdown", "notpresent"))
        for path in _names(root / "sys/class/net")
        if path.is_dir()
    ]


def look(environment: Mapping[str, str], root: Path = Path("/")) -> Selection:
    """What NCCL and Gloo take with this environment on this host.

    Args:
        environment: the variables by name; those that choose nothing are not looked at.
        root: prefix of every path.
    """
    problems: list[str] = []
    ports: list[str] = []
    if HCA in environment:
        there = rdma_ports(root)
        chosen = select(environment[HCA], there)
        ports = [f"{name.name}:{name.port}" for name in chosen]
        problems += _hca_problems(environment[HCA], chosen, there)
    there = interfaces(root)
    taken = [name.name for name in select_interfaces(environment[SOCKET], there)] if SOCKET in environment else []
    if SOCKET in environment and not taken:
        problems.append(_missing(SOCKET, environment[SOCKET], there))
    # Gloo takes a name as it is: no list, no prefix, no sign in front.
    gloo = environment.get(GLOO)
    if gloo is not None and gloo not in [name.name for name in there if name.active]:
        problems.append(_missing(GLOO, gloo, there))
    return Selection(tuple(ports), tuple(taken), tuple(problems))


def _hca_problems(value: str, chosen: Sequence[Name], there: Sequence[Name]) -> list[str]:
    if chosen:
        return []
    if not there:
        nothing = f"{HCA}={value}: this host has no RDMA device. NCCL would use TCP"
        return [f"{nothing}; load the adapter's driver (role ofed), or leave rdma_device out of the inventory"]
    named = ", ".join(f"{name.name}:{name.port}{'' if name.active else ' (not active)'}" for name in there)
    nothing = f"{HCA}={value} selects no active port. NCCL would use TCP"
    return [f"{nothing}; there are {named}: name one of them as rdma_device, or bring the port up"]


def _missing(variable: str, value: str, there: Sequence[Name]) -> str:
    wanted = value.lstrip("^=")
    renamed = [name.name for name in there if name.name.startswith(f"{wanted}np")]
    hint = (
        f"newer drivers call {wanted} {renamed[0]}: name that as data_interface"
        if renamed
        else "name one of them as data_interface, or bring it up"
    )
    named = ", ".join(f"{name.name}{'' if name.active else ' (down)'}" for name in there)
    return f"{variable}={value} selects no interface that is up; there are {named}: {hint}"


def _names(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
