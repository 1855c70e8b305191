# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the reference document says about KV cache and totals of memory (chapters 3.3.2 to 3.3.5, appendices A, C)."""

from __future__ import annotations

from .claims import AT_LEAST, AT_MOST, DEVICE, SIZE, Claim

_KV = (
    Claim(
        "3.3.3.1",
        "bytes cached for a token of context",
        ("124,928",),
        "B",
        "K and V of 512 each, 2 bytes, 61 layers",
        own=("512 * 61 * 2 * 2",),
        derived=("kv_bytes_per_token",),
        reason="latent attention caches one row of {kv_width:.0f} for both",
    ),
    Claim(
        "3.3.3.1, C.3",
        "cached tensors a layer (K and V)",
        ("2",),
        "",
        "the cache's shape of ordinary attention",
        derived=("kv_heads",),
        reason="one latent of {kv_width:.0f}, whole on each rank",
    ),
    Claim(
        "3.3.3.2",
        "elements cached, steps 1 and 2; bytes, step 3",
        ("203.4", "406.8", "813.6"),
        "10^9",
        "K and V of 512 each",
        own=(
            "200 * 32768 * 512 * 61 / 1e9",
            "200 * 32768 * 512 * 61 * 2 / 1e9",
            "200 * 32768 * 512 * 61 * 2 * 2 / 1e9",
        ),
        derived=(
            "200 * 32768 * kv_width * layers / 1e9",
            "200 * 32768 * kv_width * layers / 1e9",
            "kv_cache_gb_total",
        ),
        reason="the steps are not what their own formula gives, and 813.6 is no 818.6 by alignment",
    ),
    *(
        Claim(
            "3.3.3.2, 3.3.5, A.4, C.4" if width == 512 else "3.3.3.2",
            f"KV cache of 200 x 32K with a width of {width}: all, a device's",
            (total, each),
            "GB",
            f"K and V of {width} each",
            own=(f"200 * 32768 * {width} * 61 * 2 * 2 / 1e9", f"200 * 32768 * {width} * 61 * 2 * 2 / 32 / 1e9"),
            derived=("kv_cache_gb_total", "kv_cache_gb_per_gpu_mean"),
            reason=reason + "; the fullest rank has {kv_cache_gb_per_gpu:.1f} GB",
            scope=SIZE,
        )
        for width, total, each, reason in (
            (512, "818.6", "25.6", "its own formula gives 818.7"),
            (1024, "1,637.2", "51.2", "its own formula gives 1,637.5; the width is not a matter of caution, it is 576"),
            (
                2048,
                "3,274.4",
                "102.4",
                "its own formula gives 3,274.9; the width is not a matter of caution, it is 576",
            ),
        )
    ),
    *(
        Claim(
            "3.3.3.2",
            f"memory of a device with a KV cache {width} wide",
            shown,
            "GB",
            "58.6-67.0 beside the KV cache",
            own=(f"58.6 + {kv}", f"67.0 + {kv}"),
            derived=(
                "weights_gb_per_gpu + kv_cache_gb_per_gpu + overhead_gb_low",
                "weights_gb_per_gpu + kv_cache_gb_per_gpu + overhead_gb_high",
            ),
            reason=reason,
            scope=DEVICE,
        )
        for width, kv, shown, reason in (
            (
                512,
                "25.6",
                ("84.2", "92.6"),
                "the weights are {weights_gb_per_gpu:.1f}, the KV cache of the fullest rank {kv_cache_gb_per_gpu:.1f}",
            ),
            (1024, "51.2", ("109.4", "118.4"), "the sums are 109.8 and 118.2"),
            (2048, "102.4", ("160.6", "169.6"), "the sums are 161.0 and 169.4"),
        )
    ),
    Claim(
        "3.3.3.1",
        "sequences whose KV cache a device holds",
        ("200",),
        "",
        "each device holds all",
        own=("200 / 32",),
        derived=("sessions_on_fullest_rank",),
        reason="data parallel ranks have sequences of their own: {sessions_per_rank:.2f} in the mean,"
        " {sessions_on_fullest_rank:.0f} on the fullest",
        scope=SIZE,
    ),
    Claim(
        "3.3.3.3",
        "sequences on a device in the mean",
        ("6.25",),
        own=("200 / 32",),
        derived=("sessions_per_rank",),
        reason="the fullest has {sessions_on_fullest_rank:.0f}, and decides whether it fits",
        scope=SIZE,
    ),
    Claim(
        "3.3.3.3, C.5",
        "the KV cache's share of a device",
        ("26.7",),
        "%",
        "25.6 of 96 GB",
        own=("25.6 / 96 * 100",),
        derived=("kv_cache_gb_per_gpu_mean / gpu_memory_gb * 100",),
        reason="{kv_cache_gb_per_gpu / gpu_memory_gb * 100:.1f} on the fullest rank",
        scope=DEVICE,
    ),
    Claim(
        "closing 2",
        "an FP8 KV cache on a device",
        ("12.8",),
        "GB",
        "half of 25.6",
        own=("25.6 / 2",),
        derived=("kv_cache_gb_per_gpu_mean(kv_cache_dtype='fp8')",),
        reason="half is right, of {kv_cache_gb_per_gpu_mean:.1f}",
        scope=SIZE,
    ),
)

