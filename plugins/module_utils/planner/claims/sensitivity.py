# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the reference document says about the network's effects and topology (its chapters 4.5 and 4.6)."""

from __future__ import annotations

from .claims import AT_MOST, DEVICE, FLOOR, SIZE, Claim

_AT = "network_bound_tokens_s(nic_gbit_s={})"

_DELAY_AND_RATE = (
    *(
        Claim(
            "4.5.1, 4.5.5",
            f"time to the first token with {delay} ms more between the hosts",
            shown,
            "% more",
            "the delay counts once",
            derived=(f"2 * moe_layers * {delay} / 288 * 100",),
            relation=FLOOR,
            reason="dispatch and combine of {moe_layers:.0f} layers wait for one another: "
            f"{{2 * moe_layers * {delay} / 1e3:.2f}} s, beside its own 0.288 s. Delays of tc act on sockets and"
            " Soft-RoCE only: hardware RDMA bypasses the kernel's queues",
            scope=SIZE,
        )
        for delay, shown in (
            (5, ("2", "5")),
            (10, ("5", "10")),
            (20, ("10", "20")),
            (50, ("25", "40")),
            (100, ("50", "80")),
        )
    ),
    *(
        Claim(
            "4.5.1",
            f"tokens/s with {delay} ms more between the hosts",
            shown,
            "% less",
            "not derived",
            reason="no arithmetic is given; a decode step would take"
            f" {{2 * moe_layers * {delay} / 1e3:.2f}} s longer, for dispatch and combine of each layer",
            scope=SIZE,
        )
        for delay, shown in (
            (5, ("1", "3")),
            (10, ("3", "7")),
            (20, ("7", "15")),
            (50, ("15", "30")),
            (100, ("30", "50")),
        )
    ),
    *(
        Claim(
            "4.5.2",
            f"at {rate} Gb/s: all-to-all and tokens/s left, experts' latency more",
            shown,
            "% of 25 Gb/s",
            "less than in proportion",
            derived=(
                f"{rate} / 25 * 100",
                f"{rate} / 25 * 100",
                f"{_AT.format(rate)} / {_AT.format(25)} * 100",
                f"{_AT.format(rate)} / {_AT.format(25)} * 100",
                f"(25 / {rate} - 1) * 100",
                f"(25 / {rate} - 1) * 100",
            ),
            reason="large messages, and tokens/s where the ports are the limit, are in proportion",
            scope=SIZE,
        )
        for rate, shown in (
            (25, ("100", "100", "100", "100", "0", "0")),
            (20, ("85", "90", "90", "95", "10", "15")),
            (15, ("70", "80", "75", "85", "20", "30")),
            (10, ("50", "65", "60", "75", "40", "60")),
            (5, ("25", "40", "35", "50", "80", "120")),
        )
    ),
    Claim(
        "4.5.5, 4.5.2",
        "tokens/s lost for each 20 % of bandwidth",
        ("10", "15"),
        "%",
        "4.5.2 has 90-95 % left at 20 Gb/s",
        own=("100 - 95", "100 - 90"),
        derived=(f"(1 - {_AT.format(20)} / {_AT.format(25)}) * 100",),
        reason="two figures for one thing; where the ports are the limit, in proportion",
        scope=SIZE,
    ),
    Claim(
        "4.5.5",
        "experts' latency for 50 % more latency of the all-to-all",
        ("30", "40"),
        "%",
        "not derived",
        reason="no arithmetic is given; measured",
    ),
)

_FAULTS = (
    Claim(
        "4.5.4",
        "performance lost with one link",
        ("20", "30"),
        "%",
        "other links go on",
        derived=("100 / nics_per_host",),
        reason="a host's only port: losing it is an outage of the whole expert parallel group",
        scope=SIZE,
    ),
    Claim(
        "4.5.4",
        "performance lost with one host",
        ("25",),
        "%",
        "8 of 32 devices",
        own=("8 / 32 * 100",),
        reason="a group of ranks stops as a whole; what runs again on the rest is in the plan's contingencies",
        scope=SIZE,
    ),
    Claim(
        "4.5.4",
        "heads left over with --tensor-parallel-size 24",
        ("0",),
        "",
        "any number of ranks divides a layer",
        derived=("heads % 24",),
        reason="{heads:.0f} heads can't be divided by 24. DP=24: EPLB needs {-experts % 24:.0f} redundant experts"
        " ({experts_per_gpu(gpus=24, redundant_experts=8):.0f} a rank), without it uneven is allowed",
        scope=SIZE,
    ),
    Claim(
        "4.5, 7.1",
        "the tensor parallel size of its benchmarks",
        ("32",),
        "",
        "3.2 fixes it at 1",
        own=("1",),
        reason="the service is measured as it runs, with `vllm bench serve`",
    ),
    Claim(
        "4.5.4",
        "time to recover once the network is back",
        ("30",),
        "s",
        "ranks go on where they stopped",
        derived=("load_seconds(precision='fp8')",),
        relation=AT_MOST,
        reason="ranks that lost one another start again, and read {checkpoint_gb(precision='fp8'):.0f} GB at"
        " 10 Gb/s: from one server to four hosts {load_seconds_shared(precision='fp8') / 60:.0f} minutes",
        scope=SIZE,
    ),
)

