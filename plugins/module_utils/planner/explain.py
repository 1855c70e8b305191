# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the plan's numbers come from: published, measured, derived or assumed, each with its arithmetic written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from .deployment import Deployment
from .hardware import GPUS, Gpu
from .memory.memory import Memory, gib, utilisation
from .models.flops import decode_attention_flops, token_flops
from .network.network import Network
from .performance.calibration import EXPERT_SKEW, FASTEST, FITTED, ROUND_TRIP_S, SLICED_EXPERT_TILE_ROWS, SLOWEST
from .performance.first_token import OVERHEAD_S
from .performance.performance import Performance

PUBLISHED, MEASURED, DERIVED, ASSUMED, GIVEN = "published", "measured", "derived", "assumed", "given"

NOT_MODELLED = (
    "prefix caching and other reuse of KV cache",
    "chunked prefill's interference with running decodes beyond half a step of waiting",
    "CPU time of the API servers, tokenisation and networking beyond a fixed overhead",
    "congestion, packet loss and retransmission on the fabric; PFC pauses",
    "rebalancing experts while serving (EPLB's transfers)",
    "power and thermal limits of the devices",
    "requests of unlike lengths at one time",
    "disaggregated prefill and decode",
)


@dataclass(frozen=True)
class Explained:
    """One number: what it is, its value and unit, where it is from and how it came about."""

    quantity: str
    value: float
    unit: str
    provenance: str
    arithmetic: str

    def as_dict(self) -> dict[str, Any]:
        """A row of ``plan.explain``."""
        return asdict(self)


def explain(
    case: Deployment, gpu: Gpu | None, memory: Memory | None, network: Network | None, performance: Performance | None
) -> list[Explained]:
    """The numbers that decide the plan, in the order in which they build on one another."""
    rows = list(_model(case))
    if gpu is not None:
        rows.extend(_device(gpu))
    if memory is not None:
        rows.extend(_memory(case, memory))
    if network is not None:
        rows.extend(_network(case, network))
    if performance is not None:
        rows.extend(_performance(case, performance))
    return rows


def _model(case: Deployment) -> Iterator[Explained]:
    model = case.model
    parameters, active = model.parameters(), model.active_parameters()
    yield Explained(
        "parameters", parameters, "", PUBLISHED, f"sum over the components of {model.name}'s published config.json"
    )
    yield Explained(
        "active parameters",
        active,
        "",
        DERIVED,
        f"{parameters:,} - ({model.experts} - {model.experts_per_token}) experts x {model.moe_layers} layers"
        if model.experts
        else "all of them: no routed experts",
    )
    flops = token_flops(model)
    yield Explained(
        "FLOPs of a token",
        flops.total,
        "FLOP",
        DERIVED,
        f"2 x parameters that multiply: home {flops.home / 1e9:.2f} G + routed {flops.routed / 1e9:.2f} G",
    )
    context = case.workload.context_tokens
    yield Explained(
        "attention of a generated token",
        decode_attention_flops(model, context),
        "FLOP",
        DERIVED,
        f"{model.attention_cost.decode_per_context_token:,} FLOPs a layer and context token"
        f" x {len(model.layers)} layers x {context:,} tokens",
    )


def _device(gpu: Gpu) -> Iterator[Explained]:
    known = PUBLISHED if GPUS.get(gpu.name) == gpu else GIVEN
    rates = (
        ("device memory", gpu.memory_bytes, "B"),
        ("memory bandwidth", gpu.memory_bandwidth_bytes_s, "B/s"),
        ("BF16 peak", gpu.bf16_flops, "FLOP/s"),
        ("FP8 peak", gpu.fp8_flops, "FLOP/s"),
        ("NVLink, one direction", gpu.nvlink_bytes_s, "B/s"),
    )
    for name, value, unit in rates:
        if value is not None:
            yield Explained(
                name, float(value), unit, known, f"{gpu.name} in hardware.py" if known == PUBLISHED else "input"
            )


