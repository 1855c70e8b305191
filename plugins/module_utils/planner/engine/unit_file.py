# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd's unit file syntax, as far as an ExecStart line needs it."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Words made of these alone mean the same to systemd quoted or not. `%` and `$` have their own escapes.
_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./%$-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
# Before a program's path these change how it is run.
_PREFIXES = "@-:+!|"


class UnitSyntaxError(ValueError):
    """An argument that no unit file can carry."""


def exec_line(argv: Sequence[str]) -> str:
    """``argv`` as the value of ``ExecStart=``: split, unescaped and expanded by systemd it is ``argv`` again.

    Quotes where needed, doubles ``%`` (specifiers, systemd.unit(5)) and, but for the program, ``$`` (variables,
    systemd.service(5), which says that the program may not contain one). Raises :class:`UnitSyntaxError` for what
    cannot be written.
    """
    if not argv:
        raise UnitSyntaxError("no program")
    program = argv[0]
    if not program or program[0] in _PREFIXES or "$" in program:
        raise UnitSyntaxError(
            f"{program!r} cannot be a unit's program: it is empty, has a '$', or begins with one of {_PREFIXES}"
        )
    return " ".join([_word(program)] + [_word(argument).replace("$", "$$") for argument in argv[1:]])


def _word(argument: str) -> str:
    if "\0" in argument:
        raise UnitSyntaxError(f"{argument!r} has a NUL")
    escaped = "".join(_escape(character) for character in argument).replace("%", "%%")
    return escaped if _PLAIN.fullmatch(argument) else f'"{escaped}"'


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"\\x{ord(character):02x}"
    return character
