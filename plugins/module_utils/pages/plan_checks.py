# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was checked against the plan: a document's claims, pasted command lines, and the software stack."""

from __future__ import annotations

from .markup import facts, mark, soft, table, text
from .plan_data import Data, listed, part, words
from .plan_serve import hidden
from .quantities import figure, number

# Verdicts of the rooms that judge, as verdicts of a page; one that is not here is shown as unknown, with its word.
_VERDICTS = {
    "ok": "pass",
    "confirmed": "pass",
    "correct": "pass",
    "supported": "pass",
    "right": "pass",
    "starts": "pass",
    "close": "warn",
    "imprecise": "warn",
    "misleading": "warn",
    "outdated": "warn",
    "partly": "warn",
    "wrong": "fail",
    "refuted": "fail",
    "contradicted": "fail",
    "refused": "fail",
    "does_not_start": "fail",
    "hangs": "fail",
}
_ORDER = ("fail", "warn", "unknown", "pass")


def document_check(plan: Data) -> str:
    """A document's claims by section, each beside what the plan derives."""
    claims = listed(plan, "document_check")
    if not claims:
        return ""
    counts: dict[str, int] = {}
    for claim in claims:
        counts[str(claim.get("verdict"))] = counts.get(str(claim.get("verdict")), 0) + 1
    ordered = sorted(counts, key=lambda verdict: _ORDER.index(_kind(verdict)))
    told = " · ".join(f"{mark(_kind(verdict), f'{counts[verdict]} {verdict}')}" for verdict in ordered)
    sections = dict.fromkeys(str(claim.get("section") or "") for claim in claims)
    tables = "".join(_section(name, [c for c in claims if str(c.get("section") or "") == name]) for name in sections)
    return f'<section id="document"><h2>The document, checked</h2><p>{told}</p>{tables}</section>'


def _section(name: str, claims: list[Data]) -> str:
    rows = [
        (
            mark(_kind(claim.get("verdict")), str(claim.get("verdict"))),
            text(claim.get("claim")),
            text(_value(claim.get("document"))),
            text(_value(claim.get("derived"))),
            text(claim.get("reason") or ""),
        )
        for claim in claims
    ]
    title = f"<h3>{text(name)}</h3>" if name else ""
    return title + table(("Verdict", "Claim", "Document", "Derived", "Why"), rows, "claims")


def commands(plan: Data) -> str:
    """What pasted command lines would do."""
    audit = part(plan, "commands")
    if not audit:
        return ""
    outcome = str(audit.get("outcome"))
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in words(audit, "reasons"))
    hosts = [
        (f"<strong>{text(name)}</strong>", f"<code>{text(' '.join(_options(part(audit, 'hosts', name))))}</code>")
        for name in part(audit, "hosts")
    ]
    layout = part(audit, "layout")
    tiles = [
        (str(name).replace("_", " "), _value(value))
        for name, value in layout.items()
        if not isinstance(value, (dict, list))
    ]
    return (
        '<section id="commands"><h2>Command lines that were given</h2>'
        f"<p><strong>{mark(_kind(outcome), outcome.replace('_', ' '))}</strong></p>"
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + (facts(tiles) if tiles else "")
        + (table(("Host", "As it was read"), hosts, "claims") if hosts else "")
        + soft("Each remark with its fix is among the findings.")
        + "</section>"
    )


def _options(host: Data) -> list[str]:
    found = [f"{name}={hidden(str(name), str(value))}" for name, value in part(host, "environment").items()]
    found.append(str(host.get("model") or ""))
    for flag, value in part(host, "options").items():
        shown = "" if value is True else hidden(str(flag), _value(value))
        found.append(f"{flag} {shown}".strip())
    return found


def stack(plan: Data) -> str:
    """Whether driver, toolkit, wheel, Python and distribution go together."""
    found = part(plan, "stack")
    if not found:
        return ""
    checks = [
        (
            mark(_kind(check.get("verdict")), str(check.get("verdict"))),
            text(check.get("what")),
            text(check.get("reason")),
        )
        for check in listed(found, "checks")
    ]
    verdict = str(found.get("verdict"))
    named = [
        (name.replace("_", " "), value) for name, value in found.items() if isinstance(value, str) and name != "verdict"
    ]
    return (
        f'<section id="stack"><h2>Software stack: {mark(_kind(verdict), verdict)}</h2>{facts(named)}'
        + (table(("Verdict", "What", "Why"), checks, "claims") if checks else "")
        + "</section>"
    )


def _kind(verdict: object) -> str:
    return _VERDICTS.get(str(verdict).lower(), "unknown")


def _value(value: object) -> str:
    known = number(value)
    if known is not None:
        return f"{known:,.0f}" if known == int(known) else figure(known)
    return "" if value is None else str(value)
