# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Figures of the experts' load, and what each optimisation changes. A change is in percent of the figure before.

A range of the document is its better end as ``expected`` and its worse end as ``warn``: what lies in it passes.
"""

from __future__ import annotations

from functools import partial

from .model import (
    AT_LEAST,
    AT_MOST,
    EXPERIMENTS,
    EXPERTS,
    GAINS,
    MEDIAN,
    SERVICE,
    SMALLEST,
    WHOLE,
    Acceptance,
    Threshold,
)

_EPLB = "Look at the experts' load over time, EPLB's interval and its redundant experts."
_GAIN = "What does not pay here can be left off in plan_engine."

# What these have in common; an entry that differs says so.
_experts = partial(Acceptance, section=EXPERTS, phase=SERVICE, scope=WHOLE, statistic=MEDIAN, fix=_EPLB)

EXPERT_FIGURES = (
    _experts(
        id="expert_balancedness",
        title="Balancedness of the experts (mean by largest load of a rank)",
        unit="",
        better=AT_LEAST,
        statistic=SMALLEST,
    ),
    _experts(
        id="engine_token_variation",
        title="Coefficient of variation of the engines' tokens",
        unit="%",
        better=AT_MOST,
        thresholds=(Threshold("§7.2.1", 20, None, 20),),
    ),
    _experts(
        id="eplb_rebalance_rate",
        title="Rebalances in 1000 steps",
        unit="per 1000 steps",
        better=AT_MOST,
        # 1 to 3; its own interval of 3000 steps makes 0.33, so fewer is no fault.
        thresholds=(Threshold("§7.2.1", 1, 3),),
        needs=("eplb",),
    ),
    _experts(
        id="eplb_rebalance_cost",
        title="Time of a rebalance",
        unit="ms",
        better=AT_MOST,
        thresholds=(Threshold("§7.2.1", 100, None, 100),),
        needs=("eplb",),
        floor="rebalance",
    ),
)


def _gain(
    name: str, title: str, better: str, thresholds: tuple[Threshold, ...] = (), needs: tuple[str, ...] = ()
) -> Acceptance:
    return Acceptance(
        id=name,
        section=GAINS,
        phase=EXPERIMENTS,
        title=title,
        scope=WHOLE,
        figure="change_percent",
        unit="%",
        better=better,
        statistic=MEDIAN,
        thresholds=thresholds,
        needs=needs,
        fix=_GAIN,
    )


GAIN_FIGURES = (
    _gain(
        "eplb_throughput_gain",
        "Throughput with EPLB against without",
        AT_LEAST,
        (
            Threshold("§7.2.2", 12, 3),
            Threshold("§7.2.2 slight imbalance", 5, 3),
            Threshold("§7.2.2 medium imbalance", 8, 5),
            Threshold("§7.2.2 severe imbalance", 12, 8),
        ),
        ("eplb",),
    ),
    _gain("eplb_p99_gain", "P99 with EPLB against without", AT_MOST, (Threshold("§7.2.2", -20, -10),), ("eplb",)),
    _gain(
        "eplb_gpu_use_gain",
        "Use of the GPUs with EPLB against without",
        AT_LEAST,
        (Threshold("§7.2.2", 8, 3),),
        ("eplb", "gpu"),
    ),
    _gain("experiment_cuda_graphs", "Throughput with CUDA graphs against without", AT_LEAST, (), ("gpu",)),
    _gain("experiment_fp8_kv", "Throughput with an FP8 KV cache against the model's own type", AT_LEAST, (), ("gpu",)),
    _gain("experiment_chunk_size", "Throughput with another size of prefill chunks", AT_LEAST),
    _gain("experiment_dbo", "Throughput with dual batch overlap against without", AT_LEAST, (), ("gpu",)),
    _gain("experiment_mtp", "Throughput with multi-token prediction against without", AT_LEAST),
    _gain("experiment_prefix_cache", "Throughput with the prefix cache against without", AT_LEAST),
)

EXPERIMENT_FIGURES = EXPERT_FIGURES + GAIN_FIGURES
