# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All checks, by section, and the hosts with their ranks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...evidence.result import FAIL, NOT_APPLICABLE, PASS, UNKNOWN, WARN, worst
from ...pages.markup import SIGNS, folded, mark, soft, text
from ...pages.quantities import figure
from .attention import host_evidence
from .reading import WORST_FIRST, Entry, of_verdicts, places, together, where

# Columns of the table of hosts: a heading, and the checks that it stands for.
_HOST_COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Reached", ("host_reached",)),
    (
        "Unit",
        ("unit_active", "unit_restarts", "unit_loaded", "unit_command", "unit_user", "unit_hardening", "unit_files"),
    ),
    ("Arguments", ("process_arguments",)),
    ("Environment", ("process_environment", "file_environment")),
    ("Limits", ("limit_memlock", "limit_nofile")),
    ("Kernel", ("kernel_parameters",)),
    ("Model", ("model_checksums",)),
    ("Engine", ("engine_version",)),
    ("Network", ("data_address",)),
)
_COUNT_WORDS = {PASS: "passed", WARN: "with a warning", UNKNOWN: "unknown", FAIL: "failed"}
_COUNT_WORDS[NOT_APPLICABLE] = "not applicable"


def hosts(report: Entry) -> str:
    """A row for each host: the worst of its checks by kind, and its ranks."""
    if not any(check["section"] == "hosts" for check in report["checks"]):
        return ""
    heads = "".join(f'<th scope="col">{heading}</th>' for heading, unused in _HOST_COLUMNS)
    rows = "".join(_host_row(host, report["checks"]) for host in report["hosts"])
    return (
        '<section id="hosts-and-ranks"><h2>Hosts and ranks</h2><div class="wide" tabindex="0"><table id="hosts"><thead>'
        '<tr><th scope="col">Host</th><th scope="col">Role</th><th scope="col">Verdict</th>'
        f'{heads}<th scope="col">Ranks</th></tr></thead><tbody>{rows}</tbody></table></div>'
        + soft(
            f"{SIGNS[PASS]} pass, {SIGNS[WARN]} warning, {SIGNS[UNKNOWN]} unknown, {SIGNS[FAIL]} fail. A rank passes "
            "when its process runs, the service's metrics know it, it answered a completion addressed to it, and its "
            "own counter shows that it computed it."
        )
        + host_evidence(report)
        + "</section>"
    )


def _host_row(host: Entry, checks: Sequence[Entry]) -> str:
    own = [check for check in checks if check["host"] == host["name"]]
    cells = "".join(
        f'<td class="mark">{mark(_worst_or_unknown(own, identifiers), word="")}</td>'
        for unused, identifiers in _HOST_COLUMNS
    )
    chips = "".join(_rank_chip(rank, [check for check in own if check["rank"] == rank]) for rank in host["ranks"])
    name = f'<strong>{text(host["name"])}</strong><br><span class="soft">{text(host["address"] or "")}</span>'
    return (
        f"<tr><td>{name}</td>"
        f'<td>{text(host["role"])}</td><td class="mark">{mark(host["verdict"])}</td>{cells}'
        f'<td class="ranks">{chips}</td></tr>'
    )


def _worst_or_unknown(checks: Iterable[Entry], identifiers: Sequence[str]) -> str:
    verdicts = [check["verdict"] for check in checks if check["id"] in identifiers]
    applicable = [verdict for verdict in verdicts if verdict != NOT_APPLICABLE]
    return NOT_APPLICABLE if verdicts and not applicable else worst(applicable)


def _rank_chip(rank: int, checks: Sequence[Entry]) -> str:
    told = [check["reason"] or f"{check['title']}: {check['observed']}" for check in checks]
    verdicts = [check["verdict"] for check in checks if check["verdict"] != NOT_APPLICABLE]
    if not any(check["id"] == "rank_running" for check in checks):
        verdicts.append(UNKNOWN)
        told.append("whether its process runs was not seen")
    verdict = worst(verdicts)
    return (
        f'<span class="chip {verdict}" title="{text("; ".join(told))}">{SIGNS[verdict]} {rank}'
        f'<span class="spoken"> {verdict}</span></span>'
    )


def all_checks(report: Entry) -> str:
    """Every check that is applicable here, folded by section."""
    checks = [check for check in report["checks"] if check["verdict"] != NOT_APPLICABLE]
    parts = [
        _section(name, [check for check in checks if check["section"] == name])
        for name in dict.fromkeys(str(check["section"]) for check in checks)
    ]
    return f'<section id="all-checks"><h2>All {len(checks)} checks, by section</h2>{"".join(parts)}</section>'


