# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What vLLM does with a setting that nobody gives, release by release.

Read from the releases' own ``arg_utils.py``, ``envs.py`` and ``config/`` (0.9.2 to 0.33.0). Only what bears on a
data parallel service is here. ``None`` stands for what the engine derives from other settings.
"""

from __future__ import annotations

from typing import Any

from ..versions import Version, version

GIB = 2**30

# Since which release a setting has which default, oldest first. Names are those of flags, of EPLB's settings
# (`eplb.`) and of environment variables.
DEFAULTS: dict[str, tuple[tuple[Version, Any], ...]] = {
    "data_parallel_size": ((version("0.8.4"), 1),),
    # All of them, unless --nnodes says how many hosts share them (0.11.1 and newer).
    "data_parallel_size_local": ((version("0.9.0"), None),),
    "data_parallel_start_rank": ((version("0.9.0"), 0), (version("0.10.0"), None)),
    "data_parallel_address": ((version("0.9.0"), "127.0.0.1"),),
    "data_parallel_rpc_port": ((version("0.9.0"), 29550),),
    "data_parallel_backend": ((version("0.9.1"), "mp"),),
    # Unset: one process for every data parallel rank of the cluster, not of the host. 0.15 has not been examined.
    "api_server_count": ((version("0.9.1"), 1), (version("0.16.0"), None)),
    # Until 0.11.1 an environment variable, from then to 0.13 a flag that falls back to that variable.
    "all2all_backend": ((version("0.9.0"), "naive"), (version("0.11.0"), "allgather_reducescatter")),
    "enable_expert_parallel": ((version("0.8.4"), False),),
    "enable_eplb": ((version("0.9.2"), False),),
    "eplb.num_redundant_experts": ((version("0.9.2"), 0),),
    "eplb.window_size": ((version("0.9.2"), 1000),),
    "eplb.step_interval": ((version("0.9.2"), 3000),),
    "eplb.log_balancedness": ((version("0.9.2"), False),),
    "eplb.use_async": ((version("0.12.0"), False), (version("0.23.0"), True)),
    "eplb.policy": ((version("0.13.0"), "default"),),
    "eplb.enable_migration_batching": ((version("0.32.0"), False),),
    "expert_placement_strategy": ((version("0.11.0"), "linear"),),
    "gpu_memory_utilization": ((version("0.0.0"), 0.9), (version("0.20.0"), 0.92)),
    "kv_cache_dtype": ((version("0.8.4"), "auto"),),
    "enable_dbo": ((version("0.11.0"), False),),
    "dbo_decode_token_threshold": ((version("0.11.0"), 32),),
    "dbo_prefill_token_threshold": ((version("0.11.0"), 512),),
    "ubatch_size": ((version("0.14.0"), 0),),
    # Unset means that the engine turns it on where it can.
    "async_scheduling": ((version("0.10.0"), False), (version("0.14.0"), None)),
    "nnodes": ((version("0.11.1"), 1),),
    "node_rank": ((version("0.11.1"), 0),),
    "master_addr": ((version("0.11.1"), "127.0.0.1"),),
    "master_port": ((version("0.11.1"), 29501),),
    "dp_sync_interval": ((version("0.30.0"), 16),),
    "data_parallel_supervisor_port": ((version("0.22.0"), 9256),),
    # torch's own: 600 s for NCCL, 1800 s for gloo.
    "distributed_timeout_seconds": ((version("0.18.0"), None),),
    "cpu_distributed_timeout_seconds": ((version("0.22.0"), None),),
    "shutdown_timeout": ((version("0.18.0"), 0),),
    "decode_context_parallel_size": ((version("0.10.2"), 1),),
    "VLLM_USE_DEEP_GEMM": ((version("0.8.4"), "0"), (version("0.11.0"), "1")),
    "VLLM_MOE_DP_CHUNK_SIZE": ((version("0.9.2"), "256"),),
    "VLLM_ENGINE_READY_TIMEOUT_S": ((version("0.14.0"), "600"),),
}

# Backends whose ranks take at most a fixed number of tokens a step, and that number while nothing else is given.
BATCHED_BACKENDS = ("deepep_low_latency", "nixl_ep")
BATCHED_TOKENS = 256
_BATCHED_SINCE = version("0.20.0")
_LARGEST_SINCE = version("0.28.0")


def default(name: str, release: Version) -> Any:
    """The release's default of a setting, such as ``default("gpu_memory_utilization", ...)`` = 0.92 in 0.20.0.

    ``None`` where the engine derives it. Raises ``KeyError`` for a name that is not in :data:`DEFAULTS` or that the
    release does not have yet.
    """
    found = [value for since, value in DEFAULTS[name] if since <= release]
    if not found:
        raise KeyError(f"{name} before {DEFAULTS[name][0][0]}")
    return found[-1]


def max_num_batched_tokens(release: Version, device_bytes: int, backend: str | None, batched: bool) -> int:
    """Tokens of one step when nothing else is given, for ``vllm serve`` on CUDA; ``device_bytes`` is the whole memory.

    ``batched`` says whether data parallel ranks share routed experts: then ``deepep_low_latency`` and ``nixl_ep`` have
    256 since 0.20.0 (before, ``VLLM_MOE_DP_CHUNK_SIZE`` cut steps into pieces of 256). Otherwise 2,048 below 70 GiB,
    8,192 from there (but on A100, which stays at 2,048), and 16,384 from 160 GiB since 0.28.0 (not in 0.24.0).
    """
    if batched and backend in BATCHED_BACKENDS and release >= _BATCHED_SINCE:
        return BATCHED_TOKENS
    if device_bytes >= 160 * GIB and release >= _LARGEST_SINCE:
        return 16384
    return 8192 if device_bytes >= 70 * GIB else 2048


def max_num_seqs(device_bytes: int) -> int:
    """Sequences of one rank when nothing else is given: 256 below 70 GiB, 1,024 from there (A100: 256), in 0.9.2 to
    0.33.0.
    """
    return 1024 if device_bytes >= 70 * GIB else 256
