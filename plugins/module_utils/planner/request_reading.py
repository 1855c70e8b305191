# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the planner's input from JSON-like data, with everything that is wrong noted at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .engine.flags import KV_CACHE_DTYPES
from .fields import Section, describe, suggestion
from .findings import Finding, PlannerError, error
from .hardware import Gpu, find_gpu, weakest
from .models.catalogue import find_model
from .models.model import Model
from .models.quantisation import PRECISIONS, known_precision
from .request import (
    ENGINES,
    LAYOUTS,
    PIPELINE,
    WIDE_EP,
    Cluster,
    Division,
    Engine,
    Host,
    InventorySources,
    Parallel,
    Request,
    Workload,
)
from .versions import Version, parse_version

PLATFORMS = ("cuda", "cpu")
EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - what the API listens on unless told otherwise; the firewall is a role's business
DEFAULT_PORT = 8000
DEFAULT_RPC_PORT = 13345
# Beyond any service; a larger number is a slip.
_MOST_SESSIONS = 10**7
_MOST_TOKENS = 10**8
_MOST_BYTES = 1 << 60
_MOST_SERVERS = 10**4
MIXED_GPUS = ("refuse", "weakest")
# Lengths of a request where none are given: a conversation's turn, answered at some length.
DEFAULT_INPUT_TOKENS = 1024
DEFAULT_OUTPUT_TOKENS = 1024

# Read by rooms of their own from what the request carries along.
_PASSED_ON = ("objectives", "search", "stack", "claims", "commands")
INPUTS = (
    "cluster",
    "model",
    "model_path",
    "precision",
    "parallel",
    "layout",
    "engine",
    "workload",
    "inventory",
    *_PASSED_ON,
)
_CLUSTER = ("hosts", "gpus_per_host", "gpu", "nic_gbit_s", "nics_per_host", "nic_mtu", "mixed_gpus", "traffic_class")
_HOST = ("name", "data_address", "node_rank", "data_interface", "gpu", "rdma_device")
_PARALLEL = ("tensor", "data", "pipeline", "expert", "redundant_experts", "eplb", "decode_context")
_LAYOUT = ("kind", "hosts_per_group")
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
    "speculative_tokens",
    "acceptance_rate",
    "enforce_eager",
)
_WORKLOAD = ("sessions", "input_tokens", "output_tokens", "context_tokens", "arrival_rate")
_INVENTORY = ("sources", "group")


def read_request(raw: Any, findings: list[Finding]) -> Request:
    """Read the planner's input; what is wrong is appended to ``findings``."""
    top = Section("input", raw, INPUTS, findings)
    inventory = _read_inventory(top.get("inventory"), findings)
    cluster = _read_cluster(top.get("cluster"), findings, inventory.group if inventory else None)
    model, served = _read_model(top.get("model"), findings)
    parallel = _read_parallel(top.get("parallel"), findings, model)
    engine = _read_engine(top.get("engine"), findings)
    division = _read_division(top.get("layout"), len(cluster.hosts), findings)
    if division.kind == PIPELINE:
        engine = engine and replace(engine, eplb_config={})
    return Request(
        cluster=cluster,
        model=model,
        model_path=top.text("model_path", served),
        precision=_read_precision(top.get("precision"), model, findings),
        parallel=parallel and division.divide(parallel, cluster.gpus_per_host),
        given_parallel=parallel,
        engine=engine,
        workload=_read_workload(top.get("workload"), findings),
        inventory=inventory,
        division=division,
        **{name: top.get(name) for name in _PASSED_ON},
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
                gpu=_read_own_gpu(section, findings),
                rdma_device=section.text("rdma_device", None),
            )
        )
        sound = sound and section.sound
    return tuple(hosts), sound


def _read_own_gpu(section: Section, findings: list[Finding]) -> Gpu | None:
    """A host's own accelerator, where it says so."""
    given = section.get("gpu")
    if given is None:
        return None
    gpu = find_gpu(given, findings, section.path("gpu"))
    section.sound = section.sound and gpu is not None
    return gpu


def _read_cluster(raw: Any, findings: list[Finding], group: str | None) -> Cluster:
    section = Section("cluster", raw, _CLUSTER, findings)
    hosts, sound = read_hosts(section.get("hosts"), findings)
    if sound and section.sound and not hosts and group is None:
        findings.append(error("cluster.no_hosts", "cluster.hosts is empty", "give at least one host"))
    gpus = section.required_integer("gpus_per_host", 1, 1024)
    nic = section.number("nic_gbit_s", None, 1e-3, 1e5)
    nics = section.integer("nics_per_host", 1, 1, 1024)
    mixed = section.text("mixed_gpus", "refuse") or "refuse"
    if mixed not in MIXED_GPUS:
        section.refuse("hardware.mixed_gpus", f"cluster.mixed_gpus is '{mixed}'", suggestion(mixed, MIXED_GPUS))
    return Cluster(
        hosts=hosts,
        gpus_per_host=gpus,
        gpu=_one_gpu(find_gpu(section.get("gpu"), findings), hosts, mixed, findings),
        nic_gbit_s=nic,
        nics_per_host=nics or 1,
        nic_mtu=section.integer("nic_mtu", 4096, 256, 9000) or 4096,
        traffic_class=section.integer("traffic_class", None, 0, 255),
        mixed_gpus=mixed,
        sound=sound and section.sound,
    )


