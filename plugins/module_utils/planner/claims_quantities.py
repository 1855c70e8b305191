# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The quantities a claim can be about, each with its unit and the planner's figure of it.

GB and GB/s are 10^9, GiB is 2^30. A figure is ``None`` where the input does not say what it takes. ``limit`` names the
quantity that no service can pass (a ceiling of a rate, a floor of a time).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable, Optional

from . import components as part
from .claims_formula import UnknownError, Value
from .claims_subject import Subject
from .engine_flags import ENVIRONMENT, FLAGS, Lifetime
from .flops import decode_attention_flops, prefill_attention_flops, token_flops
from .hardware import GIB
from .memory import kv_bytes_per_token, utilisation
from .model import MOE_LAYER
from .performance import Range
from .ports import goodput_fraction
from .traffic import copies_sent, expected_hosts, port_bytes, prompt_port_bytes
from .versions import version

# The oldest release that the tables of flags were read from: what it has may be older.
_OLDEST = version("0.8.4")

Of = Callable[[Subject], Optional[float]]


@dataclass(frozen=True)
class Quantity:
    """``expected`` is the range of published services around the figure where the figure is an estimate."""

    unit: str
    meaning: str
    of: Of
    limit: str | None = None
    expected: Callable[[Subject], Range | None] | None = None


def _part(*names: str) -> Of:
    return lambda s: float(sum(s.parameters_by_part.get(name, 0) for name in names))


def _active_multiplying(s: Subject) -> float:
    table = 0 if s.model.tied_embeddings else s.parameters_by_part.get(part.EMBEDDING, 0)
    return float(s.model.active_parameters() - table)


def _rows(name: str) -> Of:
    def rows(s: Subject) -> float | None:
        found = [item for item in s.model.moe_ffn + s.model.dense_ffn if item.part == name]
        return float(found[0].rows) if found else None

    return rows


def _expert(field: str) -> Of:
    return lambda s: None if s.model.expert is None else float(getattr(s.model.expert, field))


def _memory(field: str, unit: float) -> Of:
    return lambda s: None if s.memory is None else getattr(s.memory, field) / unit


def _before_overhead(s: Subject, kv_cache: str) -> float | None:
    """Room that budget, weights and KV cache leave, in GiB."""
    memory = s.memory
    if memory is None:
        return None
    return float(memory.budget_bytes - memory.weights_bytes - getattr(memory, kv_cache)) / GIB


def _overhead_gb(name: str) -> Of:
    return lambda s: None if s.memory is None else s.memory.overhead_range_bytes[name] / 1e9


def _memory_gb(s: Subject) -> float | None:
    memory = s.memory
    if memory is None:
        return None
    return (memory.weights_bytes + memory.kv_cache_bytes + memory.overhead_range_bytes["likely"]) / 1e9


def _sequence_bytes(s: Subject) -> float:
    """KV cache of one token of context in the whole cluster, each part counted once."""
    parallel = s.case.parallel
    each = sum(kv_bytes_per_token(s.case, stage) for stage in range(parallel.pipeline))
    return each * parallel.tensor * parallel.decode_context / s.model.kv.replicas(parallel.tensor)


def _flops(name: str) -> Of:
    return lambda s: float(getattr(token_flops(s.model), name))


def _step(term: str) -> Of:
    return lambda s: None if s.decode is None else s.step_tokens_s(getattr(s.decode, term))


def _devices_bound(s: Subject) -> float | None:
    return None if s.decode is None else s.step_tokens_s(max(s.decode.hbm_s, s.decode.compute_s))


def _attention_bound(s: Subject) -> float | None:
    """Tokens/s of all devices that did nothing but attention at their BF16 peak."""
    flops = decode_attention_flops(s.model, s.case.workload.context_tokens)
    return None if s.rates is None or not flops else s.gpus * s.rates.bf16_flops / flops


