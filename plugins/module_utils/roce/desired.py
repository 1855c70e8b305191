# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host should be: the choices as they come from a module's options or the host's own file, and what follows."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from . import chain as links

BACKENDS = ("auto", "ofed", "inbox")
LLDPAD = ("mask", "ignore")
TRUST = ("dscp", "pcp")
ALGORITHMS = ("strict", "ets", "vendor")
ROCE_V2 = "RoCE v2"


class DesiredError(ValueError):
    """Choices that can't be; all of them."""


@dataclass(frozen=True)
class Desired:
    """The choices. Lists of eight are by priority or by traffic class; an empty one is left as the driver has it."""

    interface: str
    device: str = ""
    subnet: str = ""
    dscp: int = 26
    ecn: int = 2
    lossless_priority: int = 3
    cnp_dscp: int = 48
    cnp_priority: int = 6
    dscp_priorities: Mapping[str, int] = field(default_factory=dict)
    trust: str = "dscp"
    global_pause: bool = False
    buffer_sizes: tuple[int, ...] = ()
    priority_buffers: tuple[int, ...] = ()
    priority_classes: tuple[int, ...] = ()
    class_algorithms: tuple[str, ...] = ()
    class_shares: tuple[int, ...] = ()
    minimum_mtu: int = 4200
    qos_expected: bool = True
    backend: str = "auto"
    lldpad: str = "mask"
    service: str = "moefleet-vllm.service"

    @property
    def chain(self) -> links.Chain:
        """What follows from the DSCP. ChainError where it can't."""
        mapped = {int(dscp): priority for dscp, priority in self.dscp_priorities.items()}
        return links.chain(
            dscp=self.dscp,
            ecn=self.ecn,
            priority=self.lossless_priority,
            cnp_dscp=self.cnp_dscp,
            cnp_priority=self.cnp_priority,
            mapped=mapped,
        )

    @property
    def network(self) -> ipaddress.IPv4Network | None:
        """The data network."""
        return links.read_subnet(self.subnet)


def from_mapping(values: Mapping[str, Any]) -> Desired:
    """Choices from options or from the file; None is the default.

    Raises:
        DesiredError: a name or a value that can't be, and ChainError's words among them.
    """
    known = {entry.name for entry in fields(Desired)}
    strange = sorted(set(values) - known)
    if strange:
        raise DesiredError(f"no such setting: {', '.join(strange)}")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    try:
        desired = Desired(**{name: value for name, value in given.items() if value is not None})
    except TypeError as error:
        raise DesiredError(str(error)) from error
    wrong = _problems(desired)
    if wrong:
        raise DesiredError("; ".join(wrong))
    return desired


def _problems(desired: Desired) -> list[str]:
    wrong: list[str] = []
    if not desired.interface or "/" in desired.interface:
        wrong.append(f"interface {desired.interface!r} is no name of an interface")
    try:
        _ = desired.chain
    except ValueError as error:
        wrong.append(str(error))
    try:
        _ = desired.network
    except ValueError as error:
        wrong.append(f"subnet: {error}")
    for name, choices in (("trust", TRUST), ("backend", BACKENDS), ("lldpad", LLDPAD)):
        if getattr(desired, name) not in choices:
            wrong.append(f"{name} is {getattr(desired, name)!r}, not one of {', '.join(choices)}")
    for name in ("buffer_sizes", "priority_buffers", "priority_classes", "class_algorithms", "class_shares"):
        count = len(getattr(desired, name))
        if count not in (0, links.PRIORITIES):
            wrong.append(f"{name} has {count} values: give {links.PRIORITIES}, or none to leave it to the driver")
    return wrong + _shares(desired) + _numbers(desired)


def _numbers(desired: Desired) -> list[str]:
    wrong = [
        f"{name} {value} is not 0 to {links.PRIORITIES - 1}"
        for name in ("priority_buffers", "priority_classes")
        for value in getattr(desired, name)
        if not 0 <= value < links.PRIORITIES
    ]
    lossless = desired.lossless_priority
    if len(desired.priority_buffers) == links.PRIORITIES and desired.buffer_sizes:
        buffer = desired.priority_buffers[lossless] if 0 <= lossless < links.PRIORITIES else 0
        if len(desired.buffer_sizes) > buffer and not desired.buffer_sizes[buffer]:
            wrong.append(f"buffer {buffer} of the lossless priority {lossless} has no bytes in buffer_sizes")
    return wrong


def _shares(desired: Desired) -> list[str]:
    """ETS shares: of the classes that share, and 100 in all."""
    wrong = [
        f"{name!r} is not one of {', '.join(ALGORITHMS)}" for name in set(desired.class_algorithms) - {*ALGORITHMS}
    ]
    if not desired.class_shares:
        return wrong
    if not desired.class_algorithms:
        return [*wrong, "class_shares need class_algorithms, which say which classes share"]
    for index, (algorithm, share) in enumerate(zip(desired.class_algorithms, desired.class_shares)):
        if algorithm != "ets" and share:
            wrong.append(f"traffic class {index} is {algorithm} and can't have a share of {share}")
    if sum(desired.class_shares) != 100:
        wrong.append(f"class_shares are {sum(desired.class_shares)} together, not 100")
    return wrong


def _list(values: tuple[Any, ...]) -> str:
    return ",".join(str(value) for value in values)


def quality(desired: Desired, present: bool = True) -> dict[str, str]:
    """Settings of the port's QoS tree, by name, as text. Absent is what marks and pauses nothing."""
    link = desired.chain
    if not present:
        return {"trust": "pcp", "pfc": _list((0,) * links.PRIORITIES), "traffic_class": "0"}
    lossless = link.priority
    wanted = {
        "dcbx": "os",
        "trust": desired.trust,
        "pfc": _list(link.pfc),
        "pause": "on" if desired.global_pause else "off",
        "traffic_class": str(link.traffic_class),
        f"ecn_np[{lossless}]": "1",
        f"ecn_rp[{lossless}]": "1",
        "cnp_dscp": str(link.cnp_dscp),
        "cnp_priority": str(link.cnp_priority),
    }
    if desired.trust == "dscp":
        wanted.update({f"dscp_priority[{dscp}]": str(prio) for dscp, prio in sorted(link.dscp_priorities.items())})
    for name in ("priority_buffers", "buffer_sizes", "priority_classes", "class_algorithms", "class_shares"):
        if getattr(desired, name):
            wanted[name] = _list(getattr(desired, name))
    return wanted


def connections(desired: Desired, present: bool = True) -> dict[str, str]:
    """Settings of the connection manager."""
    return {"cm_tos": str(desired.chain.traffic_class), "cm_mode": ROCE_V2} if present else {"cm_tos": "0"}
