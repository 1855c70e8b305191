# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accelerators known by name. ``memory_bytes`` is what torch reports as the device's total, not the nominal size.

Sources: H20-96G 97,871 MiB in nvidia-smi (vllm issue 51041), 95.0 GiB in torch, rates from the SGLang H20 post of 2025-09-26; H200 139.81 GiB
and H100 79.10 GiB read in vLLM logs; H800 rates from the same post. Figures marked unverified are from memory: rates of H100 and H200,
everything of H20-141G.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from .fields import Section, describe, suggestion
from .findings import Finding, PlannerError

GIB = 1 << 30


@dataclass(frozen=True)
class Gpu:
    """One accelerator. Bandwidth in bytes/s, compute in FLOP/s (dense); ``None`` where unknown. NVLink is one direction."""

    name: str
    memory_bytes: int
    memory_bytes_per_s: Optional[float] = None
    bf16_flops: Optional[float] = None
    fp8_flops: Optional[float] = None
    nvlink_bytes_per_s: Optional[float] = None


def _gpu(name: str, gib: float, hbm: float, bf16: float, fp8: float, nvlink: float) -> Gpu:
    """GiB, GB/s, TFLOP/s, TFLOP/s, GB/s per direction."""
    return Gpu(name, int(gib * GIB), hbm * 1e9, bf16 * 1e12, fp8 * 1e12, nvlink * 1e9)


GPUS: Dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        _gpu("H20-96G", 95.0, 4000, 148, 296, 450),
        _gpu("H20-141G", 139.7, 4800, 148, 296, 450),
        _gpu("H800-80G", 79.1, 3352, 989, 1979, 200),
        _gpu("H100-80G", 79.1, 3350, 989, 1979, 450),
        _gpu("H200-141G", 139.81, 4800, 989, 1979, 450),
    )
}

_FIELDS = ("name", "memory_bytes", "memory_bytes_per_s", "bf16_flops", "fp8_flops", "nvlink_bytes_per_s")


def find_gpu(given: Any, findings: List[Finding]) -> Optional[Gpu]:
    """The accelerator meant by a catalogue name or described by a mapping with ``memory_bytes``; ``None`` after noting what is wrong."""
    if isinstance(given, Mapping):
        section = Section("cluster.gpu", given, _FIELDS, findings)
        gpu = Gpu(
            name=section.text("name", None) or "custom",
            memory_bytes=section.required_integer("memory_bytes", 1),
            memory_bytes_per_s=section.number("memory_bytes_per_s", None, 0),
            bf16_flops=section.number("bf16_flops", None, 0),
            fp8_flops=section.number("fp8_flops", None, 0),
            nvlink_bytes_per_s=section.number("nvlink_bytes_per_s", None, 0),
        )
        return gpu if section.sound else None
    by_name = {name.lower(): gpu for name, gpu in GPUS.items()}
    if isinstance(given, str) and given.lower() in by_name:
        return by_name[given.lower()]
    if isinstance(given, str) and given:
        problem = PlannerError("hardware.unknown_gpu", "cluster.gpu", f"'{given}' is not in the catalogue", suggestion(given, GPUS) + "; or give a mapping with memory_bytes")
    else:
        problem = PlannerError("hardware.unknown_gpu", "cluster.gpu", f"is {describe(given)}", "name one of " + ", ".join(GPUS) + " or give a mapping with memory_bytes")
    findings.append(problem.finding())
    return None