def _compute_s(s: Subject) -> tuple[float, float] | None:
    """A prompt's matrices and its attention on the home rank at peak, in seconds."""
    if s.rates is None:
        return None
    length, tensor = s.case.workload.input_tokens, s.case.parallel.tensor
    flops = token_flops(s.model)
    matrices = length * (flops.home / tensor + flops.routed / (tensor * s.case.data)) / s.rates.weights_flops
    return matrices, prefill_attention_flops(s.model, length) / tensor / s.rates.bf16_flops


def _prompt_matrices(s: Subject) -> float | None:
    found = _compute_s(s)
    return None if found is None else found[0]


def _prompt_attention(s: Subject) -> float | None:
    found = _compute_s(s)
    return None if found is None else found[1]


def _traffic(function: Callable[..., float]) -> Of:
    """Of the deployment's back end, precision, release and spread."""
    return lambda s: function(s.model, s.case.engine.all2all_backend, s.case.precision, s.case.engine.version, s.spread)


def _line(s: Subject) -> float | None:
    return s.cluster.host_bytes_per_s


def _network_bound(s: Subject) -> float | None:
    each, line = _traffic(port_bytes)(s), _line(s)
    return line / each if each and line else None


def _prompt_network(s: Subject) -> float | None:
    line = _line(s)
    return s.case.workload.input_tokens * (_traffic(prompt_port_bytes)(s) or 0.0) / line if line else None


def _prompt_overlapped(s: Subject) -> float | None:
    """Out and back go different ways through a port, so the longer of the two is the least."""
    found = _prompt_network(s)
    return None if found is None else found * max(s.copy.dispatch, s.copy.combine) / s.copy.both


def _nic_seconds(s: Subject) -> float | None:
    line = _line(s)
    return None if line is None or s.bytes is None else s.bytes / line


def _alltoall_seconds(s: Subject) -> float | None:
    """``bytes`` of each rank divided over all: what leaves a host is its ranks' share for the others."""
    line, over = _line(s), s.spread
    if line is None or s.bytes is None or over.hosts < 2:
        return None
    return s.bytes * over.ranks / over.hosts * (over.hosts - 1) / over.hosts / line


def _alltoall_each(s: Subject) -> float | None:
    """A rank's bytes per second, as nccl-tests' algbw."""
    seconds = _alltoall_seconds(s.under({"bytes": 1e9}))
    return None if seconds is None else 1 / seconds


def _alltoall_cluster(s: Subject) -> float | None:
    """All ranks', without what each keeps."""
    each = _alltoall_each(s)
    return None if each is None else each * (s.spread.ranks - 1)


def _checkpoint_bytes(s: Subject) -> int:
    """On disk a multi-token prediction layer has an embedding and a head of its own; 688.6 GB for DeepSeek-V3."""
    model, stored = s.model, s.model.stored_as(s.case.precision)
    total = model.checkpoint_bytes(s.case.precision)
    for index in range(len(model.layers), len(model.layers) + model.prediction_layers):
        layer = model.prediction + model.layer(MOE_LAYER)
        total += sum(stored.bytes(item, index) for item in layer + model.before + model.after)
        total += model.experts * stored.bytes(model.expert, index) if model.expert else 0
    return total


def _load_s(s: Subject) -> float:
    return _checkpoint_bytes(s) * 8 / (s.storage_gbit_s * 1e9)


def _moved_gb(s: Subject) -> float | None:
    """One expert in each layer of each rank of a host, as EPLB moves them."""
    if s.model.expert is None:
        return None
    each = s.case.bytes(s.model.expert)
    return s.cluster.gpus_per_host / s.case.parallel.pipeline * s.model.moe_layers * each / 1e9


def _moved_s(s: Subject) -> float | None:
    moved, line = _moved_gb(s), _line(s)
    return None if moved is None or line is None else moved * 1e9 / line


