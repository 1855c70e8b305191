# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What raw inventory files say, before Ansible merges it: who lists which host where, with which variables."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..findings import Finding, error

# Host variables the plan depends on, and the address a host is managed by: two values for one host are a mistake.
WATCHED = ("node_rank", "data_address", "data_interface", "ansible_host")


@dataclass(frozen=True)
class Mention:
    """A host listed in a group (or given variables in ``host_vars``). ``literal`` is false where a range named it."""

    host: str
    group: str
    where: str
    variables: dict[str, str]
    literal: bool = True


@dataclass
class Reading:
    """Everything read from the sources so far. Group names are as written."""

    mentions: list[Mention] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)  # name -> where first seen
    children: dict[str, set[str]] = field(default_factory=dict)
    group_variables: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)  # value and where, by name
    findings: list[Finding] = field(default_factory=list)

    def see_group(self, name: str, where: str) -> None:
        """Note that a group exists."""
        self.groups.setdefault(name, where)

    def see_child(self, parent: str, child: str) -> None:
        """Note that a group's hosts belong to another, too."""
        self.children.setdefault(parent, set()).add(child)

    def see_variable(self, group: str, name: str, value: str, where: str) -> None:
        """Note a variable of a group; the last value counts."""
        self.group_variables.setdefault(group, {})[name] = (value, where)

    def descendants(self, group: str) -> set[str]:
        """The groups below a group; the group itself only where it is its own descendant."""
        seen: set[str] = set()
        waiting = list(self.children.get(group, ()))
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                waiting.extend(self.children.get(name, ()))
        return seen

    def members(self, group: str) -> set[str]:
        """Hosts of the group and of its descendants."""
        groups = self.descendants(group) | {group}
        return {mention.host for mention in self.mentions if mention.group in groups}


def unparsable(where: str, reason: str) -> Finding:
    """A file, or a line of it, that Ansible gives up on with no more than a warning."""
    return error(
        "inventory.unparsable",
        f"{where}: {reason}; Ansible only warns, and goes on without what it could not read",
        "correct the file",
    )


def duplicate_key(where: str, key: str, place: str, first_line: int) -> Finding:
    """A key given twice in one mapping: only the later counts."""
    inside = f" under {place}" if place else ""
    return error(
        "inventory.duplicate_key",
        f"{where}: '{key}' is given twice{inside}, first in line {first_line}; Ansible silently keeps the later",
        "rename or remove one of the two",
    )
