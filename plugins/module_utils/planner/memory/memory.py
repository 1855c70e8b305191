# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What fits on the fullest rank: weights, KV cache and overhead against the budget.

Formulas and the published figures they were checked against: ``docs/planner.md``. What to change when it does not fit
is in ``capacity``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

from ..deployment import Deployment
from ..engine.flags import KV_ELEMENT_BYTES
from ..hardware import GIB
from ..models.components import HEAD, MTP, ROUTED_EXPERTS, Component
from ..models.model import MOE_LAYER
from ..request import Engine
from ..versions import version
from .overhead import overhead

# Since 0.20.0 vLLM takes 0.92 of the device unless told otherwise, before that 0.9.
_NEW_UTILISATION_SINCE = version("0.20.0")
MLA_COPY = "mla_copy"
# vLLM's V0 engine aligned a latent's row to so many bytes: 576 x 2 became 1,280.
_V0_ALIGNMENT = 256


@dataclass(frozen=True)
class Weights:
    """Bytes of weights on one rank, by part of the model."""

    parts: dict[str, int]

    @property
    def routed_experts(self) -> int:
        """The routed experts'."""
        return self.parts.get(ROUTED_EXPERTS, 0)

    @property
    def mla_copy(self) -> int:
        """What engines keep of latent attention beside its projections."""
        return self.parts.get(MLA_COPY, 0)

    @property
    def other(self) -> int:
        """Everything else."""
        return self.total - self.routed_experts - self.mla_copy

    @property
    def total(self) -> int:
        """All parts together."""
        return sum(self.parts.values())


