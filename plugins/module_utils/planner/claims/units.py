# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Units that a claim's figure can come in, each with what it measures and how much of the base unit it is."""

from __future__ import annotations

UNITS: dict[str, tuple[str, float]] = {
    "": ("count", 1),
    "parameters": ("parameters", 1),
    "million parameters": ("parameters", 1e6),
    "billion parameters": ("parameters", 1e9),
    "B": ("bytes", 1),
    "kB": ("bytes", 1e3),
    "MB": ("bytes", 1e6),
    "GB": ("bytes", 1e9),
    "TB": ("bytes", 1e12),
    "KiB": ("bytes", 1 << 10),
    "MiB": ("bytes", 1 << 20),
    "GiB": ("bytes", 1 << 30),
    "TiB": ("bytes", 1 << 40),
    "us": ("time", 1e-6),
    "ms": ("time", 1e-3),
    "s": ("time", 1),
    "min": ("time", 60),
    "h": ("time", 3600),
    "tokens": ("tokens", 1),
    "tokens/s": ("tokens a second", 1),
    "tok/s": ("tokens a second", 1),
    "k tokens/s": ("tokens a second", 1e3),
    "FLOP": ("FLOP", 1),
    "MFLOP": ("FLOP", 1e6),
    "GFLOP": ("FLOP", 1e9),
    "TFLOP": ("FLOP", 1e12),
    "GFLOP/s": ("FLOP a second", 1e9),
    "TFLOP/s": ("FLOP a second", 1e12),
    "TFLOPS": ("FLOP a second", 1e12),
    "PFLOP/s": ("FLOP a second", 1e15),
    "Mb/s": ("bandwidth", 1e6 / 8),
    "Gb/s": ("bandwidth", 1e9 / 8),
    "Gbps": ("bandwidth", 1e9 / 8),
    "MB/s": ("bandwidth", 1e6),
    "GB/s": ("bandwidth", 1e9),
    "TB/s": ("bandwidth", 1e12),
}


def units_like(unit: str) -> list[str]:
    """The units of what ``unit`` measures."""
    return [name for name, (what, _size) in UNITS.items() if what == UNITS[unit][0]]


def converted(value: float, unit: str, wanted: str) -> float:
    """A figure in another unit of the same kind."""
    return value * UNITS[unit][1] / UNITS[wanted][1]
