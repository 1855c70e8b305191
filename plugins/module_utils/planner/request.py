# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner's input as dataclasses, read from JSON-like data with everything that is wrong noted at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .catalogue import find_model
from .engine_flags import KV_CACHE_DTYPES
from .fields import Section, describe, suggestion
from .findings import Finding, PlannerError, error
from .hardware import Gpu, find_gpu
from .model import PRECISIONS, Model
from .versions import Version, parse_version

PLATFORMS = ("cuda", "cpu")
ENGINES = ("vllm",)
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - what the API listens on unless told otherwise; the firewall is a role's business
DEFAULT_PORT = 8000
DEFAULT_RPC_PORT = 13345
_PRECISION_ALIASES = {"bfloat16": "bf16", "fp8_e4m3": "fp8", "float8": "fp8"}

_TOP = ("cluster", "model", "model_path", "precision", "parallel", "engine", "workload", "inventory")
_CLUSTER = ("hosts", "gpus_per_host", "gpu", "nic_gbit_s", "nics_per_host")
_HOST = ("name", "data_address", "node_rank", "data_interface")
_PARALLEL = ("tensor", "data", "pipeline", "expert", "redundant_experts", "eplb")
_ENGINE = (
    "name",
    "version",
    "platform",
    "gpu_memory_utilization",
    "kv_cache_dtype",
    "max_model_len",
    "kv_cache_memory_bytes",
    "max_num_seqs",
    "max_num_batched_tokens",
    "all2all_backend",
    "api_server_count",
    "host",
    "port",
    "rpc_port",
    "served_model_name",
    "eplb_config",
    "arguments",
    "environment",
)
_WORKLOAD = ("sessions",)
_INVENTORY = ("sources", "group")


@dataclass(frozen=True)
class Host:
    """A host of the serving group, in inventory order. ``node_rank`` is its place when the inventory says so."""

    name: str
    data_address: str | None = None
    node_rank: int | None = None
    data_interface: str | None = None


@dataclass(frozen=True)
class Cluster:
    """Hosts and what each has. ``nic_gbit_s`` is one port's speed, one direction, in 10^9 bit/s."""

    hosts: tuple[Host, ...]
    gpus_per_host: int
    gpu: Gpu | None
    nic_gbit_s: float | None
    nics_per_host: int
    sound: bool


@dataclass(frozen=True)
class Parallel:
    """How the model is divided. ``data`` is ``None`` when every GPU shall be used."""

    tensor: int = 1
    data: int | None = None
    pipeline: int = 1
    expert: bool = True
    redundant_experts: int = 0
    eplb: bool = False

    @property
    def gpus_per_rank(self) -> int:
        """GPUs of one data parallel rank."""
        return self.tensor * self.pipeline

    def expert_parallel_size(self, data: int) -> int:
        """Ranks the routed experts are spread over; vLLM has no other choice than tensor x data."""
        return self.tensor * data if self.expert else 1


@dataclass(frozen=True)
class Engine:
    """What runs. ``gpu_memory_utilization`` is ``None`` for the version's own default; sizes are bytes and tokens."""

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


@dataclass(frozen=True)
class InventorySources:
    """The files Ansible read the hosts from, and the group they are taken from."""

    sources: tuple[str, ...]
    group: str


@dataclass(frozen=True)
class Request:
    """The whole input. A part that could not be read is ``None`` and has its error among the findings."""

    cluster: Cluster
    model: Model | None
    model_path: str | None
    precision: str | None
    parallel: Parallel | None
    engine: Engine | None
    sessions: int | None
    inventory: InventorySources | None


def read_request(raw: Any, findings: list[Finding]) -> Request:
    """Read the planner's input; what is wrong is appended to ``findings``."""
    top = Section("input", raw, _TOP, findings)
    inventory = _read_inventory(top.get("inventory"), findings)
    cluster = _read_cluster(top.get("cluster"), findings, inventory.group if inventory else None)
    model, served = _read_model(top.get("model"), findings)
    parallel = _read_parallel(top.get("parallel"), findings, model)
    workload = Section("workload", top.get("workload"), _WORKLOAD, findings)
    sessions = workload.required_integer("sessions", 1)
    return Request(
        cluster=cluster,
        model=model,
        model_path=top.text("model_path", served),
        precision=_read_precision(top.get("precision"), model, findings),
        parallel=parallel,
        engine=_read_engine(top.get("engine"), findings),
        sessions=sessions if workload.sound else None,
        inventory=inventory,
    )


def read_hosts(raw: Any, findings: list[Finding]) -> tuple[tuple[Host, ...], bool]:
    """Hosts given as mappings or as bare names, and whether all could be read."""
    if raw is None:
        raw = []
    if isinstance(raw, str) or not isinstance(raw, (list, tuple)):
        findings.append(
            error(
                "input.not_a_list",
                f"cluster.hosts is {describe(raw)}, not a list",
                "give cluster.hosts as a list of hosts",
            )
        )
        return (), False
    hosts: list[Host] = []
    sound = True
    for index, item in enumerate(raw):
        section = Section(f"cluster.hosts[{index}]", {"name": item} if isinstance(item, str) else item, _HOST, findings)
        name = section.text("name", None)
        if name is None:
            if section.sound:
                section.refuse("input.missing", f"cluster.hosts[{index}].name is missing", "name every host")
            sound = False
            continue
        hosts.append(
            Host(
                name=name,
                data_address=section.text("data_address", None),
                node_rank=section.integer("node_rank", None, 0),
                data_interface=section.text("data_interface", None),
            )
        )
        sound = sound and section.sound
    return tuple(hosts), sound


