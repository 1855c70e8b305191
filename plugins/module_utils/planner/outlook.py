# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be expected of a plan: traffic, performance, objectives, better layouts, and what change would do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .deployment import Deployment
from .explain import NOT_MODELLED, Explained, explain
from .findings import Finding, info, warning
from .hardware import Gpu
from .memory.memory import Memory
from .models.architectures import model_types
from .models.flops import decode_attention_flops, token_flops
from .network.network import Network, network
from .performance.objectives import NOT_MET, Judged, judge, read_objectives
from .performance.performance import Performance, estimate
from .performance.sensitivity import Effect, sensitivity
from .request import Cluster, Request
from .search.candidates import Candidate
from .search.contingency import Case, bring_up, contingencies
from .search.kinds import Kind, kinds
from .search.search import (
    Alternative,
    SearchInput,
    by_port_rate,
    crossover_gbit_s,
    pareto,
    read_search,
    reported,
    search,
)

# Curves by port rate: the requested layout and the best of the others.
_CURVES = 5


@dataclass(frozen=True)
class Outlook:
    """All of it; empty where the input does not say what is needed (a device without rates, no ports)."""

    case: Deployment
    network: Network
    performance: Performance | None
    objectives: list[Judged]
    layouts: list[Kind]
    alternatives: list[Alternative]
    by_port_rate: dict[str, list[tuple[float, float]]]
    crossover_gbit_s: float | None
    pareto: list[str]
    sensitivity: list[Effect]
    contingencies: list[Case]
    bring_up: list[Case]
    explained: list[Explained]

    def as_dict(self) -> dict[str, Any]:
        """The plan's parts from ``model`` to ``not_modelled``."""
        return {
            "model": self._model(),
            "network": self.network.as_dict(),
            "performance": self.performance.as_dict() if self.performance else None,
            "objectives": [item.as_dict() for item in self.objectives],
            "layouts": [item.as_dict() for item in self.layouts],
            "alternatives": [item.as_dict() for item in self.alternatives],
            "pareto": self.pareto,
            "by_port_rate": {
                name: [{"nic_gbit_s": rate, "decode_tokens_s": value} for rate, value in points]
                for name, points in self.by_port_rate.items()
            },
            "wins_from_nic_gbit_s": self.crossover_gbit_s,
            "sensitivity": [item.as_dict() for item in self.sensitivity],
            "contingencies": [item.as_dict() for item in self.contingencies],
            "bring_up": [item.as_dict() for item in self.bring_up],
            "explain": [item.as_dict() for item in self.explained],
            "not_modelled": list(NOT_MODELLED),
        }

    def _model(self) -> dict[str, Any]:
        model = self.case.model
        components = model.parameters_by_component()
        return {
            "name": model.name,
            "model_types": model_types(model.kind),
            "precision": self.case.precision,
            "layers": len(model.layers),
            "moe_layers": model.moe_layers,
            "experts": model.experts,
            "experts_per_token": model.experts_per_token,
            "parameters": {
                "total": model.parameters(),
                "active": model.active_parameters(),
                "routed": components.get("routed_experts", 0),
                "components": components,
            },
            "flops_per_token": token_flops(model).as_dict(),
            "decode_attention_flops": decode_attention_flops(model, self.case.workload.context_tokens),
            "checkpoint_bytes": model.checkpoint_bytes(self.case.precision),
        }

    @property
    def findings(self) -> list[Finding]:
        """What should be said aloud: objectives that will not be met, and a layout that does much better."""
        found = [
            warning(
                "objectives.not_met",
                f"{item.name} ({item.metric} {item.relation} {item.target:g}) is not met: {item.reason}",
                "lower the objective, or see the alternatives and what limits them",
            )
            for item in self.objectives
            if item.verdict == NOT_MET
        ]
        if self.performance is not None and self.performance.overloaded:
            asked = self.case.workload.arrival_rate
            most = self.performance.most_requests_s(self.case.workload.input_tokens)
            found.append(
                warning(
                    "workload.overload",
                    f"workload.arrival_rate {asked:g}/s is more than the {most:.3g} requests/s"
                    " that are likely answered: the queue grows without end",
                    f"keep it below {most:.3g}, shorten the answers, or see the alternatives",
                )
            )
        better = self._better()
        if better is not None:
            found.append(better)
        return found

    def _better(self) -> Finding | None:
        asked = next((item for item in self.alternatives if item.requested), None)
        best = next((item for item in self.alternatives if item.memory.fits and item.launchable != "no"), None)
        if asked is None or best is None or best.requested or not 0 < 1.1 * asked.likely <= best.likely:
            return None
        since = ""
        if self.network.bound_tokens_s:
            since = "; the requested one is not as fast at any port speed"
        if self.network.bound_tokens_s and self.crossover_gbit_s is not None:
            since = f"; from {self.crossover_gbit_s:g} Gb/s a host upwards the requested one is as fast"
        return info(
            "search.better_layout",
            f"{best.candidate.name} would decode {best.likely:,.0f} tokens/s, {best.likely / asked.likely:.1f} times"
            f" the {asked.likely:,.0f} of the requested {asked.candidate.name} (both likely figures){since}"
            + (f"; unproven: {best.reason}" if best.reason else ""),
            "see the plan's alternatives",
        )


