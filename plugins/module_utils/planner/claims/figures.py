# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner's figures that claims are checked against, each from the rooms that make the plan.

A function of a subject answers ``None`` where the input does not say what it takes; one of a name answers such a
function.
"""

from __future__ import annotations

from typing import Callable, Optional

from ..hardware import GIB
from ..memory.memory import kv_bytes_per_token
from ..models import components as part
from ..models.flops import decode_attention_flops, prefill_attention_flops, token_flops
from ..models.model import MOE_LAYER
from ..network.traffic import port_bytes, prompt_port_bytes
from ..performance.performance import Range
from .subject import Subject

Of = Callable[[Subject], Optional[float]]


def in_part(*names: str) -> Of:
    """Scalars in parts of the model."""
    return lambda s: float(sum(s.parameters_by_part.get(name, 0) for name in names))


def active_multiplying(s: Subject) -> float:
    """Scalars a token is multiplied with: not the embedding, which is a look-up."""
    table = 0 if s.model.tied_embeddings else s.parameters_by_part.get(part.EMBEDDING, 0)
    return float(s.model.active_parameters() - table)


def rows_of(name: str) -> Of:
    """The inner width of an MLP of that part."""

    def rows(s: Subject) -> float | None:
        found = [item for item in s.model.moe_ffn + s.model.dense_ffn if item.part == name]
        return float(found[0].rows) if found else None

    return rows


def of_expert(field: str) -> Of:
    """A field of a routed expert's component."""
    return lambda s: None if s.model.expert is None else float(getattr(s.model.expert, field))


def of_memory(field: str, unit: float) -> Of:
    """A field of the fullest rank's memory, in a unit."""
    return lambda s: None if s.memory is None else getattr(s.memory, field) / unit


def before_overhead(s: Subject, kv_cache: str) -> float | None:
    """Room that budget, weights and KV cache leave, in GiB."""
    memory = s.memory
    if memory is None:
        return None
    return float(memory.budget_bytes - memory.weights_bytes - getattr(memory, kv_cache)) / GIB


def overhead_gb(name: str) -> Of:
    """One end of the overhead's range, in GB."""
    return lambda s: None if s.memory is None else s.memory.overhead_range_bytes[name] / 1e9


def memory_gb(s: Subject) -> float | None:
    """Weights, KV cache and likely overhead of the fullest rank, in GB."""
    memory = s.memory
    if memory is None:
        return None
    return (memory.weights_bytes + memory.kv_cache_bytes + memory.overhead_range_bytes["likely"]) / 1e9


def sequence_bytes(s: Subject) -> float:
    """KV cache of one token of context in the whole cluster, each part counted once."""
    parallel = s.case.parallel
    each = sum(kv_bytes_per_token(s.case, stage) for stage in range(parallel.pipeline))
    return each * parallel.tensor * parallel.decode_context / s.model.kv.replicas(parallel.tensor)


def of_flops(name: str) -> Of:
    """A part of a token's FLOPs."""
    return lambda s: float(getattr(token_flops(s.model), name))


def of_step(term: str) -> Of:
    """Tokens/s when one term alone took a decode step's time."""
    return lambda s: None if s.decode is None else s.step_tokens_s(getattr(s.decode, term))


def devices_bound(s: Subject) -> float | None:
    """Tokens/s that memory and compute allow, whatever the network."""
    return None if s.decode is None else s.step_tokens_s(max(s.decode.hbm_s, s.decode.compute_s))


def attention_bound(s: Subject) -> float | None:
    """Tokens/s of all devices that did nothing but attention at their BF16 peak."""
    flops = decode_attention_flops(s.model, s.case.workload.context_tokens)
    return None if s.rates is None or not flops else s.gpus * s.rates.bf16_flops / flops


def prompt_compute(s: Subject) -> tuple[float, float] | None:
    """A prompt's matrices and its attention on the home rank at peak, in seconds."""
    if s.rates is None:
        return None
    length, tensor = s.case.workload.input_tokens, s.case.parallel.tensor
    flops = token_flops(s.model)
    matrices = length * (flops.home / tensor + flops.routed / (tensor * s.case.data)) / s.rates.weights_flops
    return matrices, prefill_attention_flops(s.model, length) / tensor / s.rates.bf16_flops


def prompt_matrices(s: Subject) -> float | None:
    """A prompt's matrices on its home rank at peak, in seconds."""
    found = prompt_compute(s)
    return None if found is None else found[0]


def prompt_attention(s: Subject) -> float | None:
    """A prompt's attention on its home rank at peak, in seconds."""
    found = prompt_compute(s)
    return None if found is None else found[1]


def of_traffic(function: Callable[..., float]) -> Of:
    """Of the deployment's back end, precision, release and spread."""
    return lambda s: function(s.model, s.case.engine.all2all_backend, s.case.precision, s.case.engine.version, s.spread)


