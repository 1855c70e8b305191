# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the reference document says about the time to the first token (chapters 2, 3.5 and 8, appendices A and B)."""

from __future__ import annotations

from .claims import CEILING, DEVICE, FLOOR, SIZE, Claim
from .throughput import PORTS

# A prompt's own computation on the rank it is on, at peak, in ms; and the least its traffic takes, by any back end.
_HOME = "(prompt_matrices_s(input_tokens={0}) + prompt_attention_s(input_tokens={0})) * 1000"
_HOME_4K, _HOME_512 = _HOME.format(4096), _HOME.format(512)
_GATHERED = "backend='allgather_reducescatter', precision='fp8', version='0.19.1'"
_NETWORK_4K = f"prompt_network_overlapped_s(input_tokens=4096, {_GATHERED}) * 1000"
_BOUND = "ttft_bound_ms(precision='fp8', redundant_experts=32, input_tokens={}) / 1e3"
_HOME_REASON = (
    "with TP=1 attention and dense layers of a prompt run on one rank:"
    " {prompt_matrices_s(input_tokens=4096):.2f} s in BF16 or"
    " {prompt_matrices_s(input_tokens=4096, precision='fp8'):.2f} in FP8, and"
    " {prompt_attention_s(input_tokens=4096):.2f} for attention, at peak rates"
)

_PREFILL = (
    Claim(
        "3.5.1",
        "computation of a prompt of 4,096 tokens",
        ("303",),
        "TFLOP",
        "2 x 37e9 a token",
        own=("4096 * 37e9 * 2 / 1e12",),
        derived=("4096 * flops_per_token / 1e12",),
        reason="its matrices; attention comes on top of it",
    ),
    Claim(
        "3.5.1, A.6",
        "a prompt of 4,096 tokens on one device at its peak",
        ("2.05",),
        "s",
        "303 TFLOPs at 148 TFLOP/s",
        own=("303 / 148",),
        derived=("4096 * flops_per_token / (bf16_tflops * 1e12)",),
        reason="its matrices, were all of them on one device",
        scope=DEVICE,
    ),
    *(
        Claim(
            "3.5.1",
            f"prefill of 4,096 tokens, {name}",
            (shown,),
            "ms",
            "a prompt is divided over 32 devices",
            own=(own,),
            derived=(_HOME_4K,),
            relation=FLOOR,
            reason=_HOME_REASON,
            scope=DEVICE,
        )
        for name, shown, own in (
            ("ideal", "64", "2.05 / 32 * 1000"),
            ("realistic", "90", "64 * 1.4"),
            ("conservative", "115", "64 * 1.8"),
        )
    ),
    Claim(
        "3.5.1",
        "layers with experts, where ranks exchange tokens",
        ("30",),
        "",
        "not derived",
        derived=("moe_layers",),
        reason="58 in 3.1.2",
    ),
    *(
        Claim(
            "3.5.2",
            f"routing and experts, {name}",
            (shown,),
            "ms",
            "selection, dispatch, experts and combine",
            own=(own,),
            reason="the terms are assumed, and counted once instead of in each of {moe_layers:.0f} layers",
        )
        for name, shown, own in (
            ("ideal", "30", "3 + 12 + 8 + 7"),
            ("realistic", "35", "4 + 15 + 9 + 7"),
            ("conservative", "45", "6 + 20 + 12 + 7"),
        )
    ),
    *(
        Claim(
            "3.5.3",
            f"the engine's overhead, {name}",
            (shown,),
            "ms",
            "scheduling, launches, allocation and synchronisation",
            own=(own,),
            reason="the terms are assumed: measured on the service",
        )
        for name, shown, own in (
            ("ideal", "35", "15 + 8 + 3 + 9"),
            ("realistic", "40", "18 + 10 + 4 + 8"),
            ("conservative", "50", "25 + 15 + 5 + 5"),
        )
    ),
)

