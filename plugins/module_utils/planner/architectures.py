# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a model's shape from its Hugging Face ``config.json``, one reader a family; any other architecture is refused
by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Callable

from .findings import PlannerError
from .model import (
    DENSE_LAYER,
    FP32,
    MOE_LAYER,
    REPLICATED,
    TENSOR,
    AttentionCost,
    Component,
    KvCache,
    Model,
    Routing,
    matrix,
    plain,
)

Config = Mapping[str, Any]

# A DSA indexer (DeepSeek-V3.2) caches one 128-wide FP8 key and its FP32 scale per token and layer; the log of M09
# agrees to 1 byte.
INDEXER_SCALE_BYTES = 4


def read_model(config: Config, name: str, repository: str | None = None) -> Model:
    """The model that a ``config.json`` describes. Raises :class:`PlannerError` for architectures and values it does not
    know.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise PlannerError(
            "model.no_model_type", "model", "the configuration has no model_type", "give the model's own config.json"
        )
    reader = _READERS.get(kind)
    if reader is None:
        raise PlannerError(
            "model.unknown_architecture",
            "model",
            f"architecture '{kind}' is not one the planner knows the weights of",
            "use one of: " + ", ".join(sorted(_READERS)),
        )
    return reader(_Reader(config), kind, name, repository)


class _Reader:
    """Typed access to a configuration; a missing or impossible value is an error that names the key."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def integer(self, key: str, default: int | None = None, minimum: int = 1) -> int:
        value = self._config.get(key, default)
        if value is None and default is not None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int):
            raise PlannerError(
                "model.config_key",
                f"model.{key}",
                f"is {value!r}, not a whole number",
                "give the model's own config.json",
            )
        if value < minimum:
            raise PlannerError(
                "model.config_key",
                f"model.{key}",
                f"is {value}, which is less than {minimum}",
                "give the model's own config.json",
            )
        return value

    def optional(self, key: str) -> int | None:
        return None if self._config.get(key) is None else self.integer(key)

    def flag(self, key: str, default: bool = False) -> bool:
        return bool(self._config.get(key, default))

    def text(self, key: str) -> str:
        return str(self._config.get(key) or "")

    def indices(self, key: str) -> tuple[int, ...]:
        value = self._config.get(key) or ()
        return tuple(item for item in value if isinstance(item, int))

    def precision(self) -> str:
        quantised = self._config.get("quantization_config")
        if not isinstance(quantised, Mapping):
            return "bf16"
        method = str(quantised.get("quant_method", "")).lower()
        if method == "fp8":
            return "fp8"
        raise PlannerError(
            "model.unknown_quantisation",
            "model.quantization_config",
            f"quantisation '{method}' is not one the planner knows the weights of",
            "give a BF16 or block-FP8 checkpoint",
        )


def _embedding(reader: _Reader, hidden: int) -> Component:
    return plain("embed_tokens", reader.integer("vocab_size") * hidden, TENSOR)


def _after(reader: _Reader, hidden: int) -> tuple[Component, ...]:
    norm = plain("final_norm", hidden)
    if reader.flag("tie_word_embeddings"):
        return (norm,)
    return (norm, plain("lm_head", reader.integer("vocab_size") * hidden, TENSOR))


def _mlp(name: str, hidden: int, width: int, sharding: str = TENSOR) -> Component:
    """A SwiGLU block: gate, up and down."""
    return matrix(name, width, hidden, sharding, count=3)


def _mla(reader: _Reader, hidden: int, heads: int) -> tuple[tuple[Component, ...], int, int, AttentionCost]:
    """Multi-head latent attention: its components, the latent's width, the absorbed copy's parameters, its FLOPs."""
    latent = reader.integer("kv_lora_rank")
    rope = reader.integer("qk_rope_head_dim")
    nope = reader.integer("qk_nope_head_dim")
    value = reader.integer("v_head_dim")
    query_rank = reader.optional("q_lora_rank")
    if query_rank is None:
        query: tuple[Component, ...] = (matrix("q_proj", heads * (nope + rope), hidden, TENSOR),)
    else:
        query = (
            matrix("q_a_proj", query_rank, hidden, REPLICATED),
            plain("q_a_layernorm", query_rank),
            matrix("q_b_proj", heads * (nope + rope), query_rank, TENSOR),
        )
    components = (
        *query,
        matrix("kv_a_proj_with_mqa", latent + rope, hidden, REPLICATED),
        plain("kv_a_layernorm", latent),
        matrix("kv_b_proj", heads * (nope + value), latent, TENSOR),
        matrix("o_proj", hidden, heads * value, TENSOR),
        plain("layer_norms", 2 * hidden),
    )
    cost = AttentionCost(
        decode_per_context_token=2 * heads * (2 * latent + rope),
        prefill_per_pair=2 * heads * (nope + rope + value),
    )
    return components, latent + rope, heads * latent * (nope + value), cost


def _indexer(
    reader: _Reader, hidden: int, dense: AttentionCost, layers: int
) -> tuple[tuple[Component, ...], int, AttentionCost]:
    """DeepSeek-V3.2's sparse-attention indexer, whole on every rank, the bytes it caches per token and layer, and what
    attention costs with it: the indexer looks at every token, attention at the ``index_topk`` best.
    """
    heads = reader.integer("index_n_heads")
    width = reader.integer("index_head_dim")
    components = (
        matrix("indexer_wq_b", heads * width, reader.integer("q_lora_rank"), REPLICATED),
        matrix("indexer_wk", width, hidden, REPLICATED),
        plain("indexer_k_norm", 2 * width),
        plain("indexer_weights_proj", heads * hidden),
    )
    cost = replace(
        dense, index_per_context_token=2 * heads * width, reach=reader.integer("index_topk", 2048), reach_layers=layers
    )
    return components, width + INDEXER_SCALE_BYTES, cost


