# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What each host runs and when: the rounds of pairs, then each host by itself, then all hosts together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from . import commands
from .commands import KIB, MIB, Endpoint, PairTool, Settings
from .rounds import Pair, rounds
from .steps import ALONE, CLIENT, SERVER, Read, Step

# What a run may take beyond its own length before it is ended: connecting, and a machine that is busy.
_SLACK_S = 20.0
_HOST_TIMEOUT_S = 600.0

_GROUP_READS = (
    Read("all_to_all_1kb", "collective", {"operation": "all_to_all", "bytes": KIB}),
    Read("all_to_all_1mb", "collective", {"operation": "all_to_all", "bytes": MIB}),
    Read("all_to_all_bandwidth_1kb", "collective", {"operation": "all_to_all", "bytes": KIB}),
    Read("all_to_all_bandwidth_1mb", "collective", {"operation": "all_to_all", "bytes": MIB}),
    Read("all_to_all_bandwidth", "collective", {"operation": "all_to_all"}),
    Read("all_reduce_bandwidth", "collective", {"operation": "all_reduce"}),
)
_NVLINK = ("nvlink_latency_64b", "nvlink_bandwidth")
_ONE_HOST = "all_reduce_bandwidth_host"
NO_RDMA = "no RDMA device"
NO_GPU = "no GPU"


