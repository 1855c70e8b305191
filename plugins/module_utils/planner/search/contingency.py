# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs with fewer or more devices: a host or a device lost, the cluster grown, and brought up in stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..deployment import Deployment
from ..hardware import Gpu
from ..memory.memory import budget, gib
from ..models.model import MOE_LAYER, Model
from ..performance.performance import estimate
from ..request import Cluster
from .candidates import Candidate, candidates, launchable
from .search import evaluate

# Sizes that a cluster is asked to grow to, in devices.
GROWN_GPUS = (64, 128)


@dataclass(frozen=True)
class Case:
    """A changed cluster and what the requested layout becomes on it."""

    name: str
    gpus: int
    layout: str
    experts_per_rank: int
    fits: bool
    headroom_bytes: int
    decode_tokens_s: float
    limited_by: str
    note: str

    def as_dict(self) -> dict[str, Any]:
        """A row of ``plan.contingencies`` or ``plan.bring_up``."""
        return {
            "name": self.name,
            "gpus": self.gpus,
            "layout": self.layout,
            "experts_per_rank": self.experts_per_rank,
            "fits": self.fits,
            "headroom_bytes": self.headroom_bytes,
            "decode_tokens_s": float(f"{self.decode_tokens_s:.4g}"),
            "limited_by": self.limited_by,
            "note": self.note,
        }


