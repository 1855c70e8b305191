# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The chain from an IP header's byte to a lossless queue, computed in one place.

DSCP (6 bits) and ECN (2 bits) make the traffic class, the byte that RDMA applications set. The NIC and every switch map
the DSCP to a priority, and priority flow control holds for priorities. One link that disagrees and traffic is lossy.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..evidence.traffic_class import default_priority, traffic_class

PRIORITIES = 8
MAX_DSCP = 63
MAX_TRAFFIC_CLASS = 255
# What a packet says of itself: 0 can't be marked, 1 and 2 can, 3 has been marked (only a switch may say that).
CONGESTION_EXPERIENCED = 3


class ChainError(ValueError):
    """Links of the chain that don't fit; all of them, one a line."""


def split(value: int) -> tuple[int, int]:
    """DSCP and ECN of a traffic class. Two classes mean the same queue if their DSCPs are equal: 104 and 106 do."""
    return value >> 2, value & 3


def mask(priority: int) -> tuple[int, ...]:
    """Priority flow control on one priority only."""
    return tuple(int(index == priority) for index in range(PRIORITIES))


@dataclass(frozen=True)
class Chain:
    """Everything that follows from the choice of a DSCP."""

    dscp: int
    ecn: int
    priority: int
    traffic_class: int
    pfc: tuple[int, ...]
    cnp_dscp: int
    cnp_priority: int
    mapped: Mapping[int, int] = field(default_factory=dict)

    @property
    def dscp_priorities(self) -> dict[int, int]:
        """The mappings that the NIC has to hold."""
        return {**self.mapped, self.dscp: self.priority, self.cnp_dscp: self.cnp_priority}


def _range(name: str, value: int, most: int) -> list[str]:
    if 0 <= value <= most:
        return []
    hint = ""
    if name.endswith("dscp") and most < value <= MAX_TRAFFIC_CLASS:
        dscp, ecn = split(value)
        hint = f": as a traffic class it is DSCP {dscp} with ECN {ecn}, so write {name}: {dscp}"
    return [f"{name} is {value}, which is not 0 to {most}{hint}"]


def _priority(name: str, dscp: int, priority: int, mapped: Mapping[int, int]) -> list[str]:
    got = mapped.get(dscp, default_priority(dscp))
    if got == priority:
        return []
    first = priority * PRIORITIES
    how = "by the map given" if dscp in mapped else "by default (DSCP // 8)"
    words = f"{name} {dscp} goes to priority {got} {how}, not to {priority}: use a DSCP from {first} to"
    return [f"{words} {first + PRIORITIES - 1}, or map {dscp} to {priority} on hosts and switches"]


def chain(
    *,
    dscp: int,
    ecn: int,
    priority: int,
    cnp_dscp: int,
    cnp_priority: int,
    mapped: Mapping[int, int] | None = None,
) -> Chain:
    """Compute the chain.

    Args:
        dscp: of RDMA traffic, 0 to 63.
        ecn: ECN bits that the traffic class carries; 2 is ECT(0).
        priority: the one priority that loses nothing.
        cnp_dscp: DSCP of congestion notification packets.
        cnp_priority: their priority.
        mapped: DSCPs whose priority isn't the default one.

    Raises:
        ChainError: links don't fit.
    """
    mapped = dict(mapped or {})
    wrong = _range("dscp", dscp, MAX_DSCP) + _range("cnp_dscp", cnp_dscp, MAX_DSCP)
    most = PRIORITIES - 1
    wrong += _range("lossless_priority", priority, most) + _range("cnp_priority", cnp_priority, most)
    wrong += _range("ecn", ecn, CONGESTION_EXPERIENCED)
    for key, value in mapped.items():
        wrong += _range("mapped dscp", key, MAX_DSCP) + _range(f"priority of DSCP {key}", value, PRIORITIES - 1)
    if ecn == CONGESTION_EXPERIENCED:
        wrong.append("ecn 3 says that every packet has met congestion: use 2")
    if not wrong:
        wrong += _priority("dscp", dscp, priority, mapped) + _priority("cnp_dscp", cnp_dscp, cnp_priority, mapped)
        if priority == cnp_priority:
            wrong.append(
                f"priority {priority} is lossless and the notifications' too: they must overtake what is paused"
            )
    if wrong:
        raise ChainError("; ".join(wrong))
    return Chain(dscp, ecn, priority, traffic_class(dscp, ecn), mask(priority), cnp_dscp, cnp_priority, mapped)


def compare(link: Chain, stated: int | None) -> list[str]:
    """Compare a traffic class that somebody else states (NCCL_IB_TC) by its DSCP.

    Returns:
        Warnings: the same DSCP with other ECN bits is the same queue.

    Raises:
        ChainError: it means another queue.
    """
    if stated is None:
        return []
    if not 0 <= stated <= MAX_TRAFFIC_CLASS:
        raise ChainError(f"traffic class is {stated}, which is not 0 to {MAX_TRAFFIC_CLASS}")
    dscp, ecn = split(stated)
    if dscp != link.dscp:
        words = f"traffic class {stated} is DSCP {dscp} (priority {default_priority(dscp)} by default)"
        raise ChainError(f"{words}, but the lossless DSCP is {link.dscp}: use {link.traffic_class}")
    if ecn != link.ecn:
        return [f"traffic class {stated} is DSCP {dscp} as wanted, but its ECN bits are {ecn}, not {link.ecn}"]
    return []


def read_subnet(text: str) -> ipaddress.IPv4Network | None:
    """A data network from ``192.168.1.0/24`` or an address with a prefix; None for nothing. ValueError for others."""
    return ipaddress.IPv4Interface(text).network if text else None
