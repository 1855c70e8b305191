# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which ranks each host's command would start, and whether together they make up the service.

The rules are those of ``create_engine_config`` and of ``vllm serve`` in the releases' own sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..engine.flags import FLAGS, START_RANK_ZERO_IS_HYBRID_SINCE, START_RANK_ZERO_IS_NOT_HYBRID_UNTIL
from ..versions import Version
from .line import Command
from .notes import Notes
from .values import expert_parallel, size

# How requests are spread over the ranks.
INTERNAL = "internal"  # one head with the API servers, headless followers
HYBRID = "hybrid"  # API servers on every host, each for its own ranks; a balancer before them
EXTERNAL = "external"  # one rank a command, each with an API server
MULTI_PORT = "multi_port"  # a supervisor on every host, an API server for each of its ranks

HEAD = "head"
FOLLOWER = "follower"
SERVER = "server"

# More ranks than any service has: beyond this they are not counted one by one.
_MOST_RANKS = 1 << 16

_HYBRID_SINCE = FLAGS["--data-parallel-hybrid-lb"].introduced
_NNODES_SINCE = FLAGS["--nnodes"].introduced


@dataclass(frozen=True)
class Share:
    """What one host would run: ``local`` data parallel ranks from ``start`` on; ``None`` where that is not known.

    ``said_local`` and ``said_start`` tell whether the command gives them (or ``--nnodes`` and ``--node-rank``).
    """

    command: Command
    role: str
    balancing: str
    start: int | None
    local: int | None
    said_start: bool
    said_local: bool

    def as_dict(self) -> dict[str, Any]:
        """The share as the plan's JSON carries it."""
        return {
            "name": self.command.host,
            "role": self.role,
            "load_balancing": self.balancing,
            "start_rank": self.start,
            "local_ranks": self.local,
        }


@dataclass(frozen=True)
class Effect:
    """The layout the commands would give; sizes are ``None`` where they are not known or hosts disagree."""

    data: int | None
    tensor: int | None
    pipeline: int | None
    expert: int | None
    shares: tuple[Share, ...]

    def as_dict(self) -> dict[str, Any]:
        """The layout as the plan's JSON carries it."""
        return {
            "data_parallel_size": self.data,
            "tensor_parallel_size": self.tensor,
            "pipeline_parallel_size": self.pipeline,
            "expert_parallel_size": self.expert,
            "hosts": [share.as_dict() for share in self.shares],
        }


def balancing(command: Command, release: Version) -> str:
    """The load balancing a command asks for, or falls into."""
    if "--data-parallel-rank" in command.options or command.has("--data-parallel-external-lb"):
        return EXTERNAL
    if command.has("--data-parallel-multi-port-external-lb"):
        return MULTI_PORT
    if command.has("--data-parallel-hybrid-lb"):
        return HYBRID
    if command.has("--headless") or release < _HYBRID_SINCE:
        return INTERNAL
    start = command.integer("--data-parallel-start-rank")
    zero_counts = release >= START_RANK_ZERO_IS_HYBRID_SINCE
    return HYBRID if start is not None and (start > 0 or zero_counts) else INTERNAL


