# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Findings about hosts: what is wrong where, by which rule, and what to do; and how they read as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from .expectation import Expectation

ERROR = "error"
# Something expected could not be seen. It refuses like an error: what is not known is not right.
UNKNOWN = "unknown"
WARNING = "warning"
INFO = "info"
SEVERITIES = (ERROR, UNKNOWN, WARNING, INFO)


@dataclass(frozen=True)
class Finding:
    """One thing about one host. ``code`` is stable; ``message`` has the value and the rule; ``fix`` says what to do."""

    host: str
    code: str
    severity: str
    message: str
    fix: str

    def as_dict(self) -> dict[str, str]:
        """The finding as data."""
        return {
            "host": self.host,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(frozen=True)
class Problem:
    """What a rule found on the host it looked at; ``severity`` is the rule's own unless it is given."""

    message: str
    fix: str
    severity: str | None = None


@dataclass(frozen=True)
class Host:
    """A host as it was seen, what it is expected to be, and how the others of its group were seen."""

    name: str
    seen: Mapping[str, Any]
    expected: Expectation
    group: Mapping[str, Mapping[str, Any]]

    def why_unseen(self, probe: str) -> str:
        """Why a probe saw nothing."""
        reasons = self.seen.get("reasons") or {}
        return str(reasons.get(probe, "it was not looked at"))


def always(expected: Expectation) -> bool:
    """For a rule that holds for any host."""
    return expected is not None


def with_hardware(expected: Expectation) -> bool:
    """For a rule that holds where there are GPUs."""
    return expected.hardware


@dataclass(frozen=True)
class Rule:
    """One check of one host: what it needs to have been seen, where it applies, and how it judges."""

    code: str
    severity: str
    probes: tuple[str, ...]
    applies: Callable[[Expectation], bool]
    judge: Callable[[Host], Iterable[Problem]]
    title: str


def table(findings: Sequence[Finding]) -> list[str]:
    """The findings as lines, worst first; what several hosts have in common is said once."""
    groups: dict[tuple[str, str, str, str], list[str]] = {}
    for finding in sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), one.code)):
        groups.setdefault((finding.severity, finding.code, finding.message, finding.fix), []).append(finding.host)
    widths = [max((len(key[column]) for key in groups), default=0) for column in (0, 1)]
    lines = []
    for (severity, code, message, fix), hosts in groups.items():
        indent = " " * widths[0]
        lines.append(f"{severity.ljust(widths[0])}  {code.ljust(widths[1])}  {', '.join(hosts)}")
        lines += [f"{indent}  {message}", f"{indent}  fix: {fix}"]
    return lines


def gigabytes(size: float) -> str:
    """Bytes for people."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
