# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each ``serving_layout`` would launch on the same hosts, side by side. The search looks at all other sizes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..deployment import Deployment
from ..hardware import Gpu
from ..request import LAYOUTS, PIPELINE, WIDE_EP, Division, Request
from .candidates import Candidate
from .search import Alternative, evaluate


@dataclass(frozen=True)
class Kind:
    """One value of ``serving_layout`` and what comes of it; ``alternative`` is ``None`` where nothing can, for
    ``reason``.
    """

    kind: str
    hosts_per_group: int
    chosen: bool
    alternative: Alternative | None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """An entry of ``plan.layouts``: that of the alternative with the ``kind`` before it."""
        shown = {} if self.alternative is None else self.alternative.as_dict()
        return {
            **shown,
            "kind": self.kind,
            "hosts_per_group": self.hosts_per_group,
            "chosen": self.chosen,
            "reason": self.reason,
        }


def kinds(request: Request, whole: Deployment, gpu: Gpu) -> list[Kind]:
    """Every kind of layout: the chosen one as it is asked for, of the others what they are by default."""
    found: list[Kind] = []
    hosts = len(request.cluster.hosts)
    for kind in LAYOUTS:
        chosen = kind == request.division.kind
        division = request.division if chosen else Division(kind, hosts if kind == PIPELINE else 1, hosts)
        size = hosts if kind == WIDE_EP else division.hosts_per_group
        candidate, reason = _candidate(request, whole, division, size)
        made = evaluate(whole, request.cluster, gpu, candidate) if candidate is not None else None
        found.append(Kind(kind, size, chosen, made, made.reason if made is not None else reason))
    return found


def _candidate(
    request: Request, whole: Deployment, division: Division, hosts_per_group: int
) -> tuple[Candidate | None, str]:
    """The groups that a kind makes of the inventory's sizes, or why it can't."""
    given, gpus_per_host = request.given_parallel, request.cluster.gpus_per_host
    if given is None:
        return None, "parallel could not be read"
    parallel = division.divide(given, gpus_per_host)
    groups, left = divmod(len(request.cluster.hosts), hosts_per_group)
    ranks = parallel.data or groups * (hosts_per_group * gpus_per_host // parallel.gpus_per_rank)
    if left or ranks % groups or not ranks:
        there = len(request.cluster.hosts)
        return None, f"{ranks} ranks on {there} hosts do not divide over groups of {hosts_per_group}"
    if parallel.pipeline > len(whole.model.layers):
        return None, f"{parallel.pipeline} stages are more than the model's {len(whole.model.layers)} layers"
    data = ranks // groups
    return Candidate(replace(parallel, data=data), data, groups, whole.precision), ""
