# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Finds, in the raw inventory files, the defects that Ansible only warns about or swallows whole.

The planner gets its hosts from Ansible; by then a duplicate key, a file that could not be read or a host with two ranks
has already been merged away. So the sources are read again here, as text.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ..fields import closest
from ..findings import Finding, error
from .ini import read_ini
from .reading import WATCHED, Mention, Reading, unparsable
from .yaml import YamlUnavailableError, compose, kind_of, read_yaml, variables_of

# What Ansible itself ignores in an inventory directory (INVENTORY_IGNORE_EXTS and its built-in patterns).
_IGNORED = re.compile(
    r"^\.|^(host_vars|group_vars|vars_plugins)$|(\.pyc|\.pyo|\.swp|\.bak|~|\.rpm|\.md|\.txt|\.rst|\.orig|\.cfg|\.retry)$"
)
_YAML_EXTENSIONS = (".yaml", ".yml", ".json")
_DEFAULT_SOURCE = "/etc/ansible/hosts"
_LARGEST_FILE = 8 << 20
# How like a planner's variable another name must be to be taken for a slip of the pen.
_TYPO = 0.85


def scan(sources: Sequence[str], group: str, hosts: Sequence[str]) -> list[Finding]:
    """Defects of the inventory files behind ``sources`` (files or directories), and of ``group``, of which Ansible
    loaded ``hosts``.

    Sources that are programs, host lists (``a,b,``) or plugin configurations are left to Ansible. Never raises for a
    file's content.
    """
    reading = Reading()
    for path in _files(sources, reading.findings):
        _read_file(path, reading)
    for path, kind, name in _variable_files(sources):
        _read_variable_file(path, kind, name, reading)
    return (
        reading.findings
        + _loops(reading)
        + _conflicts(reading)
        + _typos(reading.mentions)
        + _check_group(reading, group, hosts)
    )


def _files(sources: Iterable[str], findings: list[Finding]) -> Iterator[Path]:
    """Inventory files in the order Ansible reads them."""
    for source in sources:
        path = Path(source)
        if "," in source:
            continue
        if path.is_dir():
            inside = sorted(item for item in path.iterdir() if not _IGNORED.search(item.name))
            yield from _files([str(item) for item in inside], findings)
        elif path.is_file():
            yield path
        elif source != _DEFAULT_SOURCE:
            findings.append(error("inventory.unreadable", f"{source}: no such file", "correct the inventory's path"))


def _variable_files(sources: Iterable[str]) -> Iterator[tuple[Path, str, str]]:
    """Files of ``group_vars`` and ``host_vars`` beside the sources, with the kind and the name they are for."""
    bases = [Path(source) if Path(source).is_dir() else Path(source).parent for source in sources if "," not in source]
    for base in dict.fromkeys(bases):
        for kind in ("group_vars", "host_vars"):
            for path in sorted((base / kind).rglob("*")):
                inner = path.relative_to(base / kind)
                hidden = any(part.startswith(".") or part.endswith("~") for part in inner.parts)
                if path.is_file() and not hidden and path.suffix in ("", *_YAML_EXTENSIONS):
                    yield path, kind, inner.parts[0] if len(inner.parts) > 1 else _stem(inner.name)


def _stem(name: str) -> str:
    """A variable file's name without Ansible's extensions; dots of host names stay."""
    return next((name[: -len(suffix)] for suffix in _YAML_EXTENSIONS if name.endswith(suffix)), name)


def _read_text(path: Path, findings: list[Finding]) -> str:
    """The file's text; empty after noting why it cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_FILE:
            findings.append(unparsable(str(path), "larger than 8 MiB"))
            return ""
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as problem:
        findings.append(unparsable(str(path), f"not UTF-8 at byte {problem.start}"))
    except OSError as problem:
        findings.append(error("inventory.unreadable", f"{path}: {problem.strerror}", "make the file readable"))
    return ""


def _compose(path: Path, text: str, findings: list[Finding]) -> Any:
    """The file's root node, or ``None``; an interpreter without PyYAML is a finding, not a clean bill."""
    try:
        return compose(str(path), text, findings)
    except YamlUnavailableError as problem:
        message = f"{path} was not examined: {sys.executable} has no PyYAML ({problem})"
        findings.append(error("inventory.unread", message, "install PyYAML for that Python"))
        return None


def _read_file(path: Path, reading: Reading) -> None:
    """One inventory file: YAML by its extension; without one YAML if it is a mapping, else INI, as Ansible tries."""
    text = _read_text(path, reading.findings)
    program = text.startswith("#!") and os.access(path, os.X_OK)
    if not text.strip() or path.suffix == ".toml" or program:
        return
    if path.suffix not in ("", *_YAML_EXTENSIONS):
        read_ini(str(path), text, reading)
        return
    problems: list[Finding] = []
    root = _compose(path, text, problems)
    if not path.suffix and (root is None or kind_of(root) != "mapping"):
        read_ini(str(path), text, reading)
        return
    reading.findings.extend(problems)
    if root is not None:
        read_yaml(str(path), root, reading)