_TOTALS = (
    Claim(
        "3.3.2",
        "memory of a device without KV cache",
        ("58.6", "67.0"),
        "GB",
        "weights 42.1, activations 8-12, EPLB 6.4-9.8, system 2-3",
        own=("42.1 + 8 + 6.4 + 2", "42.1 + 12 + 9.8 + 3"),
        derived=("weights_gb_per_gpu + overhead_gb_low", "weights_gb_per_gpu + overhead_gb_high"),
        reason="the sums are 58.5 and 66.9, elsewhere (3.3.5) 58.3-66.7",
        scope=DEVICE,
    ),
    Claim(
        "3.3.5",
        "memory of a device without KV cache",
        ("58.3", "66.7"),
        "GB",
        "weights 42.1, activations 8-12, EPLB 6.4-9.8, system 2-3",
        own=("42.1 + 8 + 6.4 + 2", "42.1 + 12 + 9.8 + 3"),
        derived=("weights_gb_per_gpu + overhead_gb_low", "weights_gb_per_gpu + overhead_gb_high"),
        reason="the same terms are 58.6-67.0 in 3.3.2, and sum to neither",
        scope=DEVICE,
    ),
    Claim(
        "3.3.5",
        "memory of a device with KV cache, and what is left of 96",
        ("83.9", "92.3", "12.1", "3.7"),
        "GB",
        "58.3-66.7 and a KV cache of 25.6",
        own=("58.3 + 25.6", "66.7 + 25.6", "96 - 83.9", "96 - 92.3"),
        derived=(
            "weights_gb_per_gpu + kv_cache_gb_per_gpu + overhead_gb_low",
            "weights_gb_per_gpu + kv_cache_gb_per_gpu + overhead_gb_high",
            "room_gib * 1.073741824 - overhead_gb_low",
            "room_gib * 1.073741824 - overhead_gb_high",
        ),
        reason="84.2-92.6 in other places; nothing is left of the budget",
        contradicts=True,
        scope=DEVICE,
    ),
    Claim(
        "closing 1",
        "what 84.2-92.6 leave of 96",
        ("11.8", "3.4"),
        "GB",
        "84.2-92.6 in all",
        own=("96 - 84.2", "96 - 92.6"),
        derived=("room_gib * 1.073741824 - overhead_gb_low", "room_gib * 1.073741824 - overhead_gb_high"),
        reason="3.7-12.1 in 3.3.5; nothing is left of the budget",
        contradicts=True,
        scope=DEVICE,
    ),
    Claim(
        "2, 3.3, 3.3.5, C.4",
        "BF16 and 200 x 32K fit: room for activations and buffers at 0.9, without and with 32 redundant experts",
        ("0", "0"),
        "GiB",
        "weights of 42.1 GB",
        derived=("room_gib(redundant_experts=0)", "room_gib(redundant_experts=32)"),
        relation=AT_LEAST,
        reason="of the fullest rank; {room_gib_mean(redundant_experts=0):.2f} on the mean one, and"
        " {overhead_gb_low / 1.073741824:.0f}-{overhead_gb_high / 1.073741824:.0f} are needed. Native FP8 fits:"
        " {room_gib(precision='fp8', redundant_experts=32):.0f} to"
        " {room_gib_mean(precision='fp8', redundant_experts=0):.0f}",
        scope=DEVICE,
    ),
    Claim(
        "2, 3.3.5, 7.1.2, 8.3.4",
        "the most of its memory a device may use, against 92.6 of 96 GB",
        ("90", "85"),
        "%",
        "limits of 90 % and of a 15 % margin: 86.4 and 81.6 GB",
        derived=("92.6 / 96 * 100",),
        relation=AT_MOST,
        contradicts=True,
        reason="84.2-92.6 GB are 88-96 %: more than either allows",
        scope=DEVICE,
    ),
    Claim(
        "3.3.2, A.4",
        "activations: in the budget, in the appendix",
        ("8", "12", "6", "10"),
        "GB",
        "two estimates of one thing",
        reason="one budget has one set of terms; the plan's overhead is {overhead_gb_low:.1f} to {overhead_gb_high:.1f}"
        " GB for activations, graphs and buffers together",
        contradicts=True,
        scope=DEVICE,
    ),
    Claim(
        "3.3.2, A.4",
        "EPLB's and routing's memory",
        ("6.4", "9.8"),
        "GB",
        "routing 0.6-0.8, activations 3.5-6, balancing 2.3-3.2",
        own=("0.6 + 3.5 + 2.3", "0.8 + 6 + 3.2"),
        reason="the upper ends sum to 10.0, and activations are counted twice. What 32 redundant experts take is"
        " {weights_gb_per_gpu(redundant_experts=32) - weights_gb_per_gpu(redundant_experts=0):.1f} GB",
        scope=SIZE,
    ),
    Claim(
        "app. C",
        "release whose source shows how expert parallelism divides the cache",
        ("0.6.4",),
        "release",
        "that it had expert parallelism over hosts",
        derived=("since(flag='--data-parallel-size-local')",),
        reason="before expert parallelism and latent attention existed there; EP with TP > 1 exists",
    ),
    Claim(
        "closing 4",
        "sessions that 64 and 128 devices have memory for",
        ("400", "800"),
        "",
        "in proportion to devices",
        own=("200 * 64 / 32", "200 * 128 / 32"),
        derived=(
            "sessions_capacity(gpus=64, precision='fp8', redundant_experts=0)",
            "sessions_capacity(gpus=128, precision='fp8', redundant_experts=0)",
        ),
        relation=AT_LEAST,
        reason="in FP8 the KV cache has room; what the ports carry does not grow as the memory does",
        scope=DEVICE,
    ),
)

MEMORY = (*_KV, *_TOTALS)
