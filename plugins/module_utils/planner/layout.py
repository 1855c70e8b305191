# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where every data parallel rank runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .findings import Finding, error, warning
from .request import PIPELINE, WIDE_EP, Division, Host, Parallel

HEAD = "head"
FOLLOWER = "follower"


@dataclass(frozen=True)
class HostLayout:
    """One host's share: ``local_ranks`` data parallel ranks, of which ``start_rank`` is the first as its engine counts
    them, from 0 in each instance. ``ranks`` are numbered over all hosts. The head runs the API servers.

    Of a pipeline every host has a ``stage`` of the one rank of its instance, which is local to the head.
    """

    name: str
    role: str
    start_rank: int
    local_ranks: int
    ranks: tuple[int, ...]
    instance: int = 0
    stage: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The share as the plan's JSON carries it."""
        found = {
            "name": self.name,
            "role": self.role,
            "start_rank": self.start_rank,
            "local_ranks": self.local_ranks,
            "ranks": list(self.ranks),
        }
        return found if self.stage is None else {**found, "stage": self.stage}


@dataclass(frozen=True)
class Layout:
    """The whole placement. Sizes are those of one instance: an engine with an API of its own on some of the hosts,
    which start together. A group of ranks is one failure domain: its ranks start, stop and fail together.
    """

    hosts: tuple[HostLayout, ...]
    data_parallel_size: int
    tensor_parallel_size: int
    pipeline_parallel_size: int
    expert_parallel_size: int
    groups: tuple[tuple[int, ...], ...]
    kind: str = WIDE_EP

    @property
    def head(self) -> HostLayout:
        """The host of rank 0."""
        return self.hosts[0]

    @property
    def instances(self) -> tuple[tuple[HostLayout, ...], ...]:
        """The hosts of each instance, its head first."""
        count = self.hosts[-1].instance + 1
        return tuple(tuple(host for host in self.hosts if host.instance == number) for number in range(count))

    def as_dict(self) -> dict[str, Any]:
        """The layout as the plan's JSON carries it."""
        found = asdict(self)
        del found["kind"]
        found["hosts"] = [host.as_dict() for host in self.hosts]
        found["groups"] = [list(group) for group in self.groups]
        return found


def order_hosts(hosts: Sequence[Host], findings: list[Finding]) -> list[Host] | None:
    """The hosts in rank order: by ``node_rank`` where every host has one (0 to N-1, each once), else as they come.

    ``None`` after noting what is wrong. The order never depends on which hosts are alive.
    """
    sound = _names_are_unique(hosts, findings)
    ranked = [host for host in hosts if host.node_rank is not None]
    if not ranked:
        return list(hosts) if sound else None
    if len(ranked) < len(hosts):
        missing = ", ".join(host.name for host in hosts if host.node_rank is None)
        findings.append(
            error(
                "layout.node_rank_partial",
                f"{len(ranked)} of {len(hosts)} hosts have node_rank; without are: {missing}",
                "set node_rank on every host, or on none",
            )
        )
        return None
    by_rank: dict[int, list[str]] = {}
    for host in ranked:
        by_rank.setdefault(host.node_rank or 0, []).append(host.name)
    for rank, names in sorted(by_rank.items()):
        if len(names) > 1:
            findings.append(
                error(
                    "layout.node_rank_duplicate",
                    f"node_rank {rank} is given to {', '.join(names)}",
                    f"give each host its own node_rank, 0 to {len(hosts) - 1}",
                )
            )
            sound = False
    absent = [rank for rank in range(len(hosts)) if rank not in by_rank]
    beyond = [f"{names[0]} has {rank}" for rank, names in sorted(by_rank.items()) if rank >= len(hosts)]
    if absent:
        message = f"{len(hosts)} hosts, but no host has node_rank {', '.join(map(str, absent))}"
        findings.append(
            error(
                "layout.node_rank_gap",
                message + (f"; {', '.join(beyond)}" if beyond else ""),
                f"number the hosts 0 to {len(hosts) - 1}, each once",
            )
        )
        sound = False
    return sorted(ranked, key=lambda host: host.node_rank or 0) if sound else None


def _names_are_unique(hosts: Sequence[Host], findings: list[Finding]) -> bool:
    seen: dict[str, int] = {}
    for host in hosts:
        seen[host.name] = seen.get(host.name, 0) + 1
    twice = sorted(name for name, count in seen.items() if count > 1)
    if twice:
        findings.append(
            error("layout.duplicate_host", f"listed more than once: {', '.join(twice)}", "list every host once")
        )
    return not twice