@dataclass(frozen=True)
class Schedule:
    """Steps by host: of each round, of each host alone, of all together; and what can't be had here."""

    pairs: tuple[tuple[Pair, ...], ...]
    rounds: tuple[Mapping[str, tuple[Step, ...]], ...]
    alone: Mapping[str, tuple[Step, ...]]
    together: Mapping[str, tuple[Step, ...]]
    given: Mapping[str, tuple[Mapping[str, Any], ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the structure that the role reads."""

        def plain(steps: Mapping[str, Sequence[Step]]) -> dict[str, list[dict[str, Any]]]:
            return {name: [step.to_dict() for step in entries] for name, entries in steps.items()}

        return {
            "pairs": [[list(pair) for pair in entry] for entry in self.pairs],
            "rounds": [plain(entry) for entry in self.rounds],
            "alone": plain(self.alone),
            "together": plain(self.together),
            "given": {name: [dict(entry) for entry in entries] for name, entries in self.given.items()},
        }


def schedule(hosts: Sequence[Endpoint], settings: Settings) -> Schedule:
    """Plan the measurements of these hosts, the head first.

    Raises:
        ValueError: a host is there twice.
    """
    by_name = {host.name: host for host in hosts}
    pairs = rounds([host.name for host in hosts])
    given: dict[str, list[Mapping[str, Any]]] = {host.name: [] for host in hosts}
    made = []
    for entry in pairs:
        steps: dict[str, list[Step]] = {name: [] for name in by_name}
        for one, other in entry:
            for source, target in ((by_name[one], by_name[other]), (by_name[other], by_name[one])):
                _direction(source, target, settings, steps, given)
        made.append({name: tuple(entries) for name, entries in steps.items()})
    alone = {host.name: _alone(host, settings, given[host.name]) for host in hosts}
    together = {host.name: _together(hosts, place, settings) for place, host in enumerate(hosts)}
    return Schedule(
        pairs=tuple(tuple(entry) for entry in pairs),
        rounds=tuple(made),
        alone=alone,
        together=together,
        given={name: tuple(entries) for name, entries in given.items()},
    )


def _direction(
    source: Endpoint,
    target: Endpoint,
    settings: Settings,
    steps: dict[str, list[Step]],
    given: dict[str, list[Mapping[str, Any]]],
) -> None:
    """The tools of one direction, one after the other; the server of each is the other end's step."""
    for tool in commands.PAIR_TOOLS:
        absent, missing = _why_not(tool, source, target)
        if absent:
            given[source.name].extend(
                not_applicable(read.check, absent, source.name, target.name) for read in tool.reads
            )
            continue
        run_s = tool.run_s(settings)
        timeout_s = run_s + _SLACK_S
        meet = "" if tool.server is None else f"{target.address}:{settings.port + 4}"
        common = {"repeats": settings.repeats, "warmup": settings.warmup, "wait_s": settings.wait_s, "meet": meet}
        client = Step(
            argv=tool.client(source, target, settings),
            role=ALONE if tool.server is None else CLIENT,
            reads=tool.reads,
            host=source.name,
            peer=target.name,
            timeout_s=timeout_s,
            conditions=_conditions(source, tool),
            missing=missing,
            **common,  # type: ignore[arg-type]
        )
        steps[source.name].append(client)
        if tool.server is not None and not missing:
            longest_s = (settings.repeats + settings.warmup) * timeout_s + settings.wait_s
            argv = tool.server(target, settings)
            server = Step(argv=argv, role=SERVER, peer=source.name, timeout_s=longest_s, **common)  # type: ignore[arg-type]
            steps[target.name].append(server)


def _why_not(tool: PairTool, source: Endpoint, target: Endpoint) -> tuple[str, str]:
    """Why a pair can't have a figure, and why it should and yet can't be measured; both empty where it can."""
    both = (source, target)
    if tool.needs_rdma:
        lacking = [host for host in both if host.rdma is None]
        planned = [host for host in lacking if host.rdma_planned]
        if planned:
            return "", f"{planned[0].name} has no RDMA device to measure with: {planned[0].rdma_reason}"
        if lacking:
            return NO_RDMA, ""
    ends = both if tool.server is not None else (source,)
    without = [host.name for host in ends if tool.program not in host.tools]
    if without:
        return "", f"{tool.program} isn't installed on {', '.join(without)}: ansible-playbook playbooks/provision.yml"
    return "", ""


def _conditions(host: Endpoint, tool: PairTool) -> dict[str, Any]:
    found: dict[str, Any] = {"interface": host.interface, "mtu": host.mtu, "address": host.address}
    if tool.needs_rdma and host.rdma is not None:
        found.update(host.rdma)
    return found


def not_applicable(check: str, reason: str, host: str, peer: str = "") -> dict[str, Any]:
    """Return the measurement of a figure that this place can't have."""
    return {
        "check": check,
        "host": host,
        "peer": peer,
        "runs": [],
        "argv": [],
        "conditions": {},
        "not_applicable": reason,
    }


def _alone(host: Endpoint, settings: Settings, given: list[Mapping[str, Any]]) -> tuple[Step, ...]:
    checks = (*_NVLINK, _ONE_HOST)
    if host.gpus < 2:
        if host.gpus_planned > host.gpus:
            reason = f"{host.gpus} of {host.gpus_planned} GPUs are here: look at the driver (nvidia-smi)"
            reads = tuple(Read(check, "p2p_bandwidth") for check in checks)
            return (Step(argv=(), reads=reads, host=host.name, missing=reason),)
        reason = NO_GPU if host.gpus == 0 else "one GPU, which has no other to speak to"
        given.extend(not_applicable(check, reason, host.name) for check in checks)
        return ()
    often = {"host": host.name, "repeats": settings.repeats, "warmup": settings.warmup, "timeout_s": _HOST_TIMEOUT_S}
    context = {"expected_gpus": host.gpus_planned or host.gpus}
    reads = (
        Read("nvlink_latency_64b", "p2p_bandwidth", {**context, "latency": True}),
        Read("nvlink_bandwidth", "p2p_bandwidth", context),
    )
    argv = commands.p2p(host)
    # Without either tool the engine's torch measures.
    program, environment = ("", {}) if argv else (settings.pairs_program, _environment(host, settings))
    pairs = Step(
        argv=argv or commands.gpu_pairs(host),
        reads=reads,
        environment=environment,
        program=program,
        **often,  # type: ignore[arg-type]
    )
    argv = commands.nccl_tests(host, settings)
    if argv:
        return pairs, Step(argv=argv, reads=(Read(_ONE_HOST, "nccl_tests"),), **often)  # type: ignore[arg-type]
    # Without nccl-tests the collective program measures the host alone: the same operation of the same library.
    settings = replace(settings, ranks_per_host=host.gpus)
    own = Step(
        argv=commands.collective(host, host, settings, place=0, hosts=1, port=settings.port + 3),
        reads=(Read(_ONE_HOST, "collective", {"operation": "all_reduce", "ranks": host.gpus}),),
        environment=_environment(host, settings),
        program=settings.program,
        **often,  # type: ignore[arg-type]
    )
    return pairs, own


def _together(hosts: Sequence[Endpoint], place: int, settings: Settings) -> tuple[Step, ...]:
    """The collective program on one host. The head's output has the figures; each host's log proves its transport."""
    host, head = hosts[place], hosts[0]
    ranks = {"ranks": settings.ranks_per_host * len(hosts), "hosts": len(hosts)}
    reads = [replace(read, context={**read.context, **ranks}) for read in _GROUP_READS] if place == 0 else []
    if settings.backend == "nccl":
        context = {"gdr_required": settings.gdr_required, "socket_allowed": not host.rdma_planned}
        transport = Read("collective_transport", "nccl_debug", context)
    else:
        # Sockets are what is planned where there is no GPU: that they are used is seen, not assumed.
        transport = Read("collective_transport", "collective", {"transports": ["tcp"], **ranks})
    common = {
        "argv": commands.collective(head, host, settings, place=place, hosts=len(hosts)),
        "timeout_s": settings.group_timeout_s,
        "environment": _environment(host, settings),
        "program": settings.program,
        "conditions": {"hosts": len(hosts), "interface": host.interface, "mtu": host.mtu},
    }
    if settings.backend == "nccl" or place == 0:
        reads.append(transport)
    return (Step(reads=tuple(reads), host=host.name, **common),)  # type: ignore[arg-type]


def _environment(host: Endpoint, settings: Settings) -> dict[str, str]:
    """The engine's own environment, with the log that shows which way NCCL goes. No byte code is written."""
    log = {"NCCL_DEBUG": "INFO", "NCCL_DEBUG_SUBSYS": "INIT,NET,GRAPH"} if settings.backend == "nccl" else {}
    return {**host.environment, **log, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
