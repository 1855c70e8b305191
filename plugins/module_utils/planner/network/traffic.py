# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bytes that expert, tensor and pipeline parallelism send for one token, and how far a token's experts are.

Formats: DeepEP's dispatch is FP8 with an FP32 scale for each 128 values, its combine BF16 (deepseek-ai/DeepEP,
docs/legacy.md). vLLM's ``allgather_reducescatter`` gathers every rank's tokens everywhere and reduces the results back;
0.19.1 quantises before the gather and adds about 64 bytes of routing a token, earlier releases are taken to gather
BF16.
"""

from __future__ import annotations

import math
import random
import statistics
from dataclasses import dataclass
from functools import lru_cache

from ..models.model import Model, Routing
from ..versions import Version, version

BF16_BYTES = 2
SCALE_GROUP = 128
SCALE_BYTES = 4
ROUTING_BYTES = 64

# How a back end spends the fabric.
GATHER = "gather"  # everything to every rank
PER_HOST = "per_host"  # one copy to each host that has one of the token's experts, spread inside it
PER_EXPERT = "per_expert"  # one copy for each chosen expert

ALLGATHER = "allgather_reducescatter"
SCHEMES: dict[str, str] = {
    ALLGATHER: GATHER,
    "naive": GATHER,
    "pplx": PER_EXPERT,
    "deepep_high_throughput": PER_HOST,
    "deepep_low_latency": PER_EXPERT,
    "deepep_v2": PER_HOST,
    "mori_high_throughput": PER_HOST,
    "mori": PER_HOST,
    "mori_low_latency": PER_EXPERT,
    "nixl_ep": PER_EXPERT,
    "moonep": PER_HOST,
}
# Shown for every cluster, so that the choice can be seen.
COMPARED = (ALLGATHER, "deepep_high_throughput", "deepep_low_latency")

_FP8_GATHER_SINCE = version("0.19.1")
_SAMPLES = 2000
_LOGIT = statistics.NormalDist()


@dataclass(frozen=True)
class TokenBytes:
    """Bytes of one copy of a token's hidden state in one MoE layer: out to its experts and back."""

    dispatch: float
    combine: float

    @property
    def both(self) -> float:
        """Out and back."""
        return self.dispatch + self.combine


def scheme(backend: str | None) -> str:
    """How the back end sends; unset is the default all-gather, and one that is not known is taken as the dearest."""
    return SCHEMES.get(backend or ALLGATHER, PER_EXPERT)


def gathers_fp8(release: Version) -> bool:
    """Whether the release's all-gather sends FP8 activations (of an FP8 model)."""
    return release >= _FP8_GATHER_SINCE


def copy_bytes(model: Model, backend: str | None, precision: str, release: Version) -> TokenBytes:
    """One copy in one layer: 7,392 + 14,336 B for DeepSeek-V3 through DeepEP, 7,456 or 14,336 + 14,336 gathered."""
    wide = float(BF16_BYTES * model.hidden_size)
    narrow = model.hidden_size + SCALE_BYTES * model.hidden_size / SCALE_GROUP
    if precision == "bf16":
        return TokenBytes(wide, wide)
    if scheme(backend) == GATHER:
        return TokenBytes(narrow + ROUTING_BYTES if gathers_fp8(release) else wide, wide)
    return TokenBytes(narrow, wide)


def _best_of_group(size: int, count: int, generator: random.Random) -> list[tuple[float, int]]:
    """The ``count`` highest of ``size`` independent uniform scores, highest first, each with its expert's place.

    The highest of n uniform numbers is U^(1/n) and so on downwards, so the others need not be drawn.
    """
    highest, found = 1.0, []
    for rank, place in enumerate(generator.sample(range(size), min(count, size))):
        highest *= generator.random() ** (1 / (size - rank))
        found.append((highest, place))
    return found


def _affinity(uniform: float) -> float:
    """A uniform score as the gate has it: the sigmoid of a normally distributed logit."""
    return 1 / (1 + math.exp(-_LOGIT.inv_cdf(min(max(uniform, 1e-12), 1 - 1e-12))))


