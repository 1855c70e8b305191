# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Accelerators known by name. ``memory_bytes`` is what torch reports as the device's total, not the nominal size.

Sources. Read: H20-96G 97,871 MiB in nvidia-smi (vllm issue 51041) and 95.0 GiB in torch, its rates and those of H800 in
the SGLang H20 post of 2025-09-26; H200 139.81 GiB and H100 79.10 GiB in vLLM logs; B200 178.4 GiB in a vLLM log. Data
sheets, dense figures: H100, H200, A100, L20, L40S, B200. Unverified: the memory of H20-141G, A100-80G, L20, L40S and
H100-NVL as torch has it (97 to 98.9 % of the nominal size on the devices that were read). Devices
without NVLink have the rate of PCIe 4.0 x 16 in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    fp4_flops: float | None = None
    nvlink_bytes_s: float | None = None


def _gpu(
    name: str, *, gib: float, hbm: float, bf16: float, fp8: float | None, nvlink: float, fp4: float | None = None
) -> Gpu:
    """From GiB, GB/s, TFLOP/s and GB/s in one direction; ``None`` is what the device does not have."""
    return Gpu(
        name=name,
        memory_bytes=int(gib * GIB),
        memory_bandwidth_bytes_s=hbm * 1e9,
        bf16_flops=bf16 * 1e12,
        fp8_flops=None if fp8 is None else fp8 * 1e12,
        fp4_flops=None if fp4 is None else fp4 * 1e12,
        nvlink_bytes_s=nvlink * 1e9,
    )


GPUS: dict[str, Gpu] = {
    gpu.name: gpu
    for gpu in (
        _gpu("H20-96G", gib=95.0, hbm=4000, bf16=148, fp8=296, nvlink=450),
        _gpu("H20-141G", gib=139.7, hbm=4800, bf16=148, fp8=296, nvlink=450),
        _gpu("H800-80G", gib=79.1, hbm=3352, bf16=989, fp8=1979, nvlink=200),
        _gpu("H100-80G", gib=79.1, hbm=3350, bf16=989, fp8=1979, nvlink=450),
        _gpu("H100-NVL-94G", gib=93.1, hbm=3938, bf16=835, fp8=1671, nvlink=300),
        _gpu("H200-141G", gib=139.81, hbm=4800, bf16=989, fp8=1979, nvlink=450),
        _gpu("A100-80G", gib=79.15, hbm=2039, bf16=312, fp8=None, nvlink=300),
        _gpu("A800-80G", gib=79.15, hbm=2039, bf16=312, fp8=None, nvlink=200),
        _gpu("L20-48G", gib=44.5, hbm=864, bf16=119.5, fp8=239, nvlink=32),
        _gpu("L40S-48G", gib=44.5, hbm=864, bf16=362, fp8=733, nvlink=32),
        _gpu("B200-180G", gib=178.4, hbm=8000, bf16=2250, fp8=4500, fp4=9000, nvlink=900),
    )
}

# Less is a size in another unit than bytes, bytes/s or FLOP/s.
_LEAST_MEMORY = 1 << 26
_LEAST_RATE = 1e6
_RATES = ("memory_bandwidth_bytes_s", "bf16_flops", "fp8_flops", "fp4_flops", "nvlink_bytes_s")
_FIELDS = ("name", "memory_bytes", *_RATES)
# Other names of the same devices.
_ALIASES = {
    "h20": "H20-96G",
    "h20-3e": "H20-141G",
    "h800": "H800-80G",
    "h100": "H100-80G",
    "h100-sxm-80g": "H100-80G",
    "h200": "H200-141G",
    "a100": "A100-80G",
    "a800": "A800-80G",
    "l20": "L20-48G",
    "l40s": "L40S-48G",
    "b200": "B200-180G",
}


def find_gpu(given: Any, findings: list[Finding], where: str = "cluster.gpu") -> Gpu | None:
    """The accelerator meant by a catalogue name or described by a mapping with ``memory_bytes``; ``None`` if wrong."""
    if isinstance(given, Mapping):
        section = Section(where, given, _FIELDS, findings)
        gpu = Gpu(
            name=section.text("name", None) or "custom",
            memory_bytes=section.required_integer("memory_bytes", _LEAST_MEMORY, 1 << 50),
            **{name: section.number(name, None, _LEAST_RATE, 1e20) for name in _RATES},
        )
        return gpu if section.sound else None
    by_name = {name.lower(): gpu for name, gpu in GPUS.items()}
    by_name.update({alias: GPUS[name] for alias, name in _ALIASES.items()})
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


def weakest(gpus: Sequence[Gpu]) -> Gpu:
    """A device that has the least of each: what ranks in lockstep on unlike devices come down to."""

    def least(field: str) -> float | None:
        known = [getattr(gpu, field) for gpu in gpus]
        return None if None in known else float(min(known))

    names = " and ".join(sorted({gpu.name for gpu in gpus}))
    return Gpu(
        name=f"weakest of {names}",
        memory_bytes=min(gpu.memory_bytes for gpu in gpus),
        **{field: least(field) for field in _RATES},
    )
