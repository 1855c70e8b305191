# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: a systemd environment file from variables."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%^")


def quoted(value: str) -> str:
    """A value as EnvironmentFile= of systemd.exec(5) reads it back: double quotes, with backslash, quote, dollar and
    backtick escaped.
    """
    if value and set(value) <= PLAIN:
        return value
    escaped = "".join(f"\\{character}" if character in '\\"$`' else character for character in value)
    return f'"{escaped}"'


def environment_file(variables: Mapping[str, Any]) -> str:
    """Lines NAME=value in the order of the names. What systemd would pass over is refused: other names than the
    shell's, and values with
    control characters; those that span lines too, which not every version reads.
    """
    lines = []
    for name in sorted(variables):
        value = str(variables[name])
        if not NAME.fullmatch(name):
            raise AnsibleFilterError(
                f"environment_file: {name!r} is no name of a variable: letters, digits and _ only, no digit first"
            )
        if any(character != "\t" and unicodedata.category(character) == "Cc" for character in value):
            raise AnsibleFilterError(
                f"environment_file: {name} holds a line end or another control character, which systemd does not take"
            )
        lines.append(f"{name}={quoted(value)}\n")
    return "".join(lines)


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> dict[str, Any]:
        """Filters by name."""
        return {"environment_file": environment_file}
