# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan: layout, memory, command lines and everything that speaks against them, from one input."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from . import addresses
from .checks import check_addresses, check_ports, check_precision, check_rdma
from .claims.claims import Check
from .claims.given import check_claims
from .claims.subject import Subject
from .commands.audit import CommandAudit, audit_commands
from .deployment import Deployment
from .engine.checks import check_engine
from .engine.checks_parallel import check_parallel
from .engine.engine import Launch, Serve, instance_port, served_name
from .engine.loading import Loading, loading
from .findings import Finding, PlannerError, error, errors
from .inventory.sources import scan
from .layout import HostLayout, Layout, place
from .memory.capacity import check_memory, judged
from .memory.memory import Memory
from .network.network import check_network
from .outlook import Outlook, outlook
from .request import LAUNCHABLE, Engine, Host, Request, Workload
from .request_reading import read_request
from .stack.reading import read_stack
from .stack.stack import Stack, check_stack

# What a wrong number of hosts does not explain away: ranks and names are each host's own.
_OWN_TO_HOSTS = ("layout.node_rank", "layout.duplicate_host")


@dataclass(frozen=True)
class Plan:
    """A plan; parts that could not be made are ``None`` or empty and have an ``error`` finding."""

    request: Request
    layout: Layout | None
    memory: Memory | None
    serve: dict[str, Serve]
    findings: tuple[Finding, ...]
    stack: Stack | None = None
    outlook: Outlook | None = None
    audit: CommandAudit | None = None
    document_check: tuple[Check, ...] = ()
    loading: Loading | None = None

    @property
    def errors(self) -> list[Finding]:
        """What forbids carrying the plan out."""
        return errors(self.findings)

    def as_dict(self) -> dict[str, Any]:
        """The plan as JSON-like data, the structure of ``artifacts/plan.json``."""
        engine = self.request.engine
        return {
            "layout": self.layout.as_dict() if self.layout else None,
            "memory": {"per_rank": self.memory.as_dict()} if self.memory else None,
            "loading": self.loading.as_dict() if self.loading else None,
            "serve": {name: serve.as_dict() for name, serve in self.serve.items()},
            "service": self._service(),
            "serving": self._serving(),
            "engine": {"name": engine.name, "version": str(engine.version), "platform": engine.platform}
            if engine
            else None,
            "stack": self.stack.as_dict() if self.stack else None,
            "commands": self.audit.as_dict() if self.audit else None,
            "workload": asdict(self.request.workload) if self.request.workload else None,
            "cluster": self._cluster(),
            **(self.outlook.as_dict() if self.outlook else {}),
            "document_check": [item.as_dict() for item in self.document_check],
            "findings": [finding.as_dict() for finding in self.findings],
        }

    def _cluster(self) -> dict[str, Any]:
        """The hosts' hardware as the plan took it."""
        cluster = self.request.cluster
        return {
            "hosts": len(cluster.hosts),
            "gpus_per_host": cluster.gpus_per_host,
            "gpu": asdict(cluster.gpu) if cluster.gpu else None,
            "nic_gbit_s": cluster.nic_gbit_s,
            "nics_per_host": cluster.nics_per_host,
            "nic_mtu": cluster.nic_mtu,
            "traffic_class": cluster.traffic_class,
        }

    def _service(self) -> dict[str, Any] | None:
        """Where the service answers: the API on the head, and the handshake of the engines."""
        engine, layout = self.request.engine, self.layout
        if engine is None or layout is None:
            return None
        address = _address(self.request, layout.head)
        return {
            "head": layout.head.name,
            "address": address,
            "port": engine.port,
            "url": f"http://{addresses.bracketed(address)}:{engine.port}" if address else None,
            "rpc_port": engine.rpc_port,
            "rpc_address": f"tcp://{addresses.bracketed(address)}:{engine.rpc_port}" if address else None,
            "engines": layout.data_parallel_size * len(layout.instances),
            "served_model_name": served_name(engine, self.request.model_path),
            "model_path": self.request.model_path,
        }

    def _serving(self) -> dict[str, Any] | None:
        """The layout by its name, and where each instance answers by itself."""
        engine, layout = self.request.engine, self.layout
        if engine is None or layout is None:
            return None
        return {
            "layout": layout.kind,
            "balanced": self.request.division.balanced,
            "instances": [self._instance(hosts, engine) for hosts in layout.instances],
        }

    def _instance(self, hosts: tuple[HostLayout, ...], engine: Engine) -> dict[str, Any]:
        """Where one instance answers by itself: for the balancer, and for who asks each engine."""
        address = _address(self.request, hosts[0])
        return {
            "head": hosts[0].name,
            "hosts": [host.name for host in hosts],
            "address": address,
            "port": instance_port(engine, self.request.division),
            "engines": sum(host.local_ranks for host in hosts),
            "first_rank": hosts[0].ranks[0],
        }


