# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The quantities a claim can be about, each with its unit and the planner's figure of it.

GB and GB/s are 10^9, GiB is 2^30. A figure is ``None`` where the input does not say what it takes. ``limit`` names the
quantity that no service can pass (a ceiling of a rate, a floor of a time).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from ..engine.flags import ENVIRONMENT, FLAGS, Lifetime
from ..hardware import GIB
from ..memory.memory import utilisation
from ..models import components as part
from ..models.flops import decode_attention_flops
from ..network.ports import goodput_fraction
from ..network.traffic import copies_sent, expected_hosts, port_bytes
from ..performance.performance import Range
from ..versions import version
from . import figures
from .figures import Of
from .formula import UnknownError, Value
from .subject import Subject

# The oldest release that the tables of flags were read from: what it has may be older.
_OLDEST = version("0.8.4")


@dataclass(frozen=True)
class Quantity:
    """``expected`` is the range of published services around the figure where the figure is an estimate."""

    unit: str
    meaning: str
    of: Of
    limit: str | None = None
    expected: Callable[[Subject], Range | None] | None = None


def _estimate(unit: str, meaning: str, of: Callable[[Subject], Range | None], limit: str) -> Quantity:
    return Quantity(unit, meaning, figures.likely(of), limit, of)


_OF_MODEL: dict[str, Quantity] = {
    "total_parameters": Quantity("parameters", "of the main model", lambda s: float(s.model.parameters())),
    "active_parameters": Quantity("parameters", "a token passes through", lambda s: float(s.model.active_parameters())),
    "multiplied_parameters": Quantity(
        "parameters", "active, without the embedding's look-up", figures.active_multiplying
    ),
    "routed_parameters": Quantity("parameters", "in routed experts", figures.in_part(part.ROUTED_EXPERTS)),
    "replicated_parameters": Quantity(
        "parameters",
        "in everything but routed experts",
        lambda s: float(s.model.parameters() - s.parameters_by_part.get(part.ROUTED_EXPERTS, 0)),
    ),
    "attention_parameters": Quantity("parameters", "in attention's projections", figures.in_part(part.ATTENTION)),
    "embedding_parameters": Quantity("parameters", "in the token embedding", figures.in_part(part.EMBEDDING)),
    "head_parameters": Quantity("parameters", "in the head", figures.in_part(part.HEAD)),
    "shared_parameters": Quantity("parameters", "in shared experts", figures.in_part(part.SHARED_EXPERTS)),
    "dense_parameters": Quantity("parameters", "in dense layers' MLPs", figures.in_part(part.DENSE)),
    "router_parameters": Quantity("parameters", "in routers", figures.in_part(part.ROUTER)),
    "norm_parameters": Quantity("parameters", "in norms", figures.in_part(part.NORMS)),
    "expert_parameters": Quantity("parameters", "in one routed expert of one layer", figures.of_expert("parameters")),
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
    "expert_width": Quantity("", "a routed expert's inner width", figures.of_expert("rows")),
    "shared_expert_width": Quantity("", "the shared experts' inner width", figures.rows_of(part.SHARED_EXPERTS)),
    "dense_width": Quantity("", "a dense MLP's inner width", figures.rows_of(part.DENSE)),
    "matrices_per_expert": Quantity("", "matrices of an expert", figures.of_expert("count")),
    "kv_width": Quantity("", "elements cached a layer and token", lambda s: float(s.model.kv.width * s.model.kv.heads)),
    "kv_heads": Quantity("", "KV heads that are cached", lambda s: float(s.model.kv.heads)),
    "checkpoint_gb": Quantity(
        "GB", "tensors on disk, multi-token prediction layers included", lambda s: figures.checkpoint_bytes(s) / 1e9
    ),
}