def _deepseek(reader: _Reader, kind: str, name: str, repository: str | None) -> Model:
    """DeepSeek-V2, V3, V3.2 and Kimi-K2: MLA, leading dense layers, shared and routed experts."""
    hidden = reader.integer("hidden_size")
    heads = reader.integer("num_attention_heads")
    count = reader.integer("num_hidden_layers")
    first_moe = reader.integer("first_k_dense_replace", 0, minimum=0)
    every = reader.integer("moe_layer_freq", 1)
    experts = reader.integer("n_routed_experts")
    width = reader.integer("moe_intermediate_size")
    attention, latent, copy, cost = _mla(reader, hidden, heads)
    fixed = 0
    if kind == "deepseek_v32":
        indexer, fixed, cost = _indexer(reader, hidden, cost, count)
        attention += indexer
    moe_ffn: tuple[Component, ...] = (plain("router_gate", experts * hidden),)
    if kind != "deepseek_v2" and reader.text("topk_method") in ("", "noaux_tc"):
        moe_ffn += (plain("router_bias", experts, storage=FP32),)
    shared = reader.integer("n_shared_experts", 0, minimum=0)
    if shared:
        moe_ffn += (_mlp("shared_experts", hidden, shared * width),)
    return Model(
        name=name,
        kind=kind,
        repository=repository,
        checkpoint_precision=reader.precision(),
        hidden_size=hidden,
        heads=heads,
        max_length=reader.optional("max_position_embeddings"),
        experts=experts,
        experts_per_token=reader.integer("num_experts_per_tok"),
        layers=tuple(MOE_LAYER if i >= first_moe and i % every == 0 else DENSE_LAYER for i in range(count)),
        before=(_embedding(reader, hidden),),
        after=_after(reader, hidden),
        attention=attention,
        dense_ffn=(_mlp("dense_mlp", hidden, reader.integer("intermediate_size")),),
        moe_ffn=moe_ffn,
        expert=_mlp("routed_experts", hidden, width),
        kv=KvCache(width=latent, heads=1, latent=True, fixed_bytes=fixed),
        mla_copy_parameters=copy,
        tied_embeddings=reader.flag("tie_word_embeddings"),
        attention_cost=cost,
        routing=Routing(
            reader.integer("num_experts_per_tok"), reader.integer("n_group", 1), reader.integer("topk_group", 1)
        ),
    )


def _gqa(
    reader: _Reader, hidden: int, heads: int, bias: bool, head_norm: bool
) -> tuple[tuple[Component, ...], KvCache, AttentionCost]:
    """Grouped-query attention, its cache and its FLOPs."""
    groups = reader.integer("num_key_value_heads", heads)
    width = reader.integer("head_dim", hidden // heads)
    components: tuple[Component, ...] = (
        matrix("qkv_proj", (heads + 2 * groups) * width, hidden, TENSOR),
        matrix("o_proj", hidden, heads * width, TENSOR),
        plain("layer_norms", 2 * hidden),
    )
    if bias:
        components += (plain("qkv_bias", (heads + 2 * groups) * width, TENSOR),)
    if head_norm:
        components += (plain("qk_norm", 2 * width),)
    each = 2 * heads * 2 * width
    return components, KvCache(width=2 * width, heads=groups, latent=False), AttentionCost(each, each)


def _grouped_query(reader: _Reader, kind: str, name: str, repository: str | None) -> Model:
    """Qwen3-MoE, and the dense Llama, Mistral, Qwen2 and Qwen3."""
    hidden = reader.integer("hidden_size")
    heads = reader.integer("num_attention_heads")
    count = reader.integer("num_hidden_layers")
    bias = kind == "qwen2" or reader.flag("attention_bias")
    attention, kv, cost = _gqa(reader, hidden, heads, bias, head_norm=kind.startswith("qwen3"))
    experts, per_token = 0, 0
    expert: Component | None = None
    moe_ffn: tuple[Component, ...] = ()
    layers = (DENSE_LAYER,) * count
    if kind == "qwen3_moe":
        experts, per_token = reader.integer("num_experts"), reader.integer("num_experts_per_tok")
        expert = _mlp("routed_experts", hidden, reader.integer("moe_intermediate_size"))
        moe_ffn = (plain("router_gate", experts * hidden),)
        step, dense = reader.integer("decoder_sparse_step", 1), reader.indices("mlp_only_layers")
        layers = tuple(MOE_LAYER if i not in dense and (i + 1) % step == 0 else DENSE_LAYER for i in range(count))
    return Model(
        name=name,
        kind=kind,
        repository=repository,
        checkpoint_precision=reader.precision(),
        hidden_size=hidden,
        heads=heads,
        max_length=reader.optional("max_position_embeddings"),
        experts=experts,
        experts_per_token=per_token,
        layers=layers,
        before=(_embedding(reader, hidden),),
        after=_after(reader, hidden),
        attention=attention,
        dense_ffn=(_mlp("dense_mlp", hidden, reader.integer("intermediate_size")),),
        moe_ffn=moe_ffn,
        expert=expert,
        kv=kv,
        mla_copy_parameters=0,
        tied_embeddings=reader.flag("tie_word_embeddings"),
        attention_cost=cost,
        routing=Routing(per_token),
    )


_READERS: dict[str, Callable[[_Reader, str, str, str | None], Model]] = {
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "deepseek_v32": _deepseek,
    "kimi_k2": _deepseek,
    "qwen3_moe": _grouped_query,
    "qwen3": _grouped_query,
    "qwen2": _grouped_query,
    "llama": _grouped_query,
    "mistral": _grouped_query,
}
