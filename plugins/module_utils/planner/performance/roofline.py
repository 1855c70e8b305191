# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How long a decode step and a prompt token take one group of ranks: at the peak rates, and as services reach them.

A step has four terms: what device memory is read, what is computed, what goes through the ports and what over NVLink.
At peak rates and with everything overlapped the longest of them is the bound. In a real service they take turns, unless
the batch is large enough to be worth dividing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..deployment import Deployment
from ..engine.flags import KV_ELEMENT_BYTES
from ..hardware import Gpu
from ..memory.memory import kv_bytes_per_token, weights_of_stage
from ..models.flops import decode_attention_flops, prefill_attention_flops, token_flops
from ..network.ports import goodput_fraction
from ..network.traffic import GATHER, Spread, link_bytes, port_bytes, scheme, stage_bytes, tensor_bytes
from ..request import Cluster
from .calibration import EXPERT_SKEW, ROUND_TRIP_S, SLICED_EXPERT_TILE_ROWS, Efficiency

HBM, COMPUTE, NIC, NVLINK = "HBM", "compute", "NIC", "NVLink"


@dataclass(frozen=True)
class Machine:
    """The rates of one host's parts that a step is reckoned with, per second: one device's, and the host's ports."""

    gpus_per_host: int
    memory_bytes_s: float
    bf16_flops: float
    fp8_flops: float
    weights_flops: float
    nvlink_bytes_s: float | None
    port_bytes_s: float | None
    port_goodput: float = 1.0


@dataclass(frozen=True)
class Terms:
    """Seconds at peak rates, of the mean rank.

    ``layers`` run one after another. ``weights_s`` is the part of ``hbm_s`` that does not shrink with the batch,
    ``routed_s`` the part of ``compute_s`` that goes to experts, ``fullest`` how much more of it the rank with the most
    wanted experts gets and ``fullest_link`` how much more traffic. ``goodput`` is the payload's share of the ports'
    line rate, ``divides`` whether the engine can let half a batch compute while the other half communicates,
    ``round_trips_s`` what empty messages between hosts would take, and ``pass_s`` one pass of the tokens' hidden
    vectors through device memory, all layers.
    """

    hbm_s: float
    compute_s: float
    nic_s: float
    nvlink_s: float
    layers: float
    weights_s: float = 0.0
    routed_s: float = 0.0
    fullest: float = 1.0
    fullest_link: float = 1.0
    goodput: float = 1.0
    divides: bool = False
    round_trips_s: float = 0.0
    pass_s: float = 0.0
    eager: bool = False

    @property
    def by_name(self) -> dict[str, float]:
        """The four terms, in seconds."""
        return {HBM: self.hbm_s, COMPUTE: self.compute_s, NIC: self.nic_s, NVLINK: self.nvlink_s}

    @property
    def limited_by(self) -> str:
        """The longest of the terms."""
        return max(self.by_name, key=lambda name: self.by_name[name])

    @property
    def bound_s(self) -> float:
        """No less than this, whatever overlaps."""
        return max(self.by_name.values())

    def launches_s(self, reached: Efficiency) -> float:
        """What the layers cost whatever the batch is."""
        return self.layers * reached.launch_s(self.eager) + self.round_trips_s

    def device_s(self, reached: Efficiency) -> float:
        """The device's own time: memory and arithmetic take turns."""
        uneven = self.routed_s * (self.fullest - 1)
        return (
            self.hbm_s / reached.hbm
            + (self.compute_s + uneven) / reached.compute
            + self.pass_s * reached.prefill_passes
            + self.launches_s(reached)
        )

    @property
    def fabric_s(self) -> float:
        """Ports and links, until the rank that is sent most has it all."""
        return (self.nic_s / self.goodput + self.nvlink_s) * self.fullest_link

    def likely_s(self, reached: Efficiency) -> float:
        """As services do: one batch whose parts follow one another, or two half batches of which one computes while the
        other communicates, at the price of reading the weights and launching the layers twice; whichever is shorter.
        """
        device, fabric = self.device_s(reached), self.fabric_s
        if not self.divides:
            return device + fabric
        twice = self.weights_s / reached.hbm + self.launches_s(reached)
        return min(device + fabric, max(device + twice, fabric))


def _attention_flops_s(case: Deployment, rates: Machine) -> float:
    """The peak that decode attention runs at: that of the KV cache's format (FlashMLA has a kernel for FP8)."""
    return rates.fp8_flops if KV_ELEMENT_BYTES[case.engine.kv_cache_dtype] == 1 else rates.bf16_flops