_NETWORK = (
    Claim(
        "3.5.4",
        "latency of NVLink, of RDMA and of an all-to-all",
        ("2", "10", "50"),
        "ms",
        "the benchmarks' thresholds of 2, 10 and 50 us",
        own=("2e-3", "10e-3", "50e-3"),
        reason="microseconds of 4.4.1 read as milliseconds",
    ),
    *(
        Claim(
            "3.5.4",
            f"network time of a prompt of 4,096 tokens, {name}",
            (shown,),
            "ms",
            "thresholds for small messages, once each",
            own=(own,),
            derived=(_NETWORK_4K,),
            relation=FLOOR,
            reason="{moe_layers:.0f} layers of dispatch and combine; all-gather takes"
            f" {{4096 * moe_layers * dispatch_bytes({_GATHERED}) / (nic_gbit_s / 8 * 1e9):.2f}} +"
            f" {{4096 * moe_layers * combine_bytes({_GATHERED}) / (nic_gbit_s / 8 * 1e9):.2f}} s",
            scope=SIZE,
        )
        for name, shown, own in (
            ("ideal", "82", "2 + 10 + 50 + 20"),
            ("warning", "123", "82 * 1.5"),
            ("failure", "164", "82 * 2"),
        )
    ),
    Claim(
        "3.5.4",
        "network time of a prompt of 4,096 tokens with one copy to each host",
        ("82",),
        "ms",
        "thresholds for small messages, once each",
        own=("2 + 10 + 50 + 20",),
        derived=(
            "prompt_network_overlapped_s(input_tokens=4096, backend='deepep_high_throughput', precision='fp8') * 1000",
        ),
        relation=FLOOR,
        reason="with dispatch and combine at once; in turn"
        " {prompt_network_s(input_tokens=4096, backend='deepep_high_throughput', precision='fp8'):.2f} s",
        scope=SIZE,
    ),
    Claim(
        "3.5.4, 2",
        "network time of a prompt of 512 tokens",
        ("82",),
        "ms",
        "thresholds for small messages, once each",
        own=("2 + 10 + 50 + 20",),
        derived=(f"prompt_network_s(input_tokens=512, {_GATHERED}) * 1000",),
        reason="gathered, out and back in turn",
        scope=SIZE,
    ),
)

_TOTALS = (
    *(
        Claim(
            "3.5.5, A.6",
            f"time to the first token of 4,096 tokens, {name}, and its margin to 1.2 s in %",
            (shown, margin),
            "ms",
            "prefill over 32 devices, routing, overhead, network",
            own=(own, f"(1200 - {shown}) / 1200 * 100"),
            derived=(f"max({_HOME_4K}, {_NETWORK_4K})", f"(1 - max({_HOME_4K}, {_NETWORK_4K}) / 1200) * 100"),
            relation=FLOOR,
            reason=_HOME_REASON,
            scope=DEVICE,
        )
        for name, shown, margin, own in (
            ("ideal", "211", "82", "64 + 30 + 35 + 82"),
            ("realistic", "288", "76", "90 + 35 + 40 + 123"),
            ("conservative", "374", "69", "115 + 45 + 50 + 164"),
        )
    ),
    Claim(
        "2",
        "time to the first token of 512 tokens",
        ("0.211", "0.374"),
        "s",
        "3.5 computes 4,096 tokens",
        own=("(64 + 30 + 35 + 82) / 1000", "(115 + 45 + 50 + 164) / 1000"),
        derived=(_BOUND.format(512),),
        relation=FLOOR,
        reason="the figures are those of 4,096 tokens. At 512 no less than what is derived, likely"
        " {ttft_ms(precision='fp8', redundant_experts=32, input_tokens=512) / 1e3:.2f} s",
        contradicts=True,
        scope=DEVICE,
    ),
    Claim(
        "1, 2, 3.1.1, 7.1.1",
        "time to the first token of 512 tokens: median, 95th and 99th percentile",
        ("0.8", "1.2", "1.5"),
        "s",
        "an objective",
        derived=(_BOUND.format(512),),
        relation=FLOOR,
        reason="plausible, and not shown: no less than what is derived, likely"
        " {ttft_ms(precision='fp8', redundant_experts=32, input_tokens=512) / 1e3:.2f} s in the median and"
        " {ttft_p99_ms(precision='fp8', redundant_experts=32, input_tokens=512) / 1e3:.2f} at the 99th percentile",
        scope=DEVICE,
    ),
    Claim(
        "1, 3.1.1, 7.1.1",
        "time to the first token of 4,096 tokens",
        ("2.0",),
        "s",
        "an objective",
        derived=(_BOUND.format(4096),),
        relation=FLOOR,
        reason="uncertain, and not shown: no less than what is derived, likely"
        " {ttft_ms(precision='fp8', redundant_experts=32, input_tokens=4096) / 1e3:.1f} s in the median",
        scope=DEVICE,
    ),
    Claim(
        "B.4",
        "time to the first token, ideal and real, and how much worse in %",
        ("115.0", "170.0", "47.9"),
        "ms",
        "a model of synchronisation that is not given",
        own=("115", "170", "(170 / 115 - 1) * 100"),
        reason="the ratio of its own figures is 47.8 %; 3.5.5 has 211 to 374 ms",
    ),
    Claim(
        "B.4",
        "what makes it worse: synchronisation, critical sections, long tails",
        ("39.5", "33.8", "26.7"),
        "%",
        "a model that is not given",
        reason="the shares sum to 100, and no measurement is behind them",
    ),
    Claim(
        "8.1",
        "time to the first token, before and after optimisation",
        ("170", "122"),
        "ms",
        "122 is B.2's communication alone",
        derived=(_HOME_4K,),
        relation=FLOOR,
        reason=_HOME_REASON,
        scope=DEVICE,
    ),
)

