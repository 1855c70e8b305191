# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What fits on the fullest rank: weights, KV cache and overhead against the budget.

Formulas and the published figures they were checked against: ``docs/planner.md``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Dict, List, Optional, Tuple

from .hardware import GIB
from .model import MOE_LAYER, TENSOR, Component, Model, pipeline_stages
from .request import Engine, Parallel
from .versions import version

# Since 0.20.0 vLLM takes 0.92 of the device unless told otherwise, before that 0.9.
_NEW_UTILISATION_SINCE = version("0.20.0")

KV_ELEMENT_BYTES = {
    "auto": 2,
    "bfloat16": 2,
    "float16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
    "fp8_inc": 1,
}


@dataclass(frozen=True)
class Overhead:
    """Everything that is neither weights nor KV cache, in bytes a rank, and why these figures."""

    low: int
    likely: int
    high: int
    reason: str


_CPU = Overhead(
    int(0.6 * GIB),
    int(0.9 * GIB),
    int(1.2 * GIB),
    "a CPU rank's process takes 0.9 GiB beside weights and KV cache (seen with 32 ranks of vLLM 0.32.0)",
)
_TENSOR_ONLY = Overhead(
    int(2.8 * GIB),
    int(6.0 * GIB),
    int(8.0 * GIB),
    "vLLM 0.11 to 0.20 logs at TP=8 on H200 leave 2.8 to 7.4 GiB between budget, weights and KV cache",
)
_DATA_AND_EXPERT = Overhead(
    int(5.0 * GIB),
    int(13.0 * GIB),
    int(20.0 * GIB),
    "context, NCCL, CUDA graphs and all-to-all buffers: published DP+EP figures are 14 GB at EP=8 and 20 GB at EP=16; no log of EP=32 is known",
)


@dataclass(frozen=True)
class Weights:
    """Bytes of weights on one rank."""

    routed_experts: int
    other: int
    mla_copy: int

    @property
    def total(self) -> int:
        """All three together."""
        return self.routed_experts + self.other + self.mla_copy


@dataclass(frozen=True)
class Memory:
    """The fullest rank's memory; bytes unless named otherwise. ``fits`` judges with the high overhead."""

    weights_bytes: int
    weights: Dict[str, int]
    kv_bytes_per_token: int
    kv_cache_tokens: int
    kv_cache_bytes: int
    overhead_bytes: int
    overhead_range_bytes: Dict[str, int]
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

    def as_dict(self) -> Dict[str, Any]:
        """The budget as the plan's JSON carries it, under ``memory.per_rank``."""
        return asdict(self)


def utilisation(engine: Engine) -> float:
    """The share of the device the engine may use: as given, else the version's default."""
    if engine.gpu_memory_utilization is not None:
        return engine.gpu_memory_utilization
    return 0.92 if engine.version >= _NEW_UTILISATION_SINCE else 0.9