def place(
    hosts: Sequence[Host],
    gpus_per_host: int,
    parallel: Parallel,
    *,
    moe: bool,
    findings: list[Finding],
    division: Division | None = None,
) -> Layout | None:
    """Give every host, in order, its data parallel ranks; ``None`` after noting why that is impossible.

    ``moe`` tells whether the model has routed experts: then the data parallel ranks of an instance take part in one
    another's collectives and are one failure domain; a dense model's are independent. ``parallel.data`` counts the
    ranks of all instances.
    """
    division = division or Division()
    ordered = order_hosts(hosts, findings)
    if not ordered:
        return None
    instances = _instances(len(ordered), parallel, division, findings)
    if instances is None:
        return None
    each = parallel if parallel.data is None else replace(parallel, data=parallel.data // instances)
    staged = division.kind == PIPELINE
    hosts_each = len(ordered) // instances
    counts = [1] + [0] * (hosts_each - 1) if staged else _share(hosts_each, gpus_per_host, each, findings)
    if counts is None:
        return None
    data = sum(counts)
    placed: list[HostLayout] = []
    for number, host in enumerate(ordered):
        instance, place_in_it = divmod(number, len(counts))
        start, count = (0 if staged else sum(counts[:place_in_it])), counts[place_in_it]
        first = instance * data + start
        role, stage = FOLLOWER if place_in_it else HEAD, place_in_it if staged else None
        ranks = (first,) if staged else tuple(range(first, first + count))
        placed.append(HostLayout(host.name, role, start, count, ranks, instance, stage))
    together = [tuple(range(number * data, (number + 1) * data)) for number in range(instances)]
    return Layout(
        hosts=tuple(placed),
        data_parallel_size=data,
        tensor_parallel_size=parallel.tensor,
        pipeline_parallel_size=parallel.pipeline,
        expert_parallel_size=parallel.expert_parallel_size(data),
        groups=tuple(together) if moe else tuple((rank,) for group in together for rank in group),
        kind=division.kind,
    )


def _instances(hosts: int, parallel: Parallel, division: Division, findings: list[Finding]) -> int | None:
    """How many engines of equal size the hosts are divided into; ``None`` after noting why they can't be."""
    if division.kind == WIDE_EP:
        return 1
    instances, left = divmod(hosts, division.hosts_per_group)
    if left or not instances:
        findings.append(
            error(
                "layout.uneven_groups",
                f"{hosts} hosts do not divide into groups of layout.hosts_per_group {division.hosts_per_group}",
                f"choose a divisor of {hosts}",
            )
        )
        return None
    if parallel.data is not None and parallel.data % instances:
        findings.append(
            error(
                "layout.uneven_groups",
                f"parallel.data {parallel.data} does not divide over {instances} groups of ranks",
                f"choose a multiple of {instances}, or leave it out to use every GPU",
            )
        )
        return None
    return instances


def _share(hosts: int, gpus_per_host: int, parallel: Parallel, findings: list[Finding]) -> list[int] | None:
    """Data parallel ranks of each host: evenly where that goes, else the first hosts full.

    A rank must not span hosts, because the engine starts all workers of a rank on one.
    """
    each = parallel.gpus_per_rank
    slots = gpus_per_host // each
    if slots == 0:
        findings.append(
            error(
                "layout.rank_spans_hosts",
                f"one rank needs tensor {parallel.tensor} x pipeline {parallel.pipeline} = {each} GPUs,"
                f" a host has {gpus_per_host}",
                f"keep tensor x pipeline at most {gpus_per_host}",
            )
        )
        return None
    data = parallel.data if parallel.data is not None else slots * hosts
    sizes = f"tensor {parallel.tensor} x data {data} x pipeline {parallel.pipeline} = {each * data} GPUs"
    there = f"{hosts} hosts x {gpus_per_host} = {hosts * gpus_per_host}"
    best = slots * hosts
    if data > best:
        findings.append(
            error(
                "layout.too_few_gpus",
                f"{sizes} are needed, there are {there}",
                f"set parallel.data to at most {best}, or add hosts",
            )
        )
        return None
    if data % hosts == 0:
        counts = [data // hosts] * hosts
    else:
        counts = [max(0, min(slots, data - slots * index)) for index in range(hosts)]
    if 0 in counts:
        findings.append(
            error(
                "layout.host_without_ranks",
                f"{sizes} leave {counts.count(0)} of {hosts} hosts without a rank",
                f"set parallel.data to {best}, or take hosts out of the group",
            )
        )
        return None
    idle = hosts * gpus_per_host - each * data
    if idle:
        findings.append(
            warning(
                "layout.idle_gpus",
                f"{sizes} leave {idle} of {there} idle",
                f"set parallel.data to {best}"
                if best != data
                else "choose tensor x pipeline that divides the GPUs of a host",
            )
        )
    return counts
