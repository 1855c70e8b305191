# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accelerators known by name. ``memory_bytes`` is what torch reports as the device's total, not the nominal size.

Sources: H20-96G 97,871 MiB in nvidia-smi (vllm issue 51041), 95.0 GiB in torch, rates from the SGLang H20 post of
2025-09-26; H800 rates from the same post; H200 139.81 GiB and H100 79.10 GiB read in vLLM logs. From memory,
unverified: the rates of H100 and H200, and everything of H20-141G.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .fields import Section, describe, suggestion
from .findings import Finding, PlannerError

GIB = 1 << 30


@dataclass(frozen=True)
class Gpu:
    """One accelerator. Bandwidth in bytes/s, compute in dense FLOP/s, NVLink one direction; ``None`` where unknown."""

    name: str
    memory_bytes: int
    memory_bandwidth_bytes_s: float | None = None
    bf16_flops: float | None = None
    fp8_flops: float | None = None
    nvlink_bytes_s: float | None = None


def _gpu(name: str, *, gib: float, hbm: float, bf16: float, fp8: float, nvlink: float) -> Gpu:
    """From GiB, GB/s, TFLOP/s, TFLOP/s and GB/s in one direction."""
    return Gpu(name, int(gib * GIB), hbm * 1e9, bf16 * 1e12, fp8 * 1e12, nvlink * 1e9)


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        _gpu("H20-96G", gib=95.0, hbm=4000, bf16=148, fp8=296, nvlink=450),
        _gpu("H20-141G", gib=139.7, hbm=4800, bf16=148, fp8=296, nvlink=450),
        _gpu("H800-80G", gib=79.1, hbm=3352, bf16=989, fp8=1979, nvlink=200),
        _gpu("H100-80G", gib=79.1, hbm=3350, bf16=989, fp8=1979, nvlink=450),
        _gpu("H200-141G", gib=139.81, hbm=4800, bf16=989, fp8=1979, nvlink=450),
    )
}

_FIELDS = ("name", "memory_bytes", "memory_bandwidth_bytes_s", "bf16_flops", "fp8_flops", "nvlink_bytes_s")


def find_gpu(given: Any, findings: list[Finding], where: str = "cluster.gpu") -> Gpu | None:
    """The accelerator meant by a catalogue name or described by a mapping with ``memory_bytes``; ``None`` if wrong."""
    if isinstance(given, Mapping):
        section = Section(where, given, _FIELDS, findings)
        gpu = Gpu(
            name=section.text("name", None) or "custom",
            memory_bytes=section.required_integer("memory_bytes", 1),
            memory_bandwidth_bytes_s=section.number("memory_bandwidth_bytes_s", None, 0),
            bf16_flops=section.number("bf16_flops", None, 0),
            fp8_flops=section.number("fp8_flops", None, 0),
            nvlink_bytes_s=section.number("nvlink_bytes_s", None, 0),
        )
        return gpu if section.sound else None
    by_name = {name.lower(): gpu for name, gpu in GPUS.items()}
    if isinstance(given, str) and given.lower() in by_name:
        return by_name[given.lower()]
    if isinstance(given, str) and given:
        problem = PlannerError(
            "hardware.unknown_gpu",
            where,
            f"'{given}' is not in the catalogue",
            suggestion(given, GPUS) + "; or give a mapping with memory_bytes",
        )
    else:
        problem = PlannerError(
            "hardware.unknown_gpu",
            where,
            f"is {describe(given)}",
            "name one of " + ", ".join(GPUS) + " or give a mapping with memory_bytes",
        )
    findings.append(problem.finding())
    return None
