# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""FLOPs of one token, by where they are spent.

A matrix costs two FLOPs a parameter and token. Attention proper depends on the context and is counted apart.
DeepSeek-V3: 73.25 GFLOPs a token, of which 40.9 are routed; attention in decode 17.0 MFLOPs for each token of the
context, in prefill 5.0 MFLOPs for each pair of query and key.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .components import Component
from .model import DENSE_LAYER, MOE_LAYER, Model

SHARED_EXPERTS = "shared_experts"


@dataclass(frozen=True)
class TokenFlops:
    """FLOPs of one token without attention proper; ``home`` ones are spent where the token's sequence is."""

    attention_projections: float
    dense: float
    shared: float
    router: float
    routed: float
    head: float

    @property
    def home(self) -> float:
        """All but the routed experts, which run on whichever rank has them."""
        return self.attention_projections + self.dense + self.shared + self.router + self.head

    @property
    def total(self) -> float:
        """All of them."""
        return self.home + self.routed

    def as_dict(self) -> dict[str, float]:
        """By part, with the sums."""
        return dict(asdict(self), home=self.home, total=self.total)


def _flops(components: tuple[Component, ...]) -> float:
    return 2.0 * sum(component.parameters for component in components)


def token_flops(model: Model) -> TokenFlops:
    """FLOPs a token costs in the main model; the embedding is a look-up and costs none."""
    dense_layers, moe_layers = model.layers.count(DENSE_LAYER), model.layers.count(MOE_LAYER)
    shared = tuple(item for item in model.moe_ffn if item.name == SHARED_EXPERTS)
    router = tuple(item for item in model.moe_ffn if item.name != SHARED_EXPERTS)
    head = model.before if model.tied_embeddings else model.after
    routed = 2.0 * model.expert.parameters * model.experts_per_token * moe_layers if model.expert else 0.0
    return TokenFlops(
        attention_projections=len(model.layers) * _flops(model.attention),
        dense=dense_layers * _flops(model.dense_ffn),
        shared=moe_layers * _flops(shared),
        router=moe_layers * _flops(router),
        routed=routed,
        head=_flops(head),
    )


def decode_attention_flops(model: Model, context: float) -> float:
    """Attention of one generated token over its context, all layers; a layer with a reach looks no further back."""
    cost, layers = model.attention_cost, len(model.layers)
    near = context if cost.reach is None else min(context, cost.reach)
    attended = (layers - cost.reach_layers) * context + cost.reach_layers * near
    return cost.decode_per_context_token * attended + cost.index_per_context_token * layers * context


def prefill_attention_flops(model: Model, length: float) -> float:
    """Attention of a whole prompt of ``length`` tokens, causal, all layers."""
    cost, layers = model.attention_cost, len(model.layers)
    pairs = length * length / 2
    near = pairs if cost.reach is None or length <= cost.reach else cost.reach * (length - cost.reach / 2)
    attended = (layers - cost.reach_layers) * pairs + cost.reach_layers * near
    return cost.prefill_per_pair * attended + cost.index_per_context_token * layers * pairs
