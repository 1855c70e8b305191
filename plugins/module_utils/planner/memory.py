# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What fits on the fullest rank: weights, KV cache and overhead against the budget.

Formulas and the published figures they were checked against: ``docs/planner.md``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .deployment import Deployment
from .engine_defaults import default
from .engine_flags import KV_ELEMENT_BYTES
from .findings import Finding, error, warning
from .hardware import GIB
from .model import MOE_LAYER, TENSOR, Component
from .request import Engine


@dataclass(frozen=True)
class Overhead:
    """Everything that is neither weights nor KV cache, in bytes a rank, and why these figures."""

    low: int
    likely: int
    high: int
    reason: str


def _overhead(low: float, likely: float, high: float, reason: str) -> Overhead:
    """From GiB."""
    return Overhead(int(low * GIB), int(likely * GIB), int(high * GIB), reason)


_CPU = _overhead(
    0.6, 0.9, 1.2, "a CPU rank's process took 0.9 GiB beside weights and KV cache (32 ranks of vLLM 0.32.0 on the lab)"
)
_ONE_REPLICA = _overhead(
    2.8, 6.0, 8.0, "vLLM 0.11 to 0.20 logs at TP=8 on H200 leave 2.8 to 7.4 GiB between budget, weights and KV cache"
)
# Data parallel ranks with experts spread over them, by the largest expert parallel size each row is for. The high
# figure is what is published (14 GB at EP=8, 20 GB at EP=16, single charts, budget assumed), the low one the least seen
# without expert parallelism of a comparable service, and the likely one lies between. At EP=32 there is no log at all.
_EXPERT_REASON = (
    "context, NCCL, CUDA graphs, activations and all-to-all buffers: a published DP+EP chart has 14 GB at EP=8 and"
    " 20 GB at EP=16"
)
_DATA_AND_EXPERT = (
    (8, _overhead(5.0, 9.0, 13.1, _EXPERT_REASON)),
    (16, _overhead(5.0, 12.0, 18.7, _EXPERT_REASON)),
)
_WIDE_EXPERT = _overhead(5.0, 13.0, 20.0, _EXPERT_REASON)


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

    def as_dict(self) -> dict[str, Any]:
        """The budget as the plan's JSON carries it, under ``memory.per_rank``."""
        return asdict(self)


def utilisation(engine: Engine) -> float:
    """The share of the device the engine may use: as given, else the version's default."""
    if engine.gpu_memory_utilization is not None:
        return engine.gpu_memory_utilization
    return float(default("gpu_memory_utilization", engine.version))


