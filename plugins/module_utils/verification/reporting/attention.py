# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What needs attention: each failure with what to do, the command that shows it again, and the raw output."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from ...evidence.result import FAIL, NOT_APPLICABLE, UNKNOWN, WARN
from ...pages.markup import folded, mark, soft, table, text
from .reading import Entry, is_of_the_fabric, measurements_of, of_verdicts, places, together, where

# So much of one output is on the page; the rest is in report.json.
OUTPUT_END = 4000
_COMMANDS = 4
# A check that went wrong at more places than this is one entry, with so many of them.
_MANY, _SHOWN = 3, 20
Group = tuple[Entry, "list[Entry]"]
_FROM_HERE = ("ansible", "pytest", "ssh ")
_ACCEPTANCE = "pytest tests/testinfra --hosts=ansible://"
_CODE = re.compile("`([^`]+)`")


def attention(report: Entry) -> str:
    """The section: failures, then unknowns, then warnings, the last two under a fold where there are many."""
    groups = {verdict: together(of_verdicts(report["checks"], verdict)) for verdict in (FAIL, UNKNOWN, WARN)}
    if not any(groups.values()):
        return ""
    parts = _entries(groups[FAIL], report)
    for verdict, word in ((UNKNOWN, "unknown"), (WARN, "with a warning")):
        shown = _entries(groups[verdict], report)
        if len(shown) > 6 and groups[FAIL]:
            parts.append(folded(f"{len(shown)} {word}", "".join(shown), printed=True))
        else:
            parts += shown
    return f'<section id="attention"><h2>What needs attention</h2>{"".join(parts)}</section>'


def _entries(groups: Sequence[Group], report: Entry) -> list[str]:
    """An entry for each group; where one check went wrong at many places, one for all of them."""
    by_id: dict[str, list[Group]] = {}
    for group in groups:
        by_id.setdefault(str(group[0]["id"]), []).append(group)
    parts = []
    for alike in by_id.values():
        parts += [_many(alike, report)] if len(alike) > _MANY else [_entry(group, report) for group in alike]
    return parts


def _many(groups: Sequence[Group], report: Entry) -> str:
    """One check that went wrong at many places, each with what is wrong there."""
    first = groups[0][0]
    wrong = [check for unused, same in groups for check in same]
    total = sum(check["id"] == first["id"] and check["verdict"] != NOT_APPLICABLE for check in report["checks"])
    fixes = {_of_any(check) for check in wrong}
    common = fixes.pop() if len(fixes) == 1 else ""
    rows = [
        (
            text(places(same)) + ("" if check["rank"] is None else f", rank {check['rank']}"),
            text(check["observed"]),
            worded(str(check["reason"]))
            + (f'<br><span class="soft">{worded(str(check["fix"]))}</span>' if check["fix"] and not common else ""),
        )
        for check, same in groups[:_SHOWN]
    ]
    more = len(groups) - _SHOWN
    shown = _commands(wrong, report, 1)
    return (
        f'<section class="trouble {first["verdict"]}"><h3>{mark(first["verdict"])} · {text(first["title"])}: '
        f"{len(wrong)} of {total}</h3><dl><dt>expected</dt><dd>{text(first['expected'])}{_source(first)}</dd>"
        + (f"<dt>what to do</dt><dd>{worded(common)}</dd>" if common else "")
        + f"<dt>see it again</dt><dd>{shown}</dd></dl>"
        + table(("Where", "Found", "What is wrong"), rows, "many")
        + (soft(f"And {more} more, among all checks.") if more > 0 else "")
        + _raw([check for unused, same in groups[:_SHOWN] for check in same], report)
        + "</section>"
    )


def _of_any(check: Entry) -> str:
    """What to do, without the names of one place."""
    fix = str(check["fix"])
    for name, general in (("peer", "its peer"), ("host", "the host")):
        fix = re.sub(rf"\b{re.escape(str(check[name]))}\b", general, fix) if check[name] else fix
    return fix


def _entry(group: Group, report: Entry) -> str:
    check, same = group
    said = text(check["reason"] or check["title"])
    lines = [("expected", text(check["expected"]) + _source(check)), ("found", text(check["observed"]))]
    if check["fix"]:
        lines.append(("what to do", worded(str(check["fix"]))))
    lines.append(("see it again", _commands(same, report)))
    told = "".join(f"<dt>{name}</dt><dd>{shown}</dd>" for name, shown in lines)
    return (
        f'<section class="trouble {check["verdict"]}"><h3>{mark(check["verdict"])} · {text(places(same))}: {said}</h3>'
        f"<dl>{told}</dl>{_raw(same, report)}</section>"
    )


def worded(words: str) -> str:
    """Text whose `code` is code."""
    return _CODE.sub(r"<code>\1</code>", text(words))


def _source(check: Entry) -> str:
    return f' <span class="soft">({text(check["source"])})</span>' if check["source"] else ""