_TOPOLOGY = (
    Claim(
        "4.6.1",
        "what 5-10 instead of 1-2 us of latency add to an all-to-all",
        ("300",),
        "%",
        "7.5 against 1.5 us",
        own=("(7.5 / 1.5 - 1) * 100",),
        reason="its own means differ by 400 %; large messages don't feel it",
    ),
    Claim(
        "4.6.1",
        "bandwidth short of 800 Gb/s",
        ("62.5",),
        "%",
        "300 Gb/s between the hosts",
        own=("(1 - 300 / 800) * 100",),
        derived=("(1 - hosts * nic_gbit_s / 800) * 100",),
        reason="{hosts:.0f} ports of {nic_gbit_s:g}",
        scope=SIZE,
    ),
    Claim(
        "4.6.2",
        "a token's bytes",
        ("8192",),
        "B",
        "a hidden state 4,096 wide",
        own=("4096 * 2",),
        derived=("dispatch_bytes(precision='bf16', backend='deepep_high_throughput')",),
        reason="{hidden_size:.0f} wide",
    ),
    Claim(
        "4.6.2",
        "bytes of a batch of 1,024 tokens inside hosts and between them",
        ("167.8", "503.3"),
        "MB",
        "1,024 tokens of 8,192 B to eight experts",
        own=("1024 * 8192 * 0.25 * 8 / 1e6", "1024 * 8192 * 0.75 * 8 / 1e6"),
        derived=(
            "1024 * 2 * hidden_size * experts_per_token / hosts / 1e6",
            "1024 * 2 * hidden_size * experts_per_token * (1 - 1 / hosts) / 1e6",
        ),
        reason="ten times what its own formula gives; one layer, one way, and a host gets one copy with some back ends",
        scope=SIZE,
    ),
    Claim(
        "4.6.2, 4.6.5",
        "traffic that goes to other hosts",
        ("75",),
        "%",
        "three of four hosts",
        own=("3 / 4 * 100",),
        derived=("(1 - 1 / hosts) * 100",),
        reason="of copies to experts; with one copy to each host {expected_hosts:.2f} of {hosts:.0f} hosts",
        scope=SIZE,
    ),
    Claim(
        "4.6.3",
        "tokens/s gained with twice the ports",
        ("20", "30"),
        "%",
        "not derived",
        derived=("(network_bound_tokens_s(nics_per_host=2) / network_bound_tokens_s(nics_per_host=1) - 1) * 100",),
        reason="where the ports are the limit, in proportion",
        scope=SIZE,
    ),
    Claim(
        "4.6.3",
        "bandwidth between hosts with twice the ports",
        ("600",),
        "Gb/s",
        "twice 300",
        own=("2 * 300",),
        derived=("2 * hosts * nic_gbit_s(nics_per_host=1)",),
        reason="{hosts:.0f} hosts of two ports",
        scope=SIZE,
    ),
    Claim(
        "4.6.3",
        "traffic saved and performance gained by placing experts",
        ("30", "15"),
        "%",
        "not derived",
        reason="routing is by group, and balanced: measured with expert statistics of one's own traffic",
    ),
    Claim(
        "4.6.5",
        "improvements: first token, tokens/s, all-to-all, traffic between hosts",
        ("21", "29", "29", "31"),
        "%",
        "invented figures before and after",
        own=(
            "(120 - 95) / 120 * 100",
            "(11000 - 8500) / 8500 * 100",
            "(45 - 32) / 45 * 100",
            "(75 - 52) / 75 * 100",
        ),
        reason="the arithmetic is right, what it starts from is not measured; the plan's alternatives are computed",
    ),
    Claim(
        "4.6.5",
        "time until an upgrade has paid for itself",
        ("7.5",),
        "months",
        "50,000 against 80,000 a year",
        own=("50000 / 80000 * 12",),
        reason="the arithmetic is right, costs and savings are invented: they are inputs",
    ),
    Claim(
        "4.6.5",
        "time to the first token before the improvement",
        ("120",),
        "ms",
        "3.5.5 has 211",
        own=("211",),
        derived=("(prompt_matrices_s(input_tokens=4096) + prompt_attention_s(input_tokens=4096)) * 1000",),
        relation=FLOOR,
        reason="two figures for one thing; a 4K prompt computes longer than that",
        scope=DEVICE,
    ),
)

SENSITIVITY = (*_DELAY_AND_RATE, *_FAULTS, *_TOPOLOGY)