def _one_gpu(given: Gpu | None, hosts: tuple[Host, ...], mixed: str, findings: list[Finding]) -> Gpu | None:
    """The device that is planned on: the cluster's, or the weakest where hosts have others and that is allowed."""
    own = [host for host in hosts if host.gpu is not None and host.gpu != given]
    if given is None or not own:
        return given
    there = [host.gpu or given for host in hosts]
    if mixed == "refuse":
        listed = ", ".join(f"{host.name} has {host.gpu.name}" for host in own if host.gpu)
        findings.append(
            error(
                "hardware.mixed_gpus",
                f"cluster.gpu is {given.name}, but {listed}: ranks in lockstep all run as fast as the weakest",
                "set cluster.mixed_gpus to weakest to plan on that, or take the hosts out of the group",
            )
        )
        return given
    return weakest(there)


def _read_workload(raw: Any, findings: list[Finding]) -> Workload | None:
    """Sessions and lengths; the mean context while generating is by default the prompt and half of the answer."""
    section = Section("workload", raw, _WORKLOAD, findings)
    sessions = section.required_integer("sessions", 1, _MOST_SESSIONS)
    given = section.integer("input_tokens", DEFAULT_INPUT_TOKENS, 1, _MOST_TOKENS) or DEFAULT_INPUT_TOKENS
    answered = section.integer("output_tokens", DEFAULT_OUTPUT_TOKENS, 1, _MOST_TOKENS) or DEFAULT_OUTPUT_TOKENS
    context = section.integer("context_tokens", None, 1, _MOST_TOKENS)
    workload = Workload(
        sessions=sessions,
        input_tokens=given,
        output_tokens=answered,
        context_tokens=context if context is not None else given + answered // 2,
        lengths_given=any(
            section.get(name) is not None for name in ("input_tokens", "output_tokens", "context_tokens")
        ),
        arrival_rate=section.number("arrival_rate", None, 1e-6, 1e9),
    )
    return workload if section.sound else None


def _read_parallel(raw: Any, findings: list[Finding], model: Model | None) -> Parallel | None:
    """Sizes; unless told otherwise experts are spread where the model has some, and balanced where there are redundant
    ones.
    """
    section = Section("parallel", raw, _PARALLEL, findings)
    redundant = section.integer("redundant_experts", 0, 0, 65536) or 0
    parallel = Parallel(
        tensor=section.integer("tensor", 1, 1) or 1,
        data=section.integer("data", None, 1),
        pipeline=section.integer("pipeline", 1, 1) or 1,
        expert=section.boolean("expert", model is None or model.experts > 0),
        redundant_experts=redundant,
        eplb=section.boolean("eplb", redundant > 0),
        decode_context=section.integer("decode_context", 1, 1) or 1,
    )
    return parallel if section.sound else None


def _read_division(raw: Any, hosts: int, findings: list[Finding]) -> Division:
    """A layout's name alone, or a mapping with its settings. Unless told otherwise (0) a pipeline is over all hosts, a
    replica on one.
    """
    section = Section("layout", {"kind": raw} if isinstance(raw, str) else raw, _LAYOUT, findings)
    kind = section.text("kind", WIDE_EP) or WIDE_EP
    if kind not in LAYOUTS:
        section.refuse("layout.unknown", f"layout.kind is '{kind}'", suggestion(kind, LAYOUTS))
        kind = WIDE_EP
    given = section.integer("hosts_per_group", 0, 0)
    return Division(kind, given or (max(hosts, 1) if kind == PIPELINE else 1), hosts)


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
    name = known_precision(str(raw))
    if name is not None:
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
        max_model_len=section.integer("max_model_len", None, 1, _MOST_TOKENS),
        kv_cache_memory_bytes=section.integer("kv_cache_memory_bytes", None, 1, _MOST_BYTES),
        max_num_seqs=section.integer("max_num_seqs", None, 1, _MOST_SESSIONS),
        max_num_batched_tokens=section.integer("max_num_batched_tokens", None, 1, _MOST_TOKENS),
        all2all_backend=section.text("all2all_backend", None),
        api_server_count=section.integer("api_server_count", None, 1, _MOST_SERVERS),
        host=section.text("host", EVERY_ADDRESS) or EVERY_ADDRESS,
        port=section.integer("port", DEFAULT_PORT, 1, 65535) or DEFAULT_PORT,
        rpc_port=section.integer("rpc_port", DEFAULT_RPC_PORT, 1, 65535) or DEFAULT_RPC_PORT,
        served_model_name=section.text("served_model_name", None),
        eplb_config=section.mapping("eplb_config"),
        arguments=section.mapping("arguments"),
        environment=_strings(section, "environment"),
        speculative_tokens=section.integer("speculative_tokens", 0, 0, 16) or 0,
        acceptance_rate=section.number("acceptance_rate", 0.85, 0, 1) or 0.85,
        enforce_eager=section.boolean("enforce_eager", False),
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
