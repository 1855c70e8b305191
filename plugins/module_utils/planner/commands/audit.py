# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pasted ``vllm serve`` command lines, one a host, will do: the layout they give, or why the service will not come
up.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import addresses
from ..engine.flags import API_SERVERS_UNSET_SINCE, MULTI_NODE_SINCE
from ..fields import describe, suggestion
from ..findings import Finding, error
from ..models.model import Model
from ..request import Engine, Host
from .addresses import check_addresses, check_interfaces
from .flags import check_environment, check_flags, check_text
from .layout import (
    EXTERNAL,
    FOLLOWER,
    HYBRID,
    MULTI_PORT,
    Effect,
    check_ranks,
    check_room,
    check_start_ranks,
    effect,
)
from .line import Command, read_command
from .notes import Notes
from .together import check_alike
from .values import check_values


@dataclass(frozen=True)
class CommandAudit:
    """``outcome`` is ``starts``, ``does_not_start``, ``hangs`` or ``unknown``; ``reasons`` say why it does not start.

    ``effect`` is the layout as far as it is known.
    """

    outcome: str
    reasons: tuple[str, ...]
    effect: Effect
    commands: tuple[Command, ...]

    def as_dict(self) -> dict[str, Any]:
        """The audit as the plan's JSON carries it."""
        return {
            "outcome": self.outcome,
            "reasons": list(self.reasons),
            "layout": self.effect.as_dict(),
            "hosts": {command.host: _shown(command) for command in self.commands},
        }


def _shown(command: Command) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for flag, option in command.options.items():
        value: Any = option.values[0] if len(option.values) == 1 else option.values or not option.negated
        options[flag] = {**option.keys, **({"": value} if option.values else {})} if option.keys else value
    return {"model": command.model, "environment": dict(command.environment), "options": options}


def audit_commands(
    raw: Any,
    engine: Engine,
    hosts: Sequence[Host],
    *,
    gpus_per_host: int,
    model: Model | None,
    findings: list[Finding],
) -> CommandAudit | None:
    """Audit the mapping of host names to command texts; ``None`` where there is none or it cannot be read.

    A text may have environment variables before the command, ``\\`` continuations, comments and quotes; a list is taken
    as an argv. What is wrong goes to ``findings`` with codes ``command.*``.
    """
    if raw is None:
        return None
    texts = _texts(raw, hosts, findings)
    if not texts:
        return None
    notes = Notes()
    release = engine.version
    commands = [read_command(name, text, release) for name, text in texts.items()]
    for command in commands:
        check_text(command, notes)
        check_flags(command, release, notes)
        check_environment(command, release, notes)
        check_values(command, engine, model, notes)
        _check_unseen(command, notes)
    found = effect(commands, release)
    readable = all(command.options or command.model for command in commands)
    if readable and not any(command.text("--data-parallel-backend") == "ray" for command in commands):
        _check_together(found, engine, hosts, gpus_per_host=gpus_per_host, notes=notes)
    findings.extend(notes.findings())
    return CommandAudit(notes.outcome, tuple(notes.reasons), found, tuple(commands))


def _texts(raw: Any, hosts: Sequence[Host], findings: list[Finding]) -> dict[str, str]:
    """The commands in the order of the hosts; those of hosts that are not there last."""
    if not isinstance(raw, Mapping):
        message = f"commands is {describe(raw)}, not a mapping of host names to command lines"
        findings.append(error("input.not_a_mapping", message, "give one command line a host, under its name"))
        return {}
    names = [host.name for host in hosts]
    given: dict[str, str] = {}
    for key, value in raw.items():
        name = str(key)
        text = shlex.join(map(str, value)) if isinstance(value, (list, tuple)) else value
        if not isinstance(text, str):
            message = f"commands.{name} is {describe(value)}, not a command line"
            findings.append(error("input.not_text", message, "give it as text, a block (|) for several lines"))
            continue
        if names and name not in names:
            message = f"commands.{name}: the cluster has no such host"
            findings.append(error("command.unknown_host", message, suggestion(name, names)))
        given[name] = text
    return {name: given[name] for name in [*(n for n in names if n in given), *(n for n in given if n not in names)]}


def _check_unseen(command: Command, notes: Notes) -> None:
    """Settings that are elsewhere: in a file, in variables of the host's shell, in ray's scheduling."""
    where = f"commands.{command.host}"
    if "--config" in command.options:
        notes.doubts("config_file", f"{where}: what is in --config's file is not seen", "put its settings on the line")
    left = [flag for flag, option in command.options.items() if option.open]
    if left:
        message = f"{where}: the value of {', '.join(left)} is left to the host's shell and not judged"
        notes.doubts("open_value", message, "put the value itself on the line")
    if command.text("--data-parallel-backend") == "ray":
        message = f"{where}: with --data-parallel-backend ray, ray places the ranks; roles and ranks are not judged"
        notes.doubts("ray", message, "give one command a host with the mp backend, or ask ray")