def weights_of_stage(case: Deployment, stage: int) -> Weights:
    """Weights of one rank in pipeline stage ``stage``.

    Routed experts are spread over the expert parallel ranks (without expert parallelism vLLM slices each over tensor x
    data ranks); q_b, kv_b, o, MLPs, embedding and head over the tensor ranks; q_a, kv_a, norms and router are whole on
    every rank.
    """
    model, tensor = case.model, case.parallel.tensor
    layers = case.stage_layers(stage)
    components: list[Component] = list(model.before) if stage == 0 else []
    if stage == case.parallel.pipeline - 1:
        components.extend(model.after)
        if model.tied_embeddings and stage:
            components.extend(model.before)
    for kind in layers:
        components.extend(model.layer(kind))
    other = sum(-(-item.bytes(case.precision) // (tensor if item.sharding == TENSOR else 1)) for item in components)
    routed = 0
    if model.expert is not None:
        experts = layers.count(MOE_LAYER) * case.experts_on_fullest_rank * model.expert.bytes(case.precision)
        routed = experts if case.parallel.expert else -(-experts // (tensor * case.data))
    return Weights(routed, other, 2 * model.mla_copy_parameters * len(layers) // tensor)


def kv_bytes_per_token(case: Deployment, stage: int) -> int:
    """KV cache bytes of one token on one rank of the stage; 70,272 for DeepSeek-V3 in BF16 on one stage."""
    element = KV_ELEMENT_BYTES[case.engine.kv_cache_dtype]
    return len(case.stage_layers(stage)) * case.model.kv.bytes_per_token_and_layer(element, case.parallel.tensor)


def overhead(case: Deployment) -> Overhead:
    """The overhead expected of a rank: a range with its evidence, since engines' logs give no cleaner split."""
    if case.engine.platform == "cpu":
        return _CPU
    if not case.model.experts or case.data == 1:
        return _ONE_REPLICA
    size = case.parallel.tensor * case.data
    return next((row for largest, row in _DATA_AND_EXPERT if size <= largest), _WIDE_EXPERT)


def budget(case: Deployment, usable_bytes: int) -> Memory:
    """Memory of the fullest rank: the one with most sessions, most experts and, of several stages, most of both
    together.

    ``usable_bytes`` is what torch reports as the device's total, before the utilisation factor.
    """
    sessions = case.sessions_on_fullest_rank
    tokens = sessions * case.context
    stage, weights, per_token = _fullest_stage(case, tokens)
    extra = overhead(case)
    limit = int(utilisation(case.engine) * usable_bytes)
    need = tokens * per_token
    headroom = limit - weights.total - need - extra.high
    # Told how many bytes to take for the KV cache, the engine takes them and ignores the utilisation.
    capacity = case.engine.kv_cache_memory_bytes
    if capacity is None:
        capacity = max(0, limit - weights.total - extra.high)
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
        overhead_range_bytes={"low": extra.low, "likely": extra.likely, "high": extra.high},
        overhead_reason=extra.reason,
        usable_bytes=usable_bytes,
        budget_bytes=limit,
        headroom_bytes=headroom,
        fits=headroom >= 0,
        kv_capacity_bytes=capacity,
        kv_capacity_tokens=capacity // per_token,
        sessions=sessions,
        experts_per_layer=case.experts_on_fullest_rank,
        pipeline_stage=stage,
    )


def _fullest_stage(case: Deployment, tokens: int) -> tuple[int, Weights, int]:
    """The pipeline stage whose ranks need most, its weights and its KV cache bytes a token."""
    stages = [
        (stage, weights_of_stage(case, stage), kv_bytes_per_token(case, stage))
        for stage in range(case.parallel.pipeline)
    ]
    return max(stages, key=lambda found: found[1].total + tokens * found[2])


def gib(value: int) -> str:
    """Bytes as GiB for a message."""
    return f"{value / GIB:.2f} GiB"


def check_memory(case: Deployment, memory: Memory, device: str) -> list[Finding]:
    """Whether the fullest rank fits, with the whole sum in the message when it does not."""
    found: list[Finding] = []
    need = f"{memory.sessions} sessions x {case.context} tokens"
    if not memory.fits:
        budgeted = f"{gib(memory.budget_bytes)} ({utilisation(case.engine):g} of {gib(memory.usable_bytes)})"
        found.append(
            error(
                "memory.does_not_fit",
                f"the fullest rank does not fit its {device}: budget {budgeted}"
                f" - weights {gib(memory.weights_bytes)} ({case.precision}, {memory.experts_per_layer} experts a layer)"
                f" - KV cache {gib(memory.kv_cache_bytes)} ({need})"
                f" - overhead {gib(memory.overhead_bytes)} (high estimate) = {gib(memory.headroom_bytes)}",
                _fix(case, memory),
            )
        )
    found.extend(_check_given_kv_cache(case, memory, need))
    limit = case.engine.max_num_seqs
    if limit is not None and limit < memory.sessions:
        found.append(
            warning(
                "engine.max_num_seqs",
                f"engine.max_num_seqs {limit} (a rank) is less than the {memory.sessions} sessions of the fullest rank:"
                " the others wait",
                f"set engine.max_num_seqs to {memory.sessions} or more",
            )
        )
    return found


def _check_given_kv_cache(case: Deployment, memory: Memory, need: str) -> list[Finding]:
    """A KV cache whose size was given must hold the workload, and must fit beside everything else."""
    given = case.engine.kv_cache_memory_bytes
    if given is None:
        return []
    if memory.kv_cache_bytes > given:
        return [
            error(
                "memory.kv_cache_too_small",
                f"engine.kv_cache_memory_bytes {given} ({gib(given)}) is less than the {memory.kv_cache_bytes}"
                f" ({gib(memory.kv_cache_bytes)}) that {need} need on the fullest rank",
                f"set it to at least {memory.kv_cache_bytes}, or lower workload.sessions or engine.max_model_len",
            )
        ]
    total = memory.weights_bytes + given + memory.overhead_bytes
    if memory.fits and total > memory.usable_bytes:
        return [
            error(
                "memory.kv_cache_too_large",
                f"engine.kv_cache_memory_bytes {gib(given)} + weights {gib(memory.weights_bytes)} + overhead"
                f" {gib(memory.overhead_bytes)} (high estimate) = {gib(total)} of {gib(memory.usable_bytes)}",
                f"set it to at most {memory.usable_bytes - memory.weights_bytes - memory.overhead_bytes}",
            )
        ]
    return []


def _fix(case: Deployment, memory: Memory) -> str:
    left = max(0, memory.budget_bytes - memory.weights_bytes - memory.overhead_bytes)
    longest = left // memory.kv_bytes_per_token // memory.sessions
    if longest:
        lower = f"lower engine.max_model_len to at most {longest} or workload.sessions"
        return f"{lower}, or use an FP8 KV cache or more ranks"
    if case.precision != "fp8":
        return "use FP8 weights, more ranks or larger devices"
    return "use more ranks or larger devices"
