# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the reference document says about the model, the devices and the weights (chapters 1 to 3.3.2, appendix A)."""

from __future__ import annotations

from .claims import DEVICE, SIZE, Claim

_MODEL = (
    Claim(
        "3.1.2, A.1",
        "parameters of the main model, and active for a token",
        ("671", "37"),
        "10^9 parameters",
        "published figures",
        derived=("total_parameters / 1e9", "active_parameters / 1e9"),
        reason="{multiplied_parameters / 1e9:.1f}e9 of the active ones multiply; the embedding is a look-up",
    ),
    Claim(
        "3.1.2",
        "parameters with the multi-token prediction module",
        ("685",),
        "10^9 parameters",
        "the module's own embedding and head counted",
        own=("671 + 14",),
        derived=("(total_parameters + prediction_parameters + embedding_parameters + head_parameters) / 1e9",),
        reason="the module alone has {prediction_parameters / 1e9:.2f}e9, and is not loaded unless tokens are drafted",
    ),
    Claim(
        "3.1.2, A.1",
        "layers: all, with experts, dense",
        ("61", "58", "3"),
        derived=("layers", "moe_layers", "layers - moe_layers"),
        reason="as in the published configuration",
    ),
    Claim(
        "3.1.2, A.1",
        "experts: a layer's routed ones, with the shared one, in all, for each token, with the shared one",
        ("256", "257", "14,906", "8", "9"),
        own=("256", "256 + 1", "58 * 257", "8", "8 + 1"),
        derived=("experts", "experts + 1", "moe_layers * (experts + 1)", "experts_per_token", "experts_per_token + 1"),
        reason="as in the published configuration",
    ),
    Claim(
        "3.1.2, A.1",
        "widths: hidden state, an expert, the latent without its positional part; heads",
        ("7168", "2048", "512", "128"),
        derived=("hidden_size", "expert_width", "kv_width - 64", "heads"),
        reason="as in the published configuration; {kv_width:.0f} are cached, 64 of them for positions",
    ),
    Claim(
        "3.1.3, A.2",
        "a device's memory",
        ("96",),
        "GB",
        "the nominal size taken as decimal",
        derived=("gpu_memory_gb",),
        reason="the nominal 96 is binary; torch reports {gpu_memory_gb / 1.073741824:.1f} GiB, of which the engine may"
        " take {budget_gb_per_gpu / 1.073741824:.1f} at 0.9",
        scope=DEVICE,
    ),
    Claim(
        "3.1.3, A.2",
        "a device's BF16 and FP8 peaks",
        ("148", "296"),
        "TFLOP/s",
        derived=("bf16_tflops", "fp8_tflops"),
        reason="published figures",
        scope=DEVICE,
    ),
    Claim(
        "3.1.3, A.2",
        "a device's memory bandwidth",
        ("4.0",),
        "TB/s",
        derived=("hbm_gb_s / 1e3",),
        reason="a published figure",
        scope=DEVICE,
    ),
    Claim(
        "3.1.4, 4.1.2, 4.4.2, A.2",
        "NVLink of a device, both directions",
        ("900",),
        "GB/s",
        derived=("2 * nvlink_gb_s",),
        reason="{nvlink_gb_s:.0f} in each direction",
        scope=DEVICE,
    ),
    Claim(
        "4.6.3, 4.1.2",
        "NVLink of a device in two places",
        ("600", "900"),
        "GB/s",
        "the previous generation's figure in one of them",
        derived=("2 * nvlink_gb_s",),
        reason="{2 * nvlink_gb_s:.0f}, both directions",
        contradicts=True,
        scope=DEVICE,
    ),
    Claim(
        "2, 3.3.1",
        "weights of the cluster in BF16, and their share of all memory in %",
        ("1,342", "43.7"),
        "GB",
        "every parameter is on one device only",
        own=("671 * 2", "671 * 2 / (32 * 96) * 100"),
        derived=(
            "weights_gb_per_gpu(redundant_experts=0) * gpus",
            "weights_gb_per_gpu(redundant_experts=0) / gpu_memory_gb * 100",
        ),
        reason="everything but the routed experts is on each of the {gpus:.0f} ranks",
        scope=DEVICE,
    ),
    Claim(
        "3.3.2",
        "routed experts: in all, on a rank, on a rank and layer",
        ("14,848", "464", "8"),
        own=("58 * 256", "58 * 256 / 32", "256 / 32"),
        derived=("moe_layers * experts", "moe_layers * experts_per_gpu", "experts_per_gpu"),
        reason="without redundant experts; with 32 of them {experts_per_gpu(redundant_experts=32):.0f} a layer",
        scope=SIZE,
    ),
)

