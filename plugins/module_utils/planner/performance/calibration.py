# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a device's peak rates published services reached: five fitted numbers, and three that others measured.

``scripts/calibrate.py`` fits the five to ``tests/data/published/throughput_points.csv``, all rows together, and prints
how well a row is foretold that took no part in the fit. There are no others: the rest of ``roofline`` is arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Efficiency:
    """The fitted numbers.

    ``hbm``: share of the device memory's bandwidth that decode reaches reading weights and KV cache.
    ``compute``: share of the peak FLOP/s that matrices and attention reach.
    ``layer_s``: seconds that a layer costs in every step beside that: small kernels, launches, synchronisation.
    ``eager_layer_s``: seconds more without CUDA graphs.
    ``prefill_passes``: how often a prompt token's hidden vector goes through device memory in each layer (norms,
    quantisation, permutation to experts and back, expanded keys and values).
    """

    hbm: float
    compute: float
    layer_s: float
    eager_layer_s: float
    prefill_passes: float

    def launch_s(self, eager: bool) -> float:
        """What one layer costs in one step, with CUDA graphs or without."""
        return self.layer_s + (self.eager_layer_s if eager else 0.0)


FITTED = Efficiency(hbm=0.563, compute=0.655, layer_s=68e-6, eager_layer_s=3.67e-3, prefill_passes=337.0)

# Popularity of experts: its standard deviation over its mean. The report of DeepSeek-R1 on H20 (2025-09-26) keeps the
# mean rank at 0.7 or more of the fullest with 16 experts on each of 16 ranks: 1 + 0.73 x sqrt(2 ln 16 / 16) = 1 / 0.7.
EXPERT_SKEW = 0.73

# One MoE layer's dispatch and combine between hosts when there is next to nothing to send: what DeepEP's published
# low-latency times (128 tokens, FP8, EP16 and EP32) leave beside their bytes at line rate, 42 us out and 53 us back.
ROUND_TRIP_S = 95e-6

# The fused MoE kernel that runs sliced experts (no expert parallelism) in block FP8 pads each expert's tokens to tiles
# of this many rows (vLLM's default configuration; the rows of a Hopper matrix instruction). That is arithmetic on
# zeros, and a device with little compute feels it. Expert parallel kernels swap the operands instead.
SLICED_EXPERT_TILE_ROWS = 64

# How far published services lie from the likely figure: time taken / time foretold, at the ends of the middle 80 %.
FASTEST = 0.7
SLOWEST = 1.45