def _performance(field: str, unit: float = 1.0) -> Callable[[Subject], Range | None]:
    def found(s: Subject) -> Range | None:
        if s.performance is None:
            return None
        of: Range = getattr(s.performance, field)
        return Range(of.low * unit, of.likely * unit, of.high * unit, of.bound * unit)

    return found


def _ttft(percentile: float) -> Callable[[Subject], Range | None]:
    def found(s: Subject) -> Range | None:
        if s.performance is None:
            return None
        of = s.performance.ttft_s(s.case.workload.input_tokens, percentile)
        return Range(of.low * 1e3, of.likely * 1e3, of.high * 1e3, of.bound * 1e3)

    return found


def _likely(of: Callable[[Subject], Range | None]) -> Of:
    def likely(s: Subject) -> float | None:
        found = of(s)
        return None if found is None else found.likely

    return likely


def _bound(of: Callable[[Subject], Range | None]) -> Of:
    def bound(s: Subject) -> float | None:
        found = of(s)
        return None if found is None else found.bound

    return bound


def _estimate(unit: str, meaning: str, of: Callable[[Subject], Range | None], limit: str) -> Quantity:
    return Quantity(unit, meaning, _likely(of), limit, of)


def _gpu(field: str, unit: float) -> Of:
    def found(s: Subject) -> float | None:
        value = None if s.gpu is None else getattr(s.gpu, field)
        return None if value is None else value / unit

    return found


_OF_MODEL: dict[str, Quantity] = {
    "total_parameters": Quantity("parameters", "of the main model", lambda s: float(s.model.parameters())),
    "active_parameters": Quantity("parameters", "a token passes through", lambda s: float(s.model.active_parameters())),
    "multiplied_parameters": Quantity("parameters", "active, without the embedding's look-up", _active_multiplying),
    "routed_parameters": Quantity("parameters", "in routed experts", _part(part.ROUTED_EXPERTS)),
    "replicated_parameters": Quantity(
        "parameters",
        "in everything but routed experts",
        lambda s: float(s.model.parameters() - s.parameters_by_part.get(part.ROUTED_EXPERTS, 0)),
    ),
    "attention_parameters": Quantity("parameters", "in attention's projections", _part(part.ATTENTION)),
    "embedding_parameters": Quantity("parameters", "in the token embedding", _part(part.EMBEDDING)),
    "head_parameters": Quantity("parameters", "in the head", _part(part.HEAD)),
    "shared_parameters": Quantity("parameters", "in shared experts", _part(part.SHARED_EXPERTS)),
    "dense_parameters": Quantity("parameters", "in dense layers' MLPs", _part(part.DENSE)),
    "router_parameters": Quantity("parameters", "in routers", _part(part.ROUTER)),
    "norm_parameters": Quantity("parameters", "in norms", _part(part.NORMS)),
    "expert_parameters": Quantity("parameters", "in one routed expert of one layer", _expert("parameters")),
    "prediction_parameters": Quantity(
        "parameters", "in multi-token prediction layers", lambda s: float(s.model.prediction_parameters())
    ),
    "layers": Quantity("", "layers", lambda s: float(len(s.model.layers))),
    "moe_layers": Quantity("", "layers with routed experts", lambda s: float(s.model.moe_layers)),
    "experts": Quantity("", "routed experts a layer", lambda s: float(s.model.experts)),
    "experts_per_token": Quantity("", "routed experts a token goes to", lambda s: float(s.model.experts_per_token)),
    "heads": Quantity("", "attention's heads", lambda s: float(s.model.heads)),
    "hidden_size": Quantity("", "width of the hidden state", lambda s: float(s.model.hidden_size)),
    "vocabulary": Quantity(
        "",
        "rows of the embedding",
        lambda s: s.parameters_by_part.get(part.EMBEDDING, 0) / s.model.hidden_size,
    ),
    "expert_width": Quantity("", "a routed expert's inner width", _expert("rows")),
    "shared_expert_width": Quantity("", "the shared experts' inner width", _rows(part.SHARED_EXPERTS)),
    "dense_width": Quantity("", "a dense MLP's inner width", _rows(part.DENSE)),
    "matrices_per_expert": Quantity("", "matrices of an expert", _expert("count")),
    "kv_width": Quantity("", "elements cached a layer and token", lambda s: float(s.model.kv.width * s.model.kv.heads)),
    "kv_heads": Quantity("", "KV heads that are cached", lambda s: float(s.model.kv.heads)),
    "checkpoint_gb": Quantity(
        "GB", "tensors on disk, multi-token prediction layers included", lambda s: _checkpoint_bytes(s) / 1e9
    ),
}