_OF_MEMORY: dict[str, Quantity] = {
    "weights_gb_per_gpu": Quantity("GB", "weights on the fullest rank", figures.of_memory("weights_bytes", 1e9)),
    "weights_gib_per_gpu": Quantity("GiB", "weights on the fullest rank", figures.of_memory("weights_bytes", GIB)),
    "kv_bytes_per_token": Quantity(
        "B", "KV cache of a token of context on a rank", figures.of_memory("kv_bytes_per_token", 1)
    ),
    "kv_cache_gb_total": Quantity(
        "GB",
        "KV cache of all sessions at full context, each token once",
        lambda s: s.case.workload.sessions * s.case.context * figures.sequence_bytes(s) / 1e9,
    ),
    "kv_cache_gb_per_gpu": Quantity(
        "GB", "KV cache of the fullest rank at full context", figures.of_memory("kv_cache_bytes", 1e9)
    ),
    "kv_cache_gb_per_gpu_mean": Quantity(
        "GB", "KV cache of the mean rank", figures.of_memory("mean_kv_cache_bytes", 1e9)
    ),
    "kv_capacity_tokens": Quantity(
        "tokens", "room for KV cache on the fullest rank", figures.of_memory("kv_capacity_tokens", 1)
    ),
    "sessions_capacity": Quantity(
        "",
        "sessions of full context that the KV cache has room for",
        lambda s: None if s.memory is None else float(s.memory.kv_capacity_sessions * s.case.data),
    ),
    "sessions_per_rank": Quantity("", "sessions of the mean rank", figures.of_memory("mean_sessions", 1)),
    "sessions_on_fullest_rank": Quantity("", "sessions of the fullest rank", figures.of_memory("sessions", 1)),
    "experts_per_gpu": Quantity("", "experts a layer on the fullest rank", figures.of_memory("experts_per_layer", 1)),
    "memory_gb_per_gpu": Quantity("GB", "weights, KV cache and likely overhead of the fullest rank", figures.memory_gb),
    "overhead_gb_low": Quantity("GB", "overhead a rank, least", figures.overhead_gb("low")),
    "overhead_gb_likely": Quantity("GB", "overhead a rank, likely", figures.overhead_gb("likely")),
    "overhead_gb_high": Quantity("GB", "overhead a rank, most", figures.overhead_gb("high")),
    "budget_gb_per_gpu": Quantity("GB", "what the engine may take of a device", figures.of_memory("budget_bytes", 1e9)),
    "headroom_gib": Quantity(
        "GiB", "left on the fullest rank after the most overhead", figures.of_memory("headroom_bytes", GIB)
    ),
    "room_gib": Quantity(
        "GiB", "left on the fullest rank for overhead", lambda s: figures.before_overhead(s, "kv_cache_bytes")
    ),
    "room_gib_mean": Quantity(
        "GiB", "left on the mean rank for overhead", lambda s: figures.before_overhead(s, "mean_kv_cache_bytes")
    ),
    "utilization": Quantity("", "share of a device the engine may take", lambda s: utilisation(s.case.engine)),
    "gpu_memory_gb": Quantity("GB", "a device's memory as torch has it", figures.of_gpu("memory_bytes", 1e9)),
    "load_seconds": Quantity("s", "reading the checkpoint once at storage_gbit_s", figures.load_s),
    "load_seconds_shared": Quantity(
        "s", "all hosts reading it from one server at storage_gbit_s", lambda s: figures.load_s(s) * s.spread.hosts
    ),
}

_OF_COMPUTE: dict[str, Quantity] = {
    "flops_per_token": Quantity("FLOP", "of a token, without attention over its context", figures.of_flops("total")),
    "attention_projection_flops": Quantity("FLOP", "of a token, all layers", figures.of_flops("attention_projections")),
    "shared_flops": Quantity("FLOP", "of a token in shared experts, all layers", figures.of_flops("shared")),
    "routed_flops": Quantity("FLOP", "of a token in routed experts, all layers", figures.of_flops("routed")),
    "router_flops": Quantity("FLOP", "of a token in routers, all layers", figures.of_flops("router")),
    "decode_attention_flops": Quantity(
        "FLOP",
        "of a generated token's attention over its context",
        lambda s: decode_attention_flops(s.model, s.case.workload.context_tokens),
    ),
    "gpus": Quantity("", "devices", lambda s: float(s.gpus)),
    "hosts": Quantity("", "hosts", lambda s: float(s.spread.hosts)),
    "bf16_tflops": Quantity("TFLOP/s", "a device's dense BF16 peak", figures.of_gpu("bf16_flops", 1e12)),
    "fp8_tflops": Quantity("TFLOP/s", "a device's dense FP8 peak", figures.of_gpu("fp8_flops", 1e12)),
    "hbm_gb_s": Quantity("GB/s", "a device's memory bandwidth", figures.of_gpu("memory_bandwidth_bytes_s", 1e9)),
    "nvlink_gb_s": Quantity("GB/s", "a device's NVLink, one direction", figures.of_gpu("nvlink_bytes_s", 1e9)),
    "hbm_bound_tokens_s": Quantity("tokens/s", "what reading weights and KV cache allows", figures.of_step("hbm_s")),
    "compute_bound_tokens_s": Quantity("tokens/s", "what the peak FLOP/s allow", figures.of_step("compute_s")),
    "attention_bound_tokens_s": Quantity(
        "tokens/s", "what the BF16 peak allows with attention alone", figures.attention_bound
    ),
    "device_bound_tokens_s": Quantity("tokens/s", "the lower of the two, whatever the network", figures.devices_bound),
    "prompt_matrices_s": Quantity("s", "a prompt's matrices on its home rank at peak", figures.prompt_matrices),
    "prompt_attention_s": Quantity("s", "a prompt's attention on its home rank at peak", figures.prompt_attention),
}

