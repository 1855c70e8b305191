# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What physics allow a figure: the least time, or the highest rate, that the plan's links and devices can give.

A figure beyond its bound is impossible; nine tenths of it are what good links reach.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..evidence.result import number
from .catalogue.model import AT_MOST, Acceptance

# What a good link reaches of its line rate.
REACHED = 0.9
# Expected of the time of an all-to-all of 1 KB by §4.4.1.
SMALL_EXCHANGE_S = 50e-6
# The document's own proportions of §4.4.1: times 50 and 100 % above, rates 30 and 50 % below what is expected.
TIME_WARN, TIME_FAIL = 1.5, 2.0
RATE_WARN, RATE_FAIL = 0.7, 0.5


@dataclass(frozen=True)
class Floor:
    """The bound of one figure in the figure's unit, and how it comes about."""

    value: float
    unit: str
    derivation: str


@dataclass(frozen=True)
class Links:
    """What of a plan the bounds rest on. None is unknown, and what rests on it has no bound.

    Attributes:
        line_bytes_s: rate of a host's ports together, in one direction, bytes/s.
        nvlink_bytes_s: rate of a GPU's NVLink in one direction, bytes/s.
        ranks: ranks of each host.
    """

    line_bytes_s: float | None
    nvlink_bytes_s: float | None
    ranks: tuple[int, ...]

    @property
    def busiest_share(self) -> float:
        """What leaves the busiest host in an all-to-all, in buffers of one rank.

        Each of its r ranks sends 1/n of its buffer to each of the n - r ranks elsewhere: r (n - r) / n buffers.
        4 hosts with 8 of 32 ranks each: 6.
        """
        total = sum(self.ranks)
        return max((own * (total - own) / total for own in self.ranks), default=0.0)

    @property
    def bytes_s(self) -> float | None:
        """The line rate where hosts talk to each other at all."""
        return self.line_bytes_s if len(self.ranks) > 1 else None


@dataclass(frozen=True)
class _Asked:
    """What a bound is asked of: the plan, its links, and the number behind the bound's name."""

    plan: Mapping[str, Any]
    links: Links
    argument: float


def floor_of(entry: Acceptance, plan: Mapping[str, Any]) -> Floor | None:
    """Return the bound of a figure under a plan; None where physics set none, or the plan does not say enough.

    Args:
        entry: the figure.
        plan: the structure of ``artifacts/plan.json``.

    Raises:
        KeyError: the entry names a bound that there is none of.
    """
    if not entry.floor:
        return None
    name, _colon, argument = entry.floor.partition(":")
    bound = _BOUNDS[name](_Asked(plan, read_links(plan), float(argument or 0)))
    return None if bound is None else Floor(bound[0], entry.unit, bound[1])


def beyond(value: float, limit: float, better: str) -> bool:
    """Say whether a figure is worse than a limit."""
    return value > limit if better == AT_MOST else value < limit


def derived_expected(floor: Floor, better: str) -> float:
    """Return what is expected where more was asked than is possible: the bound at nine tenths of the line rate."""
    return floor.value / REACHED if better == AT_MOST else floor.value * REACHED


def proportions(better: str) -> tuple[float, float]:
    """Return warning and failure as multiples of what is expected."""
    return (TIME_WARN, TIME_FAIL) if better == AT_MOST else (RATE_WARN, RATE_FAIL)


def read_links(plan: Mapping[str, Any]) -> Links:
    """Read links and ranks from a plan."""
    network, cluster = _table(plan, "network"), _table(plan, "cluster")
    line = _positive(network.get("line_bytes_s"))
    if line is None:
        rate, ports = _positive(cluster.get("nic_gbit_s")), _positive(cluster.get("nics_per_host")) or 1
        line = None if rate is None else rate * ports * 1e9 / 8
    hosts = _table(plan, "layout").get("hosts") or ()
    return Links(
        line_bytes_s=line,
        nvlink_bytes_s=_positive(_table(cluster, "gpu").get("nvlink_bytes_s")),
        ranks=tuple(len(host.get("ranks") or ()) for host in hosts),
    )


