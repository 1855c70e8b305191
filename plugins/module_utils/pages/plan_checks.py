# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was checked against the plan: a document's claims, pasted command lines, and the software stack."""

from __future__ import annotations

import re

from .markup import SIGNS, facts, folded, mark, soft, table, text
from .plan_data import Data, listed, part, words
from .plan_serve import hidden
from .quantities import number
from .strips import Row, bar, rows

# Verdicts of the rooms that judge, as verdicts of a page; one that is not here is shown as unknown, with its word.
_VERDICTS = {
    "ok": "pass",
    "holds": "pass",
    "starts": "pass",
    "wrong": "fail",
    "inconsistent": "fail",
    "impossible": "fail",
    "refused": "fail",
    "does_not_start": "fail",
    "hangs": "fail",
}
# Verdicts of claims, the worst first.
_ORDER = ("impossible", "inconsistent", "wrong", "not_shown", "holds")
_CHAPTER = re.compile(r"(\d+\.\d+)|([A-Z])\.\d|(closing)")
_CLAIM_HEADS = ("Verdict", "Section", "Claim", ">Document", ">Derived", "Why")
_COMMAND_HEADS = ("Host", "Role", ">First rank", ">Ranks here", "As it was read")


def document_check(plan: Data) -> str:
    """A document's claims by chapter, each beside what the plan derives."""
    claims = listed(plan, "document_check")
    if not claims:
        return ""
    chapters = sorted({_chapter(claim) for claim in claims}, key=_natural)
    groups = "".join(_group(name, [claim for claim in claims if _chapter(claim) == name]) for name in chapters)
    return (
        f'<section id="document"><h2>The document, checked: {len(claims)} claims</h2>{_counted(claims)}{groups}'
        + soft("Derived: what the planner has instead, for the same question. Rests on: what the claim assumes.")
        + "</section>"
    )


def _counted(claims: list[Data]) -> str:
    """How many claims there are of each verdict."""
    counts = _counts(claims)
    return rows(
        "Verdicts",
        (
            Row(
                f"{SIGNS[_kind(verdict)]} {_worded(verdict)}",
                bar(f"{count} {_worded(verdict)}", count, max(counts.values()), f"verdict {_kind(verdict)}"),
                str(count),
            )
            for verdict, count in counts.items()
        ),
    )


def _counts(claims: list[Data]) -> dict[str, int]:
    found = [str(claim.get("verdict")) for claim in claims]
    return {verdict: found.count(verdict) for verdict in sorted(set(found), key=_place)}


def _place(verdict: str) -> int:
    return _ORDER.index(verdict) if verdict in _ORDER else len(_ORDER)


def _worded(verdict: object) -> str:
    return str(verdict).replace("_", " ")


def _chapter(claim: Data) -> str:
    """The first section that a claim is from, to its second level: 3.3 of ``3.3.2, A.4``."""
    first = str(claim.get("section") or "").split(",")[0].strip()
    found = _CHAPTER.match(first)
    return next(filter(None, found.groups())) if found else first


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Numbers in order of their value, before words."""
    return [(not piece.isdecimal(), int(piece) if piece.isdecimal() else 0, piece) for piece in name.split(".")]


def _group(name: str, claims: list[Data]) -> str:
    told = " · ".join(mark(_kind(verdict), f"{count} {_worded(verdict)}") for verdict, count in _counts(claims).items())
    listed_rows = [
        (
            mark(_kind(claim.get("verdict")), _worded(claim.get("verdict"))),
            text(claim.get("section") or ""),
            text(claim.get("claim")),
            _figures(claim, "document"),
            _figures(claim, "derived"),
            text(claim.get("reason") or "") + _assumed(claim),
        )
        for claim in claims
    ]
    title = f"<strong>{text(name or 'Without a section')}</strong>: {told}"
    return folded(title, table(_CLAIM_HEADS, listed_rows, "claims"), printed=True)


def _figures(claim: Data, key: str) -> str:
    """Figures below one another, with the claim's unit after the last."""
    value = claim.get(key)
    if value is None:
        return ""
    shown = "<br>".join(text(_value(item)) for item in (value if isinstance(value, (list, tuple)) else [value]))
    unit = f' <span class="soft">{text(claim["unit"])}</span>' if claim.get("unit") else ""
    return shown + unit


def _assumed(claim: Data) -> str:
    return f'<br><span class="soft">rests on: {text(claim["assumption"])}</span>' if claim.get("assumption") else ""


def commands(plan: Data) -> str:
    """What pasted command lines would do."""
    audit = part(plan, "commands")
    if not audit:
        return ""
    outcome = str(audit.get("outcome"))
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in words(audit, "reasons"))
    layout = part(audit, "layout")
    effects = {str(item.get("name")): item for item in listed(layout, "hosts")}
    hosts = [
        (
            f"<strong>{text(name)}</strong>",
            text(effects.get(str(name), {}).get("role") or "unknown"),
            text(_value(effects.get(str(name), {}).get("start_rank"))),
            text(_value(effects.get(str(name), {}).get("local_ranks"))),
            f"<code>{text(' '.join(_options(part(audit, 'hosts', name))))}</code>",
        )
        for name in part(audit, "hosts")
    ]
    tiles = [
        (str(name).replace("_", " "), _value(value)) for name, value in layout.items() if number(value) is not None
    ]
    return (
        '<section id="commands"><h2>Command lines that were given</h2>'
        f"<p><strong>{mark(_kind(outcome), outcome.replace('_', ' '))}</strong></p>"
        + (f"<ul>{reasons}</ul>" if reasons else "")
        + (facts(tiles) if tiles else "")
        + (table(_COMMAND_HEADS, hosts, "claims") if hosts else "")
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
            text(_worded(check.get("what"))),
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
    if known is None:
        return "" if value is None else str(value)
    return f"{known:,.0f}" if known == int(known) or abs(known) >= 1e5 else f"{known:,.6g}"
