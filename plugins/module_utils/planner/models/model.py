# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model is made of: parameters by component, how each is sharded and stored, and its KV cache.

The formulas are the architectures' own; ``docs/planner.md`` lists the published figures they were checked against.
"""

from __future__ import annotations

from dataclasses import dataclass

from .components import Component
from .quantisation import Quantisation, named

DENSE_LAYER = "dense"
MOE_LAYER = "moe"


@dataclass(frozen=True)
class KvCache:
    """The cache's width per layer and token. ``latent`` marks MLA: one latent for all heads, whole on every rank.

    ``width`` counts elements of the cache's dtype for one KV head (K and V together; for MLA the whole latent);
    ``fixed_bytes`` are bytes beside it whatever the dtype (DeepSeek-V3.2's indexer keys: 128 FP8 + one FP32 scale).
    """

    width: int
    heads: int
    latent: bool
    fixed_bytes: int = 0

    def bytes_per_token_and_layer(self, element_bytes: int, tensor: int, alignment: int = 1) -> int:
        """Bytes on one rank; KV heads fewer than tensor ranks are replicated, a latent is padded to ``alignment``."""
        if self.latent:
            return -(-self.width * element_bytes // alignment) * alignment + self.fixed_bytes
        return -(-self.heads // tensor) * self.width * element_bytes + self.fixed_bytes

    def replicas(self, tensor: int) -> int:
        """How many of the tensor ranks hold the same tokens' cache: all of MLA's, of GQA's those beyond the heads."""
        return tensor if self.latent else max(1, tensor // self.heads)


@dataclass(frozen=True)
class AttentionCost:
    """FLOPs of one layer's attention beside its projections, which are ``2 x`` parameters a token like any matrix.

    ``decode_per_context_token`` of a generated token for every token of its context (MLA in its absorbed form),
    ``prefill_per_pair`` of a prompt's every pair of query and key, ``index_per_context_token`` of a sparse-attention
    indexer for every token of the context. ``reach`` is the most context tokens a query attends to in the
    ``reach_layers`` layers that have such a limit.
    """

    decode_per_context_token: int
    prefill_per_pair: int
    index_per_context_token: int = 0
    reach: int | None = None
    reach_layers: int = 0


@dataclass(frozen=True)
class Routing:
    """How a token's experts are chosen: ``per_token`` of them, from ``groups_per_token`` of ``groups`` groups.

    Without groups both are 1. Groups are consecutive runs of experts.
    """

    per_token: int
    groups: int = 1
    groups_per_token: int = 1


NO_ROUTING = Routing(0)
NO_ATTENTION = AttentionCost(0, 0)


@dataclass(frozen=True)
class LatentShape:
    """What absorbing latent attention's projections into one another depends on; ``query_rank`` is the width that
    queries are projected up from (the hidden size where there is no low-rank query).
    """

    heads: int
    latent: int
    nope: int
    rope: int
    value: int
    query_rank: int
    hidden: int

    @property
    def up_parameters(self) -> int:
        """W_UK and W_UV: 16,777,216 a layer for DeepSeek-V3."""
        return self.heads * self.latent * (self.nope + self.value)

    @property
    def absorbed_parameters(self) -> int:
        """W_Q_UK and W_UV_O, the products of two projections each: 570,425,344 a layer for DeepSeek-V3."""
        return self.heads * self.latent * (self.query_rank + self.hidden)

    @property
    def rope_query_parameters(self) -> int:
        """W_QR, the part of the queries' up-projection that positions apply to."""
        return self.query_rank * self.heads * self.rope


@dataclass(frozen=True)
class Model:
    """A model's shape. A layer is ``attention`` with ``dense_ffn``, or with ``moe_ffn`` and the routed experts.

    ``repository`` is where weights in the checkpoint's own precision are, by name or path, where that is known.
    ``prediction`` is what each of ``prediction_layers`` multi-token prediction layers has beside a MoE layer; embedding
    and head are the main model's. ``vision`` is an image encoder's, which no figure of the language model counts.
    ``rotary_width`` is how many values of each head positions turn.
    """

    name: str
    kind: str
    repository: str | None
    quantisation: Quantisation
    hidden_size: int
    heads: int
    max_length: int | None
    experts: int
    experts_per_token: int
    layers: tuple[str, ...]
    before: tuple[Component, ...]
    after: tuple[Component, ...]
    attention: tuple[Component, ...]
    dense_ffn: tuple[Component, ...]
    moe_ffn: tuple[Component, ...]
    expert: Component | None
    kv: KvCache
    latent: LatentShape | None = None
    tied_embeddings: bool = False
    attention_cost: AttentionCost = NO_ATTENTION
    routing: Routing = NO_ROUTING
    prediction: tuple[Component, ...] = ()
    prediction_layers: int = 0
    vision: tuple[Component, ...] = ()
    rotary_width: int = 0

    @property
    def checkpoint_precision(self) -> str:
        """The precision that the weights at ``repository`` have."""
        return self.quantisation.name

    @property
    def moe_layers(self) -> int:
        """How many layers have routed experts."""
        return self.layers.count(MOE_LAYER)

    def stored_as(self, precision: str) -> Quantisation:
        """How the weights are stored in a precision: as in the checkpoint when it is the checkpoint's."""
        if precision == self.quantisation.name:
            return self.quantisation
        return named(precision, self.kind)

    def layer(self, kind: str) -> tuple[Component, ...]:
        """A layer's components without its routed experts."""
        return self.attention + (self.moe_ffn if kind == MOE_LAYER else self.dense_ffn)

    def parameters_by_component(self) -> dict[str, int]:
        """Scalars of the main model (no multi-token-prediction layer) by component name."""
        totals: dict[str, int] = {}
        for component, count in self._counted():
            totals[component.name] = totals.get(component.name, 0) + count * component.parameters
        return totals

    def parameters(self) -> int:
        """Scalars of the main model; 671,026,419,200 for DeepSeek-V3."""
        return sum(count * component.parameters for component, count in self._counted())

    def active_parameters(self) -> int:
        """Scalars a token passes through: everything but the routed experts it is not sent to."""
        idle = self.experts - self.experts_per_token
        return self.parameters() - (idle * self.expert.parameters * self.moe_layers if self.expert else 0)

    def prediction_parameters(self) -> int:
        """Scalars of the multi-token prediction layers, without embedding and head; 11,610,068,224 for DeepSeek-V3."""
        if not self.prediction_layers:
            return 0
        experts = self.experts * self.expert.parameters if self.expert else 0
        own = sum(component.parameters for component in self.prediction + self.layer(MOE_LAYER))
        return self.prediction_layers * (own + experts)

    def checkpoint_bytes(self, precision: str) -> int:
        """Bytes of the main model's tensors on disk."""
        stored = self.stored_as(precision)
        total = sum(stored.bytes(component) for component in self.before + self.after)
        for index, kind in enumerate(self.layers):
            total += sum(stored.bytes(component, index) for component in self.layer(kind))
            if self.expert is not None and kind == MOE_LAYER:
                total += self.experts * stored.bytes(self.expert, index)
        return total

    def rotary_bytes(self) -> int:
        """The table of sines and cosines for every position, in 16 bit, as engines keep it once a rank."""
        return 2 * self.rotary_width * (self.max_length or 0)

    def _counted(self) -> list[tuple[Component, int]]:
        """Every component and how often the model has it."""
        found = [(component, 1) for component in self.before + self.after]
        for kind in (DENSE_LAYER, MOE_LAYER):
            found.extend((component, self.layers.count(kind)) for component in self.layer(kind))
        if self.expert is not None:
            found.append((self.expert, self.experts * self.moe_layers))
        return found


def pipeline_stages(layers: int, stages: int, *, rest_last: bool = False) -> list[int]:
    """Layers of each pipeline stage, as vLLM divides them (``distributed.utils.get_pp_indices``).

    What is left over goes one each to the last stages but the very last, which has the head: 61 layers over 4 stages
    are 15, 15, 16, 15. Releases before 0.8 gave it all to the last stage (``rest_last``): 61 over 2 are 30, 31.
    """
    sizes = [layers // stages] * stages
    if rest_last:
        sizes[-1] += layers % stages
        return sizes
    for position in range(2, layers % stages + 2):
        sizes[-position] += 1
    return sizes
