# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of published ``config.json`` files that decide sizes.

Read: deepseek-ai/DeepSeek-V3 ``inference/configs`` at 9b4e978 (671B, 236B, 16B) and README_WEIGHTS.md; transformers
5.24.0 configuration classes (``deepseek_v32``, ``qwen3_moe``, ``llama4``); the configurations of GLM-4.5-Air, GLM-4.7
(of which GLM-4.5 and 4.6 have the shape), GLM-5.1, MiniMax-M2, Kimi-K2.6 (text part, of which Kimi-K2 has the shape)
and a two-layer Llama-4-Maverick, as public repositories quote them; exclusion lists of Kimi-K2.6 and MiniMax-M2 the
same way, of Llama-4-Maverick-FP8 from llm-compressor's example for it.

From memory, but the sizes agree with a published figure: Qwen3-30B-A3B (14.2474 GiB a rank at TP=4 in a vLLM log),
Llama-4-Maverick's 128 experts in every second layer (93.79 GiB a rank at TP=8), Llama-3.1 and Qwen2.5-72B (their exact
parameter counts), Qwen3-Coder-480B-A35B (its name). From memory, unverified: the width of Llama 4's image encoder MLP,
that GLM-4.5-FP8 has one scale an output channel, and DeepSeek-V3-AWQ's quantisation (4 bits, groups of 128, zero
points).
"""

from __future__ import annotations

from typing import Any

FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
# Output projection, dense and shared MLPs and routed experts are NVFP4; other projections and the indexer are not.
NVFP4_LATENT = {
    "quant_method": "modelopt",
    "quant_algo": "NVFP4",
    "ignore": [
        "lm_head",
        "*.self_attn.q_a_proj*",
        "*.self_attn.q_b_proj*",
        "*.self_attn.kv_a_proj_with_mqa*",
        "*.self_attn.kv_b_proj*",
        "*.self_attn.indexer*",
        "*.mlp.gate",
    ],
}
# Kimi-K2-Thinking and K2.5: routed experts only.
INT4_EXPERTS = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"type": "int", "num_bits": 4, "strategy": "group", "group_size": 32, "symmetric": True},
        }
    },
    "ignore": [
        "re:.*self_attn.*",
        "re:.*shared_experts.*",
        "re:.*mlp\\.(gate|up|gate_up|down)_proj.*",
        "re:.*lm_head.*",
    ],
}
FP8_CHANNEL_WEIGHTS = {"type": "float", "num_bits": 8, "strategy": "channel", "symmetric": True}
FP8_CHANNEL = {
    "quant_method": "compressed-tensors",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": FP8_CHANNEL_WEIGHTS}},
    "ignore": ["lm_head"],
}
# Llama-4-Maverick-FP8: routed experts only.
FP8_LLAMA4 = dict(
    FP8_CHANNEL,
    ignore=[
        "re:.*lm_head",
        "re:.*self_attn",
        "re:.*router",
        "re:.*vision_model",
        "re:.*multi_modal_projector",
        "re:.*shared_expert",
        "re:.*feed_forward.gate_proj",
        "re:.*feed_forward.up_proj",
        "re:.*feed_forward.down_proj",
    ],
)

DEEPSEEK_V3: dict[str, Any] = {
    "model_type": "deepseek_v3",
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 61,
    "first_k_dense_replace": 3,
    "num_attention_heads": 128,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 8,
    "topk_group": 4,
    "topk_method": "noaux_tc",
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 129280,
    "num_nextn_predict_layers": 1,
    "max_position_embeddings": 163840,
    "quantization_config": FP8,
}

DEEPSEEK_V32 = dict(DEEPSEEK_V3, model_type="deepseek_v32", index_n_heads=64, index_head_dim=128, index_topk=2048)

DEEPSEEK_V2: dict[str, Any] = {
    "model_type": "deepseek_v2",
    "hidden_size": 5120,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_hidden_layers": 60,
    "first_k_dense_replace": 1,
    "num_attention_heads": 128,
    "n_routed_experts": 160,
    "n_shared_experts": 2,
    "num_experts_per_tok": 6,
    "n_group": 8,
    "topk_group": 3,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "vocab_size": 102400,
    "max_position_embeddings": 163840,
}

DEEPSEEK_V2_LITE = dict(
    DEEPSEEK_V2,
    hidden_size=2048,
    intermediate_size=10944,
    moe_intermediate_size=1408,
    num_hidden_layers=27,
    num_attention_heads=16,
    n_routed_experts=64,
    n_group=1,
    topk_group=1,
    q_lora_rank=None,
)

KIMI_K2 = dict(
    DEEPSEEK_V3,
    model_type="kimi_k2",
    first_k_dense_replace=1,
    num_attention_heads=64,
    n_routed_experts=384,
    n_group=1,
    topk_group=1,
    vocab_size=163840,
    num_nextn_predict_layers=0,
    max_position_embeddings=131072,
)
KIMI_K2_THINKING = dict(KIMI_K2, max_position_embeddings=262144, quantization_config=INT4_EXPERTS)

GLM_5: dict[str, Any] = {
    "model_type": "glm_moe_dsa",
    "hidden_size": 6144,
    "intermediate_size": 12288,
    "moe_intermediate_size": 2048,
    "num_hidden_layers": 78,
    "first_k_dense_replace": 3,
    "num_attention_heads": 64,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 1,
    "topk_group": 1,
    "topk_method": "noaux_tc",
    "q_lora_rank": 2048,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 192,
    "qk_rope_head_dim": 64,
    "v_head_dim": 256,
    "index_n_heads": 32,
    "index_head_dim": 128,
    "index_topk": 2048,
    "vocab_size": 154880,
    "num_nextn_predict_layers": 1,
    "max_position_embeddings": 202752,
}

GLM_45: dict[str, Any] = {
    "model_type": "glm4_moe",
    "hidden_size": 5120,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_hidden_layers": 92,
    "first_k_dense_replace": 3,
    "num_attention_heads": 96,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "attention_bias": True,
    "use_qk_norm": True,
    "n_routed_experts": 160,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "n_group": 1,
    "topk_group": 1,
    "vocab_size": 151552,
    "num_nextn_predict_layers": 1,
    "max_position_embeddings": 131072,
}
GLM_46 = dict(GLM_45, max_position_embeddings=202752)
GLM_45_AIR = dict(
    GLM_45,
    hidden_size=4096,
    intermediate_size=10944,
    moe_intermediate_size=1408,
    num_hidden_layers=46,
    first_k_dense_replace=1,
    n_routed_experts=128,
    use_qk_norm=False,
)

MINIMAX_M2: dict[str, Any] = {
    "model_type": "minimax_m2",
    "hidden_size": 3072,
    "intermediate_size": 1536,
    "num_hidden_layers": 62,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "num_local_experts": 256,
    "num_experts_per_tok": 8,
    "use_routing_bias": True,
    "use_qk_norm": True,
    "vocab_size": 200064,
    "max_position_embeddings": 196608,
    "quantization_config": dict(FP8, modules_to_not_convert=["gate", "e_score_correction_bias", "lm_head"]),
}

QWEN3_235B: dict[str, Any] = {
    "model_type": "qwen3_moe",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_hidden_layers": 94,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "vocab_size": 151936,
    "max_position_embeddings": 40960,
}
QWEN3_30B = dict(
    QWEN3_235B,
    hidden_size=2048,
    intermediate_size=6144,
    moe_intermediate_size=768,
    num_hidden_layers=48,
    num_attention_heads=32,
)
QWEN3_480B = dict(
    QWEN3_235B,
    hidden_size=6144,
    intermediate_size=8192,
    moe_intermediate_size=2560,
    num_hidden_layers=62,
    num_attention_heads=96,
    num_key_value_heads=8,
    num_experts=160,
    max_position_embeddings=262144,
)

LLAMA_31_8B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
LLAMA_31_70B = dict(
    LLAMA_31_8B, hidden_size=8192, intermediate_size=28672, num_hidden_layers=80, num_attention_heads=64
)
LLAMA_31_405B = dict(
    LLAMA_31_8B, hidden_size=16384, intermediate_size=53248, num_hidden_layers=126, num_attention_heads=128
)
QWEN25_72B = dict(
    LLAMA_31_70B, model_type="qwen2", intermediate_size=29568, vocab_size=152064, max_position_embeddings=32768
)

_LLAMA_4_VISION = {
    "hidden_size": 1408,
    "intermediate_size": 5632,
    "num_hidden_layers": 34,
    "vision_output_dim": 4096,
    "image_size": 336,
    "patch_size": 14,
}
_LLAMA_4_TEXT = {
    "hidden_size": 5120,
    "intermediate_size": 8192,
    "intermediate_size_mlp": 16384,
    "num_hidden_layers": 48,
    "num_attention_heads": 40,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "attention_chunk_size": 8192,
    "num_experts_per_tok": 1,
    "vocab_size": 202048,
}
LLAMA_4_MAVERICK: dict[str, Any] = {
    "model_type": "llama4",
    "text_config": dict(
        _LLAMA_4_TEXT, num_local_experts=128, interleave_moe_layer_step=2, max_position_embeddings=1048576
    ),
    "vision_config": _LLAMA_4_VISION,
}
LLAMA_4_SCOUT: dict[str, Any] = {
    "model_type": "llama4",
    "text_config": dict(
        _LLAMA_4_TEXT, num_local_experts=16, interleave_moe_layer_step=1, max_position_embeddings=10485760
    ),
    "vision_config": _LLAMA_4_VISION,
}