def _fullest(case: Deployment) -> float:
    """The expected load of the fullest of several ranks over their mean, for experts of unlike popularity: n experts a
    rank even out to 1 / sqrt(n), and the largest of R such sums lies sqrt(2 ln R) deviations out.
    """
    ranks = case.expert_parallel_size
    if ranks <= 1 or not case.model.experts:
        return 1.0
    each = (case.model.experts + case.parallel.redundant_experts) / ranks
    return 1 + EXPERT_SKEW * math.sqrt(2 * math.log(ranks) / each)


def _fullest_link(case: Deployment) -> float:
    """The same for traffic: what is gathered everywhere does not depend on which experts are wanted."""
    return 1.0 if scheme(case.engine.all2all_backend) == GATHER else _fullest(case)


def _divides(case: Deployment) -> bool:
    """vLLM's dual batch overlap and its kin exist for back ends that send copies, not for gathering or all-reduce."""
    return case.parallel.expert and scheme(case.engine.all2all_backend) != GATHER


def _round_trips_s(case: Deployment, rates: Machine) -> float:
    if not case.parallel.expert or spread(case, rates.gpus_per_host).hosts <= 1:
        return 0.0
    return ROUND_TRIP_S * case.model.moe_layers / case.parallel.pipeline


def machine(cluster: Cluster, gpu: Gpu, precision: str) -> Machine | None:
    """The rates, or ``None`` where one is not known that every layout needs.

    Weights in a format the device has no arithmetic for are multiplied in BF16.
    """
    if gpu.memory_bandwidth_bytes_s is None or gpu.bf16_flops is None:
        return None
    peaks = {"fp8": gpu.fp8_flops, "nvfp4": gpu.fp4_flops}
    line = cluster.host_bytes_per_s
    return Machine(
        gpus_per_host=cluster.gpus_per_host,
        memory_bytes_s=gpu.memory_bandwidth_bytes_s,
        bf16_flops=gpu.bf16_flops,
        fp8_flops=gpu.fp8_flops or gpu.bf16_flops,
        weights_flops=peaks.get(precision) or gpu.bf16_flops,
        nvlink_bytes_s=gpu.nvlink_bytes_s,
        port_bytes_s=line,
        port_goodput=goodput_fraction(cluster.nic_mtu),
    )


def spread(case: Deployment, gpus_per_host: int) -> Spread:
    """The ranks that share the experts of one pipeline stage, and the hosts they are on."""
    ranks = case.parallel.tensor * case.data
    return Spread(ranks, math.ceil(ranks / gpus_per_host))


def _resident_bytes(case: Deployment, tokens: float) -> float:
    """Weights that a step reads on one device of the largest stage: of the experts those that a token is sent to, no
    embedding (a look-up), and of kv_b and its absorbed copy the copy only.
    """
    model, tensor = case.model, case.parallel.tensor
    most = 0.0
    for stage in range(case.parallel.pipeline):
        weights = weights_of_stage(case, stage)
        touched = 1.0
        if model.experts:
            touched = 1 - (1 - model.experts_per_token / model.experts) ** max(tokens, 1.0)
        other = float(weights.other + weights.mla_copy)
        if stage == 0 and not model.tied_embeddings:
            other -= sum(case.bytes(item) / tensor for item in model.before)
        if weights.mla_copy:
            absorbed = sum(case.bytes(item) for item in model.attention if item.name == "kv_b_proj")
            other -= absorbed * len(case.stage_layers(stage)) / tensor
        most = max(most, other + touched * weights.routed_experts)
    return most


def _routed_flops(case: Deployment, tokens: float) -> float:
    """Routed experts' FLOPs on one device for ``tokens`` of the whole group, all stages together."""
    model = case.model
    if model.expert is None:
        return 0.0
    ranks = case.parallel.tensor * case.data
    rows = tokens * model.experts_per_token
    if case.expert_parallel_size == 1 and case.precision == "fp8":
        touched = model.experts * (1 - (1 - model.experts_per_token / model.experts) ** max(tokens, 1.0))
        tiles = math.ceil(rows / touched / SLICED_EXPERT_TILE_ROWS)
        rows = max(rows, touched * tiles * SLICED_EXPERT_TILE_ROWS)
    return 2.0 * rows * model.expert.parameters * model.moe_layers / ranks