@dataclass(frozen=True)
class Memory:
    """The fullest rank's memory; bytes unless named otherwise. ``fits`` judges with the high overhead.

    ``components`` has the weights by part of the model, ``kv_cache`` and ``overhead``. ``kv_bytes_per_token`` is what a
    token of context takes on the rank. ``mean_*`` are of the mean rank, the others of the one with most sessions.
    ``fits_by_overhead`` has the verdict with each figure of the range, ``kv_capacity_range_tokens`` the room.
    ``remedies`` are changes that would each make it fit alone.
    """

    weights_bytes: int
    weights: dict[str, int]
    kv_bytes_per_token: int
    kv_cache_tokens: int
    kv_cache_bytes: int
    overhead_bytes: int
    overhead_range_bytes: dict[str, int]
    overhead_reason: str
    usable_bytes: int
    budget_bytes: int
    headroom_bytes: int
    fits: bool
    kv_capacity_bytes: int
    kv_capacity_tokens: int
    sessions: int
    experts_per_layer: int
    pipeline_stage: int
    components: dict[str, int]
    kv_capacity_sessions: int
    kv_capacity_range_tokens: dict[str, int]
    fits_by_overhead: dict[str, bool]
    mean_sessions: float
    mean_kv_cache_bytes: int
    mean_headroom_bytes: int
    stage_weights_bytes: tuple[int, ...]
    precision: str
    remedies: tuple[dict[str, Any], ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """The budget as the plan's JSON carries it, under ``memory.per_rank``."""
        found = asdict(self)
        return dict(found, stage_weights_bytes=list(self.stage_weights_bytes), remedies=list(found["remedies"]))


def utilisation(engine: Engine) -> float:
    """The share of the device the engine may use: as given, else the version's default."""
    if engine.gpu_memory_utilization is not None:
        return engine.gpu_memory_utilization
    return 0.92 if engine.version >= _NEW_UTILISATION_SINCE else 0.9


class _Tally:
    """Bytes on one rank, by part of the model."""

    def __init__(self, case: Deployment) -> None:
        self._case = case
        self.parts: dict[str, int] = {}

    def put(self, part: str, size: int) -> None:
        self.parts[part] = self.parts.get(part, 0) + size

    def add(
        self, components: tuple[Component, ...], layer: int | None = None, part: str | None = None, times: int = 1
    ) -> None:
        """Each component's share, under its own part unless another is named."""
        for component in components:
            share = -(-self._case.bytes(component, layer) // component.shards(self._case.parallel.tensor))
            self.put(part or component.part, times * share)


def weights_of_stage(case: Deployment, stage: int) -> Weights:
    """Weights of one rank in pipeline stage ``stage``.

    Routed experts are spread over the expert parallel ranks (without expert parallelism vLLM slices each over tensor x
    data ranks); q_b, kv_b, o, MLPs, embedding and head over the tensor ranks; q_a, kv_a, norms and router are whole on
    every rank. Multi-token prediction layers, where they are loaded, are on the last stage.
    """
    model, tally = case.model, _Tally(case)
    first, end = case.stage_span(stage)
    if stage == 0:
        tally.add(model.before + model.vision)
    routed = 0
    for (kind, index), times in _alike(case, first, end).items():
        tally.add(model.layer(kind), index, times=times)
        if kind == MOE_LAYER:
            routed += times * _experts_bytes(case, index)
    if model.expert is not None:
        tally.put(ROUTED_EXPERTS, _on_one_rank(case, routed))
    if case.is_last(stage):
        _add_end(case, stage, tally)
    if model.latent is not None:
        layers = end - first + (case.prediction_layers if case.is_last(stage) else 0)
        tally.put(MLA_COPY, layers * _latent_copy_bytes(case) // case.parallel.tensor)
    return Weights(tally.parts)


def _add_end(case: Deployment, stage: int, tally: _Tally) -> None:
    """What the last stage has after its layers. Apart from the first it needs a table of tokens of its own for a head
    that shares it, and for layers that draft tokens.
    """
    model = case.model
    tally.add(model.after)
    if stage and model.tied_embeddings:
        tally.add(model.before, part=HEAD)
    elif stage and case.prediction_layers:
        tally.add(model.before)
    for index in _prediction_indices(case):
        tally.add(model.prediction + model.layer(MOE_LAYER), index, part=MTP)
        tally.put(MTP, _on_one_rank(case, _experts_bytes(case, index)))


def _prediction_indices(case: Deployment) -> range:
    """The layer numbers under which a checkpoint has its multi-token prediction layers: after all others."""
    count = len(case.model.layers)
    return range(count, count + case.prediction_layers)


def _alike(case: Deployment, first: int, end: int) -> Counter[tuple[str, int | None]]:
    """The layers from ``first`` up to ``end`` by kind; those a quantisation leaves something out of each alone."""
    apart = {layer for _, layer in case.quantisation.exempt}
    return Counter((case.model.layers[index], index if index in apart else None) for index in range(first, end))


def _experts_bytes(case: Deployment, layer: int | None) -> int:
    """A layer's routed experts: those of the fullest rank, or all where each is sliced."""
    expert = case.model.expert
    return 0 if expert is None else case.experts_on_fullest_rank * case.bytes(expert, layer)


def _on_one_rank(case: Deployment, experts: int) -> int:
    return experts if case.parallel.expert else -(-experts // (case.parallel.tensor * case.data))


def _latent_copy_bytes(case: Deployment) -> int:
    """What one layer keeps of latent attention's projections beside them, over all heads.

    vLLM from 0.8 and SGLang keep W_UK and W_UV in 16 bit, 16.8M parameters for DeepSeek-V3. Before that vLLM kept the
    products W_Q_UK and W_UV_O too (570.4M, in FP8 where the projections are FP8, else in 16 bit), and W_QR in 16 bit.
    """
    shape = case.model.latent
    if shape is None:
        return 0
    kept = 2 * shape.up_parameters
    if not case.before_v1:
        return kept
    absorbed = shape.absorbed_parameters * (1 if case.precision == "fp8" else 2)
    return kept + absorbed + 2 * shape.rope_query_parameters


def kv_bytes_per_token(case: Deployment, stage: int) -> int:
    """KV cache bytes that one token of context takes on one rank of the stage; 70,272 for DeepSeek-V3 in BF16 on one
    stage.

    A multi-token prediction layer has a cache of its own. Decode context parallelism divides a sequence's cache over as
    many ranks.
    """
    element = KV_ELEMENT_BYTES[case.engine.kv_cache_dtype]
    alignment = _V0_ALIGNMENT if case.before_v1 else 1
    first, end = case.stage_span(stage)
    layers = end - first + (case.prediction_layers if case.is_last(stage) else 0)
    each = case.model.kv.bytes_per_token_and_layer(element, case.parallel.tensor, alignment)
    return -(-layers * each // case.parallel.decode_context)


def budget(case: Deployment, usable_bytes: int) -> Memory:
    """Memory of the fullest rank: the one with most sessions, most experts and, of several stages, most of both
    together.

    ``usable_bytes`` is what torch reports as the device's total, before the utilisation factor.
    """
    sessions = case.sessions_on_fullest_rank
    tokens = sessions * case.context
    stages = [
        (stage, weights_of_stage(case, stage), kv_bytes_per_token(case, stage))
        for stage in range(case.parallel.pipeline)
    ]
    stage, weights, per_token = max(stages, key=lambda found: found[1].total + tokens * found[2])
    extra = overhead(case)
    limit = int(utilisation(case.engine) * usable_bytes)
    left = limit - weights.total
    need = tokens * per_token
    spans = {"low": extra.low, "likely": extra.likely, "high": extra.high}
    # Told how many bytes to take for the KV cache, the engine takes them and ignores the utilisation.
    given = case.engine.kv_cache_memory_bytes
    room = {name: max(0, left - span) if given is None else given for name, span in spans.items()}
    mean_sessions = case.workload.sessions / case.data
    mean_need = case.workload.sessions * case.context * per_token // case.data
    return Memory(
        weights_bytes=weights.total,
        weights={
            "routed_experts_bytes": weights.routed_experts,
            "other_bytes": weights.other,
            "mla_copy_bytes": weights.mla_copy,
        },
        kv_bytes_per_token=per_token,
        kv_cache_tokens=tokens,
        kv_cache_bytes=need,
        overhead_bytes=extra.high,
        overhead_range_bytes=spans,
        overhead_reason=extra.reason,
        usable_bytes=usable_bytes,
        budget_bytes=limit,
        headroom_bytes=left - need - extra.high,
        fits=left - need - extra.high >= 0,
        kv_capacity_bytes=room["high"],
        kv_capacity_tokens=room["high"] // per_token,
        sessions=sessions,
        experts_per_layer=case.experts_on_fullest_rank,
        pipeline_stage=stage,
        components={**weights.parts, "kv_cache": need, "overhead": extra.high},
        kv_capacity_sessions=room["high"] // per_token // case.context if case.context else 0,
        kv_capacity_range_tokens={name: room[name] // per_token for name in ("high", "likely", "low")},
        fits_by_overhead={name: left - need - span >= 0 for name, span in spans.items()},
        mean_sessions=mean_sessions,
        mean_kv_cache_bytes=mean_need,
        mean_headroom_bytes=left - mean_need - extra.high,
        stage_weights_bytes=tuple(found[1].total for found in stages),
        precision=case.precision,
    )


def gib(value: int) -> str:
    """Bytes as GiB for a message."""
    return f"{value / GIB:.2f} GiB"