def _memory(case: Deployment, memory: Memory) -> Iterator[Explained]:
    yield Explained(
        "weights of the fullest rank",
        memory.weights_bytes,
        "B",
        DERIVED,
        " + ".join(
            f"{name.removesuffix('_bytes').replace('_', ' ')} {gib(value)}" for name, value in memory.weights.items()
        ),
    )
    yield Explained(
        "KV cache of the fullest rank",
        memory.kv_cache_bytes,
        "B",
        DERIVED,
        f"{memory.sessions} sessions x {case.context:,} tokens x {memory.kv_bytes_per_token:,} B",
    )
    yield Explained("overhead", memory.overhead_bytes, "B", ASSUMED, memory.overhead_reason)
    yield Explained(
        "headroom",
        memory.headroom_bytes,
        "B",
        DERIVED,
        f"{utilisation(case.engine):g} x {gib(memory.usable_bytes)} - {gib(memory.weights_bytes)}"
        f" - {gib(memory.kv_cache_bytes)} - {gib(memory.overhead_bytes)}",
    )


def _network(case: Deployment, network: Network) -> Iterator[Explained]:
    for backend, bound in network.bound_tokens_s.items():
        each = network.port_bytes_per_token[backend]
        yield Explained(
            f"ceiling of the ports, {backend}",
            round(bound, 1),
            "tokens/s",
            DERIVED,
            f"{(network.line_bytes_s or 0) / 1e9:.4g} GB/s a host / {each / 1e6:.4g} MB a token"
            f" ({case.model.moe_layers} layers, {network.hosts} hosts)",
        )
    if network.bound_tokens_s:
        yield Explained(
            "hosts a token's experts are on",
            round(network.expected_hosts, 3),
            "",
            DERIVED,
            "sampled: the model's own grouped top-k over independent scores, 2,000 tokens",
        )


def _performance(case: Deployment, performance: Performance) -> Iterator[Explained]:
    terms, reached = performance.decode, FITTED
    parts = ", ".join(f"{name} {value * 1e3:.3g} ms" for name, value in terms.by_name.items())
    yield Explained("decode step at peak rates", terms.bound_s * 1e3, "ms", DERIVED, f"the longest of {parts}")
    yield Explained(
        "decode step, likely",
        terms.likely_s(reached) * 1e3,
        "ms",
        DERIVED,
        f"HBM / {reached.hbm:g} + compute / {reached.compute:g}"
        f" + {terms.layers:g} layers x {reached.layer_s * 1e6:.3g} us"
        f" + fabric x {terms.fullest_link:.3g} (fullest rank)"
        + (", or two half batches where that is shorter" if terms.divides else ""),
    )
    yield Explained(
        "decode tokens/s, likely",
        performance.decode_tokens_s.likely,
        "tokens/s",
        DERIVED,
        f"{performance.replicas} x {case.data} ranks x {performance.sequences:.4g} sequences"
        f" / {performance.tpot_s.likely * 1e3:.4g} ms",
    )
    fitted = (
        ("share of memory bandwidth", reached.hbm, ""),
        ("share of compute", reached.compute, ""),
        ("layer's fixed time", reached.layer_s, "s"),
        ("layer's fixed time without CUDA graphs", reached.eager_layer_s, "s"),
        ("passes over a prompt token", reached.prefill_passes, ""),
    )
    for name, value, unit in fitted:
        yield Explained(name, value, unit, MEASURED, "fitted to published services (scripts/calibrate.py)")
    yield Explained("skew of the experts", EXPERT_SKEW, "", PUBLISHED, "balance of a published H20 service at EP=16")
    yield Explained("round trip of an MoE layer", ROUND_TRIP_S, "s", PUBLISHED, "DeepEP's low-latency table")
    yield Explained("tile of sliced experts", SLICED_EXPERT_TILE_ROWS, "rows", PUBLISHED, "vLLM's default MoE kernel")
    yield Explained("spread, fast end", FASTEST, "x time", MEASURED, "10 % of published services are faster")
    yield Explained("spread, slow end", SLOWEST, "x time", MEASURED, "10 % of published services are slower")
    yield Explained("engine overhead to the first token", OVERHEAD_S, "s", ASSUMED, "HTTP, tokenising, scheduling")
