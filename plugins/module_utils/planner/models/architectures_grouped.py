# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Models with grouped-query attention: Qwen3-MoE, GLM-4.5 and 4.6, MiniMax-M2, and the dense Llama, Mistral, Qwen2 and
Qwen3. Llama 4 is in ``architectures_llama4``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .architectures_latent import prediction_components
from .components import (
    ATTENTION,
    DENSE,
    FP32,
    NORMS,
    ROUTED_EXPERTS,
    ROUTER,
    TENSOR,
    Component,
    matrix,
    plain,
    swiglu,
)
from .components import SHARED_EXPERTS as SHARED
from .config_reader import ConfigReader
from .model import DENSE_LAYER, MOE_LAYER, NO_ROUTING, AttentionCost, KvCache, Model, Routing


@dataclass(frozen=True)
class Experts:
    """A family's routed part: which layers have it, and what those have beside the experts."""

    layers: tuple[str, ...]
    count: int = 0
    per_token: int = 0
    expert: Component | None = None
    beside: tuple[Component, ...] = ()
    routing: Routing = NO_ROUTING
    predictions: int = 0


@dataclass(frozen=True)
class Grouped:
    """Grouped-query attention: its components, its cache, its FLOPs and the width that positions turn."""

    components: tuple[Component, ...]
    kv: KvCache
    cost: AttentionCost
    head_width: int


