# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the reference document says about throughput (its chapters 1, 2, 3.4 and 8, appendix A)."""

from __future__ import annotations

from .claims import CEILING, DEVICE, FLOOR, SIZE, Claim

# The highest ceiling that its ports set: one copy of a token to each host that has one of its experts, in FP8.
PORTS = "network_bound_tokens_s(backend='deepep_high_throughput', precision='fp8')"
PORTS_LOW_LATENCY = "network_bound_tokens_s(backend='deepep_low_latency', precision='fp8')"
_BYTES = "port_bytes_per_token(backend='deepep_high_throughput', precision='fp8')"
_BYTES_LOW_LATENCY = "port_bytes_per_token(backend='deepep_low_latency', precision='fp8')"
ABOVE_PORTS = f"the ports between the hosts carry at most {{{PORTS}:,.0f}} tokens/s"
_GATHERED = "network_bound_tokens_s(backend='allgather_reducescatter',"

_RATES = (
    *(
        Claim(
            "3.4.2",
            f"tokens/s at {share} % of the peak: a device, the cluster",
            (each, cluster),
            "tokens/s",
            "69.5 TFLOPs a token taken as GFLOPs",
            own=(f"{tflops}e12 / 69.5e9", f"{tflops}e12 / 69.5e9 * 32"),
            derived=(
                f"{share} / 100 * bf16_tflops * 1e12 / flops_per_token",
                f"{share} / 100 * bf16_tflops * 1e12 / flops_per_token * gpus",
            ),
            reason=f"{tflops} / 69.5 is {float(tflops) / 69.5:.3f}: 1,000 times again, so that the two cancel. At short"
            " contexts, of compute alone",
            contradicts=True,
            scope=DEVICE,
        )
        for share, tflops, each, cluster in (
            (30, "44.4", "639", "20,443"),
            (50, "74.0", "1,065", "34,072"),
            (70, "103.6", "1,491", "47,701"),
            (85, "125.8", "1,810", "57,922"),
        )
    ),
    *(
        Claim(
            "3.4.2",
            f"tokens/s of the cluster at {share} % of the peak, with a factor of {factor} for experts",
            (shown,),
            "tokens/s",
            "compute is what limits it",
            own=(f"{cluster} * {factor}",),
            derived=(PORTS,),
            relation=CEILING,
            reason=ABOVE_PORTS,
            scope=SIZE,
        )
        for share, cluster, factor, shown in (
            (30, 20443, 0.75, "15,332"),
            (50, 34072, 0.80, "27,258"),
            (70, 47701, 0.85, "40,546"),
            (85, 57922, 0.90, "52,130"),
        )
    ),
    *(
        Claim(
            "3.4.3",
            f"tokens/s with optimisations, {name}",
            (shown,),
            "tokens/s",
            f"{base} times {factor}",
            own=(f"{base} * {factor}",),
            derived=(PORTS,),
            relation=CEILING,
            reason=ABOVE_PORTS + "; the factors are no measurements",
            scope=SIZE,
        )
        for name, base, factor, shown in (
            ("conservative", 15332, 1.35, "20,698"),
            ("medium", 27258, 1.55, "42,250"),
            ("optimistic", 40546, 1.12, "45,412"),
            ("ideal", 52130, 1.08, "56,300"),
        )
    ),
    Claim(
        "3.4.3",
        "the target's attainment, four rows",
        ("41.4", "84.5", "90.8", "112.6"),
        "%",
        "of 50,000 tokens/s",
        own=tuple(f"{value} / 50000 * 100" for value in (20698, 42250, 45412, 56300)),
        derived=(f"{PORTS} / 50000 * 100",),
        relation=CEILING,
        reason=ABOVE_PORTS,
        scope=SIZE,
    ),
    Claim(
        "3.4.5",
        "highest tokens/s to be expected, and its attainment",
        ("45,076", "90"),
        "tokens/s, %",
        "of 50,000 tokens/s",
        own=("45076", "45076 / 50000 * 100"),
        derived=(PORTS, f"{PORTS} / 50000 * 100"),
        relation=CEILING,
        reason=ABOVE_PORTS + "; 3.4.3 has 45,412 and 56,300",
        scope=SIZE,
    ),
    Claim(
        "1, 2, 3.4, 7.1.2, 8",
        "decode with 200 sessions, against the ports with one copy to each host",
        ("35,000", "45,000", "50,000"),
        "tokens/s",
        "compute is what limits it",
        derived=(PORTS,),
        relation=CEILING,
        reason="limited by the ports: {nic_gbit_s:g} Gb/s a host / "
        f"{{{_BYTES} / 1e6:.3f}} MB a token. 35,000 / 50,000 need {{35000 * {_BYTES} * 8 / 1e9:.0f}} /"
        f" {{50000 * {_BYTES} * 8 / 1e9:.0f}} Gb/s a host with one copy to each host,"
        f" {{35000 * {_BYTES_LOW_LATENCY} * 8 / 1e9:.0f}} / {{50000 * {_BYTES_LOW_LATENCY} * 8 / 1e9:.0f}} without;"
        " then memory is the limit, at {hbm_bound_tokens_s(context_tokens=1, precision='fp8'):,.0f} tokens/s",
        scope=SIZE,
    ),
    Claim(
        "3.2.2, 6.1",
        "decode with 200 sessions, against the ports with the back end of its commands",
        ("35,000", "45,000", "50,000"),
        "tokens/s",
        "deepep_low_latency on these ports",
        derived=(PORTS_LOW_LATENCY,),
        relation=CEILING,
        reason="one copy to each expert: {copies_sent(backend='deepep_low_latency'):.0f} of {experts_per_token:.0f}"
        " leave the host",
        scope=SIZE,
    ),
    *(
        Claim(
            "1, 2, 3.4, 8",
            f"decode with 200 sessions, against the ports with all-gather and {name} dispatch",
            ("35,000", "45,000", "50,000"),
            "tokens/s",
            "compute is what limits it",
            derived=(f"{_GATHERED} precision='{precision}', version='{release}')",),
            relation=CEILING,
            reason=f"vLLM's default back end; so in {release}",
            scope=SIZE,
        )
        for name, precision, release in (("BF16", "bf16", "0.19.0"), ("FP8", "fp8", "0.19.1"))
    ),
    *(
        Claim(
            "1, 2, 3.4, 8",
            f"decode with 200 sessions, against memory with {name} weights, whatever the network",
            ("35,000", "45,000", "50,000"),
            "tokens/s",
            "compute is what limits it",
            derived=(f"hbm_bound_tokens_s(context_tokens=1, precision='{precision}')",),
            relation=CEILING,
            reason="short contexts, no drafted tokens: each step reads a rank's weights for 200 tokens. 35,000 to"
            " 50,000 take a step of 5.7 to 4.0 ms, this is"
            f" {{200e3 / hbm_bound_tokens_s(context_tokens=1, precision='{precision}'):.1f}}",
            scope=DEVICE,
        )
        for name, precision in (("BF16", "bf16"), ("FP8", "fp8"))
    ),
    Claim(
        "1, 2, 3.4, 8",
        "decode with 200 sessions of 32K, against compute",
        ("35,000", "45,000", "50,000"),
        "tokens/s",
        "FLOPs of a token don't depend on its context",
        derived=("attention_bound_tokens_s",),
        relation=CEILING,
        reason="attention alone, {decode_attention_flops / 1e9:.0f} GFLOPs a token in BF16; with the rest"
        " {compute_bound_tokens_s(precision='fp8'):,.0f} in FP8, {compute_bound_tokens_s:,.0f} in BF16",
        scope=DEVICE,
    ),
    Claim(
        "1, 4.1",
        "a port of 25 Gb/s a host is enough for 35,000 and for 50,000 tokens/s",
        ("25", "25"),
        "Gb/s",
        "communication is a factor of 0.85 to 0.95",
        derived=(f"35000 * {_BYTES} * 8 / 1e9", f"50000 * {_BYTES} * 8 / 1e9"),
        relation=FLOOR,
        reason="with one copy to each host; without"
        f" {{35000 * {_BYTES_LOW_LATENCY} * 8 / 1e9:.0f}} and {{50000 * {_BYTES_LOW_LATENCY} * 8 / 1e9:.0f}}",
        scope=SIZE,
    ),
)