def _message(asked: _Asked) -> tuple[float, str] | None:
    """Time of one message: its bytes by the line rate. 1 MiB at 25 Gb/s: 335.5 us."""
    if asked.links.bytes_s is None:
        return None
    return asked.argument / asked.links.bytes_s * 1e6, f"{asked.argument:.0f} B at {_gbit(asked.links.bytes_s)}"


def _line(asked: _Asked) -> tuple[float, str] | None:
    """Bandwidth between two hosts: the line rate; of RDMA, which the plan knows the packets of, their payload."""
    links = asked.links
    if links.bytes_s is None:
        return None
    return links.bytes_s * _payload(asked) * 8e-9, f"payload of {_gbit(links.bytes_s)}"


def _bare_line(asked: _Asked) -> tuple[float, str] | None:
    """Bandwidth between two hosts whatever the protocol: the line rate."""
    return None if asked.links.bytes_s is None else (asked.links.bytes_s * 8e-9, "the line rate")


def _aggregate(asked: _Asked) -> tuple[float, str] | None:
    """Bandwidth of all hosts at once: the payload of each host's line rate, in one direction. 4 of 25 Gb/s: 98."""
    links, hosts = asked.links, len(asked.links.ranks)
    if links.bytes_s is None:
        return None
    return hosts * links.bytes_s * _payload(asked) * 8e-9, f"payload of {hosts} hosts with {_gbit(links.bytes_s)}"


def _all_to_all_time(asked: _Asked) -> tuple[float, str] | None:
    """Time of an all-to-all with ``size`` bytes a rank: what leaves the busiest host, by the line rate.

    32 ranks on 4 hosts at 25 Gb/s: 6 buffers leave each host, so 1 MB a rank takes 1.92 ms.
    """
    if asked.links.bytes_s is None or not asked.links.busiest_share:
        return None
    return asked.links.busiest_share * asked.argument / asked.links.bytes_s * 1e6, _leaves(asked.links)


def _all_to_all_bandwidth(asked: _Asked) -> tuple[float, str] | None:
    """Size by time of an all-to-all: the line rate by the buffers that leave the busiest host; 3.125 / 6 = 0.52 GB/s.

    Of 1 KB a rank, time and bandwidth are one number too, and its time is not the wire's: where the same table allows
    50 us for 1 KB, nothing above 1 KB in 50 us can be asked. That is 0.02 GB/s, taken as nine tenths of the bound.
    """
    if asked.links.bytes_s is None or not asked.links.busiest_share:
        return None
    line = asked.links.bytes_s / asked.links.busiest_share * 1e-9
    small = asked.argument / (SMALL_EXCHANGE_S * REACHED) * 1e-9
    if 0 < small < line:
        told = f"{SMALL_EXCHANGE_S * 1e6:.0f} us that the document expects of the same exchange's time"
        return small, f"{asked.argument:.0f} B in the {told}"
    return line, _leaves(asked.links)


def _all_reduce(asked: _Asked) -> tuple[float, str] | None:
    """Bus bandwidth of an all-reduce over h hosts with n ranks.

    At the least each host sends 2 (h - 1) / h of a buffer, so size by time is at most the line rate by that, and the
    bus bandwidth is 2 (n - 1) / n of size by time.
    """
    total, hosts = sum(asked.links.ranks), len(asked.links.ranks)
    if asked.links.bytes_s is None or total < 2:
        return None
    size_by_time = asked.links.bytes_s / (2 * (hosts - 1) / hosts)
    return size_by_time * 2 * (total - 1) / total * 1e-9, f"{hosts} hosts of {_gbit(asked.links.bytes_s)}"


