# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Models known by name, each as the part of its published ``config.json`` that decides sizes.

Sources: deepseek-ai/DeepSeek-V3 ``inference/configs`` at 9b4e978 (671B, 236B, 16B) and README_WEIGHTS.md; transformers
5.24.0 configuration classes (``deepseek_v32``, ``qwen3_moe``); vllm-project/recipes for Kimi-K2. Qwen3-30B-A3B agrees
with a vLLM log (14.2474 GiB a rank at TP=4); Kimi-K2's vocabulary size is unverified.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .architectures import read_model
from .fields import describe, suggestion
from .findings import PlannerError
from .model import Model

_FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}

_DEEPSEEK_V3: dict[str, Any] = {
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
    "max_position_embeddings": 163840,
    "quantization_config": _FP8,
}

_DEEPSEEK_V32 = dict(_DEEPSEEK_V3, model_type="deepseek_v32", index_n_heads=64, index_head_dim=128, index_topk=2048)

_DEEPSEEK_V2: dict[str, Any] = {
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

_DEEPSEEK_V2_LITE = dict(
    _DEEPSEEK_V2,
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

_KIMI_K2 = dict(
    _DEEPSEEK_V3,
    model_type="kimi_k2",
    first_k_dense_replace=1,
    num_attention_heads=64,
    n_routed_experts=384,
    n_group=1,
    topk_group=1,
    vocab_size=163840,
    max_position_embeddings=131072,
)

_QWEN3_235B: dict[str, Any] = {
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
}

_QWEN3_30B = dict(
    _QWEN3_235B,
    hidden_size=2048,
    intermediate_size=6144,
    moe_intermediate_size=768,
    num_hidden_layers=48,
    num_attention_heads=32,
)

CATALOGUE: dict[str, tuple[str, dict[str, Any]]] = {
    "deepseek-v3": ("deepseek-ai/DeepSeek-V3", _DEEPSEEK_V3),
    "deepseek-v3-0324": ("deepseek-ai/DeepSeek-V3-0324", _DEEPSEEK_V3),
    "deepseek-v3.1": ("deepseek-ai/DeepSeek-V3.1", _DEEPSEEK_V3),
    "deepseek-v3.2": ("deepseek-ai/DeepSeek-V3.2", _DEEPSEEK_V32),
    "deepseek-r1": ("deepseek-ai/DeepSeek-R1", _DEEPSEEK_V3),
    "deepseek-r1-0528": ("deepseek-ai/DeepSeek-R1-0528", _DEEPSEEK_V3),
    "deepseek-v2": ("deepseek-ai/DeepSeek-V2", _DEEPSEEK_V2),
    "deepseek-v2-lite": ("deepseek-ai/DeepSeek-V2-Lite", _DEEPSEEK_V2_LITE),
    "deepseek-coder-v2-lite": ("deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct", _DEEPSEEK_V2_LITE),
    "kimi-k2": ("moonshotai/Kimi-K2-Instruct", _KIMI_K2),
    "qwen3-235b-a22b": ("Qwen/Qwen3-235B-A22B", _QWEN3_235B),
    "qwen3-30b-a3b": ("Qwen/Qwen3-30B-A3B", _QWEN3_30B),
}


def find_model(given: Any) -> tuple[Model, str]:
    """The model meant by a catalogue name, a path to a ``config.json`` or its directory, or the configuration itself;
    and what serves it.

    The second value is what ``vllm serve`` gets when nothing else is said: the repository's name, the directory of the
    ``config.json``, or the name the configuration carries. Raises :class:`PlannerError`.
    """
    if isinstance(given, Mapping):
        name = str(given.get("_name_or_path") or given.get("name") or given.get("model_type") or "model")
        return read_model(given, name), name
    if not isinstance(given, str) or not given.strip():
        raise PlannerError(
            "model.missing",
            "model",
            f"is {describe(given)}",
            "give a catalogue name, the path of a config.json or its content",
        )
    name = given.strip()
    for known, (repository, config) in CATALOGUE.items():
        if name.lower() in (known, repository.lower()):
            return read_model(config, known, repository), repository
    if os.sep in name or name.endswith(".json"):
        return _from_file(name)
    raise PlannerError(
        "model.unknown", "model", f"'{name}' is neither in the catalogue nor a path", suggestion(name, CATALOGUE)
    )


def _from_file(given: str) -> tuple[Model, str]:
    path = Path(given)
    if path.is_dir():
        path /= "config.json"
    correct = "give the model's own config.json, on the controller"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise PlannerError("model.unreadable", "model", f"{path}: {problem.strerror}", correct) from problem
    except ValueError as problem:
        raise PlannerError("model.unreadable", "model", f"{path} is no JSON: {problem}", correct) from problem
    if not isinstance(config, Mapping):
        raise PlannerError("model.unreadable", "model", f"{path} holds {describe(config)}, not a mapping", correct)
    directory = path.absolute().parent
    return read_model(config, directory.name or "model", str(directory)), str(directory)