_FACTORS = (
    Claim(
        "3.4.3, 3.4.4, A.5",
        "what optimisations multiply throughput by, three ranges",
        ("1.08", "1.55", "1.15", "1.74", "1.18", "1.48"),
        "",
        "gains of continuous batching, PagedAttention, CUDA graphs and EPLB on top",
        reason="three ranges for one thing; continuous batching and PagedAttention are what vLLM is, not gains on top."
        " Each of the others is an experiment",
        contradicts=True,
    ),
    Claim(
        "A.5",
        "the plain product of four gains",
        ("1.43",),
        "",
        "gains that don't touch one another",
        own=("1.15 * 1.10 * 1.05 * 1.08",),
        reason="the factors are not measured",
    ),
    Claim(
        "3.4.3, 6.2.4, 7.2.2",
        "what EPLB gains, two ranges",
        ("5", "15", "3", "12"),
        "%",
        "two estimates of one thing",
        reason="it depends on how uneven the experts are: measured with it and without",
        contradicts=True,
    ),
    Claim(
        "3.4.3",
        "losses to routing, imbalance, communication and synchronisation",
        ("25", "10"),
        "%",
        "6 + 7.1 + 9.6 + 7.0",
        own=("6 + 7.1 + 9.6 + 7.0", "6 + 7.1 + 9.6 + 7.0"),
        reason="3.4.2 takes factors of 0.75 to 0.90, its losses make 0.70",
    ),
    *(
        Claim(
            "3.4.4",
            f"tokens/s for 10 % more {name}",
            shown,
            "tokens/s",
            assumption,
            own=own,
            reason=reason,
        )
        for name, shown, assumption, own, reason in (
            (
                "efficiency of experts",
                ("2,500", "4,800"),
                "throughput in proportion, as in 3.4.2",
                ("15332 * 0.1", "52130 * 0.1"),
                "10 % of its own 15,332 to 52,130 are other figures; where the ports bind it changes nothing",
            ),
            (
                "utilisation",
                ("1,400", "4,800"),
                "throughput in proportion, as in 3.4.2",
                ("15332 * 0.1", "52130 * 0.1"),
                "10 % of its own 15,332 to 52,130 are other figures; where the ports bind it changes nothing",
            ),
            (
                "optimisation",
                ("1,400", "3,800"),
                "throughput in proportion, as in 3.4.3",
                ("20698 * 0.1", "56300 * 0.1"),
                "10 % of its own 20,698 to 56,300 are other figures; where the ports bind it changes nothing",
            ),
            (
                "network efficiency",
                ("700", "2,400"),
                "not derived",
                (),
                "where the ports bind it is 10 %; the plan's sensitivity has it for its own cluster",
            ),
        )
    ),
    Claim(
        "closing",
        "throughput to be monitored",
        ("100",),
        "tokens/s",
        "left over from something else",
        own=("50000",),
        reason="the target is 50,000; gradient updates in the same list belong to training",
    ),
)

THROUGHPUT = (*_RATES, *_FACTORS)
