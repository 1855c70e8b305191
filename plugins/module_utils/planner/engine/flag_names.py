# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The names of all of ``vllm serve``'s flags in nine releases, to tell an unknown flag from one that never was.

Read from the releases' source distributions (``arg_utils.py``, ``serve.py`` and every ``cli_args.py``). What changed
about the flags the planner writes, release by release, is in ``engine_flags``; between two of these releases a name
that only one of them has is in doubt.
"""

from __future__ import annotations

from ..versions import Version, version

# The releases the names were read from, in order.
EXAMINED = tuple(
    version(text) for text in ("0.9.2", "0.10.2", "0.11.0", "0.12.0", "0.16.0", "0.19.1", "0.24.0", "0.28.0", "0.33.0")
)

# By the first and the last of the examined releases that have them, as positions in EXAMINED.
_NAMES: dict[tuple[int, int], str] = {
    (0, 0): """
        device enable-prompt-adapter enable-reasoning expand-tools-even-if-tool-choice-none
        long-lora-scaling-factors max-prompt-adapter-token max-prompt-adapters multi-step-stream-outputs
        num-scheduler-steps override-neuron-config prompt-adapters qlora-adapter-name-or-path
        tokenizer-pool-extra-config tokenizer-pool-size tokenizer-pool-type use-v2-block-manager
    """,
    (0, 1): """
        disable-async-output-proc guided-decoding-backend guided-decoding-disable-additional-properties
        guided-decoding-disable-any-whitespace guided-decoding-disable-fallback max-seq-len-to-capture
        preemption-mode scheduler-delay-factor
    """,
    (0, 2): """
        enable-lora-bias eplb-log-balancedness eplb-step-interval eplb-window-size lora-extra-vocab-size
        num-lookahead-slots num-redundant-experts override-pooler-config rope-scaling rope-theta
    """,
    (0, 3): "cuda-graph-sizes disable-mm-preprocessor-cache enable-multimodal-encoder-data-parallel task",
    (0, 4): "disable-frontend-multiprocessing disable-log-requests logits-processor-pattern swap-space",
    (0, 6): "calculate-kv-scales max-long-partial-prefills max-num-partial-prefills override-attention-dtype",
    (0, 8): """
        additional-config allow-credentials allowed-headers allowed-local-media-path allowed-methods allowed-origins
        api-key api-server-count block-size chat-template chat-template-content-format code-revision
        collect-detailed-traces compilation-config config config-format cpu-offload-gb data-parallel-address
        data-parallel-backend data-parallel-rank data-parallel-rpc-port data-parallel-size data-parallel-size-local
        data-parallel-start-rank disable-cascade-attn disable-chunked-mm-input disable-custom-all-reduce
        disable-fastapi-docs disable-hybrid-kv-cache-manager disable-log-stats disable-sliding-window
        disable-uvicorn-access-log distributed-executor-backend download-dir dtype enable-auto-tool-choice
        enable-chunked-prefill enable-eplb enable-expert-parallel enable-force-include-usage enable-lora
        enable-prefix-caching enable-prompt-embeds enable-prompt-tokens-details enable-request-id-headers
        enable-server-load-tracking enable-sleep-mode enable-ssl-refresh enforce-eager fully-sharded-loras
        generation-config gpu-memory-utilization headless help hf-config-path hf-overrides hf-token host
        ignore-patterns kv-cache-dtype kv-events-config kv-transfer-config limit-mm-per-prompt load-format
        log-config-file long-prefill-token-threshold lora-dtype lora-modules max-cpu-loras max-log-len max-logprobs
        max-lora-rank max-loras max-model-len max-num-batched-tokens max-num-seqs max-parallel-loading-workers
        media-io-kwargs middleware mm-processor-kwargs model model-impl model-loader-extra-config
        num-gpu-blocks-override otlp-traces-endpoint override-generation-config pipeline-parallel-size port
        prefix-caching-hash-algo pt-load-map-location quantization ray-workers-use-nsight reasoning-parser
        response-role return-tokens-as-token-ids revision root-path scheduler-cls scheduling-policy seed
        served-model-name show-hidden-metrics-for-version skip-tokenizer-init speculative-config ssl-ca-certs
        ssl-cert-reqs ssl-certfile ssl-keyfile tensor-parallel-size tokenizer tokenizer-mode tokenizer-revision
        tool-call-parser tool-parser-plugin trust-remote-code use-tqdm-on-load uvicorn-log-level worker-cls
        worker-extension-cls
    """,
    (1, 8): """
        async-scheduling convert data-parallel-hybrid-lb decode-context-parallel-size default-mm-loras
        enable-log-outputs enable-log-requests enable-tokenizer-info-endpoint eplb-config
        exclude-tools-when-tool-choice-none h11-max-header-count h11-max-incomplete-event-size interleave-mm-strings
        io-processor-plugin kv-cache-memory-bytes kv-sharing-fast-prefill log-error-stack logits-processors
        logprobs-mode mamba-cache-dtype mamba-ssm-cache-dtype mm-encoder-tp-mode mm-processor-cache-gb runner
        safetensors-load-strategy skip-mm-profiling tool-server uds
    """,
    (2, 8): """
        allowed-media-domains dbo-decode-token-threshold dbo-prefill-token-threshold enable-dbo
        expert-placement-strategy mm-processor-cache-type mm-shm-cache-max-object-size-mb pooler-config
        structured-outputs-config trust-request-chat-template video-pruning-rate
    """,
    (3, 8): """
        aggregate-engine-logging all2all-backend cp-kv-cache-interleave-size cudagraph-capture-sizes
        data-parallel-external-lb dcp-kv-cache-interleave-size disable-nccl-for-dp-synchronization
        ec-transfer-config enable-mm-embeds kv-cache-metrics kv-cache-metrics-sample kv-offloading-backend
        kv-offloading-size mamba-block-size master-addr master-port max-cudagraph-capture-size
        mm-encoder-attn-backend nnodes node-rank optimization-level prefill-context-parallel-size
        reasoning-parser-plugin stream-interval tokens-only
    """,
    (4, 8): """
        allow-deprecated-quantization attention-backend attention-config cudagraph-metrics
        default-chat-template-kwargs disable-access-log-for-endpoints enable-flashinfer-autotune
        enable-layerwise-nvtx-tracing enable-log-deltas enable-logging-iteration-details enable-mfu-metrics
        enable-offline-docs enable-return-routed-experts enable-tower-connector-lora kernel-config mamba-cache-mode
        mm-encoder-only profiler-config specialize-active-lora ssl-ciphers ubatch-size weight-transfer-config
    """,
    (5, 8): """
        cpu-offload-params dcp-comm-backend distributed-timeout-seconds enable-elastic-ep enable-ep-weight-filter
        fail-on-environ-validation gdn-prefill-backend grpc kv-cache-dtype-skip-layers language-model-only
        lora-target-modules mm-tensor-ipc moe-backend offload-backend offload-group-size offload-num-in-group
        offload-params offload-prefetch-step performance-mode reasoning-config renderer-num-workers
        scheduler-reserve-full-isl shutdown-timeout
    """,
    (6, 8): """
        cpu-distributed-timeout-seconds data-parallel-multi-port-external-lb data-parallel-supervisor-port
        device-ids diffusion-config dp-supervisor-probe-failure-threshold dp-supervisor-probe-interval-s
        dp-supervisor-probe-timeout-s enable-cumem-allocator enable-flash-late-interaction
        enable-mamba-cache-stochastic-rounding enable-mixed-moe-lora-format fingerprint-mode fingerprint-value
        ir-op-priority jit-monitor-verbose linear-backend mamba-backend mamba-cache-philox-rounds
        mm-encoder-attn-dtype mm-encoder-fp8-scale-path mm-encoder-fp8-scale-save-margin
        mm-encoder-fp8-scale-save-path numa-bind numa-bind-cpus numa-bind-nodes prefill-schedule-interval
        quantization-config safetensors-prefetch-block-size safetensors-prefetch-num-threads spec-method spec-model
        spec-tokens use-fp64-gumbel watermark
    """,
    (7, 7): "enable-bf16x3-router-gemm",
    (7, 8): """
        cohere-format cohere-is-reasoning-model ec-manager-config enable-fault-tolerance enable-moe-shared-loras
        enable-per-request-metrics fault-tolerance-config jit-monitor-mode kda-prefill-backend mamba-ssu-algorithm
        max-num-scheduled-tokens mm-device-do-normalize mm-hasher-algorithm mm-ipc-gpu-memory-gb mm-processor-device
        model-class-overrides prefix-match-unit replayssm-buffer-len return-sampling-mask use-replayssm
        video-pruning-method
    """,
    (8, 8): """
        anthropic-disabled-thinking-effort aux-output-config custom-histogram-buckets dcp-q-replicate
        device-memory-utilization dp-sync-interval elastic-ep-max-dp-size enable-batch-sharded-sampling enable-hc-sp
        enable-mamba-shared-prefix-checkpoint enable-nccl-comm-suspend enable-scale-out enable-shm-tensor-arena
        enable-trace-replay engram-config grpc-port kda-decode-backend log-level logging-config
        long-prefill-token-threshold-adaptive max-lora-cls-labels max-num-active-seqs max-num-queued-reqs
        max-num-queued-tokens monokernel per-request-spec-decode-metrics prefix-cache-retention-interval
        reasoning-effort-map sleep-mode-backend sleep-mode-offload-cudagraph sleep-preserve-parameter-names
        sparse-indexer-topk-backend sse-keep-alive-interval swa-bounded-replay tool-strict-level
        trust-request-mm-kwargs watchdog-config watermark-config
    """,
}

_SPANS: dict[str, tuple[int, int]] = {"--" + name: span for span, names in _NAMES.items() for name in names.split()}

KNOWN = "known"
GONE = "gone"
NOT_YET = "not yet"
DOUBTFUL = "doubtful"
NEVER = "never"


def standing(flag: str, release: Version) -> str:
    """What is known of a flag (``--name``) in a release.

    ``KNOWN``, ``GONE`` (only earlier examined releases have it), ``NOT_YET`` (only later ones), ``DOUBTFUL`` (came or
    went somewhere between the two examined releases around this one) or ``NEVER`` (none of them has it).
    """
    span = _SPANS.get(flag)
    if span is None:
        return NEVER
    first, last = EXAMINED[span[0]], EXAMINED[span[1]]
    if first <= release <= last or (release > EXAMINED[-1] and span[1] == len(EXAMINED) - 1):
        return KNOWN
    if release < first:
        return DOUBTFUL if span[0] == 0 or release > EXAMINED[span[0] - 1] else NOT_YET
    return DOUBTFUL if span[1] + 1 < len(EXAMINED) and release < EXAMINED[span[1] + 1] else GONE


def names_at(release: Version) -> list[str]:
    """Every flag the release is known to have."""
    return [flag for flag in _SPANS if standing(flag, release) == KNOWN]