def make_plan(raw: Any) -> Plan:
    """Plan from the module's input. Never raises for a wrong input: what is wrong is in the findings, the most
    fundamental first.

    A defect of the inventory makes the number of hosts meaningless, so findings that only follow from it (sizes that
    then don't fit) are left out; they come back, if they are real, once the inventory is right.
    """
    read: list[Finding] = []
    request = read_request(raw, read)
    hosts, engine = request.cluster.hosts, request.engine
    findings: list[Finding] = []
    if request.inventory is not None:
        findings.extend(scan(request.inventory.sources, request.inventory.group, [host.name for host in hosts]))
    hosts_known = request.cluster.sound and bool(hosts) and not errors(findings)
    findings.extend(read)
    placed: list[Finding] = []
    layout = _layout(request, placed)
    findings.extend(item for item in placed if hosts_known or item.code.startswith(_OWN_TO_HOSTS))
    findings.extend(check_addresses(hosts))
    findings.extend(check_rdma(hosts, request.cluster.traffic_class))
    if engine is not None:
        findings.extend(check_engine(engine, len(hosts), request.model))
        findings.extend(check_ports(engine, request.division))
    stack, audit = _stack(request, findings), _audit(request, findings)
    sized: list[Finding] = []
    whole = deployment(request, layout.data_parallel_size, sized) if layout is not None else None
    if layout is None or whole is None:
        check_claims(request.claims, None, findings)
        return Plan(request, layout, None, {}, tuple(findings + sized if hosts_known else findings), stack, None, audit)
    case = _one_group(whole, request, len(layout.instances))
    findings.extend(check_precision(case, request.model_path))
    sized.extend(check_parallel(case))
    memory = None
    if request.cluster.gpu is not None:
        memory = judged(case, request.cluster.gpu.memory_bytes)
        sized.extend(check_memory(case, memory, request.cluster.gpu.name))
    expected = outlook(request, whole, case, memory, findings) if request.cluster.hosts else None
    if expected is not None:
        devices = expected.performance.devices_tokens_s if expected.performance else None
        sized.extend(check_network(case, request.cluster, expected.network, devices))
    if hosts_known:
        findings.extend(sized)
        findings.extend(expected.findings if expected else [])
    checked = check_claims(request.claims, Subject(case, request.cluster, request.cluster.gpu), findings)
    serve = _serve(case, layout, request, findings)
    read_bytes = loading(case, layout)
    return Plan(request, layout, memory, serve, tuple(findings), stack, expected, audit, tuple(checked), read_bytes)