_WEIGHTS = (
    Claim(
        "3.3.2",
        "parameters in routed experts, and their share in %",
        ("436", "65"),
        "10^9 parameters",
        "routed experts are 65 % of the model",
        own=("671 * 0.65", "65"),
        derived=("routed_parameters / 1e9", "routed_parameters / total_parameters * 100"),
        reason="{matrices_per_expert:.0f} matrices of {hidden_size:.0f} x {expert_width:.0f}, {experts:.0f} experts,"
        " {moe_layers:.0f} layers",
    ),
    Claim(
        "3.3.2",
        "routed parameters on a rank",
        ("13.63",),
        "10^9 parameters",
        "65 % of the model over 32 ranks",
        own=("436 / 32",),
        derived=("routed_parameters / 32 / 1e9",),
        reason="from 653.9e9, not 436e9",
        scope=SIZE,
    ),
    Claim(
        "3.3.2",
        "parameters replicated on every rank",
        ("7.4",),
        "10^9 parameters",
        "attention 4.2, embedding 0.6, head 0.6, shared 1.9, other 0.1",
        own=("4.2 + 0.6 + 0.6 + 1.9 + 0.1",),
        derived=("replicated_parameters / 1e9",),
        reason="attention {attention_parameters / 1e9:.1f}, embedding and head"
        " {(embedding_parameters + head_parameters) / 1e9:.2f}, shared {shared_parameters / 1e9:.2f}, dense"
        " {dense_parameters / 1e9:.2f}, gates {router_parameters / 1e9:.2f}, norms",
    ),
    Claim(
        "3.3.2",
        "the replicated rest of the model when 65 % are routed",
        ("7.4",),
        "10^9 parameters",
        "the other 35 % are replicated",
        own=("671 * 0.35",),
        derived=("replicated_parameters / 1e9",),
        reason="436 + 7.4 leave 227 of 671e9 parameters nowhere",
    ),
    *(
        Claim("3.3.2", claim, (shown,), "10^9 parameters", assumption, own, (derived,), reason)
        for claim, shown, assumption, own, derived, reason in (
            (
                "attention's parameters",
                "4.2",
                "60 layers of 70e6",
                ("60 * 70e6 / 1e9",),
                "attention_parameters / 1e9",
                "{layers:.0f} layers of {attention_parameters / layers / 1e6:.0f}e6, 117e6 of them for the output",
            ),
            (
                "the embedding's parameters",
                "0.6",
                "128K words of 4.6K",
                ("128e3 * 4.6e3 / 1e9",),
                "embedding_parameters / 1e9",
                "{vocabulary:,.0f} words of {hidden_size:.0f}",
            ),
            (
                "the head's parameters",
                "0.6",
                "as the embedding",
                ("128e3 * 4.6e3 / 1e9",),
                "head_parameters / 1e9",
                "{vocabulary:,.0f} words of {hidden_size:.0f}",
            ),
            (
                "shared experts' parameters",
                "1.9",
                "not derived",
                (),
                "shared_parameters / 1e9",
                "{moe_layers:.0f} layers of {matrices_per_expert:.0f} matrices {shared_expert_width:.0f} wide",
            ),
            (
                "all other replicated parameters",
                "0.1",
                "norms and the like",
                (),
                "(dense_parameters + router_parameters + norm_parameters) / 1e9",
                "the dense layers' MLPs were forgotten: {dense_parameters / 1e9:.2f}",
            ),
        )
    ),
    Claim(
        "3.3.2",
        "the embedding's words and width",
        ("128,000", "4,600"),
        "",
        "not derived",
        derived=("vocabulary", "hidden_size"),
        reason="as in the published configuration",
    ),
    Claim(
        "3.3.2",
        "parameters on a rank",
        ("21.03",),
        "10^9 parameters",
        "65 % routed over 32, and 7.4 replicated",
        own=("13.63 + 7.4",),
        derived=("(routed_parameters / 32 + replicated_parameters) / 1e9",),
        reason="both terms are too small by half",
        scope=SIZE,
    ),
    Claim(
        "3.3.2, 3.3.5, 8.2, A.4, B.1",
        "BF16 weights on a rank at EP=32",
        ("42.1",),
        "GB",
        "21.03e9 parameters of 2 bytes",
        own=("21.03 * 2",),
        derived=("weights_gb_per_gpu(redundant_experts=0)",),
        reason="{weights_gb_per_gpu(redundant_experts=32):.1f} with 32 redundant experts; 42.1 is about right for"
        " native FP8 only: {weights_gb_per_gpu(precision='fp8', redundant_experts=0):.1f}"
        " ({weights_gb_per_gpu(precision='fp8', redundant_experts=32):.1f})",
        scope=SIZE,
    ),
)

MODEL_AND_WEIGHTS = (*_MODEL, *_WEIGHTS)
