# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner's input as dataclasses; ``request_reading`` makes them from JSON-like data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .hardware import Gpu
from .models.model import Model
from .versions import Version

# What can be sized; only the first has command lines here.
ENGINES = ("vllm", "sglang", "trtllm")
LAUNCHABLE = ("vllm",)
# How the hosts are divided: one group over all of them, independent groups behind a balancer, or groups whose hosts are
# the stages of a pipeline.
WIDE_EP, REPLICAS, PIPELINE = "wide_ep", "replicas", "pipeline"
LAYOUTS = (WIDE_EP, REPLICAS, PIPELINE)


@dataclass(frozen=True)
class Host:
    """A host of the serving group, in inventory order. ``node_rank`` is its place when the inventory says so.

    ``gpu`` is the host's own accelerator where it differs from the cluster's; ``rdma_device`` is the data network's
    RDMA device, with its port after a colon where it has several (``mlx5_0:1``).
    """

    name: str
    data_address: str | None = None
    node_rank: int | None = None
    data_interface: str | None = None
    gpu: Gpu | None = None
    rdma_device: str | None = None


@dataclass(frozen=True)
class Cluster:
    """Hosts and what each has.

    ``nic_gbit_s`` is one port's speed, one direction, in 10^9 bit/s; ``nic_mtu`` its MTU for RDMA in bytes.
    ``mixed_gpus`` says what to do with unlike accelerators: ``refuse`` or plan on the ``weakest``. ``traffic_class`` is
    the byte that RDMA packets carry in the IP header, DSCP x 4 + ECN.
    """

    hosts: tuple[Host, ...]
    gpus_per_host: int
    gpu: Gpu | None
    nic_gbit_s: float | None
    nics_per_host: int
    sound: bool
    nic_mtu: int = 4096
    mixed_gpus: str = "refuse"
    traffic_class: int | None = None

    @property
    def host_bytes_per_s(self) -> float | None:
        """What all ports of one host carry in one direction at line rate, bytes/s; ``None`` where unknown."""
        return None if self.nic_gbit_s is None else self.nic_gbit_s * self.nics_per_host * 1e9 / 8


@dataclass(frozen=True)
class Parallel:
    """How the model is divided. ``data`` is ``None`` when every GPU shall be used.

    ``decode_context`` ranks of a tensor group divide a sequence's KV cache among them.
    """

    tensor: int = 1
    data: int | None = None
    pipeline: int = 1
    expert: bool = True
    redundant_experts: int = 0
    eplb: bool = False
    decode_context: int = 1

    @property
    def gpus_per_rank(self) -> int:
        """GPUs of one data parallel rank."""
        return self.tensor * self.pipeline

    def expert_parallel_size(self, data: int) -> int:
        """Ranks the routed experts are spread over; vLLM has no other choice than tensor x data."""
        return self.tensor * data if self.expert else 1


@dataclass(frozen=True)
class Division:
    """How ``hosts`` hosts are divided into groups. ``hosts_per_group`` does not count for ``wide_ep``."""

    kind: str = WIDE_EP
    hosts_per_group: int = 1
    hosts: int = 0

    @property
    def balanced(self) -> bool:
        """Whether a balancer stands before the groups: of ``replicas`` also where there is only one."""
        return self.kind == REPLICAS or (self.kind == PIPELINE and self.hosts_per_group < self.hosts)

    def divide(self, given: Parallel, gpus_per_host: int) -> Parallel:
        """The sizes that are asked for, as this division has them.

        Every host of a pipeline's group is a stage, and all GPUs of the host divide the stage's layers. What balances
        experts between ranks has nothing to do there: the GPUs of a tensor group work on the same tokens.
        """
        if self.kind != PIPELINE:
            return given
        groups = max(1, self.hosts // self.hosts_per_group)
        return Parallel(tensor=gpus_per_host, data=groups, pipeline=self.hosts_per_group, expert=given.expert)


@dataclass(frozen=True)
class Engine:
    """What runs. ``gpu_memory_utilization`` is ``None`` for the version's own default; sizes are bytes and tokens.

    ``speculative_tokens`` are drafted a step by the model's own multi-token prediction layer, each accepted with
    ``acceptance_rate``.
    """

    name: str
    version: Version
    platform: str
    gpu_memory_utilization: float | None
    kv_cache_dtype: str
    max_model_len: int | None
    kv_cache_memory_bytes: int | None
    max_num_seqs: int | None
    max_num_batched_tokens: int | None
    all2all_backend: str | None
    api_server_count: int | None
    host: str
    port: int
    rpc_port: int
    served_model_name: str | None
    eplb_config: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    speculative_tokens: int = 0
    acceptance_rate: float = 0.85
    enforce_eager: bool = False


@dataclass(frozen=True)
class Workload:
    """What the service is asked to do: ``sessions`` requests at once, each of so many tokens in and out.

    ``context_tokens`` is the mean context while tokens are generated; ``arrival_rate`` is in requests/s over the whole
    cluster, ``None`` for as fast as ``sessions`` users that never pause ask. ``lengths_given`` is false where all
    lengths are assumed.
    """

    sessions: int
    input_tokens: int
    output_tokens: int
    context_tokens: int
    arrival_rate: float | None = None
    lengths_given: bool = True


@dataclass(frozen=True)
class InventorySources:
    """The files Ansible read the hosts from, and the group they are taken from."""

    sources: tuple[str, ...]
    group: str


@dataclass(frozen=True)
class Request:
    """The whole input. A part that could not be read is ``None`` and has its error among the findings.

    ``parallel`` are the sizes of the ``division``, which are ``given_parallel`` unless that decides them.

    ``objectives``, ``search``, ``stack``, ``claims`` and ``commands`` are each read by the room of their name.
    """

    cluster: Cluster
    model: Model | None
    model_path: str | None
    precision: str | None
    parallel: Parallel | None
    engine: Engine | None
    workload: Workload | None
    inventory: InventorySources | None
    division: Division = field(default_factory=Division)
    given_parallel: Parallel | None = None
    objectives: Any = None
    search: Any = None
    stack: Any = None
    claims: Any = None
    commands: Any = None
