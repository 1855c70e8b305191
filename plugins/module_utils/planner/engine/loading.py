# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ranks read of a checkpoint when they start, and whether the engine leaves out experts that are not its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..deployment import Deployment
from ..layout import Layout
from ..models.model import MOE_LAYER
from .flags import FLAGS, flag_of

FILTER = "--enable-ep-weight-filter"
# Precisions whose experts are tensors called `.weight`, which every release with the filter leaves out. Packed ones
# (`.weight_packed`, `.qweight`) it leaves out in some or in none.
_PLAIN = ("bf16", "fp8")
_FUSED = ("llama4",)
_OTHER_LOADERS = {"--load-format", "--model-loader-extra-config"}


@dataclass(frozen=True)
class Loading:
    """Bytes of tensors. Without the filter each rank reads the whole checkpoint and throws away what it doesn't hold.

    ``rank_bytes`` are those of the rank with the most experts. ``host_bytes`` are those of its host's disk: what its
    ranks read between them, each byte once where the host's memory keeps it.
    """

    checkpoint_bytes: int
    rank_bytes: int
    host_bytes: int
    filtered: bool
    reason: str

    @property
    def saved_bytes(self) -> int:
        """What a rank does not read."""
        return self.checkpoint_bytes - self.rank_bytes

    def as_dict(self) -> dict[str, Any]:
        """``plan.loading``."""
        return {**vars(self), "saved_bytes": self.saved_bytes}


def filters_experts(case: Deployment) -> tuple[bool, str]:
    """Whether ranks read their own experts alone, and why or why not.

    From vLLM's ``default_loader.py``: it does so with expert parallelism where it is asked to, and never with EPLB,
    which may put any expert anywhere. Only tensors of single experts can be told apart; scales are always read.
    """
    if not case.parallel.expert or not case.model.experts or case.expert_parallel_size == 1:
        return False, "experts are not divided between ranks"
    if case.parallel.eplb:
        return False, "EPLB may put any expert on any rank, so each rank reads all"
    since = FLAGS[FILTER].introduced
    given = {flag_of(name): value for name, value in case.engine.arguments.items()}
    obstacles = (
        (
            case.engine.name != "vllm" or case.engine.version < since,
            f"vLLM leaves out other ranks' experts from {since} on",
        ),
        (case.model.kind in _FUSED, "all experts of a layer are in one tensor"),
        (case.precision not in _PLAIN, f"experts in {case.precision} are packed, which not every release leaves out"),
        (bool(_OTHER_LOADERS & given.keys()), "engine.arguments has another way of loading, which may read all"),
        (given.get(FILTER) is False, "engine.arguments has it off"),
    )
    obstacle = next((words for holds, words in obstacles if holds), "")
    return not obstacle, obstacle or "each rank reads its own experts and what all ranks have"


def loading(case: Deployment, layout: Layout) -> Loading:
    """The bytes of one rank and of one host."""
    model = case.model
    whole, routed = model.checkpoint_bytes(case.precision), 0
    if model.expert is not None:
        layers = [index for index, kind in enumerate(model.layers) if kind == MOE_LAYER]
        routed = model.experts * sum(case.bytes(model.expert, index) for index in layers)
    filtered, reason = filters_experts(case)
    if not filtered:
        return Loading(whole, whole, whole, False, reason)
    each = -(-model.experts // case.expert_parallel_size)
    ranks = max(len(host.ranks) for host in layout.hosts) * case.parallel.tensor
    shared = whole - routed
    rank, host = (shared + routed * min(model.experts, count) // model.experts for count in (each, each * ranks))
    return Loading(whole, rank, host, True, reason)
