# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which vLLM version knows which flag, value and environment variable.

From a comparison of ``arg_utils.py``, ``serve.py``, ``cli_args.py`` and ``envs.py`` over 32 releases, 0.8.4 to 0.33.0.
"0.8.4" as introduction means that or earlier. A flag absent here is one the planner never writes by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from .versions import Version, version

# The oldest release whose command line can place data parallel ranks on several hosts.
MULTI_NODE_SINCE = version("0.9.0")


@dataclass(frozen=True)
class Lifetime:
    """The releases that know a name: from ``introduced`` until, not including, ``removed``."""

    introduced: Version
    deprecated: Version | None = None
    removed: Version | None = None
    replaced_by: str | None = None

    def covers(self, release: Version) -> bool:
        """Whether the release knows the name."""
        return self.introduced <= release and (self.removed is None or release < self.removed)


def _since(introduced: str, deprecated: str = "", removed: str = "", replaced_by: str = "") -> Lifetime:
    return Lifetime(
        version(introduced),
        version(deprecated) if deprecated else None,
        version(removed) if removed else None,
        replaced_by or None,
    )


_ALWAYS = _since("0.8.4")

FLAGS: dict[str, Lifetime] = {
    "--host": _ALWAYS,
    "--port": _ALWAYS,
    "--served-model-name": _ALWAYS,
    "--max-model-len": _ALWAYS,
    "--tensor-parallel-size": _ALWAYS,
    "--pipeline-parallel-size": _ALWAYS,
    "--enforce-eager": _ALWAYS,
    "--load-format": _ALWAYS,
    "--data-parallel-size": _ALWAYS,
    "--data-parallel-size-local": _since("0.9.0"),
    "--data-parallel-start-rank": _since("0.9.0"),
    "--data-parallel-address": _since("0.9.0"),
    "--data-parallel-rpc-port": _since("0.9.0"),
    "--data-parallel-backend": _since("0.9.1"),
    "--data-parallel-rank": _since("0.9.2"),
    "--data-parallel-hybrid-lb": _since("0.10.0"),
    "--data-parallel-external-lb": _since("0.11.1"),
    "--data-parallel-multi-port-external-lb": _since("0.22.0"),
    "--headless": _since("0.9.0"),
    "--api-server-count": _since("0.9.1"),
    "--enable-expert-parallel": _ALWAYS,
    "--all2all-backend": _since("0.11.1"),
    "--enable-eplb": _since("0.9.2"),
    "--num-redundant-experts": _since("0.9.2", "0.10.2", "0.12.0", "--eplb-config"),
    "--eplb-window-size": _since("0.9.2", "0.10.2", "0.12.0", "--eplb-config"),
    "--eplb-step-interval": _since("0.9.2", "0.10.2", "0.12.0", "--eplb-config"),
    "--eplb-log-balancedness": _since("0.9.2", "0.10.2", "0.12.0", "--eplb-config"),
    "--eplb-config": _since("0.10.2"),
    "--expert-placement-strategy": _since("0.11.0"),
    "--max-num-seqs": _ALWAYS,
    "--max-num-batched-tokens": _ALWAYS,
    "--gpu-memory-utilization": _ALWAYS,
    "--kv-cache-dtype": _ALWAYS,
    "--kv-cache-memory-bytes": _since("0.10.2"),
    "--enable-dbo": _since("0.11.0"),
    "--dbo-decode-token-threshold": _since("0.11.0"),
    "--dbo-prefill-token-threshold": _since("0.11.0"),
    "--ubatch-size": _since("0.14.0"),
    "--async-scheduling": _since("0.10.0"),
    "--nnodes": _since("0.11.1"),
    "--node-rank": _since("0.11.1"),
    "--master-addr": _since("0.11.1"),
    "--master-port": _since("0.11.1"),
    "--enable-elastic-ep": _since("0.17.0"),
    "--elastic-ep-max-dp-size": _since("0.30.0"),
    "--enable-fault-tolerance": _since("0.27.0"),
    "--fault-tolerance-config": _since("0.27.0"),
    "--enable-ep-weight-filter": _since("0.18.0"),
    "--distributed-timeout-seconds": _since("0.18.0"),
    "--cpu-distributed-timeout-seconds": _since("0.22.0"),
    "--disable-nccl-for-dp-synchronization": _since("0.11.1"),
    "--dp-sync-interval": _since("0.30.0"),
    "--numa-bind": _since("0.20.0"),
    "--numa-bind-nodes": _since("0.20.0"),
    "--numa-bind-cpus": _since("0.20.0"),
    "--device-ids": _since("0.24.0"),
    "--moe-backend": _since("0.17.0"),
    "--attention-backend": _since("0.13.0"),
    "--shutdown-timeout": _since("0.18.0"),
    "--max-num-queued-reqs": _since("0.29.0"),
    "--max-num-queued-tokens": _since("0.29.0"),
    "--disable-log-requests": _since("0.8.4", "0.10.1", "0.17.0", "--enable-log-requests"),
    "--enable-log-requests": _since("0.10.1"),
    "--swap-space": _since("0.8.4", "", "0.18.0"),
}