_OF_MEMORY: dict[str, Quantity] = {
    "weights_gb_per_gpu": Quantity("GB", "weights on the fullest rank", _memory("weights_bytes", 1e9)),
    "weights_gib_per_gpu": Quantity("GiB", "weights on the fullest rank", _memory("weights_bytes", GIB)),
    "kv_bytes_per_token": Quantity("B", "KV cache of a token of context on a rank", _memory("kv_bytes_per_token", 1)),
    "kv_cache_gb_total": Quantity(
        "GB",
        "KV cache of all sessions at full context, each token once",
        lambda s: s.case.workload.sessions * s.case.context * _sequence_bytes(s) / 1e9,
    ),
    "kv_cache_gb_per_gpu": Quantity(
        "GB", "KV cache of the fullest rank at full context", _memory("kv_cache_bytes", 1e9)
    ),
    "kv_cache_gb_per_gpu_mean": Quantity("GB", "KV cache of the mean rank", _memory("mean_kv_cache_bytes", 1e9)),
    "kv_capacity_tokens": Quantity("tokens", "room for KV cache on the fullest rank", _memory("kv_capacity_tokens", 1)),
    "sessions_capacity": Quantity(
        "",
        "sessions of full context that the KV cache has room for",
        lambda s: None if s.memory is None else float(s.memory.kv_capacity_sessions * s.case.data),
    ),
    "sessions_per_rank": Quantity("", "sessions of the mean rank", _memory("mean_sessions", 1)),
    "sessions_on_fullest_rank": Quantity("", "sessions of the fullest rank", _memory("sessions", 1)),
    "experts_per_gpu": Quantity("", "experts a layer on the fullest rank", _memory("experts_per_layer", 1)),
    "memory_gb_per_gpu": Quantity("GB", "weights, KV cache and likely overhead of the fullest rank", _memory_gb),
    "overhead_gb_low": Quantity("GB", "overhead a rank, least", _overhead_gb("low")),
    "overhead_gb_likely": Quantity("GB", "overhead a rank, likely", _overhead_gb("likely")),
    "overhead_gb_high": Quantity("GB", "overhead a rank, most", _overhead_gb("high")),
    "budget_gb_per_gpu": Quantity("GB", "what the engine may take of a device", _memory("budget_bytes", 1e9)),
    "headroom_gib": Quantity("GiB", "left on the fullest rank after the most overhead", _memory("headroom_bytes", GIB)),
    "room_gib": Quantity(
        "GiB", "left on the fullest rank for overhead", lambda s: _before_overhead(s, "kv_cache_bytes")
    ),
    "room_gib_mean": Quantity(
        "GiB", "left on the mean rank for overhead", lambda s: _before_overhead(s, "mean_kv_cache_bytes")
    ),
    "utilization": Quantity("", "share of a device the engine may take", lambda s: utilisation(s.case.engine)),
    "gpu_memory_gb": Quantity("GB", "a device's memory as torch has it", _gpu("memory_bytes", 1e9)),
    "load_seconds": Quantity("s", "reading the checkpoint once at storage_gbit_s", _load_s),
    "load_seconds_shared": Quantity(
        "s", "all hosts reading it from one server at storage_gbit_s", lambda s: _load_s(s) * s.spread.hosts
    ),
}

