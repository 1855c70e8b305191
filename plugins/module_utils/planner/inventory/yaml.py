# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads YAML inventories and variable files as node graphs, so that duplicate keys and line numbers survive.

PyYAML is on every controller (Ansible needs it) but imported only when a YAML file has to be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..fields import suggestion
from ..findings import Finding, error
from .ini import expand
from .reading import Mention, Reading, duplicate_key, unparsable

_GROUP_KEYS = ("hosts", "children", "vars")
_VAULT = "$ANSIBLE_VAULT"
# A list has no names for Ansible to take hosts from: it gives up on the file.
_KINDS = {"sequence": "a list", "scalar": "text", "mapping": "a mapping"}


class YamlUnavailableError(Exception):
    """The interpreter has no PyYAML."""


def compose(path: str, text: str, findings: list[Finding]) -> Any | None:
    """The root node of a YAML or JSON document; ``None`` where there is none, or after noting why it cannot be read."""
    try:
        import yaml  # noqa: PLC0415
    except ImportError as problem:
        raise YamlUnavailableError(str(problem)) from problem
    if text.lstrip().startswith(_VAULT):
        return None
    if text.lstrip().startswith(("{", "[")) and _is_json(text):
        text = text.replace("\t", " ")  # JSON may be indented with tabs, which YAML refuses
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        where = f"{path}:{mark.line + 1}" if mark is not None else path
        findings.append(unparsable(where, f"no YAML: {problem.problem or problem.context}"))
        return None
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        findings.append(unparsable(path, f"no YAML: {str(problem).splitlines()[0]}"))
        return None
    if root is not None:
        findings.extend(_duplicates(path, root))
    return root


def read_yaml(path: str, root: Any, reading: Reading) -> None:
    """Add a YAML inventory's content, composed before, to ``reading``."""
    if kind_of(root) != "mapping":
        reading.findings.append(unparsable(path, f"the inventory is {_KINDS[kind_of(root)]}, not a mapping of groups"))
        return
    entries = list(_entries(root))
    if any(key == "plugin" and kind_of(value) == "scalar" for key, _node, value in entries):
        return  # the configuration of an inventory plugin: its hosts come from elsewhere
    reader = _GroupReader(path, reading)
    for name, node, value in entries:
        reader.read(name, node, value)


def variables_of(root: Any) -> dict[str, str]:
    """Scalars of a mapping by key, as written; none of anything else."""
    if root is None or kind_of(root) != "mapping":
        return {}
    return {key: str(value.value) for key, _node, value in _entries(root) if kind_of(value) == "scalar"}


def kind_of(node: Any) -> str:
    """``mapping``, ``sequence`` or ``scalar``."""
    return str(node.id)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _line(node: Any) -> int:
    return int(node.start_mark.line) + 1


def _entries(mapping: Any) -> Iterator[tuple[str, Any, Any]]:
    """Keys as text, with their nodes and values; merge keys are left to the duplicate search."""
    for key, value in mapping.value:
        if kind_of(key) == "scalar" and key.value != "<<":
            yield str(key.value), key, value


def _is_text(node: Any) -> bool:
    return str(node.tag) == "tag:yaml.org,2002:str"


def _is_null(node: Any) -> bool:
    return str(node.tag) == "tag:yaml.org,2002:null"


def _duplicates(path: str, root: Any) -> list[Finding]:
    """Every key given twice in one mapping, anywhere in the document; aliases are visited once."""
    found: list[Finding] = []
    seen: set[int] = set()
    waiting: list[tuple[Any, str]] = [(root, "")]
    while waiting:
        node, place = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if kind_of(node) == "mapping":
            first: dict[tuple[str, str], int] = {}
            inner: list[tuple[Any, str]] = []
            for key, value in node.value:
                name = str(key.value) if kind_of(key) == "scalar" else ""
                if kind_of(key) == "scalar" and name != "<<":
                    identity = (str(key.tag), name)
                    if identity in first:
                        found.append(duplicate_key(f"{path}:{_line(key)}", name, place, first[identity]))
                    first.setdefault(identity, _line(key))
                inner.append((value, f"{place}.{name}" if place else name))
            waiting.extend(reversed(inner))
        elif kind_of(node) == "sequence":
            waiting.extend((item, place) for item in reversed(node.value))
    return found


