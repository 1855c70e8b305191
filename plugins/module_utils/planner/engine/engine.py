# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Command lines and environments of the engine's processes, one a host, written for one engine version."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import addresses
from ..deployment import Deployment
from ..findings import PlannerError
from ..layout import HEAD, HostLayout, Layout
from ..request import Division, Engine, Host
from ..versions import Version
from .flags import ENVIRONMENT, EPLB_SETTINGS, FLAGS, MTP_METHOD_SINCE, flag_of
from .loading import FILTER, filters_experts

# Loading 689 GB on each of four hosts from one 10 Gb/s server takes 37 minutes; unless told otherwise the head gives up
# after 10.
READY_TIMEOUT_S = 2400

_EPLB_CONFIG_SINCE = FLAGS["--eplb-config"].introduced
_ALL2ALL_FLAG_SINCE = FLAGS["--all2all-backend"].introduced

# What the plan decides; `engine.arguments` may not decide it again.
OWNED = frozenset(
    (
        "--host",
        "--port",
        "--served-model-name",
        "--max-model-len",
        "--tensor-parallel-size",
        "--pipeline-parallel-size",
        "--decode-context-parallel-size",
        "--data-parallel-size",
        "--data-parallel-size-local",
        "--data-parallel-start-rank",
        "--data-parallel-address",
        "--data-parallel-rpc-port",
        "--data-parallel-rank",
        "--data-parallel-hybrid-lb",
        "--data-parallel-external-lb",
        "--data-parallel-multi-port-external-lb",
        "--headless",
        "--api-server-count",
        "--enable-expert-parallel",
        "--all2all-backend",
        "--enable-eplb",
        "--eplb-config",
        "--num-redundant-experts",
        "--eplb-window-size",
        "--eplb-step-interval",
        "--eplb-log-balancedness",
        "--max-num-seqs",
        "--max-num-batched-tokens",
        "--gpu-memory-utilization",
        "--device-memory-utilization",
        "--kv-cache-dtype",
        "--kv-cache-memory-bytes",
        "--nnodes",
        "--node-rank",
        "--master-addr",
        "--master-port",
    )
)

# Environment variables that differ by host.
OWNED_VARIABLES = frozenset(("VLLM_HOST_IP",))

# A CPU engine on the lab: no downloads, one thread a rank, small arenas, and a Python trace when a kernel crashes.
_OFFLINE_ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
_CPU_ENVIRONMENT = {
    **_OFFLINE_ENVIRONMENT,
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    # Asked for log-probabilities, a rank compiles a function; without a C++ compiler on the host it dies of that.
    "TORCHDYNAMO_DISABLE": "1",
    "OMP_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    "PYTHONFAULTHANDLER": "1",
}


@dataclass(frozen=True)
class Serve:
    """How the engine is started on one host: ``argv`` one token an element, ``env`` beside the unit's own."""

    argv: list[str]
    env: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        """The command as the plan's JSON carries it."""
        return {"argv": list(self.argv), "env": dict(self.env)}


class CommandLine:
    """An argv under construction that refuses flags the engine's version does not know."""

    def __init__(self, release: Version, start: Sequence[str]) -> None:
        self._release = release
        self.argv = list(start)

    def add(self, flag: str, *values: Any) -> None:
        """Append the flag and its values, each as one element."""
        lifetime = FLAGS.get(flag)
        if lifetime is not None and not lifetime.covers(self._release):
            other = f"; it became {lifetime.replaced_by}" if lifetime.replaced_by else ""
            raise PlannerError(
                "engine.flag_not_in_version",
                flag,
                f"vLLM {self._release} does not know it (known from {lifetime.introduced}"
                + (f" until {lifetime.removed}" if lifetime.removed else "")
                + f"){other}",
                "leave the setting out or choose another engine version",
            )
        self.argv.append(flag)
        self.argv.extend(_token(value) for value in values)

    def add_given(self, name: str, value: Any) -> None:
        """Append an argument of ``engine.arguments``: true is the bare flag, false its ``--no-`` form, null nothing."""
        flag = flag_of(name)
        if value is None:
            return
        if value is True:
            self.add(flag)
        elif value is False:
            self.add(flag)
            self.argv[-1] = "--no-" + flag[2:]
        elif isinstance(value, (list, tuple)):
            self.add(flag, *value)
        else:
            self.add(flag, value)