_OF_COMPUTE: dict[str, Quantity] = {
    "flops_per_token": Quantity("FLOP", "of a token, without attention over its context", _flops("total")),
    "attention_projection_flops": Quantity("FLOP", "of a token, all layers", _flops("attention_projections")),
    "shared_flops": Quantity("FLOP", "of a token in shared experts, all layers", _flops("shared")),
    "routed_flops": Quantity("FLOP", "of a token in routed experts, all layers", _flops("routed")),
    "router_flops": Quantity("FLOP", "of a token in routers, all layers", _flops("router")),
    "decode_attention_flops": Quantity(
        "FLOP",
        "of a generated token's attention over its context",
        lambda s: decode_attention_flops(s.model, s.case.workload.context_tokens),
    ),
    "gpus": Quantity("", "devices", lambda s: float(s.gpus)),
    "hosts": Quantity("", "hosts", lambda s: float(s.spread.hosts)),
    "bf16_tflops": Quantity("TFLOP/s", "a device's dense BF16 peak", _gpu("bf16_flops", 1e12)),
    "fp8_tflops": Quantity("TFLOP/s", "a device's dense FP8 peak", _gpu("fp8_flops", 1e12)),
    "hbm_gb_s": Quantity("GB/s", "a device's memory bandwidth", _gpu("memory_bandwidth_bytes_s", 1e9)),
    "nvlink_gb_s": Quantity("GB/s", "a device's NVLink, one direction", _gpu("nvlink_bytes_s", 1e9)),
    "hbm_bound_tokens_s": Quantity("tokens/s", "what reading weights and KV cache allows", _step("hbm_s")),
    "compute_bound_tokens_s": Quantity("tokens/s", "what the peak FLOP/s allow", _step("compute_s")),
    "attention_bound_tokens_s": Quantity(
        "tokens/s", "what the BF16 peak allows with attention alone", _attention_bound
    ),
    "device_bound_tokens_s": Quantity("tokens/s", "the lower of the two, whatever the network", _devices_bound),
    "prompt_matrices_s": Quantity("s", "a prompt's matrices on its home rank at peak", _prompt_matrices),
    "prompt_attention_s": Quantity("s", "a prompt's attention on its home rank at peak", _prompt_attention),
}

_OF_NETWORK: dict[str, Quantity] = {
    "nic_gbit_s": Quantity(
        "Gb/s", "of a host's ports, one direction", lambda s: None if _line(s) is None else (_line(s) or 0) * 8 / 1e9
    ),
    "nic_gbit_s_per_gpu": Quantity(
        "Gb/s",
        "of a host's ports for each device",
        lambda s: None if _line(s) is None else (_line(s) or 0) * 8 / 1e9 / s.cluster.gpus_per_host,
    ),
    "nics_per_host": Quantity("", "a host's ports on the data network", lambda s: float(s.cluster.nics_per_host)),
    "goodput_fraction": Quantity(
        "", "share of the ports' line rate that is payload", lambda s: goodput_fraction(s.cluster.nic_mtu)
    ),
    "nic_seconds": Quantity("s", "`bytes` through a host's ports", _nic_seconds, "nic_seconds"),
    "expected_hosts": Quantity("", "hosts a token's experts are on", lambda s: expected_hosts(s.model, s.spread.hosts)),
    "copies_sent": Quantity(
        "",
        "copies of a token that leave its host",
        lambda s: copies_sent(s.model, s.case.engine.all2all_backend, s.spread),
    ),
    "dispatch_bytes": Quantity("B", "of a copy to an expert, one layer", lambda s: s.copy.dispatch),
    "combine_bytes": Quantity("B", "of a copy back, one layer", lambda s: s.copy.combine),
    "port_bytes_per_token": Quantity("B", "through each host's ports for a token of the cluster", _traffic(port_bytes)),
    "network_bound_tokens_s": Quantity(
        "tokens/s", "what the ports allow, prompt and generated together", _network_bound, "network_bound_tokens_s"
    ),
    "prompt_network_s": Quantity("s", "a prompt through its host's ports, out and back in turn", _prompt_network),
    "prompt_network_overlapped_s": Quantity("s", "the same, out and back at once", _prompt_overlapped),
    "alltoall_seconds": Quantity(
        "s", "all-to-all with `bytes` a rank, at line rate", _alltoall_seconds, "alltoall_seconds"
    ),
    "alltoall_gb_s": Quantity("GB/s", "all-to-all's algbw of a rank at line rate", _alltoall_each, "alltoall_gb_s"),
    "alltoall_cluster_gb_s": Quantity(
        "GB/s", "the same of all ranks together", _alltoall_cluster, "alltoall_cluster_gb_s"
    ),
    "rebalance_gb_per_host": Quantity("GB", "moving one expert a layer and rank", _moved_gb),
    "rebalance_seconds": Quantity("s", "the same through the host's ports", _moved_s, "rebalance_seconds"),
}

