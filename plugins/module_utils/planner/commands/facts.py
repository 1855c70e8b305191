# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What reading a ``vllm serve`` command line needs to know beside the flags' lifetimes.

From the releases' ``arg_utils.py``, ``serve.py`` and ``config/parallel.py``, and NCCL's environment variable page.
"""

from __future__ import annotations


def _flags(names: str) -> frozenset[str]:
    """Names without their dashes, as flags."""
    return frozenset("--" + name for name in names.split())


# Switches whose names don't say so; the others begin with one of the prefixes.
_SWITCHES = _flags(
    """
    headless trust-remote-code enforce-eager async-scheduling data-parallel-hybrid-lb data-parallel-external-lb
    data-parallel-multi-port-external-lb eplb-log-balancedness numa-bind return-tokens-as-token-ids skip-tokenizer-init
    allow-credentials log-error-stack interleave-mm-strings language-model-only mm-encoder-only fully-sharded-loras
    aggregate-engine-logging use-v2-block-manager calculate-kv-scales kv-sharing-fast-prefill skip-mm-profiling
    multi-step-stream-outputs tokens-only grpc trust-request-chat-template exclude-tools-when-tool-choice-none
    expand-tools-even-if-tool-choice-none scheduler-reserve-full-isl
    """
)
_TAKES_A_VALUE = frozenset(("--disable-access-log-for-endpoints",))


def is_switch(flag: str) -> bool:
    """Whether a flag stands alone: ``--headless``, ``--enable-eplb``."""
    return flag in _SWITCHES or (flag.startswith(("--enable-", "--disable-")) and flag not in _TAKES_A_VALUE)


# Flags whose value is JSON, or keys given one by one after a dot.
JSON_FLAGS = _flags(
    """
    eplb-config speculative-config compilation-config kv-transfer-config kv-events-config hf-overrides attention-config
    kernel-config fault-tolerance-config override-generation-config structured-outputs-config pooler-config
    ec-transfer-config profiler-config reasoning-config quantization-config additional-config rope-scaling
    """
)

# Flags whose value is a whole number.
INTEGER_FLAGS = _flags(
    """
    tensor-parallel-size pipeline-parallel-size data-parallel-size data-parallel-size-local data-parallel-start-rank
    data-parallel-rank data-parallel-rpc-port api-server-count nnodes node-rank master-port port max-model-len
    max-num-seqs max-num-batched-tokens num-redundant-experts eplb-window-size eplb-step-interval
    decode-context-parallel-size prefill-context-parallel-size dp-sync-interval
    """
)

# What may, or must, differ from host to host.
OWN_TO_HOST = _flags(
    """
    host port headless api-server-count data-parallel-start-rank data-parallel-size-local data-parallel-rank node-rank
    numa-bind numa-bind-nodes numa-bind-cpus device-ids served-model-name api-key root-path ssl-keyfile ssl-certfile
    chat-template tool-call-parser reasoning-parser enable-auto-tool-choice uvicorn-log-level allowed-origins
    disable-log-requests enable-log-requests disable-uvicorn-access-log data-parallel-supervisor-port uds
    """
)
# Judged in ways of their own, not by comparison alone.
JUDGED_APART = frozenset(
    ("--data-parallel-size", "--data-parallel-address", "--data-parallel-rpc-port", "--nnodes", "--master-addr")
)
# Part of the hash of the parallel configuration that the head compares from 0.11.1 on; a difference hung before that.
HASHED = _flags(
    """
    tensor-parallel-size pipeline-parallel-size decode-context-parallel-size prefill-context-parallel-size
    enable-expert-parallel all2all-backend enable-eplb eplb-config num-redundant-experts eplb-window-size
    eplb-step-interval eplb-log-balancedness enable-dbo ubatch-size dbo-decode-token-threshold
    dbo-prefill-token-threshold expert-placement-strategy disable-nccl-for-dp-synchronization enable-elastic-ep
    cp-kv-cache-interleave-size dp-sync-interval data-parallel-hybrid-lb
    """
)
# Not hashed, but each rank sizes its cache, its graphs or its steps by them, and all ranks step together.
SIZED = _flags(
    """
    max-model-len max-num-seqs max-num-batched-tokens kv-cache-dtype enforce-eager compilation-config dtype quantization
    speculative-config block-size async-scheduling cudagraph-capture-sizes moe-backend attention-backend
    """
)

# Flags that people write and that no vLLM has had, with what they mean.
NEVER_WAS: dict[str, str] = {
    "--eplb-rebalance-freq": "--eplb-config '{\"step_interval\": ...}'",
    "--eplb-num-redundant-experts": "--eplb-config '{\"num_redundant_experts\": ...}'",
    "--ep-num-redundant-experts": "--eplb-config '{\"num_redundant_experts\": ...}'",
    "--expert-parallel-size": "--enable-expert-parallel; its size is tensor x data",
    "--ep-size": "--enable-expert-parallel; its size is tensor x data (--ep-size is SGLang's)",
    "--tp": "--tensor-parallel-size or -tp",
    "--tp-size": "--tensor-parallel-size",
    "--dp": "--data-parallel-size or -dp",
    "--dp-size": "--data-parallel-size",
    "--mem-fraction-static": "--gpu-memory-utilization (this is SGLang's)",
    "--dist-init-addr": "--data-parallel-address (this is SGLang's)",
    "--moe-a2a-backend": "--all2all-backend (this is SGLang's)",
    "--duration": "vllm bench serve --num-prompts; nothing runs for a given time",
    "--output-json": "vllm bench serve --save-result --result-filename",
    "--num-speculative-tokens": "--speculative-config '{\"num_speculative_tokens\": ...}'",
}

# NCCL's variables that do nothing or harm on hosts with one port each: the value they are written with (None for any),
# and what there is to say.
NCCL_NOTES: dict[str, tuple[str | None, str]] = {
    "NCCL_IB_DISABLE": ("0", "is the default"),
    "NCCL_P2P_LEVEL": ("NVL", "is the default on HGX boards"),
    "NCCL_NET_GDR_READ": ("1", "is the default with NVLink"),
    "NCCL_IB_PCI_RELAXED_ORDERING": ("2", "is the default"),
    "NCCL_DMABUF_ENABLE": ("1", "is the default"),
    "NCCL_CROSS_NIC": (None, "has no effect with one port a host"),
    "NCCL_IB_QPS_PER_CONNECTION": (None, "helps on fabrics with several equal paths only"),
    "NCCL_IB_SPLIT_DATA_ON_QPS": (None, "helps on fabrics with several equal paths only"),
    "NCCL_MIN_NCHANNELS": (None, "is deprecated since NCCL 2.17 (NCCL_MIN_CTAS)"),
    "NCCL_MAX_NCHANNELS": (None, "is deprecated since NCCL 2.17 (NCCL_MAX_CTAS)"),
    "NCCL_BUFFSIZE": (None, "is for NCCL's developers"),
    "NCCL_ALGO": (None, "is discouraged; unknown words in it are errors since NCCL 2.24"),
    "NCCL_PROTO": (None, "is discouraged; unknown words in it are errors since NCCL 2.24"),
    "NCCL_SOCKET_NTHREADS": (None, "is for TCP sockets only"),
    "NCCL_LAUNCH_MODE": (None, "has nothing to do with one process a GPU"),
}

# Variables that differ from host to host by right.
OWN_VARIABLES = frozenset(
    (
        "VLLM_HOST_IP",
        "GLOO_SOCKET_IFNAME",
        "NCCL_SOCKET_IFNAME",
        "NCCL_IB_HCA",
        "NCCL_IB_GID_INDEX",
        "CUDA_VISIBLE_DEVICES",
        "NCCL_DEBUG_FILE",
    )
)
