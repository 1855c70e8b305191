# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Looks for better layouts of the same hosts: all are sized and estimated, those that fit are ranked.

The weights' precision stays as released unless ``search.precisions`` allows others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from ..deployment import Deployment
from ..fields import Section, describe, suggestion
from ..findings import Finding
from ..hardware import Gpu
from ..memory.memory import Memory, budget, gib
from ..models.quantisation import PRECISIONS
from ..performance.performance import Performance, estimate
from ..request import Cluster
from .candidates import Candidate, candidates, launchable

_FIELDS = ("enabled", "precisions", "most")
DEFAULT_MOST = 12
# Port speeds that are compared, in Gb/s a host.
RATES_GBIT_S = (1, 5, 10, 15, 20, 25, 40, 50, 75, 100, 200, 400, 800, 1600, 3200)


@dataclass(frozen=True)
class SearchInput:
    """``most`` alternatives are reported; ``precisions`` beside the plan's own may be tried."""

    enabled: bool = True
    precisions: tuple[str, ...] = ()
    most: int = DEFAULT_MOST


@dataclass(frozen=True)
class Alternative:
    """A layout with its memory and what it would do; ``performance`` is ``None`` where rates are not known."""

    candidate: Candidate
    memory: Memory
    performance: Performance | None
    launchable: str
    reason: str
    requested: bool = False

    @property
    def likely(self) -> float:
        """Likely decode tokens/s; 0 where not known."""
        return self.performance.decode_tokens_s.likely if self.performance else 0.0

    def as_dict(self) -> dict[str, Any]:
        """An entry of ``plan.alternatives``."""
        found, candidate = self.performance, self.candidate
        return {
            "layout": candidate.name,
            "replicas": candidate.replicas,
            "data": candidate.data,
            "tensor": candidate.parallel.tensor,
            "pipeline": candidate.parallel.pipeline,
            "expert": candidate.parallel.expert,
            "redundant_experts": candidate.parallel.redundant_experts,
            "precision": candidate.precision,
            "decode_tokens_s": found.decode_tokens_s.as_dict() if found else None,
            "output_tokens_s": found.output_tokens_s.as_dict() if found else None,
            "prefill_tokens_s": found.prefill_tokens_s.as_dict() if found else None,
            "tpot_ms": float(f"{found.tpot_s.likely * 1e3:.4g}") if found else None,
            "ttft_ms": float(f"{found.ttft_s(found.case.workload.input_tokens, 50).likely * 1e3:.4g}")
            if found
            else None,
            "limited_by": found.limited_by if found else "unknown",
            "headroom_bytes": self.memory.headroom_bytes,
            "fits": self.memory.fits,
            "launchable": self.launchable,
            "requested": self.requested,
            "reason": self.reason,
        }


def read_search(raw: Any, findings: list[Finding]) -> SearchInput:
    """``search`` of the input: ``enabled``, ``precisions``, ``most``."""
    section = Section("search", raw, _FIELDS, findings)
    given = section.get("precisions", ())
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, (list, tuple)):
        section.refuse("search.precisions", f"search.precisions is {describe(given)}, not a list", "give a list")
        names = ()
    for name in names:
        if name not in PRECISIONS:
            section.refuse(
                "search.precisions", f"search.precisions has {describe(name)}", suggestion(str(name), PRECISIONS)
            )
    return SearchInput(
        enabled=section.boolean("enabled", True),
        precisions=tuple(str(name) for name in names if name in PRECISIONS),
        most=section.integer("most", DEFAULT_MOST, 1, 1000) or DEFAULT_MOST,
    )


def share(case: Deployment, candidate: Candidate) -> Deployment:
    """One group of the candidate with its share of the sessions and requests."""
    workload = case.workload
    return replace(
        case,
        parallel=candidate.parallel,
        precision=candidate.precision,
        data=candidate.data,
        workload=replace(
            workload,
            sessions=math.ceil(workload.sessions / candidate.replicas),
        ),
    )


