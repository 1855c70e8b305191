# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: a systemd environment file from variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%^")


def quoted(value: str) -> str:
    """A value as EnvironmentFile= of systemd.exec(5) reads it back: double quotes, with backslash, quote, dollar and backtick escaped."""
    if value and set(value) <= PLAIN:
        return value
    escaped = "".join(f"\\{character}" if character in '\\"$`' else character for character in value)
    return f'"{escaped}"'


def environment_file(variables: Mapping[str, Any]) -> str:
    """Lines NAME=value in the order of the names. Values may not span lines."""
    lines = []
    for name in sorted(variables):
        value = str(variables[name])
        if "\n" in value or "\0" in value:
            raise AnsibleFilterError(f"environment_file: {name} spans lines, which an environment file can't hold")
        lines.append(f"{name}={quoted(value)}\n")
    return "".join(lines)


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> dict[str, Any]:
        """Filters by name."""
        return {"environment_file": environment_file}
