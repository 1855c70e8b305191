# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the fabric between the hosts allows."""

from __future__ import annotations

from typing import List, Optional

from .findings import Finding, warning
from .layout import Layout
from .memory import weights_of_stage
from .model import Model
from .request import Request

# All-gather with FP8 dispatch (vLLM 0.19.1): a scale of 4 bytes for every 128 values, and about 64 bytes of routing a token.
_FP8_SCALE_GROUP = 128
_ROUTING_BYTES = 64


def allgather_bytes_per_token(model: Model, precision: str, ranks: int) -> float:
    """Bytes through one host's port, one direction, for each token of the cluster: all-gather out, reduce-scatter back, every MoE layer.

    A ring over ``ranks`` ranks carries (ranks - 1) / ranks of everything; 1.224 MB for DeepSeek-V3 in FP8 over 32, 1.611 MB in BF16.
    """
    back = 2 * model.hidden_size
    if precision == "fp8":
        out = model.hidden_size + 4 * model.hidden_size // _FP8_SCALE_GROUP + _ROUTING_BYTES
    else:
        out = 2 * model.hidden_size
    return (out + back) * (ranks - 1) / ranks * model.moe_layers


def network_tokens_per_s(request: Request, layout: Layout) -> Optional[float]:
    """The ceiling that the hosts' ports set on the cluster's tokens/s (prompt and generated together); ``None`` where none applies or is known."""
    model, precision, cluster = request.model, request.precision, request.cluster
    if model is None or precision is None or cluster.nic_gbit_s is None or len(layout.hosts) < 2 or layout.expert_parallel_size < 2 or not model.moe_layers:
        return None
    bytes_per_s = cluster.nic_gbit_s * cluster.nics_per_host * 1e9 / 8
    return bytes_per_s / allgather_bytes_per_token(model, precision, layout.expert_parallel_size)


def check_network(request: Request, layout: Layout) -> List[Finding]:
    """Say so when the ports between the hosts, not the devices, bound the service."""
    ceiling = network_tokens_per_s(request, layout)
    model, precision, cluster = request.model, request.precision, request.cluster
    if ceiling is None or model is None or precision is None or request.sessions is None or cluster.gpu is None:
        return []
    if cluster.gpu.memory_bytes_per_s is None:
        return []
    each = allgather_bytes_per_token(model, precision, layout.expert_parallel_size)
    hbm = _weights_bound(request, layout)
    if hbm is None or ceiling >= hbm:
        return []
    return [
        warning(
            "network.bound",
            f"expert parallelism over {len(layout.hosts)} hosts is network bound: {each / 1e6:.3f} MB a token through each host's "
            f"{cluster.nics_per_host} x {cluster.nic_gbit_s:g} Gb/s allow at most {ceiling:,.0f} tokens/s in all (prompt and generated together); "
            f"reading the weights allows {hbm:,.0f}",
            "keep expert parallelism inside a host, or use faster or more ports",
        )
    ]


def _weights_bound(request: Request, layout: Layout) -> Optional[float]:
    """Tokens/s when every step reads a rank's weights once and serves one token of every session: the devices' memory bound."""
    model, precision, parallel, gpu = request.model, request.precision, request.parallel, request.cluster.gpu
    if model is None or precision is None or parallel is None or gpu is None or gpu.memory_bytes_per_s is None or request.sessions is None:
        return None
    weights = weights_of_stage(model, precision, parallel, layout.data_parallel_size, 0)
    return request.sessions * gpu.memory_bytes_per_s / weights.total