def share(command: Command, release: Version) -> Share:
    """One host's part, as its command alone says."""
    data, tensor, pipeline = (size(command, name) for name in ("data", "tensor", "pipeline"))
    mode = balancing(command, release)
    headless = command.has("--headless")
    role = FOLLOWER if headless else (HEAD if mode == INTERNAL else SERVER)
    if mode == EXTERNAL:
        rank = command.integer("--data-parallel-rank")
        return Share(command, role, mode, rank, 1, rank is not None, True)
    nodes = command.integer("--nnodes") if release >= _NNODES_SINCE else None
    inferred_local = inferred_start = None
    if nodes is not None and nodes > 1 and data is not None and tensor is not None and pipeline is not None:
        world, each = data * tensor * pipeline, tensor * pipeline
        inferred_local = max(world // nodes // each, 1)
        inferred_start = (command.integer("--node-rank") or 0) * (world // nodes) // each
    said_local = "--data-parallel-size-local" in command.options
    local = command.integer("--data-parallel-size-local") if said_local else (inferred_local or data)
    said_start = "--data-parallel-start-rank" in command.options
    start = command.integer("--data-parallel-start-rank") if said_start else (inferred_start or 0)
    return Share(
        command,
        role,
        mode,
        start,
        local,
        said_start or inferred_start is not None,
        said_local or inferred_local is not None,
    )


def effect(commands: Sequence[Command], release: Version) -> Effect:
    """What all commands together would start."""
    shares = tuple(share(command, release) for command in commands)

    def agreed(values: Sequence[int | None]) -> int | None:
        return values[0] if values and len(set(values)) == 1 else None

    return Effect(
        data=agreed([size(command, "data") for command in commands]),
        tensor=agreed([size(command, "tensor") for command in commands]),
        pipeline=agreed([size(command, "pipeline") for command in commands]),
        expert=agreed([expert_parallel(command) for command in commands]),
        shares=shares,
    )


def check_room(found: Effect, gpus_per_host: int, notes: Notes) -> None:
    """The ranks of each host against its devices. Unless told otherwise a host starts all ranks of the service."""
    for item in found.shares:
        tensor, pipeline = size(item.command, "tensor"), size(item.command, "pipeline")
        if item.local is None or tensor is None or pipeline is None:
            continue
        each = tensor * pipeline
        where = f"commands.{item.command.host}"
        why = "" if item.said_local else " (no --data-parallel-size-local: all of them)"
        if each > gpus_per_host and (item.command.integer("--nnodes") or 1) > 1:
            notes.doubts(
                "rank_spans_hosts",
                f"{where}: one rank of {each} devices spans hosts of {gpus_per_host}, which is not audited further",
                "keep tensor x pipeline within a host",
            )
        elif item.local * each > gpus_per_host:
            notes.stops(
                "too_many_ranks",
                f"{where}: would start {item.local} ranks{why} of {each} device(s) on a host of {gpus_per_host}",
                f"add --data-parallel-size-local {max(1, gpus_per_host // each)}",
            )
        elif 0 < item.local * each < gpus_per_host:
            notes.alters(
                "idle_devices",
                f"{where}: {item.local} rank(s) of {each} device(s) leave {gpus_per_host - item.local * each} of"
                f" {gpus_per_host} idle",
                "start as many ranks as there are devices for",
            )


def check_ranks(found: Effect, notes: Notes) -> None:
    """Every rank once: none twice, none missing, none beyond the last."""
    if found.data is None or found.data == 1 or len(found.shares) < 2:
        return
    counted = [item for item in found.shares if item.local is not None]
    if max(found.data, *(item.local or 0 for item in counted), 0) > _MOST_RANKS:
        return
    total = sum(item.local or 0 for item in counted)
    placed = all(item.said_start or item.role == HEAD for item in found.shares) and len(counted) == len(found.shares)
    if len(counted) == len(found.shares) and all(item.said_local for item in counted) and total != found.data:
        message = f"commands: the hosts start {total} ranks in all, --data-parallel-size is {found.data}"
        fix = f"let the hosts' --data-parallel-size-local add up to {found.data}"
        (notes.hangs if total < found.data else notes.stops)("rank_sum", message, fix)
    owners: dict[int, list[str]] = {}
    for item in counted:
        if item.start is None or not (item.said_start or item.role == HEAD) or not item.said_local:
            continue
        for rank in range(item.start, item.start + (item.local or 0)):
            owners.setdefault(rank, []).append(item.command.host)
    _check_twice(owners, notes)
    beyond = sorted(rank for rank in owners if rank >= found.data)
    if beyond:
        hosts = ", ".join(dict.fromkeys(host for rank in beyond for host in owners[rank]))
        message = (
            f"commands.{hosts}: rank(s) {spans(beyond)} are beyond the last, {found.data - 1}: the head refuses them"
        )
        notes.stops("rank_range", message, "start rank + local size must not exceed --data-parallel-size")
    missing = [rank for rank in range(found.data) if rank not in owners]
    if missing and placed and all(item.said_local for item in found.shares):
        message = f"commands: rank(s) {spans(missing)} are started by no host: the head waits for them without limit"
        notes.hangs("rank_gap", message, "give each host the start rank after the ranks of the hosts before it")


def _check_twice(owners: dict[int, list[str]], notes: Notes) -> None:
    """Ranks that several hosts start, gathered by those hosts."""
    shared: dict[tuple[str, ...], list[int]] = {}
    for rank, hosts in owners.items():
        if len(hosts) > 1:
            shared.setdefault(tuple(hosts), []).append(rank)
    for several, ranks in shared.items():
        message = f"commands.{several[-1]}: rank(s) {spans(sorted(ranks))} are started by {' and '.join(several)}"
        notes.stops("rank_overlap", message, "give each host its own --data-parallel-start-rank")


def spans(ranks: Sequence[int]) -> str:
    """Numbers in ascending order as spans: ``16-23, 30``."""
    found: list[list[int]] = []
    for rank in ranks:
        if found and rank == found[-1][1] + 1:
            found[-1][1] = rank
        else:
            found.append([rank, rank])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def check_start_ranks(found: Effect, head: Command | None, release: Version, notes: Notes) -> None:
    """A start rank on every follower, none on the head."""
    several = len(found.shares) > 1
    for item in found.shares:
        where = f"commands.{item.command.host}"
        if item.role == FOLLOWER and not item.said_start and several and (found.data or 2) > 1:
            message = f"{where}: a follower without --data-parallel-start-rank starts from rank 0, which the head has"
            notes.stops(
                "no_start_rank", message, "add --data-parallel-start-rank: the local ranks of the hosts before it"
            )
        if item.command is not head or not item.said_start or "--data-parallel-start-rank" not in item.command.options:
            continue
        _check_heads_start(where, item, release, notes)


def _check_heads_start(where: str, item: Share, release: Version, notes: Notes) -> None:
    if item.balancing == HYBRID:
        message = (
            f"{where}: --data-parallel-start-rank on a host that is not headless means hybrid load balancing, in which"
            " the head refuses headless followers"
        )
        notes.stops("head_start_rank", message, "leave it out on the head")
    elif release > START_RANK_ZERO_IS_NOT_HYBRID_UNTIL:
        message = f"{where}: whether a start rank of 0 means hybrid load balancing in vLLM {release} is not known"
        notes.doubts("head_start_rank", message, "leave it out on the head")
    else:
        message = (
            f"{where}: --data-parallel-start-rank on the head does nothing in vLLM {release}, and means hybrid load"
            f" balancing, which refuses headless followers, from {START_RANK_ZERO_IS_HYBRID_SINCE} at the latest"
        )
        notes.alters("head_start_rank", message, "leave it out on the head")
