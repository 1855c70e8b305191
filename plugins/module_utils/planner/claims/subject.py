# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a claim is checked against: a deployment on a cluster, and the same under other conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ..deployment import Deployment
from ..hardware import Gpu
from ..memory.memory import Memory, budget
from ..models.components import Component
from ..models.model import Model
from ..network.traffic import Spread, TokenBytes, copy_bytes
from ..performance.performance import Performance, estimate
from ..performance.roofline import Machine, Terms, decode_terms, machine, spread
from ..request import Cluster
from ..versions import version

# Rate at which a host fills its memory where none is given: the storage network of a small cluster.
STORAGE_GBIT_S = 10.0

# Conditions and the type of their value; each changes one input of the deployment, the cluster or the question.
CONDITIONS: dict[str, type] = {
    "precision": str,
    "kv_cache_dtype": str,
    "backend": str,
    "version": str,
    "sessions": int,
    "context_tokens": int,
    "input_tokens": int,
    "output_tokens": int,
    "redundant_experts": int,
    "tensor": int,
    "data": int,
    "pipeline": int,
    "gpus": int,
    "nics_per_host": int,
    "speculative_tokens": int,
    "nic_gbit_s": float,
    "utilization": float,
    "storage_gbit_s": float,
    "bytes": float,
}

# Conditions that are fields of the engine.
_ENGINE_FIELDS = {
    "kv_cache_dtype": "kv_cache_dtype",
    "backend": "all2all_backend",
    "version": "version",
    "utilization": "gpu_memory_utilization",
    "speculative_tokens": "speculative_tokens",
}


@dataclass(frozen=True)
class Subject:
    """``bytes`` is the size that a question about a message is asked with."""

    case: Deployment
    cluster: Cluster
    gpu: Gpu | None
    storage_gbit_s: float = STORAGE_GBIT_S
    bytes: float | None = None

    def under(self, conditions: Mapping[str, Any]) -> Subject:
        """The same with other inputs; names are those of :data:`CONDITIONS`."""
        key = tuple(sorted(conditions.items()))
        if not key:
            return self
        known: dict[Any, Subject] = self._variants
        if key not in known:
            changed = self
            for name, value in sorted(conditions.items(), key=lambda item: item[0] == "data"):
                changed = changed._with(name, value)
            known[key] = changed
        return known[key]

    @cached_property
    def _variants(self) -> dict[Any, Subject]:
        return {}

    def _with(self, name: str, value: Any) -> Subject:
        """One input changed; every name belongs to one of the parts tried here in turn."""
        if name == "gpus":
            return self._grown(value)
        if name in ("nic_gbit_s", "nics_per_host"):
            return replace(self, cluster=replace(self.cluster, **{name: value}))
        if name in ("storage_gbit_s", "bytes"):
            return replace(self, **{name: value})
        return replace(self, case=self._case_with(name, value))

    def _case_with(self, name: str, value: Any) -> Deployment:
        case = self.case
        engine: dict[str, Any] = {}
        workload: dict[str, Any] = {}
        if name == "context_tokens":
            engine, workload = {"max_model_len": value}, {name: value}
        elif name in ("sessions", "input_tokens", "output_tokens"):
            workload = {name: value}
        elif name in _ENGINE_FIELDS:
            engine = {_ENGINE_FIELDS[name]: version(value) if name == "version" else value}
        elif name == "precision":
            return replace(case, precision=value)
        else:
            changed = replace(case, parallel=replace(case.parallel, **{name: value}))
            if name == "data":
                return replace(changed, data=value)
            return self._filling(changed, self.cluster) if name in ("tensor", "pipeline") else changed
        return replace(case, engine=replace(case.engine, **engine), workload=replace(case.workload, **workload))

    def _grown(self, gpus: int) -> Subject:
        """On the same hosts, fewer or more of them, with as many ranks as fit."""
        hosts = self.cluster.hosts
        each = min(gpus, self.cluster.gpus_per_host)
        count = max(1, math.ceil(gpus / each))
        grown = replace(self.cluster, hosts=(hosts * math.ceil(count / len(hosts)))[:count], gpus_per_host=each)
        return replace(self, cluster=grown, case=self._filling(self.case, grown))

    @staticmethod
    def _filling(case: Deployment, cluster: Cluster) -> Deployment:
        there = len(cluster.hosts) * cluster.gpus_per_host
        data = max(1, there // case.parallel.gpus_per_rank)
        return replace(case, data=data, parallel=replace(case.parallel, data=data))

    @property
    def model(self) -> Model:
        """The model."""
        return self.case.model

    @property
    def gpus(self) -> int:
        """Devices of the deployment."""
        return self.case.data * self.case.parallel.gpus_per_rank

    @property
    def spread(self) -> Spread:
        """The ranks that share the experts, and the hosts they are on."""
        return spread(self.case, self.cluster.gpus_per_host)

    @property
    def copy(self) -> TokenBytes:
        """Bytes of a token's copy in one MoE layer, out and back."""
        return copy_bytes(self.model, self.case.engine.all2all_backend, self.case.precision, self.case.engine.version)

    @cached_property
    def parameters_by_part(self) -> dict[str, int]:
        """Scalars of the main model by part (``components``)."""
        model = self.model
        found: dict[str, int] = {}

        def add(components: tuple[Component, ...], times: int) -> None:
            for item in components:
                found[item.part] = found.get(item.part, 0) + times * item.parameters

        add(model.before + model.after, 1)
        for kind in set(model.layers):
            add(model.layer(kind), model.layers.count(kind))
        if model.expert is not None:
            add((model.expert,), model.experts * model.moe_layers)
        return found

    @cached_property
    def memory(self) -> Memory | None:
        """The fullest rank's memory; ``None`` without a device."""
        return None if self.gpu is None else budget(self.case, self.gpu.memory_bytes)

    @cached_property
    def rates(self) -> Machine | None:
        """The device's and the ports' rates; ``None`` where they are not known."""
        return None if self.gpu is None else machine(self.cluster, self.gpu, self.case.precision)

    @cached_property
    def performance(self) -> Performance | None:
        """What the deployment would do; ``None`` where the rates are not known or it does not fit."""
        if self.gpu is None or self.memory is None or self.case.engine.platform == "cpu":
            return None
        room = self.memory.kv_capacity_tokens if self.memory.fits else None
        return estimate(self.case, self.cluster, self.gpu, kv_tokens=room)

    @cached_property
    def decode(self) -> Terms | None:
        """One decode step's terms at peak rates, with every session running; ``None`` where the rates are not known."""
        if self.rates is None:
            return None
        workload = self.case.workload
        return decode_terms(self.case, self.rates, workload.sessions / self.case.data, workload.context_tokens)

    def step_tokens_s(self, seconds: float) -> float | None:
        """Tokens/s of all sessions when a step of one pipeline stage takes so long; ``None`` where it takes no time."""
        drafted = 1 + self.case.engine.speculative_tokens * self.case.engine.acceptance_rate
        if not seconds or math.isinf(seconds):
            return None
        return self.case.workload.sessions * drafted / (seconds * self.case.parallel.pipeline)