_DECODE, _PREFILL, _OUTPUT = (_performance(f"{name}_tokens_s") for name in ("decode", "prefill", "output"))
_TPOT = _performance("tpot_s", 1e3)

_OF_PERFORMANCE: dict[str, Quantity] = {
    "decode_tokens_s": _estimate("tokens/s", "generated by the cluster", _DECODE, "decode_bound_tokens_s"),
    "decode_bound_tokens_s": Quantity("tokens/s", "what no service can pass", _bound(_DECODE), "decode_bound_tokens_s"),
    "prefill_tokens_s": _estimate("tokens/s", "of prompts alone", _PREFILL, "prefill_bound_tokens_s"),
    "prefill_bound_tokens_s": Quantity(
        "tokens/s", "what no service can pass", _bound(_PREFILL), "prefill_bound_tokens_s"
    ),
    "output_tokens_s": _estimate("tokens/s", "generated beside the prompts", _OUTPUT, "output_bound_tokens_s"),
    "output_bound_tokens_s": Quantity("tokens/s", "what no service can pass", _bound(_OUTPUT), "output_bound_tokens_s"),
    "tpot_ms": _estimate("ms", "from one token to the next", _TPOT, "tpot_bound_ms"),
    "tpot_bound_ms": Quantity("ms", "what no service can do in less", _bound(_TPOT), "tpot_bound_ms"),
    "ttft_ms": _estimate("ms", "to the first token, median, of a prompt of input_tokens", _ttft(50), "ttft_bound_ms"),
    "ttft_p95_ms": _estimate("ms", "the same, 95th percentile", _ttft(95), "ttft_bound_ms"),
    "ttft_p99_ms": _estimate("ms", "the same, 99th percentile", _ttft(99), "ttft_bound_ms"),
    "ttft_bound_ms": Quantity("ms", "what no request can do in less", _bound(_ttft(50)), "ttft_bound_ms"),
}

QUANTITIES: dict[str, Quantity] = {**_OF_MODEL, **_OF_MEMORY, **_OF_COMPUTE, **_OF_NETWORK, **_OF_PERFORMANCE}


def figure(subject: Subject, name: str, conditions: Mapping[str, Any]) -> Value:
    """A quantity under conditions, as formulas look names up; ``since(flag=...)`` is the release a flag came with and
    ``removed(flag=...)`` the one it went with. Raises :class:`UnknownError` where the input does not say what it takes.
    """
    if name in ("since", "removed"):
        return _release(name, str(conditions["flag"]))
    value = QUANTITIES[name].of(subject.under(conditions))
    if value is None:
        raise UnknownError(f"{name} cannot be derived: a rate of the cluster or the device is not known")
    return value


def _release(which: str, flag: str) -> str:
    known: Lifetime = {**FLAGS, **ENVIRONMENT}[flag]
    found = known.introduced if which == "since" else known.removed
    if found is None or found == _OLDEST:
        raise UnknownError(f"{flag} is in every release examined, {_OLDEST} and newer")
    return str(found)