def evaluate(
    case: Deployment, cluster: Cluster, gpu: Gpu, candidate: Candidate, requested: bool = False
) -> Alternative:
    """The candidate sized and estimated; one that does not fit says by how much."""
    group = share(case, candidate)
    memory = budget(group, gpu.memory_bytes)
    runs, why = launchable(candidate, group, cluster.gpus_per_host)
    reason = why
    if not memory.fits:
        lack = f"does not fit by {gib(-memory.headroom_bytes)} on the fullest rank"
        reason = f"{lack}; {why}" if why else lack
    room = memory.kv_capacity_tokens if memory.fits else None
    performance = estimate(group, cluster, gpu, candidate.replicas, kv_tokens=room, users=case.workload.sessions)
    if performance is None and not reason:
        reason = "rates of the device or of the ports are not known"
    return Alternative(candidate, memory, performance, runs, reason, requested)


def search(case: Deployment, asked: Candidate, cluster: Cluster, gpu: Gpu, given: SearchInput) -> list[Alternative]:
    """The requested layout and all others: those that fit and can run first, by likely decode tokens/s."""
    precisions = tuple(dict.fromkeys((case.precision, *given.precisions)))
    found = [evaluate(case, cluster, gpu, asked, requested=True)]
    hosts = len(cluster.hosts)
    found.extend(
        evaluate(case, cluster, gpu, candidate)
        for candidate in candidates(case.model, hosts, cluster.gpus_per_host, case.parallel, precisions)
        if candidate != asked
    )
    return sorted(found, key=_rank)


def reported(found: list[Alternative], most: int) -> list[Alternative]:
    """The best that fit and can run, the requested one, and as many of those dropped, with their reasons."""
    usable = [item for item in found if item.memory.fits and item.launchable != "no"]
    dropped = [item for item in found if item not in usable and not item.requested]
    asked = [item for item in found if item.requested and item not in usable[:most]]
    return [*usable[:most], *asked, *dropped[:most]]


def _rank(item: Alternative) -> tuple[bool, bool, float, float]:
    wait = item.performance.tpot_s.likely if item.performance else math.inf
    return (not item.memory.fits, item.launchable == "no", -item.likely, wait)


def at_rate(case: Deployment, cluster: Cluster, gpu: Gpu, item: Alternative, gbit_s: float) -> float:
    """Likely decode tokens/s of an alternative with ports of ``gbit_s`` in all on every host."""
    moved = replace(cluster, nic_gbit_s=gbit_s, nics_per_host=1)
    room = item.memory.kv_capacity_tokens if item.memory.fits else None
    found = estimate(
        share(case, item.candidate), moved, gpu, item.candidate.replicas, kv_tokens=room, users=case.workload.sessions
    )
    return found.decode_tokens_s.likely if found else 0.0


def crossover_gbit_s(
    case: Deployment, cluster: Cluster, gpu: Gpu, wide: Alternative, other: Alternative
) -> float | None:
    """The least port speed of a host, in Gb/s, from which ``wide`` is at least as fast as ``other``; ``None`` if none
    of those compared is enough.
    """

    def wins(gbit_s: float) -> bool:
        return at_rate(case, cluster, gpu, wide, gbit_s) >= at_rate(case, cluster, gpu, other, gbit_s)

    low, high = float(RATES_GBIT_S[0]), float(RATES_GBIT_S[-1])
    if not wins(high):
        return None
    if wins(low):
        return low
    while high / low > 1.01:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if wins(middle) else (middle, high)
    return float(f"{high:.3g}")


def by_port_rate(
    case: Deployment, cluster: Cluster, gpu: Gpu, alternatives: list[Alternative]
) -> dict[str, list[tuple[float, float]]]:
    """For each alternative, likely decode tokens/s by the Gb/s of a host's ports."""
    return {
        item.candidate.name: [
            (float(rate), float(f"{at_rate(case, cluster, gpu, item, rate):.4g}")) for rate in RATES_GBIT_S
        ]
        for item in alternatives
    }


def pareto(alternatives: list[Alternative]) -> list[str]:
    """Layouts that fit and that no other one beats in tokens/s and in both times at once."""

    points: dict[str, tuple[float, float, float]] = {}
    for item in alternatives:
        found = item.performance
        if found is not None and item.memory.fits and item.launchable != "no":
            wait = found.ttft_s(found.case.workload.input_tokens, 50).likely
            points[item.candidate.name] = (-item.likely, wait, found.tpot_s.likely)
    return [
        name
        for name, mine in points.items()
        if not any(other != mine and all(o <= m for o, m in zip(other, mine)) for other in points.values())
    ]