def _commands(same: Sequence[Entry], report: Entry, most: int = _COMMANDS) -> str:
    """The commands that show checks again, and where to run those that aren't run from here."""
    head = next((host["name"] for host in report["hosts"] if host["role"] == "head"), "")
    shown = ""
    for command in commands_of(same, report)[:most]:
        host = next((check["host"] for check in same if command_of(check, report) == command), "") or head
        said = "" if command.startswith(_FROM_HERE) or not host else f'<span class="soft">on {text(host)}:</span>'
        shown += f'{said}<code class="copy">{text(command)}</code>'
    return shown


def commands_of(same: Sequence[Entry], report: Entry) -> list[str]:
    """The commands that show checks again which say the same of several places."""
    commands = list(dict.fromkeys(command_of(check, report) for check in same))
    own = {command.replace(f"{_ACCEPTANCE}{check['host']} ", _ACCEPTANCE) for command, check in zip(commands, same)}
    if len(commands) > 1 and len(own) == 1 and commands[0].startswith(_ACCEPTANCE):
        hosts = ",ansible://".join(dict.fromkeys(str(check["host"]) for check in same))
        return [own.pop().replace(_ACCEPTANCE, f"{_ACCEPTANCE}{hosts} ")]
    return commands


def command_of(check: Entry, report: Entry) -> str:
    """The command that shows a check again: its own, the benchmark's, the host's acceptance test, or all of verify."""
    if check["command"]:
        return str(check["command"])
    commands = [one["argv"] for one in measurements_of(check, report["measurements"]) if one.get("argv")]
    if commands:
        return shlex.join(map(str, commands[0]))
    bench: Mapping[str, Any] = report["evidence"].get("bench") or {}
    if check["section"] == "benchmark" and bench.get("argv"):
        return shlex.join(map(str, bench["argv"]))
    if check["section"] == "hosts" and check["host"]:
        name = "ranks" if check["rank"] is not None else check["id"]
        return f"{_ACCEPTANCE}{check['host']} -k {name}"
    more = " --tags fabric -e stop_service=true" if is_of_the_fabric(check) else ""
    return f"ansible-playbook verify.yml{more}"


def _raw(same: Sequence[Entry], report: Entry) -> str:
    """What the checks were read from, folded."""
    parts = []
    for check in same:
        measured = measurements_of(check, report["measurements"])
        if measured:
            heading = f"<h4>{text(where(check))}</h4>" if len(same) > 1 else ""
            outputs = [part for one in measured for part in _outputs(one)]
            parts.append(heading + "".join(outputs) if outputs else "")
        elif check["section"] == "hosts" and (report["evidence"].get("hosts") or {}).get(check["host"]):
            host = text(check["host"])
            parts.append(f'<p>All that was read of {host}: <a href="#read-{host}">below, at the hosts</a>.</p>')
        elif check["section"] == "benchmark":
            parts.append(_pre((report["evidence"].get("bench") or {}).get("output_tail")))
        elif check["rank"] is not None:
            parts.append(_pre(_answer(report, check["rank"])))
    shown = list(dict.fromkeys(filter(None, parts)))
    return f'<div class="raw">{folded("What was read", "".join(shown))}</div>' if shown else ""


def _outputs(measurement: Entry) -> list[str]:
    runs = list(measurement.get("runs") or ())
    parts = []
    for place, run in enumerate(runs, start=1):
        evidence: Mapping[str, Any] = run.get("evidence") or {}
        reasons = "; ".join(map(str, evidence.get("reasons") or ()))
        heading = f"Run {place} of {len(runs)}: {evidence.get('verdict') or 'unknown'}"
        parts.append(soft(heading + (f", {reasons}" if reasons else "")))
        parts.append(_pre(run.get("output")) or _pre(_json(evidence.get("values"))))
    return parts


def _answer(report: Entry, rank: int) -> str:
    probe: Mapping[str, Any] = report["evidence"].get("probe") or {}
    answer = next((entry for entry in probe.get("completions") or () if entry.get("engine") == rank), None)
    return _json(answer)


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) if value else ""


def _pre(output: Any) -> str:
    """The end of an output."""
    if not output:
        return ""
    shown = str(output)[-OUTPUT_END:]
    cut = "… (the rest is in report.json)\n" if len(str(output)) > OUTPUT_END else ""
    return f'<pre tabindex="0">{text(cut + shown)}</pre>'


def host_evidence(report: Entry) -> str:
    """What was read of every host, folded, for links from its failures."""
    parts = []
    for host, state in sorted((report["evidence"].get("hosts") or {}).items()):
        if state:
            body = f'<pre tabindex="0">{text(_json(state))}</pre>'
            parts.append(f'<div id="read-{text(host)}">{folded(f"What was read of {text(host)}", body)}</div>')
    return f'<div class="read">{"".join(parts)}</div>' if parts else ""