def _read_cluster(raw: Any, findings: list[Finding], group: str | None) -> Cluster:
    section = Section("cluster", raw, _CLUSTER, findings)
    hosts, sound = read_hosts(section.get("hosts"), findings)
    if sound and section.sound and not hosts and group is None:
        findings.append(error("cluster.no_hosts", "cluster.hosts is empty", "give at least one host"))
    gpus = section.required_integer("gpus_per_host", 1, 1024)
    nic = section.number("nic_gbit_s", None, 0)
    nics = section.integer("nics_per_host", 1, 1, 1024)
    return Cluster(
        hosts=hosts,
        gpus_per_host=gpus,
        gpu=find_gpu(section.get("gpu"), findings),
        nic_gbit_s=nic,
        nics_per_host=nics or 1,
        sound=sound and section.sound,
    )


def _read_parallel(raw: Any, findings: list[Finding], model: Model | None) -> Parallel | None:
    """Sizes; unless told otherwise experts are spread where the model has some, and balanced where there are redundant
    ones.
    """
    section = Section("parallel", raw, _PARALLEL, findings)
    redundant = section.integer("redundant_experts", 0, 0) or 0
    parallel = Parallel(
        tensor=section.integer("tensor", 1, 1) or 1,
        data=section.integer("data", None, 1),
        pipeline=section.integer("pipeline", 1, 1) or 1,
        expert=section.boolean("expert", model is None or model.experts > 0),
        redundant_experts=redundant,
        eplb=section.boolean("eplb", redundant > 0),
    )
    return parallel if section.sound else None


def _read_model(raw: Any, findings: list[Finding]) -> tuple[Model | None, str | None]:
    try:
        return find_model(raw)
    except PlannerError as problem:
        findings.append(problem.finding())
        return None, None


def _read_precision(raw: Any, model: Model | None, findings: list[Finding]) -> str | None:
    """The precision of the weights; ``auto`` (and nothing) is the checkpoint's own."""
    if raw is None or raw == "auto":
        return model.checkpoint_precision if model else None
    name = _PRECISION_ALIASES.get(str(raw).lower(), str(raw).lower())
    if name in PRECISIONS:
        return name
    findings.append(
        error("model.unknown_precision", f"precision is {describe(raw)}", suggestion(str(raw), (*PRECISIONS, "auto")))
    )
    return None


def _read_engine(raw: Any, findings: list[Finding]) -> Engine | None:
    section = Section("engine", raw, _ENGINE, findings)
    name = section.text("name", "vllm") or ""
    if name not in ENGINES:
        section.refuse("engine.unknown", f"engine.name is '{name}'", suggestion(name, ENGINES))
    platform = section.text("platform", "cuda") or ""
    if platform not in PLATFORMS:
        section.refuse("engine.unknown_platform", f"engine.platform is '{platform}'", suggestion(platform, PLATFORMS))
    text = section.text("version", None)
    version = parse_version(text) if text else None
    if version is None:
        section.refuse(
            "engine.no_version",
            f"engine.version is {describe(section.get('version'))}",
            "give the engine's version, such as 0.19.1",
        )
    dtype = section.text("kv_cache_dtype", "auto") or "auto"
    if dtype not in KV_CACHE_DTYPES:
        section.refuse(
            "engine.kv_cache_dtype", f"engine.kv_cache_dtype is '{dtype}'", suggestion(dtype, KV_CACHE_DTYPES)
        )
    engine = Engine(
        name=name,
        version=version or Version(0, 0, 0),
        platform=platform,
        gpu_memory_utilization=section.number("gpu_memory_utilization", None, 0, 1),
        kv_cache_dtype=dtype,
        max_model_len=section.integer("max_model_len", None, 1),
        kv_cache_memory_bytes=section.integer("kv_cache_memory_bytes", None, 1),
        max_num_seqs=section.integer("max_num_seqs", None, 1),
        max_num_batched_tokens=section.integer("max_num_batched_tokens", None, 1),
        all2all_backend=section.text("all2all_backend", None),
        api_server_count=section.integer("api_server_count", None, 1),
        host=section.text("host", EVERY_ADDRESS) or EVERY_ADDRESS,
        port=section.integer("port", DEFAULT_PORT, 1, 65535) or DEFAULT_PORT,
        rpc_port=section.integer("rpc_port", DEFAULT_RPC_PORT, 1, 65535) or DEFAULT_RPC_PORT,
        served_model_name=section.text("served_model_name", None),
        eplb_config=section.mapping("eplb_config"),
        arguments=section.mapping("arguments"),
        environment=_strings(section, "environment"),
    )
    if engine.port == engine.rpc_port:
        section.refuse(
            "engine.port_conflict",
            f"engine.port and engine.rpc_port are both {engine.port}",
            "give the API and the engines' handshake different ports",
        )
    return engine if section.sound else None


def _strings(section: Section, key: str) -> dict[str, str]:
    """Environment variables: text and numbers as their text; truth values have no one spelling and are refused."""
    found: dict[str, str] = {}
    for name, value in section.mapping(key).items():
        if isinstance(value, (bool, Mapping, list, tuple)) or value is None:
            section.refuse(
                "input.not_text",
                f"{section.path(key)}.{name} is {describe(value)}, not text",
                f"quote {section.path(key)}.{name}",
            )
            continue
        found[name] = str(value)
    return found


def _read_inventory(raw: Any, findings: list[Finding]) -> InventorySources | None:
    if raw is None:
        return None
    section = Section("inventory", raw, _INVENTORY, findings)
    sources = section.get("sources", [])
    if isinstance(sources, str):
        sources = [sources]
    if not isinstance(sources, (list, tuple)):
        section.refuse(
            "input.not_a_list",
            f"inventory.sources is {describe(sources)}, not a list",
            "give inventory.sources as a list of paths",
        )
        sources = []
    return InventorySources(tuple(str(item) for item in sources), section.text("group", "serving") or "serving")