def _read_variable_file(path: Path, kind: str, name: str, reading: Reading) -> None:
    text = _read_text(path, reading.findings)
    root = _compose(path, text, reading.findings) if text.strip() else None
    variables = variables_of(root)
    if kind == "host_vars":
        reading.mentions.append(Mention(name, "", str(path), variables))
        return
    for variable, value in variables.items():
        reading.see_variable(name, variable, value, str(path))


def _loops(reading: Reading) -> list[Finding]:
    """Groups that are their own descendants."""
    return [
        unparsable(reading.groups.get(name, name), f"group '{name}' is its own descendant")
        for name in reading.children
        if name in reading.descendants(name)
    ]


def _conflicts(reading: Reading) -> list[Finding]:
    """Hosts listed twice in one group, and hosts with two values for a variable that must have one."""
    by_host: dict[str, list[Mention]] = {}
    for mention in reading.mentions:
        by_host.setdefault(mention.host, []).append(mention)
    found: list[Finding] = []
    for host, listed in by_host.items():
        found.extend(_listed_twice(host, listed))
        for name in WATCHED:
            own = [(mention.variables[name], _place(mention)) for mention in listed if name in mention.variables]
            found.extend(_two_values(host, name, own or _values_of_groups(name, listed, reading)))
    return found


def _values_of_groups(name: str, listed: Sequence[Mention], reading: Reading) -> list[tuple[str, str]]:
    """What the groups that list a host say, but for those whose descendants say it too: overriding a parent is fine."""
    saying = {mention.group for mention in listed if name in reading.group_variables.get(mention.group, {})}
    lowest = [group for group in sorted(saying) if not reading.descendants(group) & saying]
    told = [reading.group_variables[group][name] for group in lowest]
    return [(value, f"group '{group}' ({where})") for group, (value, where) in zip(lowest, told)]


def _listed_twice(host: str, listed: Sequence[Mention]) -> list[Finding]:
    """A host that a group lists again by name; a range may cover a host that is then given variables."""
    found: list[Finding] = []
    first: dict[str, str] = {}
    for mention in listed:
        if not mention.group or not mention.literal:
            continue
        if mention.group in first:
            message = (
                f"{mention.where}: {host} is listed in '{mention.group}' again, first in {first[mention.group]};"
                " Ansible makes them one host"
            )
            found.append(error("inventory.duplicate_host", message, "rename or remove one of the two"))
        first.setdefault(mention.group, mention.where)
    return found


def _two_values(host: str, name: str, told: Sequence[tuple[str, str]]) -> list[Finding]:
    values: dict[str, list[str]] = {}
    for value, where in told:
        values.setdefault(value, []).append(where)
    if len(values) < 2:
        return []
    listed = "; ".join(f"{value} in {', '.join(dict.fromkeys(where))}" for value, where in values.items())
    message = f"{host} has more than one {name}: {listed}; Ansible silently keeps one of them"
    return [error("inventory.conflicting_variable", message, f"give {host} one {name}, in one place")]


def _place(mention: Mention) -> str:
    return f"group '{mention.group}' ({mention.where})" if mention.group else mention.where


def _typos(mentions: Sequence[Mention]) -> list[Finding]:
    """Host variables that are almost, but not quite, ones the planner reads."""
    found: dict[tuple[str, str], Finding] = {}
    for mention in mentions:
        for name in mention.variables:
            if name in WATCHED or (mention.where, name) in found:
                continue
            near = closest(name, WATCHED, _TYPO)
            if near is not None and near not in mention.variables:
                found[(mention.where, name)] = error(
                    "inventory.variable_typo",
                    f"{mention.where}: {mention.host} has '{name}', which nothing reads",
                    f"did you mean '{near}'?",
                )
    return list(found.values())


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _check_group(reading: Reading, group: str, hosts: Sequence[str]) -> list[Finding]:
    """The wanted group must have hosts, all of them, under its own name."""
    if hosts:
        return _strays(reading, group, hosts)
    filled = sorted(name for name in reading.groups if name != group and reading.members(name))
    near = closest(group, filled)
    if near is not None:
        listed = sorted(reading.members(near))
        different = "; to Ansible - and _ differ" if "-" in near + group and _plain(near) == _plain(group) else ""
        message = (
            f"{reading.groups[near]}: group '{group}' has no hosts, but '{near}' has {len(listed)}"
            f" ({', '.join(listed[:8])}){different}"
        )
        fix = f"rename '{near}' to '{group}', or set moefleet_group to '{near}'"
        return [error("inventory.group_missing", message, fix)]
    state = f"is empty ({reading.groups[group]})" if group in reading.groups else "is in none of the inventory's files"
    others = f", or set moefleet_group to one of: {', '.join(filled)}" if filled else ""
    return [error("inventory.group_missing", f"group '{group}' {state}", f"list the serving hosts in it{others}")]


def _strays(reading: Reading, group: str, hosts: Sequence[str]) -> list[Finding]:
    """Hosts under a name that differs from the group's only in dashes or case are hosts somebody meant to serve."""
    found: list[Finding] = []
    for name, where in reading.groups.items():
        missing = sorted(reading.members(name) - set(hosts))
        if name != group and _plain(name) == _plain(group) and missing:
            message = f"{where}: group '{name}' has {', '.join(missing)}, which '{group}' does not have"
            found.append(error("inventory.similar_group", message, f"use one name for the group: '{group}'"))
    return found