def _token(value: Any) -> str:
    """One argument: mappings and lists as one JSON element, numbers without noise."""
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    return str(value)


@dataclass(frozen=True)
class Launch:
    """What the command lines of an instance's hosts have in common; ``port`` is its API's."""

    case: Deployment
    layout: Layout
    head: Host
    model_path: str
    port: int
    traffic_class: int | None = None

    @property
    def max_num_seqs(self) -> int:
        """Sequences a rank takes at once (the flag is per rank): as given, else the workload's on the fullest rank."""
        given = self.case.engine.max_num_seqs
        return given if given is not None else self.case.sessions_on_fullest_rank

    @property
    def _given(self) -> set[str]:
        """Flags that ``engine.arguments`` has."""
        return {flag_of(name) for name in self.case.engine.arguments}

    def serve(self, place: HostLayout, host: Host) -> Serve:
        """Command and environment of one host. Raises :class:`PlannerError` where the version lacks a flag that is
        needed.

        Head and followers differ in what comes first; everything else, and so all that takes part in collectives, is
        the same: the head compares a hash of it (0.11.1 and newer), and before that a difference hung the service.
        """
        engine = self.case.engine
        line = CommandLine(engine.version, ["vllm", "serve", self.model_path])
        if place.role == HEAD:
            self._add_head(line, place)
        else:
            line.add("--headless")
        self._add_parallel(line, place)
        self._add_eplb(line)
        self._add_sizes(line)
        self._add_execution(line)
        for name in sorted(engine.arguments):
            line.add_given(name, engine.arguments[name])
        return Serve(line.argv, environment(engine, host, self.model_path, self.traffic_class))

    def _add_head(self, line: CommandLine, place: HostLayout) -> None:
        """API servers. From 0.16 an unset count is one process for every rank of the cluster, so it is always set."""
        engine = self.case.engine
        line.add("--host", addresses.plain(engine.host))
        line.add("--port", self.port)
        if FLAGS["--api-server-count"].covers(engine.version):
            line.add("--api-server-count", engine.api_server_count or place.local_ranks)

    def _add_parallel(self, line: CommandLine, place: HostLayout) -> None:
        """Placement. A start rank on the head would mean hybrid load balancing, which refuses headless followers; from
        0.28.0 at the latest 0 does so, too.
        """
        engine, parallel = self.case.engine, self.case.parallel
        line.add("--tensor-parallel-size", parallel.tensor)
        if parallel.pipeline > 1:
            line.add("--pipeline-parallel-size", parallel.pipeline)
        if parallel.decode_context > 1:
            line.add("--decode-context-parallel-size", parallel.decode_context)
        if self.layout.data_parallel_size > 1:
            line.add("--data-parallel-size", self.layout.data_parallel_size)
            line.add("--data-parallel-size-local", place.local_ranks)
            if place.role != HEAD:
                line.add("--data-parallel-start-rank", place.start_rank)
            if self.head.data_address is not None:
                line.add("--data-parallel-address", addresses.plain(self.head.data_address))
            line.add("--data-parallel-rpc-port", engine.rpc_port)
        if place.stage is not None:
            self._add_stage(line, place.stage)
        if parallel.expert:
            line.add("--enable-expert-parallel")
        if FILTER not in self._given and filters_experts(self.case)[0]:
            line.add(FILTER)
        if engine.all2all_backend is not None and engine.version >= _ALL2ALL_FLAG_SINCE:
            line.add("--all2all-backend", engine.all2all_backend)

    def _add_stage(self, line: CommandLine, stage: int) -> None:
        """The host's stage, and where the stages meet: the port over which ranks meet in other layouts.

        The engine finds the executor by itself on GPUs alone.
        """
        line.add("--nnodes", self.case.parallel.pipeline)
        line.add("--node-rank", stage)
        if self.head.data_address is not None:
            line.add("--master-addr", addresses.plain(self.head.data_address))
        line.add("--master-port", self.case.engine.rpc_port)
        if "--distributed-executor-backend" not in self._given:
            line.add("--distributed-executor-backend", "mp")

    def _add_eplb(self, line: CommandLine) -> None:
        """Expert load balancing: one JSON element where the version takes it, flags of their own before."""
        engine, parallel = self.case.engine, self.case.parallel
        if not parallel.eplb:
            return
        line.add("--enable-eplb")
        settings = dict(engine.eplb_config, num_redundant_experts=parallel.redundant_experts)
        if engine.version >= _EPLB_CONFIG_SINCE:
            line.add("--eplb-config", settings)
            return
        line.add("--num-redundant-experts", parallel.redundant_experts)
        for name, (_lifetime, flag) in EPLB_SETTINGS.items():
            if flag is None or name not in settings:
                continue
            if isinstance(settings[name], bool):
                line.add_given(flag, settings[name])
            else:
                line.add(flag, settings[name])

    def _add_sizes(self, line: CommandLine) -> None:
        """The model's name and sizes."""
        engine = self.case.engine
        if engine.served_model_name is not None:
            line.add("--served-model-name", engine.served_model_name)
        if engine.max_model_len is not None:
            line.add("--max-model-len", engine.max_model_len)
        line.add("--max-num-seqs", self.max_num_seqs)
        if engine.max_num_batched_tokens is not None:
            line.add("--max-num-batched-tokens", engine.max_num_batched_tokens)
        if engine.gpu_memory_utilization is not None:
            line.add("--gpu-memory-utilization", engine.gpu_memory_utilization)
        line.add("--kv-cache-dtype", engine.kv_cache_dtype)
        if engine.kv_cache_memory_bytes is not None:
            line.add("--kv-cache-memory-bytes", engine.kv_cache_memory_bytes)

    def _add_execution(self, line: CommandLine) -> None:
        """Drafted tokens and CUDA graphs; ``engine.arguments`` may still say the same of the latter."""
        engine = self.case.engine
        if engine.speculative_tokens:
            line.add("--speculative-config", speculation(engine))
        if engine.enforce_eager and "--enforce-eager" not in self._given:
            line.add("--enforce-eager")


