# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Llama 4: routed experts in every or every second layer beside a shared one, attention in chunks in three layers of
four, and an image encoder.
"""

from __future__ import annotations

from dataclasses import replace

from .architectures_grouped import grouped_attention
from .components import DENSE, ROUTED_EXPERTS, ROUTER, SHARED_EXPERTS, TENSOR, VISION, Component, plain, swiglu
from .config_reader import ConfigReader
from .model import DENSE_LAYER, MOE_LAYER, Model, Routing

_CHUNK = 8192
_GLOBAL_EVERY = 4


def llama4(reader: ConfigReader, kind: str, name: str, repository: str | None) -> Model:
    """The text part with its image encoder, where the configuration describes one."""
    hidden = reader.integer("hidden_size")
    heads = reader.integer("num_attention_heads")
    count = reader.layers("num_hidden_layers")
    attention = grouped_attention(reader, hidden, heads, bias=reader.flag("attention_bias"))
    experts, width = reader.integer("num_local_experts"), reader.integer("intermediate_size")
    per_token = reader.integer("num_experts_per_tok", 1)
    beside = (
        plain("router_gate", ROUTER, experts * hidden),
        swiglu("shared_experts", SHARED_EXPERTS, hidden, width, "feed_forward.shared_expert"),
    )
    expert = swiglu("routed_experts", ROUTED_EXPERTS, hidden, width, "feed_forward.experts.0")
    dense_ffn = (swiglu("dense_mlp", DENSE, hidden, reader.integer("intermediate_size_mlp"), "feed_forward"),)
    layers = _layers(reader, count)
    moe_layer = (*attention.components, *beside, expert)
    present = [moe_layer if layer == MOE_LAYER else attention.components + dense_ffn for layer in layers]
    return Model(
        name=name,
        kind=kind,
        repository=repository,
        quantisation=reader.quantisation(present),
        hidden_size=hidden,
        heads=heads,
        max_length=reader.optional("max_position_embeddings"),
        experts=experts,
        experts_per_token=per_token,
        layers=layers,
        before=(reader.embedding(hidden),),
        after=reader.after(hidden),
        attention=attention.components,
        dense_ffn=dense_ffn if DENSE_LAYER in layers else (),
        moe_ffn=beside,
        expert=expert,
        kv=attention.kv,
        tied_embeddings=reader.tied(),
        attention_cost=replace(
            attention.cost, reach=reader.integer("attention_chunk_size", _CHUNK), reach_layers=_chunked(reader, count)
        ),
        routing=Routing(per_token),
        vision=_vision(reader, hidden),
        rotary_width=attention.head_width,
    )


def _layers(reader: ConfigReader, count: int) -> tuple[str, ...]:
    """Routed layers by their list, else every ``interleave_moe_layer_step``-th."""
    listed = reader.indices("moe_layers")
    step = reader.integer("interleave_moe_layer_step", 1)
    routed = set(listed) if listed else {i for i in range(count) if (i + 1) % step == 0}
    return tuple(MOE_LAYER if i in routed else DENSE_LAYER for i in range(count))


def _chunked(reader: ConfigReader, count: int) -> int:
    """Layers that look no further back than their chunk: those with rotary positions (a 1 in ``no_rope_layers``)."""
    listed = reader.indices("no_rope_layers")
    if listed:
        return sum(1 for item in listed if item)
    every = reader.integer("no_rope_layer_interval", _GLOBAL_EVERY)
    return count - count // every


def _vision(reader: ConfigReader, hidden: int) -> tuple[Component, ...]:
    """The image encoder with its adapter and the projection to the text's width, divided over the tensor ranks."""
    given = reader.section("vision_config")
    if not given:
        return ()
    vision = ConfigReader(given)
    width, between = vision.integer("hidden_size"), vision.integer("intermediate_size")
    output = vision.integer("vision_output_dim", 4096)
    layer = 4 * width * (width + 1) + 2 * between * width + between + width + 4 * width
    patches = (vision.integer("image_size", 336) // vision.integer("patch_size", 14)) ** 2 + 1
    embedding = (vision.integer("num_channels", 3) * vision.integer("patch_size", 14) ** 2 + 1 + patches) * width
    adapter = 4 * width * output + output * output + output * hidden
    total = vision.integer("num_hidden_layers") * layer + embedding + 4 * width + adapter
    return (plain("vision_tower", VISION, total, TENSOR),)
