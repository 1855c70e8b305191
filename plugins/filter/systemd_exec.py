# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter: a command as systemd's ExecStart= reads it back, argument for argument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@")
# systemd.service(5), COMMAND LINES: % starts a specifier, $ a variable; systemd.syntax(7), QUOTING: C escapes inside double quotes.
ESCAPES = {"%": "%%", "$": "$$", "\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}


def quoted(argument: str) -> str:
    """One argument, quoted only where it has to be."""
    if argument and set(argument) <= PLAIN:
        return argument
    return '"' + "".join(ESCAPES.get(character, character) for character in argument) + '"'


def systemd_exec(argv: Sequence[Any]) -> str:
    """The value of ExecStart= for a command. The first element must be an absolute path."""
    arguments = [str(argument) for argument in argv]
    if not arguments or not arguments[0].startswith("/"):
        raise AnsibleFilterError("systemd_exec: the command must begin with an absolute path")
    if any("\0" in argument for argument in arguments):
        raise AnsibleFilterError("systemd_exec: an argument holds a zero byte")
    return " ".join(quoted(argument) for argument in arguments)


class FilterModule:
    """Ansible's way to find filters."""

    def filters(self) -> dict[str, Any]:
        """Filters by name."""
        return {"systemd_exec": systemd_exec}
