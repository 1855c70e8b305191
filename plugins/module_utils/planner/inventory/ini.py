# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads INI inventories the way Ansible's ``ini`` plugin does, and keeps what that plugin merges away."""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Sequence

from .. import addresses
from .reading import Mention, Reading, duplicate_key, unparsable

_SECTION = re.compile(r"\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?")
_GROUP = re.compile(r"([^:\]\s]+)\s*(?:#.*)?")
_BRACKETED = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d+)?")
_PORT = re.compile(r"(.+):(\d+)")
_RANGE = re.compile(r"\[([^\[\]]*:[^\[\]]*)\]")
# More hosts than this from one range are not a serving cluster, and not worth the memory.
_MOST_HOSTS = 4096

HOSTS, CHILDREN, VARS = "hosts", "children", "vars"


def read_ini(path: str, text: str, reading: Reading) -> None:
    """Add an INI file's content to ``reading``; goes on after a line Ansible would stop at, to name all of them."""
    reader = _IniReader(path, reading)
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line and line[0] not in ";#":
            reader.read(number, line)
    reader.check_names()


class _IniReader:
    """One file being read: the section it is in, and the names that must be defined by its end."""

    def __init__(self, path: str, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._group, self._kind = "ungrouped", HOSTS
        self._used: list[tuple[str, str, str]] = []
        self._assigned: dict[tuple[str, str], int] = {}

    def read(self, number: int, line: str) -> None:
        section = _SECTION.fullmatch(line)
        if section is not None:
            self._enter(number, section.group(1), section.group(2) or HOSTS)
        elif line.startswith("[") and line.endswith("]"):
            self._refuse(number, f"{line} is no section name")
        elif self._kind == HOSTS:
            self._read_host(number, line)
        elif self._kind == CHILDREN:
            self._read_child(number, line)
        elif self._kind == VARS:
            self._read_variable(number, line)

    def check_names(self) -> None:
        """Groups that are named as children or given variables must exist."""
        for name, where, who in self._used:
            if name not in self._reading.groups and name not in ("all", "ungrouped"):
                self._reading.findings.append(unparsable(where, f"{who} names the undefined group '{name}'"))

    def _where(self, number: int) -> str:
        return f"{self._path}:{number}"

    def _refuse(self, number: int, reason: str) -> None:
        self._reading.findings.append(unparsable(self._where(number), reason))

    def _enter(self, number: int, group: str, kind: str) -> None:
        self._group, self._kind = group, kind
        if kind not in (HOSTS, CHILDREN, VARS):
            self._refuse(number, f"section [{group}:{kind}] is neither :children nor :vars")
        elif kind == VARS:
            self._used.append((group, self._where(number), f"section [{group}:vars]"))
        else:
            self._reading.see_group(group, self._where(number))

    def _read_child(self, number: int, line: str) -> None:
        child = _GROUP.fullmatch(line)
        if child is None:
            self._refuse(number, f"'{line}' is no group name")
            return
        self._used.append((child.group(1), self._where(number), f"section [{self._group}:children]"))
        self._reading.see_child(self._group, child.group(1))

    def _read_host(self, number: int, line: str) -> None:
        """``name [key=value ...]``"""
        try:
            tokens = shlex.split(line, comments=True)
        except ValueError as problem:
            self._refuse(number, f"'{line}' cannot be split: {problem}")
            return
        if not tokens:
            return
        pattern, variables = tokens[0], self._variables(number, tokens)
        if pattern.endswith(":") or pattern == "---":
            self._refuse(number, f"'{pattern}' is no host name (a YAML file?)")
            return
        names = expand(pattern)
        if names is None:
            self._refuse(number, f"'{pattern}' is no host range")
            return
        where, literal = self._where(number), len(names) == 1
        self._reading.mentions.extend(Mention(name, self._group, where, variables, literal) for name in names)

    def _variables(self, number: int, tokens: list[str]) -> dict[str, str]:
        variables: dict[str, str] = {}
        for token in tokens[1:]:
            name, sign, value = token.partition("=")
            if not sign:
                self._refuse(number, f"'{token}' is no key=value")
            elif variables.get(name, value) != value:
                self._reading.findings.append(duplicate_key(self._where(number), name, tokens[0], number))
            variables[name] = value
        return variables

    def _read_variable(self, number: int, line: str) -> None:
        """``key = value`` of a ``:vars`` section."""
        name, sign, value = line.partition("=")
        if not sign:
            self._refuse(number, f"'{line}' is no key=value")
            return
        key = (self._group, name.strip())
        if key in self._assigned:
            place = f"[{self._group}:vars]"
            self._reading.findings.append(duplicate_key(self._where(number), key[1], place, self._assigned[key]))
        self._assigned[key] = number
        self._reading.see_variable(self._group, key[1], value.strip(), self._where(number))


def expand(pattern: str) -> list[str] | None:
    """The host names of a pattern without its port: ``node[0:3]``, ``db-[a:c]``, ``n[01:10:3]``.

    ``None`` where the range is wrong.
    """
    bracketed = _BRACKETED.fullmatch(pattern)
    if bracketed is not None and addresses.parse(bracketed.group(1)) is not None:
        return [bracketed.group(1)]
    port = _PORT.fullmatch(pattern)
    if port is not None and (":" not in port.group(1) or port.group(1).endswith("]")):
        pattern = port.group(1)
    names = [pattern]
    while _RANGE.search(names[0]):
        grown: list[str] = []
        for name in names:
            match = _RANGE.search(name)
            if match is None:
                return None
            items = _sequence(match.group(1).split(":"))
            if items is None or len(items) * len(names) > _MOST_HOSTS:
                return None
            grown.extend(name[: match.start()] + item + name[match.end() :] for item in items)
        if not grown:
            return None
        names = grown
    return None if any("[" in name for name in names) else names


def _sequence(bounds: Sequence[str]) -> list[str] | None:
    if len(bounds) not in (2, 3) or not bounds[1]:
        return None
    first, last = bounds[0] or "0", bounds[1]
    step = bounds[2] if len(bounds) == 3 else "1"
    if not step.isdecimal() or int(step) == 0:
        return None
    letters = string.ascii_letters
    if first in letters and last in letters and len(first) == len(last) == 1:
        return list(letters[letters.index(first) : letters.index(last) + 1 : int(step)])
    if not (first.isdecimal() and last.isdecimal()) or int(last) - int(first) > _MOST_HOSTS:
        return None
    width = len(first) if first.startswith("0") and len(first) > 1 else 0
    if width and width != len(last):
        return None
    return [str(number).zfill(width) for number in range(int(first), int(last) + 1, int(step))]
