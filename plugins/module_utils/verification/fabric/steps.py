# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A step: one command that is run several times on a host, and what is read from its output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

ALONE = "alone"
CLIENT = "client"
SERVER = "server"
ROLES = (ALONE, CLIENT, SERVER)

# Stands in a command for the file that the step's program is written to.
PROGRAM = "{program}"


class StepError(ValueError):
    """A step that can't be run as it is given."""


@dataclass(frozen=True)
class Read:
    """One figure of the output: the catalogue's id, the evidence parser, and what its judgement needs."""

    check: str
    tool: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One command of a measurement.

    Attributes:
        argv: the command; `PROGRAM` in it stands for the file that holds ``program``.
        role: ALONE, CLIENT (it tries again while the server isn't there) or SERVER (it is read by nobody).
        reads: the figures; several can come from one output.
        host: the host that the figures belong to; empty for those of the whole group.
        peer: the other end of a pair.
        repeats: runs that count. warmup: runs before them that don't.
        timeout_s: longest time of one run; of a server, of all of them.
        wait_s: how long one end waits for the other.
        meet: address and port of the server's host at which the two ends meet (`meeting.py`).
        environment: variables beside PATH and the C locale.
        program: the text of a program that is there only while it runs.
        conditions: what is known of the place, for the record.
        missing: why it can't be run here although it should: its figures are unknown.
    """

    argv: tuple[str, ...]
    role: str = ALONE
    reads: tuple[Read, ...] = ()
    host: str = ""
    peer: str = ""
    repeats: int = 1
    warmup: int = 0
    timeout_s: float = 60.0
    wait_s: float = 60.0
    meet: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    program: str = ""
    conditions: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry that the module takes."""
        entry = asdict(self)
        entry.update(argv=list(self.argv), reads=[asdict(read) for read in self.reads])
        return entry

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Step:
        """Read a module's entry.

        Raises:
            StepError: it has no command, another role, or numbers that are none.
        """
        role = str(entry.get("role") or ALONE)
        argv = tuple(str(word) for word in entry.get("argv") or ())
        if role not in ROLES:
            raise StepError(f"role is {role!r}, not one of {', '.join(ROLES)}")
        if not argv and not entry.get("missing"):
            raise StepError("a step has no argv")
        if role == SERVER and not entry.get("meet"):
            raise StepError("a server has no place to meet its client (meet)")
        try:
            return cls(
                argv=argv,
                role=role,
                reads=_reads(entry.get("reads") or ()),
                host=str(entry.get("host") or ""),
                peer=str(entry.get("peer") or ""),
                repeats=max(int(entry.get("repeats") or 1), 1),
                warmup=max(int(entry.get("warmup") or 0), 0),
                timeout_s=float(entry.get("timeout_s") or 60),
                wait_s=float(entry.get("wait_s") or 60),
                meet=str(entry.get("meet") or ""),
                environment={str(name): str(value) for name, value in (entry.get("environment") or {}).items()},
                program=str(entry.get("program") or ""),
                conditions=dict(entry.get("conditions") or {}),
                missing=str(entry.get("missing") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StepError(f"{' '.join(argv[:3])}: a step can't be read: {error}") from None


def _reads(entries: Sequence[Mapping[str, Any]]) -> tuple[Read, ...]:
    return tuple(Read(str(entry["check"]), str(entry["tool"]), dict(entry.get("context") or {})) for entry in entries)