@lru_cache(maxsize=64)
def _choices(experts: int, routing: Routing) -> tuple[tuple[int, ...], ...]:
    """Experts chosen by the model's own rule for a sample of tokens with independent, equally distributed scores.

    With groups a group's score is the sum of its two best experts' scores, and experts come from the best groups only.
    """
    generator = random.Random(20260)  # noqa: S311 - the same sample each time, so the same plan each time
    size = experts // routing.groups
    chosen = []
    for _ in range(_SAMPLES):
        groups = [_best_of_group(size, routing.per_token, generator) for _ in range(routing.groups)]
        order = list(range(routing.groups))
        if routing.groups > 1:
            order.sort(key=lambda group: sum(_affinity(score) for score, _place in groups[group][:2]), reverse=True)
        taken = [
            (score, group * size + place)
            for group in order[: routing.groups_per_token]
            for score, place in groups[group]
        ]
        chosen.append(tuple(expert for _score, expert in sorted(taken, reverse=True)[: routing.per_token]))
    return tuple(chosen)


@lru_cache(maxsize=256)
def expected_parts(experts: int, routing: Routing, parts: int) -> float:
    """How many of ``parts`` equal shares of the experts (hosts, ranks) a token's experts are on, in the mean.

    DeepSeek-V3 over 4 hosts: 3.1 (its 8 groups of which 4 are taken would be 3.14 if every group taken were used, and
    3.61 without groups).
    """
    if parts <= 1 or experts <= 0:
        return 1.0
    found = sum(len({expert * parts // experts for expert in choice}) for choice in _choices(experts, routing))
    return found / _SAMPLES


def expected_hosts(model: Model, hosts: int) -> float:
    """Hosts that a token's experts are on, in the mean, of ``hosts`` that share the experts evenly."""
    return expected_parts(model.experts, model.routing, hosts)


@dataclass(frozen=True)
class Spread:
    """Experts of one group of ranks: over ``ranks`` ranks on ``hosts`` hosts."""

    ranks: int
    hosts: int


def copies_sent(model: Model, backend: str | None, spread: Spread) -> float:
    """Copies of a token that leave its host through the ports, each way, for a token of that host."""
    if spread.hosts <= 1 or not model.experts:
        return 0.0
    kind = scheme(backend)
    if kind == GATHER:
        # A ring carries everything once past every host.
        return spread.hosts * (spread.ranks - 1) / spread.ranks
    if kind == PER_HOST:
        return expected_hosts(model, spread.hosts) * (spread.hosts - 1) / spread.hosts
    return model.experts_per_token * (spread.hosts - 1) / spread.hosts


def port_bytes(model: Model, backend: str | None, precision: str, release: Version, spread: Spread) -> float:
    """Bytes through one host's ports, each direction, for each token of the whole group, over all MoE layers.

    DeepSeek-V3, FP8, EP=32 on 4 hosts: 0.74 MB with one copy a host, 1.89 MB with one an expert, 1.22 MB gathered in
    FP8, 1.61 MB in BF16.
    """
    each = copy_bytes(model, backend, precision, release).both
    return each * copies_sent(model, backend, spread) / max(1, spread.hosts) * model.moe_layers


def prompt_port_bytes(model: Model, backend: str | None, precision: str, release: Version, spread: Spread) -> float:
    """Bytes through the home host's ports for each token of a prompt that is alone in the group, over all MoE layers.

    Gathered, a token leaves its host once; otherwise once for every copy.
    """
    copies = copies_sent(model, backend, spread)
    if scheme(backend) == GATHER and copies:
        copies = 1.0
    return copy_bytes(model, backend, precision, release).both * copies * model.moe_layers


def link_bytes(model: Model, backend: str | None, precision: str, release: Version, spread: Spread) -> float:
    """Bytes through one device's NVLink, each direction, for each token of the group, over all MoE layers."""
    if spread.ranks <= 1 or not model.experts:
        return 0.0
    each = copy_bytes(model, backend, precision, release).both * model.moe_layers
    if scheme(backend) == GATHER:
        return each * (spread.ranks - 1) / spread.ranks
    # Every copy ends on one rank, reached over NVLink unless it came through the ports to that rank itself.
    ranks_reached = expected_parts(model.experts, model.routing, spread.ranks)
    return each * ranks_reached * (spread.ranks - 1) / spread.ranks / spread.ranks


def tensor_bytes(model: Model, tensor: int) -> float:
    """Bytes that one rank of a tensor group sends for a token: two BF16 all-reduces a layer, as rings."""
    if tensor <= 1:
        return 0.0
    return 2 * len(model.layers) * BF16_BYTES * model.hidden_size * 2 * (tensor - 1) / tensor


def stage_bytes(model: Model) -> float:
    """Bytes a token sends from one pipeline stage to the next: hidden state and residual in BF16."""
    return 2.0 * BF16_BYTES * model.hidden_size
