# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tensors a layer is made of: their shapes, how each is divided among ranks and which part of the model it is."""

from __future__ import annotations

from dataclasses import dataclass

# How a component is divided among the ranks of one model replica.
TENSOR = "tensor"  # split over the tensor parallel ranks
REPLICATED = "replicated"  # whole on every rank

# How a component is stored.
LINEAR = "linear"  # takes the weights' precision, where the quantisation covers it
BF16 = "bf16"  # never quantised: embeddings, head, norms, router
FP32 = "fp32"  # never anything else: the router's correction bias

# The parts that a budget is listed by.
ROUTED_EXPERTS = "routed_experts"
SHARED_EXPERTS = "shared_experts"
DENSE = "dense"
ATTENTION = "attention"
INDEXER = "indexer"
ROUTER = "router"
NORMS = "norms"
EMBEDDING = "embedding"
HEAD = "head"
VISION = "vision"
MTP = "mtp"


@dataclass(frozen=True)
class Component:
    """``count`` tensors of ``rows x columns`` scalars, alike.

    ``module`` is the module's path within its layer in the published checkpoint, which exclusion lists speak of.
    ``most_shards`` is how many ranks it can be divided over when that is not every tensor rank: key and value heads
    fewer than ranks are replicated.
    """

    name: str
    part: str
    rows: int
    columns: int
    count: int
    sharding: str
    storage: str
    module: str = ""
    most_shards: int = 0

    @property
    def parameters(self) -> int:
        """Scalars in all."""
        return self.count * self.rows * self.columns

    def shards(self, tensor: int) -> int:
        """Over how many of ``tensor`` ranks it is divided."""
        if self.sharding != TENSOR:
            return 1
        return min(tensor, self.most_shards) if self.most_shards else tensor


def matrix(
    name: str,
    part: str,
    rows: int,
    columns: int,
    sharding: str,
    *,
    count: int = 1,
    module: str = "",
    most_shards: int = 0,
) -> Component:
    """``count`` linear layers of ``rows x columns``, outputs by inputs."""
    return Component(name, part, rows, columns, count, sharding, LINEAR, module or name, most_shards)


def plain(name: str, part: str, parameters: int, sharding: str = REPLICATED, storage: str = BF16) -> Component:
    """A component that quantisation leaves alone."""
    return Component(name, part, parameters, 1, 1, sharding, storage)


def swiglu(name: str, part: str, hidden: int, width: int, module: str) -> Component:
    """A SwiGLU block: gate, up and down, divided over the tensor ranks."""
    return matrix(name, part, width, hidden, TENSOR, count=3, module=f"{module}.gate_proj")