def line_rate(s: Subject) -> float | None:
    """Bytes/s of a host's ports in one direction."""
    return s.cluster.host_bytes_per_s


def network_bound(s: Subject) -> float | None:
    """Tokens/s that the ports allow, prompt and generated together."""
    each, line = of_traffic(port_bytes)(s), line_rate(s)
    return line / each if each and line else None


def prompt_network(s: Subject) -> float | None:
    """A prompt through its host's ports, out and back in turn, in seconds."""
    line = line_rate(s)
    return s.case.workload.input_tokens * (of_traffic(prompt_port_bytes)(s) or 0.0) / line if line else None


def prompt_overlapped(s: Subject) -> float | None:
    """Out and back go different ways through a port, so the longer of the two is the least."""
    found = prompt_network(s)
    return None if found is None else found * max(s.copy.dispatch, s.copy.combine) / s.copy.both


def nic_seconds(s: Subject) -> float | None:
    """``bytes`` through a host's ports, in seconds."""
    line = line_rate(s)
    return None if line is None or s.bytes is None else s.bytes / line


def alltoall_seconds(s: Subject) -> float | None:
    """``bytes`` of each rank divided over all: what leaves a host is its ranks' share for the others."""
    line, over = line_rate(s), s.spread
    if line is None or s.bytes is None or over.hosts < 2:
        return None
    return s.bytes * over.ranks / over.hosts * (over.hosts - 1) / over.hosts / line


def alltoall_each(s: Subject) -> float | None:
    """A rank's bytes per second, as nccl-tests' algbw."""
    seconds = alltoall_seconds(s.under({"bytes": 1e9}))
    return None if seconds is None else 1 / seconds


def alltoall_cluster(s: Subject) -> float | None:
    """All ranks', without what each keeps."""
    each = alltoall_each(s)
    return None if each is None else each * (s.spread.ranks - 1)


def checkpoint_bytes(s: Subject) -> int:
    """On disk a multi-token prediction layer has an embedding and a head of its own; 688.6 GB for DeepSeek-V3."""
    model, stored = s.model, s.model.stored_as(s.case.precision)
    total = model.checkpoint_bytes(s.case.precision)
    for index in range(len(model.layers), len(model.layers) + model.prediction_layers):
        layer = model.prediction + model.layer(MOE_LAYER)
        total += sum(stored.bytes(item, index) for item in layer + model.before + model.after)
        total += model.experts * stored.bytes(model.expert, index) if model.expert else 0
    return total


def load_s(s: Subject) -> float:
    """Seconds to read the checkpoint once at the storage's rate."""
    return checkpoint_bytes(s) * 8 / (s.storage_gbit_s * 1e9)


def moved_gb(s: Subject) -> float | None:
    """One expert in each layer of each rank of a host, as EPLB moves them."""
    if s.model.expert is None:
        return None
    each = s.case.bytes(s.model.expert)
    return s.cluster.gpus_per_host / s.case.parallel.pipeline * s.model.moe_layers * each / 1e9


def moved_s(s: Subject) -> float | None:
    """The same through the host's ports, in seconds."""
    moved, line = moved_gb(s), line_rate(s)
    return None if moved is None or line is None else moved * 1e9 / line


def of_performance(field: str, unit: float = 1.0) -> Callable[[Subject], Range | None]:
    """A range of the plan's performance, in a unit."""

    def found(s: Subject) -> Range | None:
        if s.performance is None:
            return None
        of: Range = getattr(s.performance, field)
        return Range(of.low * unit, of.likely * unit, of.high * unit, of.bound * unit)

    return found


def ttft(percentile: float) -> Callable[[Subject], Range | None]:
    """The range of the time to the first token at a percentile, in ms."""

    def found(s: Subject) -> Range | None:
        if s.performance is None:
            return None
        of = s.performance.ttft_s(s.case.workload.input_tokens, percentile)
        return Range(of.low * 1e3, of.likely * 1e3, of.high * 1e3, of.bound * 1e3)

    return found


def likely(of: Callable[[Subject], Range | None]) -> Of:
    """The likely figure of a range."""

    def likely(s: Subject) -> float | None:
        found = of(s)
        return None if found is None else found.likely

    return likely


def bound(of: Callable[[Subject], Range | None]) -> Of:
    """The bound of a range."""

    def bound(s: Subject) -> float | None:
        found = of(s)
        return None if found is None else found.bound

    return bound


def of_gpu(field: str, unit: float) -> Of:
    """A field of the device, in a unit."""

    def found(s: Subject) -> float | None:
        value = None if s.gpu is None else getattr(s.gpu, field)
        return None if value is None else value / unit

    return found
