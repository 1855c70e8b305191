# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Models with multi-head latent attention and routed experts: DeepSeek-V2, V3 and V3.2, Kimi-K2 and K2.5, GLM-5."""

from __future__ import annotations

from dataclasses import replace

from .components import (
    ATTENTION,
    DENSE,
    FP32,
    INDEXER,
    MTP,
    NORMS,
    REPLICATED,
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
from .model import DENSE_LAYER, MOE_LAYER, AttentionCost, KvCache, LatentShape, Model, Routing

# With a sparse-attention indexer (DSA); each caches one FP8 key and its FP32 scale per token and layer: the logs of
# DeepSeek-V3.2 agree to 2 bytes of 78,324.
_WITH_INDEXER = ("deepseek_v32", "glm_moe_dsa")
INDEXER_SCALE_BYTES = 4


def _attention(shape: LatentShape, *, low_rank_query: bool) -> tuple[Component, ...]:
    """Query, latent and output projections. The narrow ones down to the ranks are whole on every rank."""
    heads, latent, hidden = shape.heads, shape.latent, shape.hidden
    query_width = heads * (shape.nope + shape.rope)
    if low_rank_query:
        query: tuple[Component, ...] = (
            matrix("q_a_proj", ATTENTION, shape.query_rank, hidden, REPLICATED, module="self_attn.q_a_proj"),
            plain("q_a_layernorm", NORMS, shape.query_rank),
            matrix("q_b_proj", ATTENTION, query_width, shape.query_rank, TENSOR, module="self_attn.q_b_proj"),
        )
    else:
        query = (matrix("q_proj", ATTENTION, query_width, hidden, TENSOR, module="self_attn.q_proj"),)
    down = matrix(
        "kv_a_proj_with_mqa",
        ATTENTION,
        latent + shape.rope,
        hidden,
        REPLICATED,
        module="self_attn.kv_a_proj_with_mqa",
    )
    up_width = heads * (shape.nope + shape.value)
    return (
        *query,
        down,
        plain("kv_a_layernorm", NORMS, latent),
        matrix("kv_b_proj", ATTENTION, up_width, latent, TENSOR, module="self_attn.kv_b_proj"),
        matrix("o_proj", ATTENTION, hidden, heads * shape.value, TENSOR, module="self_attn.o_proj"),
        plain("layer_norms", NORMS, 2 * hidden),
    )


def _indexer(
    reader: ConfigReader, hidden: int, dense: AttentionCost, layers: int
) -> tuple[tuple[Component, ...], int, AttentionCost]:
    """The sparse-attention indexer, whole on every rank, the bytes it caches per token and layer, and what attention
    costs with it: the indexer looks at every token, attention at the ``index_topk`` best.
    """
    if any(kind != "full" for kind in reader.items("indexer_types")) or reader.integer("index_topk_freq", 1) > 1:
        raise reader.wrong("indexer_types", "has layers that share another's indexer, which the planner does not size")
    heads = reader.integer("index_n_heads")
    width = reader.integer("index_head_dim")
    query_rank = reader.integer("q_lora_rank")
    components = (
        matrix("indexer_wq_b", INDEXER, heads * width, query_rank, REPLICATED, module="self_attn.indexer.wq_b"),
        matrix("indexer_wk", INDEXER, width, hidden, REPLICATED, module="self_attn.indexer.wk"),
        plain("indexer_k_norm", INDEXER, 2 * width),
        plain("indexer_weights_proj", INDEXER, heads * hidden),
    )
    cost = replace(
        dense, index_per_context_token=2 * heads * width, reach=reader.integer("index_topk", 2048), reach_layers=layers
    )
    return components, width + INDEXER_SCALE_BYTES, cost


def latent_moe(reader: ConfigReader, kind: str, name: str, repository: str | None) -> Model:
    """Latent attention, leading dense layers, then layers of shared and routed experts."""
    hidden = reader.integer("hidden_size")
    heads = reader.integer("num_attention_heads")
    count = reader.layers("num_hidden_layers")
    low_rank = reader.optional("q_lora_rank")
    shape = LatentShape(
        heads=heads,
        latent=reader.integer("kv_lora_rank"),
        nope=reader.integer("qk_nope_head_dim"),
        rope=reader.integer("qk_rope_head_dim"),
        value=reader.integer("v_head_dim"),
        query_rank=low_rank or hidden,
        hidden=hidden,
    )
    attention = _attention(shape, low_rank_query=low_rank is not None)
    cost = AttentionCost(
        decode_per_context_token=2 * heads * (2 * shape.latent + shape.rope),
        prefill_per_pair=2 * heads * (shape.nope + shape.rope + shape.value),
    )
    cached = 0
    if kind in _WITH_INDEXER:
        indexer, cached, cost = _indexer(reader, hidden, cost, count)
        attention += indexer
    experts, width = reader.integer("n_routed_experts"), reader.integer("moe_intermediate_size")
    moe_ffn: tuple[Component, ...] = (plain("router_gate", ROUTER, experts * hidden),)
    if kind != "deepseek_v2" and reader.text("topk_method") in ("", "noaux_tc"):
        moe_ffn += (plain("router_bias", ROUTER, experts, storage=FP32),)
    shared = reader.integer("n_shared_experts", 0, minimum=0)
    if shared:
        moe_ffn += (swiglu("shared_experts", SHARED, hidden, shared * width, "mlp.shared_experts"),)
    expert = swiglu("routed_experts", ROUTED_EXPERTS, hidden, width, "mlp.experts.0")
    dense_ffn = (swiglu("dense_mlp", DENSE, hidden, reader.integer("intermediate_size"), "mlp"),)
    first, every = reader.integer("first_k_dense_replace", 0, minimum=0), reader.integer("moe_layer_freq", 1)
    layers = tuple(MOE_LAYER if i >= first and i % every == 0 else DENSE_LAYER for i in range(count))
    predictions = reader.layers("num_nextn_predict_layers", 0, minimum=0)
    moe_layer = (*attention, *moe_ffn, expert)
    present = [moe_layer if layer == MOE_LAYER else attention + dense_ffn for layer in layers]
    per_token = reader.integer("num_experts_per_tok")
    return Model(
        name=name,
        kind=kind,
        repository=repository,
        quantisation=reader.quantisation(present + [moe_layer] * predictions),
        hidden_size=hidden,
        heads=heads,
        max_length=reader.optional("max_position_embeddings"),
        experts=experts,
        experts_per_token=per_token,
        layers=layers,
        before=(reader.embedding(hidden),),
        after=reader.after(hidden),
        attention=attention,
        dense_ffn=dense_ffn,
        moe_ffn=moe_ffn,
        expert=expert,
        kv=KvCache(width=shape.latent + shape.rope, heads=1, latent=True, fixed_bytes=cached),
        latent=shape,
        tied_embeddings=reader.tied(),
        attention_cost=cost,
        routing=Routing(per_token, reader.integer("n_group", 1), reader.integer("topk_group", 1)),
        prediction=prediction_components(hidden) if predictions else (),
        prediction_layers=predictions,
        rotary_width=shape.rope,
    )


def prediction_components(hidden: int) -> tuple[Component, ...]:
    """What a multi-token prediction layer has beside a MoE layer: a projection of embedding and hidden state together
    (BF16 in DeepSeek's FP8 checkpoint), a norm for each and one before the shared head.
    """
    return (plain("eh_proj", MTP, 2 * hidden * hidden), plain("prediction_norms", MTP, 3 * hidden))