def _check_together(found: Effect, engine: Engine, hosts: Sequence[Host], *, gpus_per_host: int, notes: Notes) -> None:
    """Roles, ranks, addresses, and what must be alike."""
    release = engine.version
    by_name = {host.name: host for host in hosts}
    check_room(found, gpus_per_host, notes)
    head = find_head(found, by_name)
    _check_roles(found, head, engine, notes)
    check_start_ranks(found, head, release, notes)
    check_ranks(found, notes)
    absent = [host.name for host in hosts if host.name not in {item.command.host for item in found.shares}]
    if absent:
        message = f"commands: there is none for {', '.join(absent)}"
        notes.alters("no_command", message, "give every host of the cluster its command")
    distributed = found.data != 1 or any("--nnodes" in item.command.options for item in found.shares)
    if len(found.shares) > 1 and distributed:
        if release < MULTI_NODE_SINCE:
            message = f"commands: vLLM {release} has no data parallelism over several hosts"
            notes.stops("no_multi_node", message, f"use {MULTI_NODE_SINCE} or newer")
        check_addresses(found, head, by_name, notes)
        check_interfaces(found, by_name, notes)
        check_alike(found, head, release, notes)
    elif len(found.shares) > 1:
        message = "commands: without --data-parallel-size every host is a service of its own"
        notes.tells("independent", message, "put a balancer before them, or give the data parallel settings")


def find_head(found: Effect, by_name: Mapping[str, Host]) -> Command | None:
    """The host the others are to join: not headless, and of several the one whose address is given to the others, or
    that has no start rank, or the first.
    """
    candidates = [item for item in found.shares if item.role != FOLLOWER]
    named = [item.command.text("--data-parallel-address") for item in found.shares]
    for item in candidates:
        host = by_name.get(item.command.host)
        own = addresses.parse(host.data_address) if host and host.data_address else None
        if own is not None and sum(addresses.parse(text) == own for text in named if text) * 2 > len(found.shares):
            return item.command
    if not candidates:
        return None
    return next((item.command for item in candidates if not item.said_start or item.start == 0), candidates[0].command)


def _check_roles(found: Effect, head: Command | None, engine: Engine, notes: Notes) -> None:
    """One head with API servers and headless followers, or one of the other modes on every host."""
    release = engine.version
    others = [item for item in found.shares if item.command is not head]
    modes = {item.balancing for item in found.shares}
    if head is None:
        message = "commands: every host is headless: no host has an API server, and all wait for a head"
        notes.hangs("no_head", message, "leave --headless and --data-parallel-start-rank out on the first host")
    apart = len(modes) == 1 and modes <= {HYBRID, EXTERNAL, MULTI_PORT} and found.data != 1
    if apart and len(found.shares) > 1:
        message = (
            f"commands: {modes.pop()} load balancing: every host serves its own ranks, and nothing spreads requests"
        )
        notes.tells("balancing", message, "put a balancer before the hosts, or use one head and headless followers")
    for item in others:
        if item.role != FOLLOWER and not apart and found.data != 1:
            start = " and, with a start rank, would be a hybrid load balancer" if item.said_start else ""
            message = (
                f"commands.{item.command.host}: lacks --headless: it would start API servers of its own{start}, while"
                f" {head.host if head else 'the first host'} is the head"
            )
            notes.stops(
                "missing_headless", message, "add --headless, and take --host, --port and --api-server-count away"
            )
    for item in found.shares:
        _check_api_servers(item.command, item.command is head, release >= API_SERVERS_UNSET_SINCE, found, notes)


def _check_api_servers(command: Command, is_head: bool, unset: bool, found: Effect, notes: Notes) -> None:
    """API servers belong to the head; unset, there is one for every rank of the cluster (0.16.0 and newer)."""
    where = f"commands.{command.host}"
    count = command.integer("--api-server-count")
    if command.has("--headless"):
        if count is not None and count > 0:
            message = f"{where}: --headless with --api-server-count {count}: a headless host has no API servers"
            say = notes.stops if unset or count > 1 else notes.alters
            say("headless_api_servers", message, "leave --api-server-count out on followers")
        if command.has("--data-parallel-hybrid-lb"):
            message = f"{where}: --headless with --data-parallel-hybrid-lb, which needs an API server on every host"
            notes.stops("headless_hybrid", message, "keep one of them")
    elif is_head and count is None and unset and found.data is not None and found.data > 1:
        message = f"{where}: without --api-server-count there are {found.data} API server processes on this host"
        local = next((item.local for item in found.shares if item.command is command), None)
        notes.alters("api_servers", message, f"add --api-server-count {local or 1}")
