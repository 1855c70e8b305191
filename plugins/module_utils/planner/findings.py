# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the planner has to say about an input: findings, and the one exception type that carries a finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ERROR = "error"
WARNING = "warning"
INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong (``error``), doubtful (``warning``) or worth knowing (``info``), and what to do about it.

    ``code`` is stable and dotted, ``<room>.<what>``; ``message`` says what and where; ``fix`` says what to change.
    """

    code: str
    severity: str
    message: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """The finding as the plan's JSON carries it."""
        return {"code": self.code, "severity": self.severity, "message": self.message, "fix": self.fix}

    def __str__(self) -> str:
        return f"{self.code}: {self.message} ({self.fix})"


class PlannerError(Exception):
    """An input no plan can be made of; ``where`` is the path of the offending input."""

    def __init__(self, code: str, where: str, message: str, fix: str) -> None:
        super().__init__(f"{code}: {where}: {message} ({fix})")
        self.code = code
        self.where = where
        self.message = message
        self.fix = fix

    def finding(self) -> Finding:
        """The error as an ``error`` finding."""
        return Finding(self.code, ERROR, f"{self.where}: {self.message}", self.fix)


def error(code: str, message: str, fix: str) -> Finding:
    """An ``error`` finding: the plan must not be carried out."""
    return Finding(code, ERROR, message, fix)


def warning(code: str, message: str, fix: str) -> Finding:
    """A ``warning`` finding: the plan can be carried out, but not as well as its author may think."""
    return Finding(code, WARNING, message, fix)


def info(code: str, message: str, fix: str) -> Finding:
    """An ``info`` finding."""
    return Finding(code, INFO, message, fix)


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Those findings that forbid carrying the plan out."""
    return [finding for finding in findings if finding.severity == ERROR]
