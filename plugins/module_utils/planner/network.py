# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the fabric between the hosts allows."""

from __future__ import annotations

from .deployment import Deployment
from .findings import Finding, warning
from .memory import weights_of_stage
from .model import Model
from .request import Cluster

# All-gather with FP8 dispatch (vLLM 0.19.1): a scale of 4 bytes for every 128 values, and about 64 bytes of routing a
# token.
_FP8_SCALE_GROUP = 128
_ROUTING_BYTES = 64
# Backends that gather everything everywhere; the others send a token only where its experts are.
_GATHERING = (None, "allgather_reducescatter", "naive", "pplx")
# The slowest port that the kernels of the other backends are known to have worked over.
_PROVEN_GBIT_S = 100


def allgather_bytes_per_token(model: Model, precision: str, ranks: int) -> float:
    """Bytes through one host's ports, one direction, for each token of the cluster, over all MoE layers.

    All-gather out and reduce-scatter back; a ring over ``ranks`` ranks carries (ranks - 1) / ranks of everything. For
    DeepSeek-V3 over 32 ranks 1.224 MB with FP8 dispatch and 1.611 MB with BF16.
    """
    back = 2 * model.hidden_size
    out = back
    if precision == "fp8":
        out = model.hidden_size + 4 * model.hidden_size // _FP8_SCALE_GROUP + _ROUTING_BYTES
    return (out + back) * (ranks - 1) / ranks * model.moe_layers


def network_tokens_per_s(case: Deployment, cluster: Cluster) -> float | None:
    """The ceiling the hosts' ports set on the cluster's tokens/s, prompt and generated together.

    ``None`` where there is none (one host, no experts to reach on another) or the ports' speed is unknown.
    """
    spread = len(cluster.hosts) > 1 and case.expert_parallel_size > 1 and case.model.moe_layers > 0
    if not spread or cluster.nic_gbit_s is None:
        return None
    bytes_per_s = cluster.nic_gbit_s * cluster.nics_per_host * 1e9 / 8
    return bytes_per_s / allgather_bytes_per_token(case.model, case.precision, case.expert_parallel_size)


def weights_tokens_per_s(case: Deployment, memory_bandwidth_bytes_s: float) -> float:
    """The ceiling the devices' memory sets on generated tokens/s.

    Every step reads a rank's weights once and gives each session one token; with 200 sessions nearly every expert is
    touched.
    """
    return case.workload.sessions * memory_bandwidth_bytes_s / weights_of_stage(case, 0).total


def check_network(case: Deployment, cluster: Cluster) -> list[Finding]:
    """Say so when the ports between the hosts, not the devices, bound the service, or a backend is not known to work
    over them.
    """
    ceiling = network_tokens_per_s(case, cluster)
    backend = case.engine.all2all_backend
    if backend not in _GATHERING:
        return _check_backend(backend, ceiling, cluster)
    if ceiling is None or cluster.gpu is None or cluster.gpu.memory_bandwidth_bytes_s is None:
        return []
    devices = weights_tokens_per_s(case, cluster.gpu.memory_bandwidth_bytes_s)
    if ceiling >= devices:
        return []
    each = allgather_bytes_per_token(case.model, case.precision, case.expert_parallel_size)
    ports = f"{cluster.nics_per_host} x {cluster.nic_gbit_s:g} Gb/s"
    return [
        warning(
            "network.bound",
            f"expert parallelism over {len(cluster.hosts)} hosts is network bound: {each / 1e6:.3f} MB a token"
            f" (all-gather, {case.model.moe_layers} layers) through each host's {ports} allow at most {ceiling:,.0f}"
            f" tokens/s in all, prompt and generated together; reading the weights allows {devices:,.0f}",
            "keep expert parallelism inside a host, or use faster or more ports",
        )
    ]


def _check_backend(backend: str | None, ceiling: float | None, cluster: Cluster) -> list[Finding]:
    if ceiling is None or cluster.nic_gbit_s is None or cluster.nic_gbit_s >= _PROVEN_GBIT_S:
        return []
    return [
        warning(
            "network.backend_unproven",
            f"no report of all2all_backend '{backend}' over {cluster.nic_gbit_s:g} Gb/s ports is known",
            "set engine.all2all_backend to allgather_reducescatter, or try it before relying on it",
        )
    ]