def grouped_attention(reader: ConfigReader, hidden: int, heads: int, *, bias: bool, norm: int = 0) -> Grouped:
    """Projections of queries, of keys and values, and of the output, with ``norm`` scalars of norms over queries and
    keys. Keys' and values' heads are replicated on ranks beyond their number, and so are their projections.
    """
    groups = reader.integer("num_key_value_heads", heads)
    width = reader.integer("head_dim", hidden // heads)
    components: tuple[Component, ...] = (
        matrix("q_proj", ATTENTION, heads * width, hidden, TENSOR, module="self_attn.q_proj"),
        matrix("kv_proj", ATTENTION, 2 * groups * width, hidden, TENSOR, module="self_attn.k_proj", most_shards=groups),
        matrix("o_proj", ATTENTION, hidden, heads * width, TENSOR, module="self_attn.o_proj"),
        plain("layer_norms", NORMS, 2 * hidden),
    )
    if bias:
        components += (plain("qkv_bias", ATTENTION, (heads + 2 * groups) * width, TENSOR),)
    if norm:
        components += (plain("qk_norm", NORMS, norm),)
    each = 2 * heads * 2 * width
    kv = KvCache(width=2 * width, heads=groups, latent=False)
    return Grouped(components, kv, AttentionCost(each, each), width)


def _no_experts(reader: ConfigReader, _: int) -> Experts:
    return Experts((DENSE_LAYER,) * reader.layers("num_hidden_layers"))


def _qwen3_moe(reader: ConfigReader, hidden: int) -> Experts:
    count = reader.integer("num_experts")
    step, dense = reader.integer("decoder_sparse_step", 1), reader.indices("mlp_only_layers")
    indices = range(reader.layers("num_hidden_layers"))
    per_token = reader.integer("num_experts_per_tok")
    return Experts(
        layers=tuple(MOE_LAYER if i not in dense and (i + 1) % step == 0 else DENSE_LAYER for i in indices),
        count=count,
        per_token=per_token,
        expert=swiglu("routed_experts", ROUTED_EXPERTS, hidden, reader.integer("moe_intermediate_size"), _EXPERT),
        beside=(plain("router_gate", ROUTER, count * hidden),),
        routing=Routing(per_token),
    )


_EXPERT = "mlp.experts.0"


def _glm4_moe(reader: ConfigReader, hidden: int) -> Experts:
    """GLM-4.5 and 4.6: leading dense layers, a shared expert, a correction bias and a multi-token prediction layer."""
    count, width = reader.integer("n_routed_experts"), reader.integer("moe_intermediate_size")
    first = reader.integer("first_k_dense_replace", 0, minimum=0)
    beside: tuple[Component, ...] = (
        plain("router_gate", ROUTER, count * hidden),
        plain("router_bias", ROUTER, count, storage=FP32),
    )
    shared = reader.integer("n_shared_experts", 0, minimum=0)
    if shared:
        beside += (swiglu("shared_experts", SHARED, hidden, shared * width, "mlp.shared_experts"),)
    per_token = reader.integer("num_experts_per_tok")
    return Experts(
        layers=tuple(MOE_LAYER if i >= first else DENSE_LAYER for i in range(reader.layers("num_hidden_layers"))),
        count=count,
        per_token=per_token,
        expert=swiglu("routed_experts", ROUTED_EXPERTS, hidden, width, _EXPERT),
        beside=beside,
        routing=Routing(per_token, reader.integer("n_group", 1), reader.integer("topk_group", 1)),
        predictions=reader.layers("num_nextn_predict_layers", 0, minimum=0),
    )


def _minimax_m2(reader: ConfigReader, hidden: int) -> Experts:
    """MiniMax-M2: every layer routed. Its prediction modules are not among the released weights."""
    count, per_token = reader.integer("num_local_experts"), reader.integer("num_experts_per_tok")
    beside: tuple[Component, ...] = (plain("router_gate", ROUTER, count * hidden),)
    if reader.flag("use_routing_bias"):
        beside += (plain("router_bias", ROUTER, count, storage=FP32),)
    shared = reader.integer("shared_intermediate_size", 0, minimum=0)
    if shared:
        beside += (swiglu("shared_experts", SHARED, hidden, shared, "block_sparse_moe.shared_experts"),)
    width = reader.integer("intermediate_size")
    return Experts(
        layers=(MOE_LAYER,) * reader.layers("num_hidden_layers"),
        count=count,
        per_token=per_token,
        expert=swiglu("routed_experts", ROUTED_EXPERTS, hidden, width, "block_sparse_moe.experts.0"),
        beside=beside,
        routing=Routing(per_token),
    )


_ROUTED: dict[str, Callable[[ConfigReader, int], Experts]] = {
    "qwen3_moe": _qwen3_moe,
    "glm4_moe": _glm4_moe,
    "minimax_m2": _minimax_m2,
}
# Attention has biases here although the configuration does not say so.
_BIASED = ("qwen2",)


def _norm_scalars(reader: ConfigReader, kind: str, heads: int, width: int) -> int:
    """Norms over queries and keys: one head's width each, or in MiniMax-M2 all heads' together."""
    if kind == "minimax_m2":
        both = (heads + reader.integer("num_key_value_heads", heads)) * width
        return both if reader.flag("use_qk_norm") else 0
    if kind.startswith("qwen3") or (kind == "glm4_moe" and reader.flag("use_qk_norm")):
        return 2 * width
    return 0


def grouped_query(reader: ConfigReader, kind: str, name: str, repository: str | None) -> Model:
    """Grouped-query attention with dense MLPs, routed experts or both."""
    hidden = reader.integer("hidden_size")
    heads = reader.integer("num_attention_heads")
    width = reader.integer("head_dim", hidden // heads)
    bias = kind in _BIASED or reader.flag("attention_bias")
    attention = grouped_attention(reader, hidden, heads, bias=bias, norm=_norm_scalars(reader, kind, heads, width))
    routed = _ROUTED.get(kind, _no_experts)(reader, hidden)
    dense_ffn = (swiglu("dense_mlp", DENSE, hidden, reader.integer("intermediate_size"), "mlp"),)
    moe_layer = attention.components + routed.beside + ((routed.expert,) if routed.expert else ())
    present = [moe_layer if layer == MOE_LAYER else attention.components + dense_ffn for layer in routed.layers]
    return Model(
        name=name,
        kind=kind,
        repository=repository,
        quantisation=reader.quantisation(present + [moe_layer] * routed.predictions),
        hidden_size=hidden,
        heads=heads,
        max_length=reader.optional("max_position_embeddings"),
        experts=routed.count,
        experts_per_token=routed.per_token,
        layers=routed.layers,
        before=(reader.embedding(hidden),),
        after=reader.after(hidden),
        attention=attention.components,
        dense_ffn=dense_ffn if DENSE_LAYER in routed.layers else (),
        moe_ffn=routed.beside,
        expert=routed.expert,
        kv=attention.kv,
        tied_embeddings=reader.tied(),
        attention_cost=attention.cost,
        routing=routed.routing,
        prediction=prediction_components(hidden) if routed.predictions else (),
        prediction_layers=routed.predictions,
        rotary_width=attention.head_width,
    )
