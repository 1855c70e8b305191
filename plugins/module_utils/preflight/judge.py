# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""All hosts at once: observations and expectations in, findings out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from . import rules_gpu, rules_group, rules_network, rules_system
from .expectation import Expectation, read_expectation
from .findings import ERROR, INFO, UNKNOWN, WARNING, Finding, Host, Rule, table

RULES: tuple[Rule, ...] = (*rules_system.RULES, *rules_gpu.RULES, *rules_network.RULES)
GROUP_RULES = rules_group.RULES
# Each probe that a rule needs: what could not be seen is refused under this code.
UNSEEN = "unseen."
EXPECTATION = "expect.invalid"
CODES = (EXPECTATION, *(rule.code for rule in RULES), *(rule.code for rule in GROUP_RULES))
PROBES = tuple(sorted({probe for rule in RULES for probe in rule.probes} | {"host"}))


def judge(
    records: Mapping[str, Mapping[str, Any]],
    *,
    skip: Collection[str] = (),
    allow_unknown: Collection[str] = (),
    mended_later: Collection[str] = (),
) -> list[Finding]:
    """Judge every host of a group.

    Args:
        records: by host what was ``seen`` (None where the look itself failed, with ``why``) and what is ``expected``.
        skip: codes that are not judged. A wildcard at the end (``gpu.*``) takes a family.
        allow_unknown: codes whose unknowns are shown as warnings and don't refuse.
        mended_later: codes that something later in the run mends: shown as warnings.
    """
    wrong, hosts = _read(records)
    findings = list(wrong)
    for host in hosts:
        if host.seen:
            findings += _judge_host(host, skip)
        else:
            why = records[host.name].get("why") or "nothing came back"
            findings.append(_unseen(host.name, "host", f"could not be looked at: {why}", "look at the task before"))
    seen = [host for host in hosts if host.seen]
    for rule in GROUP_RULES:
        findings += rule.findings(seen)
    kept = [finding for finding in findings if not listed(finding.code, skip)]
    return [_lowered(finding, allow_unknown, mended_later) for finding in kept]


def listed(code: str, codes: Collection[str]) -> bool:
    """Whether a code is among these, some of which end in ``*``."""
    return any(code == entry or (entry.endswith("*") and code.startswith(entry[:-1])) for entry in codes)


def refused(findings: Sequence[Finding]) -> bool:
    """Whether the run must not go on."""
    return any(finding.severity in (ERROR, UNKNOWN) for finding in findings)


def summary(findings: Sequence[Finding], hosts: int) -> str:
    """One line: how many hosts are unfit, and by how many findings."""
    counts = [(word, sum(one.severity == word for one in findings)) for word in (ERROR, UNKNOWN, WARNING, INFO)]
    listing = ", ".join(f"{count} {word}{'s' if count > 1 and word != INFO else ''}" for word, count in counts if count)
    unfit = len({one.host for one in findings if one.severity in (ERROR, UNKNOWN)})
    return f"{unfit} of {hosts} hosts are unfit ({listing or 'no findings'})"


def report(findings: Sequence[Finding], hosts: int) -> dict[str, Any]:
    """What a role needs: whether to go on, the line that says so, the table, and the findings as data."""
    return {
        "refused": refused(findings),
        "summary": summary(findings, hosts),
        "lines": table(findings),
        "findings": [finding.as_dict() for finding in findings],
    }


def _read(records: Mapping[str, Mapping[str, Any]]) -> tuple[list[Finding], list[Host]]:
    group = {name: record.get("seen") or {} for name, record in records.items()}
    findings, hosts = [], []
    for name, record in records.items():
        expected, wrong = read_expectation(record.get("expected") or {})
        fix = "correct preflight_expect; docs/preflight.md has its keys"
        findings += [Finding(name, EXPECTATION, ERROR, f"preflight_expect: {what}", fix) for what in wrong]
        hosts.append(Host(name, group[name], expected, group))
    return findings, hosts


def _judge_host(host: Host, skip: Collection[str]) -> list[Finding]:
    findings: list[Finding] = []
    prevented: dict[str, list[str]] = {}
    for rule in RULES:
        if listed(rule.code, skip) or not rule.applies(host.expected):
            continue
        missing = [probe for probe in rule.probes if host.seen.get(probe) is None]
        for probe in missing:
            prevented.setdefault(probe, []).append(rule.code)
        if not missing:
            findings += [
                Finding(host.name, rule.code, problem.severity or rule.severity, problem.message, problem.fix)
                for problem in rule.judge(host)
            ]
    for probe, codes in prevented.items():
        message = f"{probe.replace('_', ' ')} could not be seen ({host.why_unseen(probe)}): {', '.join(codes)} unjudged"
        findings.append(_unseen(host.name, probe, message, "make it readable to root there, or run the probe by hand"))
    return findings


def _unseen(host: str, probe: str, message: str, fix: str) -> Finding:
    code = f"{UNSEEN}{probe}"
    return Finding(host, code, UNKNOWN, message, f"{fix}; or list {code} in preflight_allow_unknown")


def _lowered(finding: Finding, allow_unknown: Collection[str], mended_later: Collection[str]) -> Finding:
    allowed = finding.severity == UNKNOWN and listed(finding.code, allow_unknown)
    mended = finding.severity == ERROR and listed(finding.code, mended_later)
    if not (allowed or mended):
        return finding
    return Finding(finding.host, finding.code, WARNING, finding.message, finding.fix)


def expectation_of(given: Any) -> Expectation:
    """The expectation alone, for those who only ask what to look at."""
    return read_expectation(given)[0]
