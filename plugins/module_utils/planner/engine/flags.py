# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which vLLM version knows which flag, value and environment variable.

From a comparison of ``arg_utils.py``, ``serve.py``, ``cli_args.py`` and ``envs.py`` over 32 releases, 0.8.4 to 0.33.0.
"0.8.4" as introduction means that or earlier. A flag absent here is one the planner never writes by itself; the names
of all flags are in ``engine_flag_names``, the defaults that moved in ``engine_defaults``.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..versions import Version, version

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
    "--distributed-executor-backend": _ALWAYS,
    "--load-format": _ALWAYS,
    "--trust-remote-code": _ALWAYS,
    "--speculative-config": _ALWAYS,
    "--decode-context-parallel-size": _since("0.10.2"),
    "--prefill-context-parallel-size": _since("0.12.0"),
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
    "--device-memory-utilization": _since("0.33.0"),
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

# Short forms, and since when; a longer list is in no release examined.
SHORT: dict[str, tuple[str, Lifetime]] = {
    "-tp": ("--tensor-parallel-size", _ALWAYS),
    "-pp": ("--pipeline-parallel-size", _ALWAYS),
    "-dp": ("--data-parallel-size", _ALWAYS),
    "-q": ("--quantization", _ALWAYS),
    "-dpl": ("--data-parallel-size-local", _since("0.9.0")),
    "-dpr": ("--data-parallel-start-rank", _since("0.9.0")),
    "-dpa": ("--data-parallel-address", _since("0.9.0")),
    "-dpp": ("--data-parallel-rpc-port", _since("0.9.0")),
    "-dpb": ("--data-parallel-backend", _since("0.9.1")),
    "-asc": ("--api-server-count", _since("0.9.1")),
    "-dpn": ("--data-parallel-rank", _since("0.9.2")),
    "-dcp": ("--decode-context-parallel-size", _since("0.10.2")),
    "-dph": ("--data-parallel-hybrid-lb", _since("0.12.0")),
    "-dpe": ("--data-parallel-external-lb", _since("0.12.0")),
    "-n": ("--nnodes", _since("0.11.1")),
    "-r": ("--node-rank", _since("0.11.1")),
    "-pcp": ("--prefill-context-parallel-size", _since("0.12.0")),
    "-cc": ("--compilation-config", _since("0.12.0")),
    "-ep": ("--enable-expert-parallel", _since("0.14.0")),
    "-ac": ("--attention-config", _since("0.16.0")),
    "-sc": ("--speculative-config", _since("0.19.1")),
    "-dpm": ("--data-parallel-multi-port-external-lb", _since("0.22.0")),
    "-dc": ("--diffusion-config", _since("0.24.0")),
}

# The release from which `0` counts as a start rank on a head and so switches it to hybrid load balancing; before, only
# other numbers did. 0.24.0 does not, 0.28.0 does; which of those between is first has not been examined.
START_RANK_ZERO_IS_HYBRID_SINCE = version("0.28.0")
START_RANK_ZERO_IS_NOT_HYBRID_UNTIL = version("0.24.0")

# From here on the number of API servers is unset by default, and a headless rank refuses to be given one.
API_SERVERS_UNSET_SINCE = version("0.16.0")

# `deepseek_mtp` became `mtp`: 0.11.0 still takes the old name with a warning, 0.10.2 has no other.
MTP_METHOD_SINCE = version("0.11.0")

# Decode context parallelism with MLA: an FP8 cache fails an assertion in every release examined up to 0.24.0 and not in
# 0.28.0. Drafted tokens fail one in the first batch up to 0.11.0, not in 0.11.1.
DCP_FP8_REFUSED_UNTIL = version("0.24.0")
DCP_FP8_SINCE = version("0.28.0")
DCP_SPECULATION_SINCE = version("0.11.1")

ENVIRONMENT: dict[str, Lifetime] = {
    # Gone in 0.16.0; 0.15 has not been examined and is taken to be without it, too.
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

# Prometheus metrics that have been renamed: both names are there from `deprecated` until `removed`.
METRICS: dict[str, Lifetime] = {
    "vllm:gpu_cache_usage_perc": _since("0.8.4", "0.9.2", "0.12.0", "vllm:kv_cache_usage_perc"),
    "vllm:kv_cache_usage_perc": _since("0.9.2"),
    # Last seen in 0.14.0; gone in 0.16.0.
    "vllm:time_per_output_token_seconds": _since("0.8.4", "0.10.2", "0.16.0", "vllm:inter_token_latency_seconds"),
    "vllm:inter_token_latency_seconds": _since("0.10.2"),
    "vllm:request_time_per_output_token_seconds": _since("0.11.0"),
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


def flag_of(name: str) -> str:
    """The flag an entry of ``engine.arguments`` becomes."""
    return name if name.startswith("--") else "--" + name.replace("_", "-")