_ROUTING = (
    Claim(
        "8.1, 8.2, B.2",
        "time that 2.8 GB take between hosts",
        ("9.77",),
        "s",
        "not derived",
        derived=("nic_seconds(bytes=2.8e9)",),
        reason="through one host's ports",
        scope=SIZE,
    ),
    Claim(
        "8.3.1, B.2",
        "the same in chunks of 4,096 tokens, and how much less in %",
        ("1.22", "87.5"),
        "s",
        "divided by eight",
        own=("9.77 / 8", "(1 - 1 / 8) * 100"),
        derived=("nic_seconds(bytes=2.8e9)", "0"),
        reason="in chunks the same bytes go through the same ports",
        scope=SIZE,
    ),
    Claim(
        "B.2",
        "the same in FP8 and chunks",
        ("122",),
        "ms",
        "half of 1.22 s",
        own=("1.22 / 2 * 1000",),
        derived=("nic_seconds(bytes=1.4e9) * 1000",),
        reason="half of 1.22 s is 0.61 s",
        scope=SIZE,
    ),
    Claim(
        "B.2, 8.1",
        "how often 9.77 s and 122 ms exceed the budget",
        ("48.9", "0.61"),
        "",
        "a budget of 0.2 s",
        own=("9.77 / 0.2", "0.122 / 0.2"),
        derived=("nic_seconds(bytes=2.8e9) / 1.2", "nic_seconds(bytes=1.4e9) / 1.2"),
        reason="the budget is 1.2 s in all other places",
        contradicts=True,
        scope=SIZE,
    ),
    Claim(
        "8.2, B.2",
        "what 200 contexts of 32K move between hosts",
        ("0.0028",),
        "TB",
        "not derived",
        derived=(
            "200 * 32768 * port_bytes_per_token(backend='deepep_high_throughput', precision='fp8') * hosts / 1e12",
        ),
        reason="{moe_layers:.0f} layers of dispatch and combine for 6.55e6 tokens",
        scope=SIZE,
    ),
    Claim(
        "8.1, B.2",
        "time that the traffic of 200 contexts of 32K takes",
        ("9.77",),
        "s",
        "not derived",
        derived=(f"200 * 32768 / {PORTS}",),
        relation=FLOOR,
        reason=f"6.55e6 tokens at {{{PORTS}:,.0f}} a second",
        scope=SIZE,
    ),
    Claim(
        "B.5",
        "improvement of communication and of the memory's reckoning",
        ("98.8", "695"),
        "%",
        "9.77 s to 122 ms; not derived",
        own=("(9.77 - 0.122) / 9.77 * 100", "695"),
        reason="both ends of the first are wrong; the second has no figures behind it",
        scope=SIZE,
    ),
    Claim(
        "4.6.5",
        "tokens/s before and after the network's improvement",
        ("8,500", "11,000"),
        "tokens/s",
        "invented for the comparison",
        derived=(PORTS,),
        relation=CEILING,
        reason="35,000 to 45,000 in all other places",
        scope=SIZE,
    ),
)

FIRST_TOKEN = (*_PREFILL, *_NETWORK, *_TOTALS, *_ROUTING)