class _GroupReader:
    """Walks the groups of one file; a group reached twice by an alias is read once."""

    def __init__(self, path: str, reading: Reading) -> None:
        self._path = path
        self._reading = reading
        self._seen: set[int] = set()

    def read(self, name: str, key: Any, group: Any) -> None:
        """A group and all below it. Iterative, so that depth is no danger."""
        waiting = [(name, key, group)]
        while waiting:
            waiting.extend(self._read_one(*waiting.pop(0)))

    def _where(self, node: Any) -> str:
        return f"{self._path}:{_line(node)}"

    def _read_one(self, name: str, key: Any, group: Any) -> list[tuple[str, Any, Any]]:
        """One group; returns its children."""
        if not _is_text(key):
            self._reading.findings.append(unparsable(self._where(key), f"group '{name}' is not text"))
            return []
        self._reading.see_group(name, self._where(key))
        if _is_null(group) or id(group) in self._seen:
            return []
        self._seen.add(id(group))
        if kind_of(group) != "mapping":
            self._refuse_kind(
                self._where(key), f"group '{name}'", group, f"give '{name}' the keys hosts, children or vars"
            )
            return []
        children: list[tuple[str, Any, Any]] = []
        for section, node, value in _entries(group):
            if section not in _GROUP_KEYS:
                self._refuse_section(self._where(node), name, section)
            elif not _is_null(value):
                children.extend(self._read_section(name, section, node, value))
        return children

    def _read_section(self, group: str, section: str, node: Any, value: Any) -> list[tuple[str, Any, Any]]:
        """Hosts, children or variables of a group; returns the children."""
        if kind_of(value) != "mapping":
            self._read_odd_section(self._where(node), group, section, value)
        elif section == "hosts":
            self._read_hosts(group, value)
        elif section == "vars":
            for variable, text in variables_of(value).items():
                self._reading.see_variable(group, variable, text, self._where(node))
        else:
            children = list(_entries(value))
            for child, _node, _group in children:
                self._reading.see_child(group, child)
            return children
        return []

    def _refuse_kind(self, where: str, what: str, node: Any, fix: str) -> None:
        message = f"{where}: {what} is {_told(node)}, not a mapping; Ansible warns and loads nothing of it"
        self._reading.findings.append(error("inventory.not_a_mapping", message, fix))

    def _refuse_section(self, where: str, group: str, section: str) -> None:
        message = f"{where}: group '{group}' has the key '{section}'; Ansible skips it with a warning"
        self._reading.findings.append(error("inventory.unexpected_key", message, suggestion(section, _GROUP_KEYS)))

    def _read_odd_section(self, where: str, group: str, section: str, value: Any) -> None:
        """A section that is no mapping: Ansible takes a single name, and nothing else."""
        if kind_of(value) == "scalar" and section == "hosts":
            names = expand(str(value.value)) or []
            self._reading.mentions.extend(Mention(name, group, where, {}) for name in names)
        elif kind_of(value) == "scalar" and section == "children":
            self._reading.see_child(group, str(value.value))
            self._reading.see_group(str(value.value), where)
        else:
            example = _items(value)[:1] or ["name"]
            fix = f"write each of the {section} as a key, '{example[0]}:' instead of '- {example[0]}'"
            self._refuse_kind(where, f"'{section}' of group '{group}'", value, fix)

    def _read_hosts(self, group: str, hosts: Any) -> None:
        last = {
            pattern: (node, value) for pattern, node, value in _entries(hosts)
        }  # a duplicate key has its own finding
        for pattern, (node, value) in last.items():
            where = self._where(node)
            if not _is_text(node):
                self._reading.findings.append(unparsable(where, f"host '{pattern}' is not text"))
                continue
            names = expand(pattern)
            if names is None:
                self._reading.findings.append(unparsable(where, f"'{pattern}' is no host range"))
                continue
            if kind_of(value) != "mapping" and not _is_null(value):
                self._refuse_kind(where, f"host '{pattern}'", value, f"give the variables of '{pattern}' as a mapping")
            variables, literal = variables_of(value), len(names) == 1
            self._reading.mentions.extend(Mention(name, group, where, variables, literal) for name in names)


def _items(node: Any) -> list[str]:
    """The scalars of a list."""
    return [str(item.value) for item in node.value if kind_of(item) == "scalar"] if kind_of(node) == "sequence" else []


def _told(node: Any) -> str:
    """A node's kind for a message, with the items of a list."""
    items = _items(node)
    return _KINDS[kind_of(node)] + (f" ({', '.join(items)})" if items else "")
