# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan: layout, memory, command lines and everything that speaks against them, from one input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from . import addresses
from .checks import check_addresses, check_engine, check_parallel
from .engine import Serve, max_num_seqs, serve_host, served_name
from .findings import Finding, PlannerError, error, errors, warning
from .inventory_sources import scan
from .layout import Layout, place
from .memory import Memory, budget, gib, utilisation
from .network import check_network
from .request import Host, Request, read_request


@dataclass(frozen=True)
class Plan:
    """A plan; parts that could not be made are ``None`` or empty and have an ``error`` finding."""

    request: Request
    layout: Optional[Layout]
    memory: Optional[Memory]
    serve: Dict[str, Serve]
    findings: Tuple[Finding, ...]

    @property
    def errors(self) -> List[Finding]:
        """What forbids carrying the plan out."""
        return errors(self.findings)

    def as_dict(self) -> Dict[str, Any]:
        """The plan as JSON-like data, the structure of ``artifacts/plan.json``."""
        engine = self.request.engine
        return {
            "layout": self.layout.as_dict() if self.layout else None,
            "memory": {"per_rank": self.memory.as_dict()} if self.memory else None,
            "serve": {name: serve.as_dict() for name, serve in self.serve.items()},
            "service": self._service(),
            "engine": {"name": engine.name, "version": str(engine.version), "platform": engine.platform} if engine else None,
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def _service(self) -> Optional[Dict[str, Any]]:
        """Where the service answers: the API on the head, and the handshake of the engines."""
        engine = self.request.engine
        if engine is None or self.layout is None:
            return None
        head = _host(self.request, self.layout.head.name)
        address = addresses.plain(head.data_address) if head.data_address else None
        return {
            "head": head.name,
            "address": address,
            "port": engine.port,
            "url": f"http://{addresses.bracketed(address)}:{engine.port}" if address else None,
            "rpc_port": engine.rpc_port,
            "rpc_address": f"tcp://{addresses.bracketed(address)}:{engine.rpc_port}" if address else None,
            "engines": self.layout.data_parallel_size,
            "served_model_name": served_name(engine, self.request.model_path),
            "model_path": self.request.model_path,
        }


def make_plan(raw: Any) -> Plan:
    """Plan from the module's input. Never raises for a wrong input: what is wrong is in the findings, the most fundamental first.

    A defect of the inventory makes the number of hosts meaningless, so findings that only follow from it (sizes that then don't fit) are
    left out; they come back, if they are real, once the inventory is right.
    """
    read: List[Finding] = []
    request = read_request(raw, read)
    inventory = scan(request.inventory.sources, request.inventory.group, [host.name for host in request.cluster.hosts]) if request.inventory else []
    hosts_known = request.cluster.sound and bool(request.cluster.hosts) and not errors(inventory)
    placed: List[Finding] = []
    layout = _layout(request, placed)
    ranks = [finding for finding in placed if finding.code.startswith(("layout.node_rank", "layout.duplicate_host"))]
    parts = list(inventory) + read + (placed if hosts_known else ranks)
    parts.extend(check_addresses(request.cluster.hosts, request.engine.platform if request.engine else "cuda"))
    if request.engine is not None:
        parts.extend(check_engine(request.engine, len(request.cluster.hosts), request.model))
    if layout is None:
        return Plan(request, None, None, {}, tuple(parts))
    sized: List[Finding] = []
    memory = _memory(request, layout.data_parallel_size, sized)
    if request.parallel is not None and request.engine is not None:
        sized.extend(check_parallel(request.parallel, layout.data_parallel_size, request.model, request.engine))
    sized.extend(check_network(request, layout))
    serve = _serve(request, layout, memory, sized)
    return Plan(request, layout, memory, serve, tuple(parts + sized if hosts_known else parts))


def make_memory(raw: Any) -> Memory:
    """The memory budget alone. It needs no sound hosts, only their number; raises :class:`PlannerError` where its own input is wrong."""
    read: List[Finding] = []
    request = read_request(raw, read)
    parallel = request.parallel
    data = None
    if parallel is not None:
        total = len(request.cluster.hosts) * request.cluster.gpus_per_host
        data = parallel.data if parallel.data is not None else max(1, total // parallel.gpus_per_rank)
    memory = _memory(request, data, read) if data is not None else None
    if memory is None:
        problems = errors(read)
        raise PlannerError(problems[0].code, "memory_budget", "; ".join(str(problem) for problem in problems), problems[0].fix)
    return memory


def _host(request: Request, name: str) -> Host:
    return next(host for host in request.cluster.hosts if host.name == name)


def _layout(request: Request, findings: List[Finding]) -> Optional[Layout]:
    if request.parallel is None or not request.cluster.hosts:
        return None
    moe = request.model is None or request.model.experts > 0
    return place(request.cluster.hosts, request.cluster.gpus_per_host, request.parallel, moe, findings)


def _memory(request: Request, data: int, findings: List[Finding]) -> Optional[Memory]:
    """The fullest rank's memory, and whether it fits."""
    model, precision, parallel, engine = request.model, request.precision, request.parallel, request.engine
    gpu, sessions = request.cluster.gpu, request.sessions
    if model is None or precision is None or parallel is None or engine is None or gpu is None or sessions is None:
        return None
    if parallel.pipeline > len(model.layers):
        return None
    try:
        memory = budget(model, precision, parallel, data, engine, sessions, gpu.memory_bytes)
    except PlannerError as problem:
        findings.append(problem.finding())
        return None
    shares = (
        f"budget {gib(memory.budget_bytes)} ({utilisation(engine):g} of {gib(memory.usable_bytes)}) - weights {gib(memory.weights_bytes)} ({precision})"
        f" - KV cache {gib(memory.kv_cache_bytes)} ({memory.sessions} sessions x {memory.kv_cache_tokens // memory.sessions} tokens)"
        f" - overhead {gib(memory.overhead_bytes)} (high estimate) = {gib(memory.headroom_bytes)}"
    )
    if not memory.fits:
        findings.append(error("memory.does_not_fit", f"the fullest rank does not fit its {gpu.name}: {shares}", _memory_fix(precision, memory)))
    if engine.kv_cache_memory_bytes is not None and memory.kv_cache_bytes > engine.kv_cache_memory_bytes:
        findings.append(
            error(
                "memory.kv_cache_too_small",
                f"engine.kv_cache_memory_bytes {gib(engine.kv_cache_memory_bytes)} is less than the {gib(memory.kv_cache_bytes)} that"
                f" {memory.sessions} sessions x {memory.kv_cache_tokens // memory.sessions} tokens need on the fullest rank",
                f"set it to at least {memory.kv_cache_bytes}, or lower workload.sessions or engine.max_model_len",
            )
        )
    if engine.max_num_seqs is not None and engine.max_num_seqs < memory.sessions:
        findings.append(
            warning(
                "engine.max_num_seqs",
                f"engine.max_num_seqs {engine.max_num_seqs} a rank is less than the {memory.sessions} sessions of the fullest rank: the others wait",
                f"set engine.max_num_seqs to {memory.sessions} or more",
            )
        )
    return memory


def _memory_fix(precision: str, memory: Memory) -> str:
    if memory.kv_capacity_bytes == 0:
        return "use FP8 weights or more ranks" if precision == "bf16" else "use more ranks or larger devices"
    longest = memory.kv_capacity_tokens // memory.sessions
    return f"lower engine.max_model_len to at most {longest}, workload.sessions, or use an FP8 KV cache or more ranks"


def _serve(request: Request, layout: Layout, memory: Optional[Memory], findings: List[Finding]) -> Dict[str, Serve]:
    """One command line a host; empty where a part is missing."""
    engine, parallel, model_path = request.engine, request.parallel, request.model_path
    if engine is None or parallel is None or model_path is None or request.sessions is None:
        return {}
    sequences = max_num_seqs(engine, memory.sessions if memory else -(-request.sessions // layout.data_parallel_size))
    head = _host(request, layout.head.name)
    try:
        return {
            place.name: serve_host(engine, parallel, layout, place, _host(request, place.name), head, model_path, sequences)
            for place in layout.hosts
        }
    except PlannerError as problem:
        findings.append(problem.finding())
        return {}
