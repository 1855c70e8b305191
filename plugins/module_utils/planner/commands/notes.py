# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an audit of command lines has to say, each with what comes of it when the commands are run."""

from __future__ import annotations

from dataclasses import dataclass

from ..findings import ERROR, INFO, WARNING, Finding

STARTS = "starts"
DOES_NOT_START = "does_not_start"
HANGS = "hangs"
UNKNOWN = "unknown"


@dataclass
class _Note:
    """One remark, the hosts it is about, and what comes of it."""

    severity: str
    effect: str
    code: str
    hosts: list[str]
    text: str
    fix: str

    def message(self) -> str:
        return f"commands{'.' + ', '.join(self.hosts) if self.hosts else ''}: {self.text}"


class Notes:
    """Gathers remarks as ``commands.<host>: <what>``; the same of several hosts becomes one finding."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str, str, str], _Note] = {}

    def _add(self, severity: str, effect: str, code: str, message: str, fix: str) -> None:
        where, _, text = message.partition(": ")
        host = where[len("commands.") :]
        note = self._notes.setdefault((severity, code, text, fix), _Note(severity, effect, code, [], text, fix))
        if host and host not in note.hosts:
            note.hosts.append(host)

    def stops(self, code: str, message: str, fix: str) -> None:
        """A process ends with an error before it serves."""
        self._add(ERROR, DOES_NOT_START, code, message, fix)

    def hangs(self, code: str, message: str, fix: str) -> None:
        """Processes wait for one another without end, or until a time-out."""
        self._add(ERROR, HANGS, code, message, fix)

    def breaks(self, code: str, message: str, fix: str) -> None:
        """A rule that is broken, though what comes of it cannot be told."""
        self._add(ERROR, UNKNOWN, code, message, fix)

    def alters(self, code: str, message: str, fix: str) -> None:
        """It starts, but does not do what was meant."""
        self._add(WARNING, STARTS, code, message, fix)

    def doubts(self, code: str, message: str, fix: str) -> None:
        """It cannot be told what comes of it."""
        self._add(WARNING, UNKNOWN, code, message, fix)

    def tells(self, code: str, message: str, fix: str) -> None:
        """Worth knowing."""
        self._add(INFO, STARTS, code, message, fix)

    def findings(self) -> list[Finding]:
        """All remarks, with codes ``command.*``."""
        return [
            Finding(f"command.{note.code}", note.severity, note.message(), note.fix) for note in self._notes.values()
        ]

    @property
    def outcome(self) -> str:
        """What comes of the commands: the first thing that goes wrong."""
        effects = {note.effect for note in self._notes.values()}
        return next(
            effect for effect in (DOES_NOT_START, HANGS, UNKNOWN, STARTS) if effect in effects or effect == STARTS
        )

    @property
    def reasons(self) -> list[str]:
        """What makes the outcome; empty where the service starts."""
        outcome = self.outcome
        return [note.message() for note in self._notes.values() if note.effect == outcome != STARTS]