def decode_terms(case: Deployment, rates: Machine, sequences: float, context: float) -> Terms:
    """One decode step of one pipeline stage with ``sequences`` on each data parallel rank (of which each stage has its
    ``1 / stages`` at a time), every one with ``context`` tokens behind it.
    """
    model, tensor, stages = case.model, case.parallel.tensor, case.parallel.pipeline
    drafts = 1 + case.engine.speculative_tokens
    at_once = sequences / stages
    own = at_once * drafts
    everyone = own * case.data
    kv = max(kv_bytes_per_token(case, stage) for stage in range(stages))
    flops = token_flops(model)
    home = own * flops.home / tensor / stages
    attention = own * decode_attention_flops(model, context) / tensor / stages
    routed = _routed_flops(case, everyone) / stages
    nic, nvlink = _fabric(case, rates, own, everyone)
    weights_s = _resident_bytes(case, everyone) / rates.memory_bytes_s
    return Terms(
        hbm_s=weights_s + at_once * context * kv / rates.memory_bytes_s,
        weights_s=weights_s,
        compute_s=(home + routed) / rates.weights_flops + attention / _attention_flops_s(case, rates),
        nic_s=nic,
        nvlink_s=nvlink,
        layers=len(model.layers) / stages,
        routed_s=routed / rates.weights_flops,
        fullest=_fullest(case),
        fullest_link=_fullest_link(case),
        goodput=rates.port_goodput,
        divides=_divides(case),
        round_trips_s=_round_trips_s(case, rates),
        eager=case.engine.enforce_eager,
    )


def prefill_terms(case: Deployment, rates: Machine, length: float) -> Terms:
    """One prompt token on each data parallel rank, when prompts of ``length`` keep all ranks and stages busy."""
    model, tensor, stages = case.model, case.parallel.tensor, case.parallel.pipeline
    flops = token_flops(model)
    share = tensor * stages
    attention = prefill_attention_flops(model, length) / length / share
    nic, nvlink = _fabric(case, rates, 1.0, float(case.data))
    return Terms(
        hbm_s=0.0,
        compute_s=flops.total / share / rates.weights_flops + attention / rates.bf16_flops,
        nic_s=nic,
        nvlink_s=nvlink,
        layers=0.0,
        routed_s=flops.routed / share / rates.weights_flops,
        fullest=_fullest(case),
        fullest_link=_fullest_link(case),
        goodput=rates.port_goodput,
        divides=_divides(case),
        pass_s=pass_s(case, rates, 1.0) / stages,
    )


def pass_s(case: Deployment, rates: Machine, tokens: float) -> float:
    """One pass of ``tokens`` hidden vectors in BF16 through a rank's devices' memory, all layers."""
    width = 2.0 * case.model.hidden_size * len(case.model.layers)
    return tokens * width / case.parallel.tensor / rates.memory_bytes_s


def _fabric(case: Deployment, rates: Machine, own: float, everyone: float) -> tuple[float, float]:
    """Seconds through one host's ports and over one device's NVLink, for ``own`` tokens on each data parallel rank and
    ``everyone``'s together, in one stage.
    """
    model, engine, parallel = case.model, case.engine, case.parallel
    over = spread(case, rates.gpus_per_host)
    through_ports, over_links = 0.0, tensor_bytes(model, parallel.tensor) * own / parallel.pipeline
    if parallel.expert:
        details = (model, engine.all2all_backend, case.precision, engine.version, over)
        through_ports += port_bytes(*details) * everyone / parallel.pipeline
        over_links += link_bytes(*details) * everyone / parallel.pipeline
    elif case.data > 1 and model.experts:
        # Experts sliced over tensor x data ranks: every rank's tokens are gathered and reduced as in a tensor group.
        over_links += tensor_bytes(model, over.ranks) * everyone / parallel.pipeline
    if parallel.tensor > rates.gpus_per_host:
        through_ports += tensor_bytes(model, parallel.tensor) * own / parallel.pipeline
    if parallel.pipeline > 1 and over.ranks * parallel.pipeline > rates.gpus_per_host:
        through_ports += stage_bytes(model) * everyone / over.hosts
    nic = 0.0
    if through_ports:
        nic = through_ports / rates.port_bytes_s if rates.port_bytes_s else math.inf
    nvlink = over_links / rates.nvlink_bytes_s if over_links and rates.nvlink_bytes_s else 0.0
    return nic, nvlink