_OF_NETWORK: dict[str, Quantity] = {
    "nic_gbit_s": Quantity(
        "Gb/s",
        "of a host's ports, one direction",
        lambda s: None if figures.line_rate(s) is None else (figures.line_rate(s) or 0) * 8 / 1e9,
    ),
    "nic_gbit_s_per_gpu": Quantity(
        "Gb/s",
        "of a host's ports for each device",
        lambda s: (
            None if figures.line_rate(s) is None else (figures.line_rate(s) or 0) * 8 / 1e9 / s.cluster.gpus_per_host
        ),
    ),
    "nics_per_host": Quantity("", "a host's ports on the data network", lambda s: float(s.cluster.nics_per_host)),
    "goodput_fraction": Quantity(
        "", "share of the ports' line rate that is payload", lambda s: goodput_fraction(s.cluster.nic_mtu)
    ),
    "nic_seconds": Quantity("s", "`bytes` through a host's ports", figures.nic_seconds, "nic_seconds"),
    "expected_hosts": Quantity("", "hosts a token's experts are on", lambda s: expected_hosts(s.model, s.spread.hosts)),
    "copies_sent": Quantity(
        "",
        "copies of a token that leave its host",
        lambda s: copies_sent(s.model, s.case.engine.all2all_backend, s.spread),
    ),
    "dispatch_bytes": Quantity("B", "of a copy to an expert, one layer", lambda s: s.copy.dispatch),
    "combine_bytes": Quantity("B", "of a copy back, one layer", lambda s: s.copy.combine),
    "port_bytes_per_token": Quantity(
        "B", "through each host's ports for a token of the cluster", figures.of_traffic(port_bytes)
    ),
    "network_bound_tokens_s": Quantity(
        "tokens/s",
        "what the ports allow, prompt and generated together",
        figures.network_bound,
        "network_bound_tokens_s",
    ),
    "prompt_network_s": Quantity(
        "s", "a prompt through its host's ports, out and back in turn", figures.prompt_network
    ),
    "prompt_network_overlapped_s": Quantity("s", "the same, out and back at once", figures.prompt_overlapped),
    "alltoall_seconds": Quantity(
        "s", "all-to-all with `bytes` a rank, at line rate", figures.alltoall_seconds, "alltoall_seconds"
    ),
    "alltoall_gb_s": Quantity(
        "GB/s", "all-to-all's algbw of a rank at line rate", figures.alltoall_each, "alltoall_gb_s"
    ),
    "alltoall_cluster_gb_s": Quantity(
        "GB/s", "the same of all ranks together", figures.alltoall_cluster, "alltoall_cluster_gb_s"
    ),
    "rebalance_gb_per_host": Quantity("GB", "moving one expert a layer and rank", figures.moved_gb),
    "rebalance_seconds": Quantity("s", "the same through the host's ports", figures.moved_s, "rebalance_seconds"),
}

_DECODE, _PREFILL, _OUTPUT = (figures.of_performance(f"{name}_tokens_s") for name in ("decode", "prefill", "output"))
_TPOT = figures.of_performance("tpot_s", 1e3)

_OF_PERFORMANCE: dict[str, Quantity] = {
    "decode_tokens_s": _estimate("tokens/s", "generated by the cluster", _DECODE, "decode_bound_tokens_s"),
    "decode_bound_tokens_s": Quantity(
        "tokens/s", "what no service can pass", figures.bound(_DECODE), "decode_bound_tokens_s"
    ),
    "prefill_tokens_s": _estimate("tokens/s", "of prompts alone", _PREFILL, "prefill_bound_tokens_s"),
    "prefill_bound_tokens_s": Quantity(
        "tokens/s", "what no service can pass", figures.bound(_PREFILL), "prefill_bound_tokens_s"
    ),
    "output_tokens_s": _estimate("tokens/s", "generated beside the prompts", _OUTPUT, "output_bound_tokens_s"),
    "output_bound_tokens_s": Quantity(
        "tokens/s", "what no service can pass", figures.bound(_OUTPUT), "output_bound_tokens_s"
    ),
    "tpot_ms": _estimate("ms", "from one token to the next", _TPOT, "tpot_bound_ms"),
    "tpot_bound_ms": Quantity("ms", "what no service can do in less", figures.bound(_TPOT), "tpot_bound_ms"),
    "ttft_ms": _estimate(
        "ms", "to the first token, median, of a prompt of input_tokens", figures.ttft(50), "ttft_bound_ms"
    ),
    "ttft_p95_ms": _estimate("ms", "the same, 95th percentile", figures.ttft(95), "ttft_bound_ms"),
    "ttft_p99_ms": _estimate("ms", "the same, 99th percentile", figures.ttft(99), "ttft_bound_ms"),
    "ttft_bound_ms": Quantity("ms", "what no request can do in less", figures.bound(figures.ttft(50)), "ttft_bound_ms"),
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
