# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ten percent more or less of each input do to tokens/s and to the time to the first token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ..deployment import Deployment
from ..hardware import Gpu
from ..request import Cluster
from .performance import Performance, estimate

STEP = 0.1
Inputs = tuple[Deployment, Cluster, Gpu]


@dataclass(frozen=True)
class Effect:
    """Relative changes of the likely decode tokens/s and median time to the first token."""

    name: str
    decode_less: float
    decode_more: float
    ttft_less: float
    ttft_more: float

    def as_dict(self) -> dict[str, Any]:
        """A row of ``plan.sensitivity``."""
        return {
            "input": self.name,
            "decode_tokens_s": {"-10%": round(self.decode_less, 4), "+10%": round(self.decode_more, 4)},
            "ttft_ms": {"-10%": round(self.ttft_less, 4), "+10%": round(self.ttft_more, 4)},
        }


def _gpu_rate(field: str) -> Callable[[Inputs, float], Inputs | None]:
    def change(inputs: Inputs, factor: float) -> Inputs | None:
        case, cluster, gpu = inputs
        value = getattr(gpu, field)
        return None if value is None else (case, cluster, replace(gpu, **{field: value * factor}))

    return change


def _compute(inputs: Inputs, factor: float) -> Inputs | None:
    case, cluster, gpu = inputs
    peaks = {
        name: getattr(gpu, name) * factor
        for name in ("bf16_flops", "fp8_flops", "fp4_flops")
        if getattr(gpu, name) is not None
    }
    return (case, cluster, replace(gpu, **peaks)) if peaks else None


def _ports(inputs: Inputs, factor: float) -> Inputs | None:
    case, cluster, gpu = inputs
    if cluster.nic_gbit_s is None:
        return None
    return case, replace(cluster, nic_gbit_s=cluster.nic_gbit_s * factor), gpu


def _workload(field: str) -> Callable[[Inputs, float], Inputs | None]:
    def change(inputs: Inputs, factor: float) -> Inputs | None:
        case, cluster, gpu = inputs
        value = getattr(case.workload, field)
        moved = max(1, round(value * factor))
        return replace(case, workload=replace(case.workload, **{field: moved})), cluster, gpu

    return change


def _acceptance(inputs: Inputs, factor: float) -> Inputs | None:
    case, cluster, gpu = inputs
    if not case.engine.speculative_tokens:
        return None
    rate = min(1.0, case.engine.acceptance_rate * factor)
    return replace(case, engine=replace(case.engine, acceptance_rate=rate)), cluster, gpu


CHANGES: dict[str, Callable[[Inputs, float], Inputs | None]] = {
    "NIC rate": _ports,
    "memory bandwidth": _gpu_rate("memory_bandwidth_bytes_s"),
    "compute": _compute,
    "NVLink rate": _gpu_rate("nvlink_bytes_s"),
    "sessions": _workload("sessions"),
    "context tokens": _workload("context_tokens"),
    "input tokens": _workload("input_tokens"),
    "output tokens": _workload("output_tokens"),
    "acceptance of drafts": _acceptance,
}


def sensitivity(case: Deployment, cluster: Cluster, gpu: Gpu, kv_tokens: int | None) -> list[Effect]:
    """One row an input that can be changed; empty where the performance is not known."""
    base = estimate(case, cluster, gpu, kv_tokens=kv_tokens)
    if base is None:
        return []
    rows = []
    for name, change in CHANGES.items():
        moved = [_moved((case, cluster, gpu), change, factor, kv_tokens) for factor in (1 - STEP, 1 + STEP)]
        less, more = moved
        if less is not None and more is not None:
            rows.append(Effect(name, _decode(less, base), _decode(more, base), _ttft(less, base), _ttft(more, base)))
    return rows


def _moved(
    inputs: Inputs, change: Callable[[Inputs, float], Inputs | None], factor: float, kv_tokens: int | None
) -> Performance | None:
    changed = change(inputs, factor)
    return None if changed is None else estimate(*changed, kv_tokens=kv_tokens)


def _decode(moved: Performance, base: Performance) -> float:
    return moved.decode_tokens_s.likely / base.decode_tokens_s.likely - 1


def _ttft(moved: Performance, base: Performance) -> float:
    lengths = moved.case.workload.input_tokens, base.case.workload.input_tokens
    return moved.ttft_s(lengths[0], 50).likely / base.ttft_s(lengths[1], 50).likely - 1
