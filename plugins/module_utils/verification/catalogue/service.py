# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Figures of the running service. Numbers are the reference document's; rates in percent are of all requests."""

from __future__ import annotations

from functools import partial

from .model import (
    ANSWERS,
    AT_LEAST,
    AT_MOST,
    FIRST_TOKEN,
    HOST,
    LARGEST,
    LOAD,
    MEDIAN,
    SERVICE,
    SMALLEST,
    WHOLE,
    Acceptance,
    Threshold,
)

_SLOW = "Compare with the plan's estimate, and look for other load on the hosts and the network."
_WRONG = "Wrong answers with status 200 point at the all-to-all or the weights: compare the model's checksums and NCCL."
_GPU = ("gpu",)
# Nobody has to ask for that: one engine that answers wrongly is one too many.
_EVERY_ENGINE = (Threshold("every engine", 100, None, 100),)


def _first_token(tokens: int, percentile: str, limit_ms: float | None) -> Acceptance:
    thresholds = () if limit_ms is None else (Threshold("§7.1.1", limit_ms, None, limit_ms, needs=_GPU),)
    return Acceptance(
        id=f"ttft_{tokens}_{percentile}",
        section=FIRST_TOKEN,
        phase=SERVICE,
        title=f"Time to first token, {tokens} tokens in, {percentile.upper()}",
        scope=WHOLE,
        tool="vllm_bench_serve",
        figure=f"ttft_ms.{percentile}",
        unit="ms",
        better=AT_MOST,
        statistic=MEDIAN,
        thresholds=thresholds,
        floor=f"first_token:{tokens}",
        fix=_SLOW,
    )


FIRST_TOKEN_FIGURES = (
    _first_token(512, "p50", 800),
    _first_token(512, "p95", 1200),
    _first_token(512, "p99", 1500),
    _first_token(2048, "p95", None),
    _first_token(4096, "p95", 2000),
    _first_token(8192, "p95", None),
)

# What the figures of a kind have in common; an entry that differs says so.
_load = partial(Acceptance, section=LOAD, phase=SERVICE, scope=WHOLE)
_answers = partial(
    Acceptance,
    section=ANSWERS,
    phase=SERVICE,
    scope=WHOLE,
    unit="%",
    better=AT_LEAST,
    statistic=SMALLEST,
    thresholds=_EVERY_ENGINE,
    fix=_WRONG,
)

LOAD_FIGURES = (
    _load(
        id="full_context",
        title="A request that fills the whole context",
        tool="vllm_bench_serve",
        figure="e2el_ms.p50",
        unit="ms",
        better=AT_MOST,
        statistic=MEDIAN,
        fix="Its length and the KV cache are the plan's; read the head's journal for what refused it.",
    ),
    _load(
        id="sessions_throughput",
        title="Output of all sessions together",
        tool="vllm_bench_serve",
        figure="output_tokens_s",
        unit="tokens/s",
        better=AT_LEAST,
        statistic=MEDIAN,
        thresholds=(Threshold("§7.1.2", 50000, None, 35000, needs=_GPU),),
        floor="cluster_tokens",
        fix=_SLOW,
    ),
    _load(
        id="sessions_p99",
        title="Time between tokens of an answer, P99, all sessions",
        tool="vllm_bench_serve",
        figure="itl_ms.p99",
        unit="ms",
        better=AT_MOST,
        statistic=MEDIAN,
        thresholds=(Threshold("§7.1.2", 3000, None, 3000, needs=_GPU),),
        fix=_SLOW,
    ),
    _load(
        id="sessions_error_rate",
        title="Requests that failed, all sessions",
        unit="%",
        better=AT_MOST,
        statistic=LARGEST,
        thresholds=(Threshold("§7.1.2", 0.1, None, 0.1),),
        fix="The head's journal says why requests failed.",
    ),
    _load(
        id="sessions_goodput",
        title="Requests that kept every objective",
        unit="%",
        better=AT_LEAST,
        statistic=MEDIAN,
        fix=_SLOW,
    ),
    _load(
        id="soak_error_rate",
        title="Requests that failed, long run at a rate",
        unit="%",
        better=AT_MOST,
        statistic=LARGEST,
        thresholds=(Threshold("§7.1.2", 0.1, None, 0.1),),
        fix="The head's journal says why requests failed.",
    ),
    _load(
        id="soak_restarts",
        title="Restarts and crashes during the long run",
        unit="restarts",
        better=AT_MOST,
        statistic=LARGEST,
        thresholds=(Threshold("§7.1.2", 0, None, 0),),
        fix="`journalctl -u moefleet-vllm` of the host that restarted first says why.",
    ),
    _load(
        id="gpu_memory_share",
        title="GPU memory in use at its peak, fullest device",
        scope=HOST,
        unit="%",
        better=AT_MOST,
        statistic=LARGEST,
        thresholds=(Threshold("§7.1.2", 90, None, 90),),
        needs=_GPU,
        fix="Lower gpu_memory_utilization in plan_engine on {host}'s group, or plan with more room.",
    ),
    _load(
        id="preemptions",
        title="Sequences thrown out of the KV cache under load",
        unit="preemptions",
        better=AT_MOST,
        statistic=LARGEST,
        fix="The KV cache is too small for this load: fewer sessions, a shorter context, or more memory for it.",
    ),
    _load(
        id="kv_cache_tokens",
        title="KV cache of the smallest engine",
        tool="vllm_log",
        figure="kv_cache_tokens",
        unit="tokens",
        better=AT_LEAST,
        statistic=SMALLEST,
        fix="Something else holds memory, or the overhead is larger than planned: compare with the plan's budget.",
    ),
)

ANSWER_FIGURES = (
    _answers(
        id="right_answers",
        title="Answers and log-probabilities are the reference's, engine by engine",
    ),
    _answers(
        id="answers_alike",
        title="All engines give the same greedy answers",
    ),
)

SERVICE_FIGURES = FIRST_TOKEN_FIGURES + LOAD_FIGURES + ANSWER_FIGURES