def _section(name: str, checks: Sequence[Entry]) -> str:
    listed = ", ".join(f"{count} {_COUNT_WORDS[verdict]}" for verdict, count in counts(checks).items())
    verdict = worst(check["verdict"] for check in checks)
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Verdict", "Where", "Check", "Expected", "Found"))
    ordered = of_verdicts(checks, *WORST_FIRST)
    body = (
        f'<div class="wide" tabindex="0"><table class="checks"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(_row(check) for check in ordered)}</tbody></table></div>"
    )
    summary = f'{mark(verdict, "")} <strong class="section-name">{text(name)}</strong> {text(listed)}'
    return f'<div id="section-{text(slug(name))}">{folded(summary, body)}</div>'


def slug(name: str) -> str:
    """A section's name as a part of an anchor."""
    return "-".join(name.lower().split())


def overview(report: Entry) -> str:
    """A tile for each section: its verdict, how its checks came out, and the way to them."""
    checks = [check for check in report["checks"] if check["verdict"] != NOT_APPLICABLE]
    tiles = []
    for name in dict.fromkeys(str(check["section"]) for check in checks):
        own = [check for check in checks if check["section"] == name]
        verdict = worst(check["verdict"] for check in own)
        told = ", ".join(f"{count} {_COUNT_WORDS[found]}" for found, count in counts(own).items())
        tiles.append(
            f'<li><a class="{verdict}" href="#section-{text(slug(name))}">{mark(verdict, "")} '
            f'<strong class="section-name">{text(name)}</strong><small>{text(told)}</small></a></li>'
        )
    return f'<ul class="overview" aria-label="Sections of checks">{"".join(tiles)}</ul>' if tiles else ""


def counts(checks: Sequence[Entry]) -> Mapping[str, int]:
    """How many came out how, the worst first, without those that are none."""
    found = [check["verdict"] for check in checks]
    return {verdict: found.count(verdict) for verdict in WORST_FIRST if verdict in found}


def _row(check: Entry) -> str:
    rank = "" if check["rank"] is None else f" ({check['rank']})"
    noted = [str(check["reason"])] if check["reason"] else []
    if check["value"] is not None and figure(float(check["value"])) not in str(check["observed"]):
        noted.append(f"{figure(float(check['value']))} {check['unit']}")
    source = f'<br><span class="soft">{text(check["source"])}</span>' if check["source"] else ""
    return (
        f'<tr><td class="mark">{mark(check["verdict"])}</td><td>{text(where(check))}</td>'
        f'<td class="text">{text(check["title"] + rank)}'
        f'<br><span class="soft">{text(check["id"])}</span></td>'
        f'<td class="text">{text(check["expected"])}{source}</td><td class="text">{text(check["observed"])}'
        + "".join(f'<br><span class="soft">{text(note)}</span>' for note in noted)
        + "</td></tr>"
    )


def not_applicable(report: Entry) -> str:
    """What this place can't have, counted and folded by reason."""
    found = of_verdicts(report["checks"], NOT_APPLICABLE)
    if not found:
        return ""
    by_reason: dict[str, list[Entry]] = {}
    for check in found:
        by_reason.setdefault(str(check["reason"] or check["observed"]), []).append(check)
    listed = "".join(
        f"<li><strong>{text(reason)}</strong><br>{_titles(checks)}</li>" for reason, checks in by_reason.items()
    )
    return (
        f'<section id="not-applicable"><h2>Not applicable here: {len(found)}</h2>'
        "<p>No pass and no fault: this place has not got what they are about.</p>"
        + folded("Which, and why", f'<ul class="plain">{listed}</ul>', printed=True)
        + "</section>"
    )


def left_out(report: Entry) -> str:
    """What was left out on purpose, by reason. It is no check: it stands in no count of those that passed."""
    found = report.get("left_out") or ()
    if not found:
        return ""
    listed = "".join(
        f"<li><strong>{text(reason)}</strong><br>"
        + "; ".join(text(entry["title"]) for entry in found if entry["reason"] == reason)
        + "</li>"
        for reason in dict.fromkeys(str(entry["reason"]) for entry in found)
    )
    return (
        f'<section id="left-out"><h2>Left out on purpose: {len(found)}</h2>'
        f'<p>Not judged, and not passed: a whole run measures them.</p><ul class="plain">{listed}</ul></section>'
    )


def _titles(checks: Sequence[Entry]) -> str:
    """The titles, each once, with the places where it is said of some only."""
    bare = [{**check, "host": check["host"], "reason": "", "observed": "", "expected": ""} for check in checks]
    told = []
    for first, same in together([{**check, "peer": ""} for check in bare]):
        named = places(same) if any(check["host"] for check in same) and len(same) <= 8 else ""
        told.append(text(first["title"]) + (f' <span class="soft">({text(named)})</span>' if named else ""))
    return "; ".join(dict.fromkeys(told))
