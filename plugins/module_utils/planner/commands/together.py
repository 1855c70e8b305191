# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all hosts' commands must have alike: the head compares a hash of some of it, and waits for the rest."""

from __future__ import annotations

from typing import Any

from ..engine.defaults import DEFAULTS, default
from ..versions import Version, version
from .facts import HASHED, JUDGED_APART, OWN_TO_HOST, OWN_VARIABLES, SIZED, is_switch
from .layout import Effect
from .line import Command, canonical
from .notes import Notes

_HASHED_SINCE = version("0.11.1")
_NOT_GIVEN = "not given"


def check_alike(found: Effect, head: Command | None, release: Version, notes: Notes) -> None:
    """Model, sizes and settings of every host against the head's (of the first host where there is no head)."""
    commands = [item.command for item in found.shares]
    first = head or commands[0]
    for command in commands:
        if command is first:
            continue
        if command.model != first.model:
            message = f"commands.{command.host}: model {command.model}, {first.host} has {first.model}"
            notes.stops("model_differs", message, "use one model on every host")
        data = (command.integer("--data-parallel-size"), first.integer("--data-parallel-size"))
        if data[0] != data[1] and None not in data:
            message = f"commands.{command.host}: --data-parallel-size {data[0]}, {first.host} has {data[1]}"
            notes.stops("data_size", message, "give the ranks of the whole cluster on every host")
        _check_settings(command, first, release, notes)
        _check_variables(command, first, notes)


def differences(command: Command, first: Command, release: Version) -> dict[str, tuple[Any, Any]]:
    """Settings that two commands have unlike, however they are written; one left out counts as its default."""
    found: dict[str, tuple[Any, Any]] = {}
    for flag in dict.fromkeys((*first.options, *command.options)):
        if flag in OWN_TO_HOST or flag in JUDGED_APART or flag == "--model":
            continue
        pair = tuple(_value(one, flag, release) for one in (command, first))
        left_open = any(flag in one.options and one.options[flag].open for one in (command, first))
        if pair[0] != pair[1] and not left_open:
            found[flag] = (pair[0], pair[1])
    return found


def _value(command: Command, flag: str, release: Version) -> Any:
    option = command.options.get(flag)
    if option is not None:
        return canonical(option)
    name = flag[2:].replace("-", "_")
    if name in DEFAULTS and DEFAULTS[name][0][0] <= release and default(name, release) is not None:
        value = default(name, release)
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return False if is_switch(flag) else _NOT_GIVEN


def _check_settings(command: Command, first: Command, release: Version, notes: Notes) -> None:
    """By what comes of a difference: a refused hash, ranks that don't fit one another, or less."""
    groups: dict[str, list[str]] = {}
    for flag, (here, there) in differences(command, first, release).items():
        kind = "hashed" if flag in HASHED else ("sized" if flag in SIZED else "other")
        groups.setdefault(kind, []).append(f"{flag} ({_shown(here)}, {first.host}: {_shown(there)})")
    where = f"commands.{command.host}: differs from {first.host} in "
    fix = f"use {first.host}'s value on every host"
    if "hashed" in groups:
        text = where + ", ".join(groups["hashed"])
        if release >= _HASHED_SINCE:
            notes.stops("differs_parallel", f"{text}: the head compares a hash of these and refuses the rank", fix)
        else:
            notes.hangs(
                "differs_parallel", f"{text}: ranks then wait for collectives that others don't take part in", fix
            )
    if "sized" in groups:
        message = (
            where + ", ".join(groups["sized"]) + ": ranks size caches, graphs and steps by these, and step together"
        )
        notes.breaks("differs", message, fix)
    if "other" in groups:
        notes.alters("differs_other", where + ", ".join(groups["other"]), fix)


def _shown(value: Any) -> str:
    if value is True or value is False:
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)


def _check_variables(command: Command, first: Command, notes: Notes) -> None:
    names = {*command.environment, *first.environment} - OWN_VARIABLES
    unlike = sorted(
        name
        for name in names
        if name.startswith(("VLLM_", "NCCL_", "NVSHMEM_"))
        and command.environment.get(name) != first.environment.get(name)
    )
    if unlike:
        message = f"commands.{command.host}: {', '.join(unlike)} differ from those of {first.host}"
        notes.alters("environment_differs", message, "set them alike on every host")