def _nvlink(asked: _Asked) -> tuple[float, str] | None:
    """Bandwidth from a GPU to another: NVLink's rate in one direction."""
    rate = asked.links.nvlink_bytes_s
    return None if rate is None else (rate * 1e-9, "NVLink in one direction")


def _all_reduce_host(asked: _Asked) -> tuple[float, str] | None:
    """Bus bandwidth of an all-reduce inside a host: where the switch adds up, a GPU sends and gets its buffer once."""
    ranks = max(asked.links.ranks, default=0)
    if asked.links.nvlink_bytes_s is None or ranks < 2:
        return None
    return asked.links.nvlink_bytes_s * 2 * (ranks - 1) / ranks * 1e-9, "each GPU sends its buffer once"


def _first_token(asked: _Asked) -> tuple[float, str] | None:
    """Time to the first token: what a prompt of so many tokens moves through a port, by the line rate."""
    moved = _positive(_table(asked.plan, "network").get("prompt_port_bytes_per_token"))
    if asked.links.bytes_s is None or moved is None or not _table(asked.plan, "performance"):
        return None
    told = f"{asked.argument:.0f} tokens move {moved / 1e6:.2f} MB each through a port"
    return asked.argument * moved / asked.links.bytes_s * 1e3, told


def _cluster_tokens(asked: _Asked) -> tuple[float, str] | None:
    """Tokens a second of the cluster: the plan's bound of the ports for its backend, or of its devices if lower."""
    network = _table(asked.plan, "network")
    backend = str(network.get("backend"))
    devices = _table(_table(asked.plan, "performance"), "decode_tokens_s").get("bound")
    bounds = [_positive(_table(network, "bound_tokens_s").get(backend)), _positive(devices)]
    known = [bound for bound in bounds if bound is not None]
    return (min(known), f"the plan's bound with {backend}") if known and _table(asked.plan, "performance") else None


def _rebalance(asked: _Asked) -> tuple[float, str] | None:
    """Time of a rebalance that moves one expert of every layer on every rank, as far as they come from other hosts.

    One expert of every layer is the plan's routed bytes of a rank by its experts; (h - 1) / h of them come
    through the port. 8 ranks with 58 layers of 44 MB: 20 GB a host, 15 GB of it through 25 Gb/s in 4.9 s.
    """
    memory = _table(_table(asked.plan, "memory"), "per_rank")
    routed = _positive(_table(memory, "weights").get("routed_experts_bytes"))
    experts = _positive(memory.get("experts_per_layer"))
    if asked.links.bytes_s is None or routed is None or experts is None:
        return None
    hosts = len(asked.links.ranks)
    moved = max(asked.links.ranks) * (routed / experts) * (hosts - 1) / hosts
    return moved / asked.links.bytes_s * 1e3, f"one expert of each layer on each rank is {moved / 1e9:.3g} GB a port"


_BOUNDS: Mapping[str, Callable[[_Asked], tuple[float, str] | None]] = {
    "message": _message,
    "line": _line,
    "bare_line": _bare_line,
    "aggregate": _aggregate,
    "all_to_all_time": _all_to_all_time,
    "all_to_all_bandwidth": _all_to_all_bandwidth,
    "all_reduce": _all_reduce,
    "all_reduce_host": _all_reduce_host,
    "nvlink": _nvlink,
    "first_token": _first_token,
    "cluster_tokens": _cluster_tokens,
    "rebalance": _rebalance,
}


def _payload(asked: _Asked) -> float:
    """The payload's share of the line, where the plan says it."""
    return _positive(_table(asked.plan, "network").get("goodput_fraction")) or 1.0


def _leaves(links: Links) -> str:
    return f"{links.busiest_share:.3g} buffers of a rank leave a host at {_gbit(links.bytes_s or 0.0)}"


def _gbit(bytes_s: float) -> str:
    return f"{bytes_s * 8e-9:.4g} Gb/s"


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}


def _positive(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and found > 0 else None