def experts_per_rank(model: Model, parallel: Parallel, data: int) -> int:
    """Experts of one MoE layer on the fullest rank. Without expert parallelism every rank has a slice of each."""
    if not parallel.expert:
        return model.experts
    return -(-(model.experts + parallel.redundant_experts) // parallel.expert_parallel_size(data))


def weights_of_stage(model: Model, precision: str, parallel: Parallel, data: int, stage: int) -> Weights:
    """Weights of one rank in pipeline stage ``stage``.

    Routed experts are spread over the expert parallel ranks (without expert parallelism vLLM slices each over tensor x data ranks);
    q_b, kv_b, o, MLPs, embedding and head over the tensor ranks; q_a, kv_a, norms and router are whole on every rank.
    """
    sizes = pipeline_stages(len(model.layers), parallel.pipeline)
    first = sum(sizes[:stage])
    layers = model.layers[first : first + sizes[stage]]
    components: List[Component] = list(model.before) if stage == 0 else []
    if stage == parallel.pipeline - 1:
        components.extend(model.after)
        if model.tied_embeddings and stage:
            components.extend(model.before)
    for kind in layers:
        components.extend(model.replicated_components(kind))
    tensor = parallel.tensor
    other = sum(-(-component.bytes(precision) // (tensor if component.sharding == TENSOR else 1)) for component in components)
    routed = 0
    if model.expert is not None:
        slices = 1 if parallel.expert else tensor * data
        routed = layers.count(MOE_LAYER) * experts_per_rank(model, parallel, data) * model.expert.bytes(precision) // slices
    return Weights(routed, other, 2 * model.mla_copy_parameters * len(layers) // tensor)


def kv_bytes_per_token(model: Model, engine: Engine, parallel: Parallel, stage: int) -> int:
    """KV cache bytes of one token on one rank of the stage; 70,272 for DeepSeek-V3 in BF16 on one stage."""
    layers = pipeline_stages(len(model.layers), parallel.pipeline)[stage]
    return layers * model.kv.bytes_per_token_and_layer(KV_ELEMENT_BYTES[engine.kv_cache_dtype], parallel.tensor)


def overhead(model: Model, engine: Engine, parallel: Parallel, data: int) -> Overhead:
    """The overhead expected of a rank. The engine's logs give no cleaner split, so this is a range with its evidence."""
    if engine.platform == "cpu":
        return _CPU
    return _DATA_AND_EXPERT if model.experts and data > 1 else _TENSOR_ONLY


def budget(
    model: Model,
    precision: str,
    parallel: Parallel,
    data: int,
    engine: Engine,
    sessions: int,
    usable_bytes: int,
) -> Memory:
    """Memory of the fullest rank: the one with most sessions, most experts and, with pipeline stages, most of everything.

    ``usable_bytes`` is what torch reports as the device's total, before the utilisation factor.
    """
    sessions_here = -(-sessions // data)
    context = engine.max_model_len if engine.max_model_len is not None else model.max_length or 0
    tokens = sessions_here * context
    stage, weights, per_token = _fullest_stage(model, precision, parallel, data, engine, tokens)
    extra = overhead(model, engine, parallel, data)
    limit = int(utilisation(engine) * usable_bytes)
    need = tokens * per_token
    headroom = limit - weights.total - need - extra.high
    capacity = _kv_capacity(engine, limit - weights.total - extra.high)
    return Memory(
        weights_bytes=weights.total,
        weights={"routed_experts_bytes": weights.routed_experts, "other_bytes": weights.other, "mla_copy_bytes": weights.mla_copy},
        kv_bytes_per_token=per_token,
        kv_cache_tokens=tokens,
        kv_cache_bytes=need,
        overhead_bytes=extra.high,
        overhead_range_bytes={"low": extra.low, "likely": extra.likely, "high": extra.high},
        overhead_reason=extra.reason,
        usable_bytes=usable_bytes,
        budget_bytes=limit,
        headroom_bytes=headroom,
        fits=headroom >= 0,
        kv_capacity_bytes=capacity,
        kv_capacity_tokens=capacity // per_token,
        sessions=sessions_here,
        experts_per_layer=experts_per_rank(model, parallel, data),
        pipeline_stage=stage,
    )


def _kv_capacity(engine: Engine, left: int) -> int:
    """What the engine gives to the KV cache: what is left, or exactly what it was told to (it then ignores the utilisation)."""
    return engine.kv_cache_memory_bytes if engine.kv_cache_memory_bytes is not None else max(0, left)


def _fullest_stage(model: Model, precision: str, parallel: Parallel, data: int, engine: Engine, tokens: int) -> Tuple[int, Weights, int]:
    best: Optional[Tuple[int, Weights, int]] = None
    for stage in range(parallel.pipeline):
        weights = weights_of_stage(model, precision, parallel, data, stage)
        per_token = kv_bytes_per_token(model, engine, parallel, stage)
        if best is None or weights.total + tokens * per_token > best[1].total + tokens * best[2]:
            best = (stage, weights, per_token)
    assert best is not None  # there is always a stage 0
    return best


def gib(value: int) -> str:
    """Bytes as GiB for a message."""
    return f"{value / GIB:.2f} GiB"