def outlook(
    request: Request, whole: Deployment, case: Deployment, memory: Memory | None, findings: list[Finding]
) -> Outlook:
    """Everything that can be told of the requested layout; what is wrong in ``objectives`` and ``search`` goes to
    ``findings``.

    ``case`` is one of its groups and ``memory`` what that needs; ``whole`` has the sessions of all.
    """
    asked = Candidate(replace(case.parallel, data=case.data), case.data, case.groups, case.precision)
    cluster, gpu = request.cluster, request.cluster.gpu
    objectives = read_objectives(request.objectives, findings)
    given = read_search(request.search, findings)
    traffic = network(case, cluster)
    performance, alternatives = None, []
    curves: dict[str, list[tuple[float, float]]] = {}
    crossover = None
    rows: list[Effect] = []
    lost: list[Case] = []
    stages: list[Case] = []
    room = memory.kv_capacity_tokens if memory is not None and memory.fits else None
    if gpu is not None and case.engine.platform != "cpu":
        performance = estimate(case, cluster, gpu, case.groups, kv_tokens=room, users=whole.workload.sessions)
        rows = sensitivity(case, cluster, gpu, room)
        lost = contingencies(case, cluster, gpu)
        stages = bring_up(whole, cluster, gpu)
        if given.enabled:
            alternatives = reported(search(whole, asked, cluster, gpu, given), given.most)
            curves, crossover = _curves(cluster, gpu, whole, given, alternatives)
    judged = judge(objectives, performance, memory, whole.workload.sessions)
    return Outlook(
        case=case,
        network=traffic,
        performance=performance,
        objectives=judged,
        layouts=kinds(request, whole, gpu) if gpu is not None and given.enabled else [],
        alternatives=alternatives,
        by_port_rate=curves,
        crossover_gbit_s=crossover,
        pareto=pareto(alternatives),
        sensitivity=rows,
        contingencies=lost,
        bring_up=stages,
        explained=explain(case, gpu, memory, traffic, performance),
    )


def _curves(
    cluster: Cluster, gpu: Gpu, case: Deployment, given: SearchInput, alternatives: list[Alternative]
) -> tuple[dict[str, list[tuple[float, float]]], float | None]:
    """Tokens/s by port speed of the requested layout and the best others, and where the requested one catches up with
    the best.
    """
    asked = next(item for item in alternatives if item.requested)
    others = [item for item in alternatives if not item.requested and item.memory.fits and item.launchable != "no"]
    curves = by_port_rate(case, cluster, gpu, [asked, *others[: min(_CURVES, given.most)]])
    crossover = crossover_gbit_s(case, cluster, gpu, asked, others[0]) if others else None
    return curves, crossover