def contingencies(case: Deployment, cluster: Cluster, gpu: Gpu) -> list[Case]:
    """A device gone, a host gone (with EPLB, and uneven without it), and 64 and 128 devices.

    Of several groups a lost device takes its own along, and the others go on.
    """
    if case.groups > 1:
        return [_sized("one group lost", case, cluster, gpu, replicas=case.groups - 1)]
    each, there = cluster.gpus_per_host, len(cluster.hosts) * cluster.gpus_per_host
    found: list[Case] = []
    if there > 1:
        found.extend(_smaller("one device lost", case, cluster, gpu, there - 1))
    if len(cluster.hosts) > 1:
        fewer = replace(cluster, hosts=cluster.hosts[:-1])
        found.extend(_smaller("one host lost", case, fewer, gpu, there - each))
    for gpus in GROWN_GPUS:
        too_many = case.parallel.expert and gpus // case.parallel.pipeline > case.model.experts
        if gpus > there and gpus % each == 0 and not too_many:
            grown = replace(cluster, hosts=(cluster.hosts * gpus)[: gpus // each])
            found.append(
                _sized(f"grown to {gpus} devices", _resized(case, gpus, with_eplb=case.parallel.eplb), grown, gpu)
            )
    return found


def _smaller(name: str, case: Deployment, cluster: Cluster, gpu: Gpu, gpus: int) -> list[Case]:
    """With as many redundant experts as EPLB needs to divide evenly, and without EPLB, unevenly."""
    if gpus < case.parallel.gpus_per_rank:
        return []
    found = []
    if case.parallel.expert and case.engine.platform != "cpu":
        found.append(_sized(f"{name}, EPLB", _resized(case, gpus, with_eplb=True), cluster, gpu))
    found.append(_sized(f"{name}, no EPLB" if found else name, _resized(case, gpus, with_eplb=False), cluster, gpu))
    return found


def _resized(case: Deployment, gpus: int, *, with_eplb: bool) -> Deployment:
    """The same tensor and pipeline sizes on fewer or more devices, with the fewest redundant experts that EPLB can
    divide; what is left over stays idle.
    """
    data = max(1, gpus // case.parallel.gpus_per_rank)
    parallel = case.parallel
    ranks = parallel.tensor * data
    redundant = 0
    if with_eplb and parallel.expert and case.model.experts:
        redundant = -case.model.experts % ranks
    return replace(
        case,
        data=data,
        parallel=replace(parallel, data=data, redundant_experts=redundant, eplb=with_eplb and parallel.expert),
    )


def _sized(name: str, case: Deployment, cluster: Cluster, gpu: Gpu, *, note: str = "", replicas: int = 1) -> Case:
    memory = budget(case, gpu.memory_bytes)
    room = memory.kv_capacity_tokens if memory.fits else None
    performance = estimate(case, cluster, gpu, replicas, kv_tokens=room)
    gpus = replicas * case.data * case.parallel.gpus_per_rank
    if not note and not memory.fits:
        note = f"lacks {gib(-memory.headroom_bytes)} on the fullest rank"
    return Case(
        name=name,
        gpus=gpus,
        layout=Candidate(case.parallel, case.data, replicas, case.precision).name,
        experts_per_rank=case.experts_on_fullest_rank,
        fits=memory.fits,
        headroom_bytes=memory.headroom_bytes,
        decode_tokens_s=performance.decode_tokens_s.likely if performance else 0.0,
        limited_by=performance.limited_by if performance else "unknown",
        note=note,
    )


def bring_up(case: Deployment, cluster: Cluster, gpu: Gpu) -> list[Case]:
    """One device, one host, two hosts and so on: the best layout that fits, or how many layers can be tried."""
    each, hosts = cluster.gpus_per_host, len(cluster.hosts)
    counts = sorted({1, *(each * count for count in (1, 2, 4, 8, 16) if count <= hosts), each * hosts})
    return [_stage(case, cluster, gpu, count) for count in counts]


def _stage(case: Deployment, cluster: Cluster, gpu: Gpu, gpus: int) -> Case:
    each = min(gpus, cluster.gpus_per_host)
    part = replace(cluster, hosts=cluster.hosts[: max(1, gpus // each)], gpus_per_host=each)
    one = replace(
        case, workload=replace(case.workload, sessions=max(1, case.workload.sessions * gpus // _all(cluster)))
    )
    name = f"{gpus} device{'s' if gpus > 1 else ''}"
    options = [
        evaluate(one, part, gpu, candidate)
        for candidate in candidates(case.model, len(part.hosts), each, case.parallel, (case.precision,))
        if candidate.replicas == 1 and launchable(candidate, case, each)[0] != "no"
    ]
    fitting = [option for option in options if option.memory.fits]
    if fitting:
        best = max(fitting, key=lambda option: option.likely)
        return _sized(
            name, _as_case(one, best.candidate), part, gpu, note="the whole model, with its share of the sessions"
        )
    layers, candidate = _most_layers(one, options[0].candidate if options else None, gpu)
    if layers == len(case.model.layers):
        note = "the whole model fits with one session a rank, its share of the sessions does not"
        return replace(_sized(name, _as_case(one, candidate), part, gpu, note=note), fits=False)
    note = (
        f"the whole model does not fit; {layers} of {len(case.model.layers)} layers do (dummy weights, for the kernels)"
    )
    return replace(_sized(name, _as_case(one, candidate), part, gpu, note=note), fits=False)


def _all(cluster: Cluster) -> int:
    return len(cluster.hosts) * cluster.gpus_per_host


def _as_case(case: Deployment, candidate: Candidate) -> Deployment:
    return replace(case, parallel=candidate.parallel, data=candidate.data)


def _most_layers(case: Deployment, candidate: Candidate | None, gpu: Gpu) -> tuple[int, Candidate]:
    """The most layers of the model that fit with one session a rank, both kinds in turn from the first."""
    chosen = candidate or Candidate(replace(case.parallel, tensor=1, pipeline=1), 1, 1, case.precision)
    fits = 0
    for layers in range(1, len(case.model.layers) + 1):
        cut = _as_case(replace(case, model=_cut(case.model, layers)), chosen)
        cut = replace(cut, workload=replace(case.workload, sessions=cut.data))
        if not budget(cut, gpu.memory_bytes).fits:
            break
        fits = layers
    return fits, chosen


def _cut(model: Model, layers: int) -> Model:
    """The model with so many layers, at least one of them with experts where it has some."""
    kept = model.layers[:layers]
    if model.moe_layers and MOE_LAYER not in kept:
        kept = (*kept[:-1], MOE_LAYER)
    return replace(model, layers=kept)