def speculation(engine: Engine) -> dict[str, Any]:
    """The model's own multi-token prediction as drafter, under the name the version has for it."""
    method = "mtp" if engine.version >= MTP_METHOD_SINCE else "deepseek_mtp"
    return {"method": method, "num_speculative_tokens": engine.speculative_tokens}


def environment(engine: Engine, host: Host, model_path: str, traffic_class: int | None = None) -> dict[str, str]:
    """Addresses and interfaces (the engine would ask the route to 8.8.8.8), time-outs, and the platform's own needs."""
    found: dict[str, str] = {"VLLM_NO_USAGE_STATS": "1"}
    if host.data_address is not None:
        found["VLLM_HOST_IP"] = addresses.plain(host.data_address)
    if host.data_interface is not None:
        found["GLOO_SOCKET_IFNAME"] = host.data_interface
        # NCCL takes a bare name as a prefix: eth1 would also match eth10.
        found["NCCL_SOCKET_IFNAME"] = host.data_interface if engine.platform == "cpu" else "=" + host.data_interface
    if host.rdma_device is not None and engine.platform == "cuda":
        found.update(_rdma_environment(host.rdma_device, traffic_class))
    if ENVIRONMENT["VLLM_ENGINE_READY_TIMEOUT_S"].covers(engine.version):
        found["VLLM_ENGINE_READY_TIMEOUT_S"] = str(READY_TIMEOUT_S)
    if engine.all2all_backend is not None and engine.version < _ALL2ALL_FLAG_SINCE:
        found["VLLM_ALL2ALL_BACKEND"] = engine.all2all_backend
    if model_path.startswith("/"):
        found.update(_OFFLINE_ENVIRONMENT)
    if engine.platform == "cpu":
        found.update(_CPU_ENVIRONMENT)
    found.update(engine.environment)
    return found


def _rdma_environment(device: str, traffic_class: int | None) -> dict[str, str]:
    """What NCCL needs to use the data network's device and no other, in the lossless class.

    Nothing else is set: the GID is found by NCCL itself since 2.21, and most other variables repeat its defaults
    (NCCL user guide, "Environment Variables").
    """
    found = {"NCCL_IB_HCA": "=" + device, "NCCL_DEBUG": "WARN"}
    if traffic_class is not None:
        found["NCCL_IB_TC"] = str(traffic_class)
    return found


def instance_port(engine: Engine, division: Division) -> int:
    """The port of an instance's own API. Where a balancer has the service's port it is the next one, so that users find
    every layout at the same address.
    """
    return engine.port + 1 if division.balanced else engine.port


def served_name(engine: Engine, model_path: str | None) -> str | None:
    """The model's name in API requests."""
    return engine.served_model_name or model_path
