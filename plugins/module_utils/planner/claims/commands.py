# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the reference document says about releases, command lines and tests (its chapters 3.2 and 5 to 7)."""

from __future__ import annotations

from .claims import DEVICE, FLOOR, SIZE, Claim

# On disk the prediction layer has an embedding and a head of its own.
_STORED = "(total_parameters + prediction_parameters + embedding_parameters + head_parameters)"
_GONE = "gone since {removed(flag='--eplb-window-size'):}: a part of --eplb-config"

_RELEASES = (
    *(
        Claim("5.1, 6.2.1", f"first release with {flag}", (shown,), "release", "", (), derived, reason)
        for flag, shown, derived, reason in (
            ("--enable-eplb", "0.6.0", ("since(flag='--enable-eplb')",), "read from the releases' sources"),
            (
                "--enable-expert-parallel over several hosts",
                "0.5.0",
                ("since(flag='--data-parallel-size-local')",),
                "data parallel ranks on several hosts came then; inside one host it is older",
            ),
            ("--num-redundant-experts", "0.6.0", ("since(flag='--num-redundant-experts')",), _GONE),
            ("--eplb-window-size", "0.6.0", ("since(flag='--eplb-window-size')",), _GONE),
            ("--eplb-step-interval", "0.6.0", ("since(flag='--eplb-step-interval')",), _GONE),
            ("--eplb-log-balancedness", "0.6.0", ("since(flag='--eplb-log-balancedness')",), _GONE),
            (
                "--data-parallel-size over several hosts",
                "0.1.0",
                ("since(flag='--data-parallel-size-local')",),
                "with a size on each host, a start rank, an address and a port",
            ),
            ("--tensor-parallel-size", "0.1.0", ("since(flag='--tensor-parallel-size')",), ""),
            ("--pipeline-parallel-size", "0.2.0", ("since(flag='--pipeline-parallel-size')",), ""),
            ("VLLM_USE_DEEP_GEMM", "0.6.0", ("since(flag='VLLM_USE_DEEP_GEMM')",), ""),
            (
                "VLLM_ALL2ALL_BACKEND",
                "0.5.0",
                ("since(flag='VLLM_ALL2ALL_BACKEND')",),
                "gone since {removed(flag='VLLM_ALL2ALL_BACKEND'):}: --all2all-backend",
            ),
            ("GLOO_SOCKET_IFNAME", "0.4.0", (), "gloo's own, in every release; not the management network's eth0"),
            ("VLLM_ENABLE_V1_MULTIPROCESSING", "0.6.0", (), "not examined, and not needed here"),
        )
    ),
    Claim(
        "5.2, 6.1",
        "steps between two rebalances",
        ("100",),
        "steps",
        "6.1 has 3,000",
        own=("3000",),
        reason="--eplb-rebalance-freq never existed; it is step_interval of --eplb-config",
    ),
    Claim(
        "5.2",
        "NCCL_NET_GDR_LEVEL",
        ("3",),
        assumption="switches GPUDirect RDMA on",
        reason="leave it unset: NCCL decides by topology, and NCCL_IB_DISABLE=0 is the default",
    ),
)

_COMMANDS = (
    Claim(
        "6.1",
        "--max-num-seqs",
        ("200",),
        "sequences a rank",
        "the limit of the whole service",
        derived=("sessions_on_fullest_rank",),
        reason="it is per rank: {200 * gpus:,.0f} in all",
        scope=SIZE,
    ),
    Claim(
        "6.1",
        "bytes of a parameter in deepseek-ai/DeepSeek-V3",
        ("2",),
        "B",
        "the checkpoint is BF16",
        derived=(f"checkpoint_gb(precision='fp8') * 1e9 / {_STORED}",),
        reason="the released checkpoint is FP8, {checkpoint_gb(precision='fp8'):.0f} GB: native FP8 is not quantised"
        " further",
    ),
    Claim(
        "3.2.1, 3.2.3",
        "expert parallel size when it 'equals TP_SIZE'",
        ("1",),
        "",
        "TP_SIZE is 1; elsewhere it is TP x DP",
        own=("1 * 32",),
        derived=("gpus",),
        reason="EP = TP x DP = {gpus:.0f}; with TP=2 it is {gpus(tensor=2):.0f}, too",
        scope=SIZE,
    ),
    Claim(
        "3.2.1, 3.2.5, C.2",
        "the only tensor parallel size with expert parallelism",
        ("1",),
        assumption="a limit of vLLM",
        reason="TP > 1 works with expert parallelism; the plan's alternatives have other layouts",
        contradicts=True,
    ),
)

_TESTS = (
    Claim(
        "7.1.1",
        "samples for a 99th percentile",
        ("30",),
        "",
        "30 iterations show it",
        derived=("10 / (1 - 0.99)",),
        reason="ten samples beyond it are the least",
    ),
    Claim(
        "7.1.1",
        "devices that `vllm bench latency` with TP=1 needs",
        ("1",),
        "",
        "it measures the service",
        derived=("ceil(checkpoint_gb(precision='fp8') / budget_gb_per_gpu)",),
        reason="it loads the whole model itself, on one device: {checkpoint_gb(precision='fp8'):.0f} GB. Against the"
        " service it is `vllm bench serve`",
        scope=DEVICE,
    ),
    Claim(
        "7.1.2",
        "length of the test with 1,000 prompts at 3.33/s",
        ("60",),
        "minutes",
        "1,000 prompts last an hour",
        own=("1000 / 3.33 / 60",),
        derived=("1000 / 3.33 / 60",),
        reason="as many prompts as the time needs: {3.33 * 3600:,.0f}",
    ),
    Claim(
        "7.1.2",
        "length of the test with 200 prompts, all at once",
        ("15",),
        "minutes",
        "200 prompts last a quarter of an hour",
        reason="one answer each, then it is over; --duration does not exist. As many prompts as the time needs",
        contradicts=True,
    ),
    Claim(
        "7.2.1",
        "rebalances in 1,000 steps",
        ("1", "3"),
        "",
        "an interval of 3,000 steps in 6.1",
        own=("1000 / 3000", "1000 / 3000"),
        derived=("1000 / 3000",),
        reason="one in 3,000",
    ),
    Claim(
        "7.2.1",
        "time of a rebalance",
        ("100",),
        "ms",
        "not derived",
        derived=("rebalance_seconds(precision='fp8') * (1 - 1 / hosts) * 1000",),
        relation=FLOOR,
        reason="moving one expert a layer and rank is {rebalance_gb_per_host(precision='fp8'):.0f} GB a host:"
        " {rebalance_seconds(precision='fp8') * (1 - 1 / hosts):.1f} to {rebalance_seconds(precision='fp8'):.1f} s"
        " through its ports. Asynchronous in newer releases; measured",
        scope=SIZE,
    ),
    Claim(
        "7.2.1, A.7",
        "variance of experts' use",
        ("20",),
        "%",
        "an objective",
        reason="judged by EPLB's balancedness and per-engine counters; a service has no get_expert_usage_stats()",
    ),
    Claim(
        "6.2.4, 7.2.2",
        "EPLB's effect on the 99th percentile and on utilisation",
        ("10", "20", "3", "8"),
        "%",
        "not derived",
        reason="measured with it and without",
    ),
    Claim(
        "2",
        "what the network's optimisation gains",
        ("5", "8"),
        "%",
        "not derived",
        reason="where the ports are the limit they are all of it",
    ),
)

COMMANDS = (*_RELEASES, *_COMMANDS, *_TESTS)
