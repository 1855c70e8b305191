# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every layout that some hosts allow: replicas of groups, a group's tensor, data and pipeline sizes, and its experts.

A pipeline stage is a number of whole hosts, or a part of one host; a tensor group stays inside a host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..deployment import Deployment
from ..models.model import Model
from ..request import LAUNCHABLE, Parallel
from ..versions import version

# --nnodes, --node-rank: one data parallel rank whose workers are on several hosts without ray.
_RANK_OVER_HOSTS_SINCE = version("0.11.1")
_MULTI_NODE_SINCE = version("0.9.0")
_MOST_STAGES = 8


@dataclass(frozen=True)
class Candidate:
    """``replicas`` independent groups of ``data`` x ``tensor`` x ``pipeline`` devices each, behind one balancer."""

    parallel: Parallel
    data: int
    replicas: int
    precision: str

    @property
    def gpus(self) -> int:
        """Devices of one group."""
        return self.parallel.gpus_per_rank * self.data

    @property
    def name(self) -> str:
        """Such as ``2 x (PP2 x DP8 TP1 EP8)``."""
        parallel = self.parallel
        size = f"DP{self.data} TP{parallel.tensor}"
        if parallel.expert:
            size += f" EP{parallel.expert_parallel_size(self.data)}"
        if parallel.decode_context > 1:
            size += f" DCP{parallel.decode_context}"
        if parallel.redundant_experts:
            size += f" +{parallel.redundant_experts} experts"
        if parallel.pipeline > 1:
            size = f"PP{parallel.pipeline} x {size}"
        return f"{self.replicas} x ({size}) {self.precision}" if self.replicas > 1 else f"{size} {self.precision}"


def divisors(number: int) -> list[int]:
    """Ascending."""
    return [value for value in range(1, number + 1) if number % value == 0]


def candidates(
    model: Model, hosts: int, gpus_per_host: int, base: Parallel, precisions: tuple[str, ...]
) -> Iterator[Candidate]:
    """All layouts that use every device. ``base`` gives what is not varied."""
    for gpus in _group_sizes(hosts, gpus_per_host):
        replicas = hosts * gpus_per_host // gpus
        for stages in _stages(gpus, gpus_per_host, len(model.layers)):
            for tensor in divisors(min(gpus // stages, gpus_per_host)):
                stage = gpus // stages
                if stage % tensor or model.heads % tensor:
                    continue
                data = stage // tensor
                for parallel in _experts(model, base, tensor, data, stages):
                    for precision in precisions:
                        yield Candidate(parallel, data, replicas, precision)


def _group_sizes(hosts: int, gpus_per_host: int) -> list[int]:
    """Parts of a host, and whole hosts."""
    parts = divisors(gpus_per_host)[:-1]
    return parts + [count * gpus_per_host for count in divisors(hosts)]


def _stages(gpus: int, gpus_per_host: int, layers: int) -> list[int]:
    """One, or a stage on every so many whole hosts."""
    hosts = gpus // gpus_per_host
    return [count for count in divisors(max(1, hosts)) if count <= min(_MOST_STAGES, layers)]


def _experts(model: Model, base: Parallel, tensor: int, data: int, stages: int) -> Iterator[Parallel]:
    """With expert parallelism, without and with one redundant expert a rank; or sliced in a lone tensor group."""
    context = base.decode_context if tensor % base.decode_context == 0 else 1
    common = replace(
        base, tensor=tensor, data=data, pipeline=stages, redundant_experts=0, eplb=False, decode_context=context
    )
    ranks = tensor * data
    if not model.experts or data == 1:
        yield replace(common, expert=False)
    if model.experts and 1 < ranks <= model.experts:
        yield replace(common, expert=True)
        extra = -model.experts % ranks or ranks
        yield replace(common, expert=True, redundant_experts=extra, eplb=True)


def launchable(candidate: Candidate, case: Deployment, gpus_per_host: int) -> tuple[str, str]:
    """``yes``, ``no`` or ``unproven`` for the engine's release, and why."""
    parallel, release = candidate.parallel, case.engine.version
    if case.engine.name not in LAUNCHABLE:
        return "unproven", f"{case.engine.name} is sized, not launched by this collection"
    if parallel.eplb and case.engine.platform == "cpu":
        return "no", "vLLM refuses EPLB on the CPU platform"
    rank_over_hosts = candidate.gpus > gpus_per_host and (parallel.pipeline > 1 or parallel.tensor > gpus_per_host)
    needed = _RANK_OVER_HOSTS_SINCE if rank_over_hosts else _MULTI_NODE_SINCE
    if candidate.gpus > gpus_per_host and release < needed:
        what = "a rank over several hosts" if rank_over_hosts else "data parallel ranks on several hosts"
        return "no", f"{what} needs vLLM {needed} or newer"
    why = _why_no_pipeline(candidate, gpus_per_host) if rank_over_hosts else ""
    return ("unproven", why) if why else ("yes", "")


def _why_no_pipeline(candidate: Candidate, gpus_per_host: int) -> str:
    """Why a group with ranks over several hosts is none that the layout ``pipeline`` launches; empty where it is."""
    if candidate.data > 1:
        return "a data parallel rank whose stages are on several hosts: no report of it is known"
    if candidate.parallel.tensor != gpus_per_host or candidate.parallel.eplb:
        return "this collection launches a stage a host, with no redundant experts"
    return ""