ENVIRONMENT: dict[str, Lifetime] = {
    "VLLM_ALL2ALL_BACKEND": _since("0.9.0", "0.11.1", "0.15.0", "--all2all-backend"),
    "VLLM_USE_DEEP_GEMM": _ALWAYS,
    "VLLM_MOE_DP_CHUNK_SIZE": _since("0.9.2", "", "0.20.0"),
    "VLLM_ENABLE_MOE_DP_CHUNK": _since("0.13.0", "", "0.20.0"),
    "VLLM_USE_V1": _since("0.8.4", "", "0.11.1"),
    "VLLM_ATTENTION_BACKEND": _since("0.8.4", "", "0.16.0", "--attention-backend"),
    "VLLM_DISABLE_NCCL_FOR_DP_SYNCHRONIZATION": _since("0.11.0", "", "0.11.1", "--disable-nccl-for-dp-synchronization"),
    "VLLM_ENGINE_READY_TIMEOUT_S": _since("0.14.0"),
    "VLLM_ENABLE_CUDA_COMPATIBILITY": _since("0.17.0"),
    "VLLM_CUDA_COMPATIBILITY_PATH": _since("0.17.0"),
    "VLLM_RPC_TIMEOUT": _since("0.8.4", "", "0.23.0"),
}

# `deprecated` is here the release from which the value still parses but falls back to allgather_reducescatter with a
# warning.
ALL2ALL_BACKENDS: dict[str, Lifetime] = {
    "naive": _since("0.9.0", "0.19.0", "", "allgather_reducescatter"),
    "pplx": _since("0.9.0", "0.17.0", "", "allgather_reducescatter"),
    "deepep_high_throughput": _since("0.9.1"),
    "deepep_low_latency": _since("0.9.1"),
    "allgather_reducescatter": _since("0.11.0"),
    "flashinfer_all2allv": _since("0.11.0"),
    "mori": _since("0.16.0", "", "0.23.0", "mori_high_throughput"),
    "nixl_ep": _since("0.18.0"),
    "flashinfer_nvlink_two_sided": _since("0.18.0"),
    "flashinfer_nvlink_one_sided": _since("0.18.0"),
    "mori_high_throughput": _since("0.23.0"),
    "mori_low_latency": _since("0.23.0"),
    "deepep_v2": _since("0.24.0"),
    "moonep": _since("0.31.0"),
}

# Settings of EPLB beside the number of redundant experts, and their names while they were flags of their own.
EPLB_SETTINGS: dict[str, tuple[Lifetime, str | None]] = {
    "window_size": (_since("0.9.2"), "--eplb-window-size"),
    "step_interval": (_since("0.9.2"), "--eplb-step-interval"),
    "log_balancedness": (_since("0.9.2"), "--eplb-log-balancedness"),
    "use_async": (_since("0.12.0"), None),
    "policy": (_since("0.13.0"), None),
    "log_balancedness_interval": (_since("0.14.0"), None),
    "communicator": (_since("0.20.0"), None),
    "enable_migration_batching": (_since("0.32.0"), None),
}

# Bytes of one element in the KV cache; `auto` is the model's own 16 bit.
KV_ELEMENT_BYTES = {
    "auto": 2,
    "bfloat16": 2,
    "float16": 2,
    "fp8": 1,
    "fp8_e4m3": 1,
    "fp8_e5m2": 1,
    "fp8_inc": 1,
}

KV_CACHE_DTYPES: dict[str, Lifetime] = {
    "auto": _ALWAYS,
    "fp8": _ALWAYS,
    "fp8_e4m3": _ALWAYS,
    "fp8_e5m2": _ALWAYS,
    "fp8_inc": _since("0.10.2"),
    "bfloat16": _since("0.11.0"),
    "float16": _since("0.19.0"),
}


def values_at(table: dict[str, Lifetime], release: Version) -> list[str]:
    """The names of a table that the release knows."""
    return [name for name, lifetime in table.items() if lifetime.covers(release)]
