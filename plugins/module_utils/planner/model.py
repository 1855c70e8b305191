# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a model is made of: parameters by component, how each is sharded and stored, and its KV cache.

The formulas are the architectures' own; ``docs/planner.md`` lists the published figures they were checked against.
"""

from __future__ import annotations

from dataclasses import dataclass

# How a component is divided among the ranks of one model replica.
TENSOR = "tensor"  # split over the tensor parallel ranks
REPLICATED = "replicated"  # whole on every rank

# How a component is stored.
LINEAR = "linear"  # takes the weights' precision
BF16 = "bf16"  # never quantised: embeddings, head, norms, router
FP32 = "fp32"  # never anything else: the router's correction bias

DENSE_LAYER = "dense"
MOE_LAYER = "moe"

# Block-scaled FP8 (DeepSeek's format): one FP32 scale for each 128 x 128 block of a weight matrix.
FP8_BLOCK = 128
PRECISIONS = ("bf16", "fp8")


@dataclass(frozen=True)
class Component:
    """One tensor of a layer, or several alike: ``parameters`` scalars, ``scale_blocks`` FP8 scales when quantised."""

    name: str
    parameters: int
    scale_blocks: int
    sharding: str
    storage: str

    def bytes(self, precision: str) -> int:
        """Bytes of the whole component with the model's weights in ``precision``."""
        if self.storage == FP32:
            return 4 * self.parameters
        if self.storage == LINEAR and precision == "fp8":
            return self.parameters + 4 * self.scale_blocks
        return 2 * self.parameters


def matrix(name: str, rows: int, columns: int, sharding: str, count: int = 1) -> Component:
    """``count`` linear layers of ``rows x columns``."""
    blocks = -(-rows // FP8_BLOCK) * -(-columns // FP8_BLOCK)
    return Component(name, count * rows * columns, count * blocks, sharding, LINEAR)


def plain(name: str, parameters: int, sharding: str = REPLICATED, storage: str = BF16) -> Component:
    """A component that quantisation leaves alone."""
    return Component(name, parameters, 0, sharding, storage)


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

    def bytes_per_token_and_layer(self, element_bytes: int, tensor: int) -> int:
        """Bytes on one rank; KV heads fewer than tensor ranks are replicated."""
        heads = 1 if self.latent else -(-self.heads // tensor)
        return heads * self.width * element_bytes + self.fixed_bytes


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


@dataclass(frozen=True)
class Model:
    """A model's shape. A layer is ``attention`` with ``dense_ffn``, or with ``moe_ffn`` and the routed experts.

    ``repository`` is where weights of ``checkpoint_precision`` are, by name or path, where that is known.
    """

    name: str
    kind: str
    repository: str | None
    checkpoint_precision: str
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
    mla_copy_parameters: int  # per layer: the absorbed W_UK and W_UV that vLLM >= 0.8 keeps in BF16 beside kv_b_proj
    tied_embeddings: bool = False
    attention_cost: AttentionCost = AttentionCost(0, 0)
    routing: Routing = Routing(0)

    @property
    def moe_layers(self) -> int:
        """How many layers have routed experts."""
        return self.layers.count(MOE_LAYER)

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

    def checkpoint_bytes(self, precision: str) -> int:
        """Bytes of the main model's tensors on disk."""
        return sum(count * component.bytes(precision) for component, count in self._counted())

    def _counted(self) -> list[tuple[Component, int]]:
        """Every component and how often the model has it."""
        found = [(component, 1) for component in self.before + self.after]
        for kind in (DENSE_LAYER, MOE_LAYER):
            found.extend((component, self.layers.count(kind)) for component in self.layer(kind))
        if self.expert is not None:
            found.append((self.expert, self.experts * self.moe_layers))
        return found


def pipeline_stages(layers: int, stages: int) -> list[int]:
    """Layers of each pipeline stage, as vLLM divides them (``distributed.utils.get_pp_indices``).

    What is left over goes one each to the last stages but the very last, which has the head: 61 layers over 4 stages
    are 15, 15, 16, 15.
    """
    sizes = [layers // stages] * stages
    for position in range(2, layers % stages + 2):
        sizes[-position] += 1
    return sizes