def make_memory(raw: Any) -> Memory:
    """The memory budget alone. Hosts only count here; raises :class:`PlannerError` where the input does not say what is
    needed.
    """
    read: list[Finding] = []
    request = read_request(raw, read)
    case, gpu, several = None, request.cluster.gpu, request.division.balanced
    if request.parallel is not None:
        there = len(request.cluster.hosts) * request.cluster.gpus_per_host
        data = request.parallel.data or max(1, there // request.parallel.gpus_per_rank)
        groups = max(1, len(request.cluster.hosts) // request.division.hosts_per_group) if several else 1
        whole = deployment(request, max(1, data // groups), read)
        case = None if whole is None else _one_group(whole, request, groups)
    problems = errors(read)
    if problems or case is None or gpu is None:
        first = problems[0]
        raise PlannerError(first.code, "memory_budget", "; ".join(str(problem) for problem in problems), first.fix)
    return judged(case, gpu.memory_bytes)


def deployment(request: Request, data: int, findings: list[Finding]) -> Deployment | None:
    """The parts of a request that sizes depend on, with ``data`` ranks; ``None`` where one is missing or makes no
    sense.
    """
    model, precision, parallel, engine = request.model, request.precision, request.parallel, request.engine
    if model is None or precision is None or parallel is None or engine is None or request.workload is None:
        return None
    if parallel.pipeline > len(model.layers):
        findings.append(
            error(
                "parallel.stages",
                f"pipeline {parallel.pipeline} is more than the {len(model.layers)} layers of {model.name}",
                "choose fewer stages",
            )
        )
        return None
    case = Deployment(model, precision, parallel, data, engine, request.workload)
    return replace(case, workload=_within(case, findings))


def _one_group(whole: Deployment, request: Request, groups: int) -> Deployment:
    """What one of several groups is sized for; of one group it is the whole."""
    sessions = -(-whole.workload.sessions // groups)
    workload = replace(whole.workload, sessions=sessions)
    return replace(whole, workload=workload, groups=groups, hosts_per_group=request.division.hosts_per_group)


def _within(case: Deployment, findings: list[Finding]) -> Workload:
    """The workload, whose requests must be no longer than the engine takes them; assumed lengths are shortened."""
    workload, most = case.workload, case.context
    longest = max(workload.input_tokens + workload.output_tokens, workload.context_tokens)
    if longest <= most or most < 2:
        return workload
    if not workload.lengths_given:
        half = most // 2
        return replace(workload, input_tokens=half, output_tokens=half, context_tokens=half + half // 2)
    findings.append(
        error(
            "workload.too_long",
            f"workload.input_tokens {workload.input_tokens} + output_tokens {workload.output_tokens} (context_tokens"
            f" {workload.context_tokens}) are more than engine.max_model_len {most}: such requests are refused",
            f"raise engine.max_model_len to {longest} or more, or shorten the requests",
        )
    )
    return workload


def _host(request: Request, name: str) -> Host:
    return next(host for host in request.cluster.hosts if host.name == name)


def _address(request: Request, place: HostLayout) -> str | None:
    """A host's address on the data network."""
    given = _host(request, place.name).data_address
    return addresses.plain(given) if given else None


def _layout(request: Request, findings: list[Finding]) -> Layout | None:
    if request.parallel is None or not request.cluster.hosts:
        return None
    moe = request.model is None or request.model.experts > 0
    return place(
        request.cluster.hosts,
        request.cluster.gpus_per_host,
        request.parallel,
        moe=moe,
        findings=findings,
        division=request.division,
    )


def _stack(request: Request, findings: list[Finding]) -> Stack | None:
    """Whether the hosts' software goes together, where the input says what it is."""
    given = read_stack(request.stack, findings)
    if given is None or request.engine is None:
        return None
    return check_stack(given, request.engine, request.cluster.gpu, findings)


def _audit(request: Request, findings: list[Finding]) -> CommandAudit | None:
    """What the commands that the input carries would do on its hosts."""
    cluster = request.cluster
    if request.engine is None:
        return None
    return audit_commands(
        request.commands,
        request.engine,
        cluster.hosts,
        gpus_per_host=cluster.gpus_per_host,
        model=request.model,
        findings=findings,
    )


def _serve(case: Deployment, layout: Layout, request: Request, findings: list[Finding]) -> dict[str, Serve]:
    """One command line a host; empty where the version lacks a flag that is needed."""
    if request.model_path is None or case.engine.name not in LAUNCHABLE:
        return {}
    port = instance_port(case.engine, request.division)
    found: dict[str, Serve] = {}
    try:
        for hosts in layout.instances:
            head = _host(request, hosts[0].name)
            launch = Launch(case, layout, head, request.model_path, port, request.cluster.traffic_class)
            found.update((item.name, launch.serve(item, _host(request, item.name))) for item in hosts)
        return found
    except PlannerError as problem:
        # Where the version lacks the whole feature that has been said; a lone setting is named here.
        if not any(found.code.startswith("engine.") for found in errors(findings)):
            findings.append(problem.finding())
        return {}
