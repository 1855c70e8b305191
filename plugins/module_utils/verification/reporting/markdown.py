# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""A summary in Markdown: for a ticket, a merge request or a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ...evidence.result import FAIL, NOT_APPLICABLE, UNKNOWN, WARN
from ...pages.markup import SIGNS
from ...pages.quantities import figure, number, span
from ..report import headline
from .attention import command_of
from .reading import Entry, of_verdicts, places, together, where
from .sections import counts

_MOST = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<#|])")


def render(report: Entry) -> str:
    """Return the summary of a complete report."""
    service = report["service"]
    parts = [
        f"# {_plain('Verification of ' + service['model'])}",
        f"**{SIGNS[report['verdict']]} {report['verdict']}**: {_plain(headline(report))}",
        _plain(
            f"{service['engine']}, {len(report['hosts'])} hosts, {service['engines']} engines, {report['generated_at']}"
        ),
        *_attention(report),
        *_sections(report),
        *_left_out(report),
        *_predicted(report["predictions"]),
        *_history(report.get("history")),
    ]
    return "\n\n".join(parts) + "\n"


def _attention(report: Entry) -> list[str]:
    wrong = together(of_verdicts(report["checks"], FAIL, UNKNOWN, WARN))
    if not wrong:
        return []
    lines = []
    for check, same in wrong[:_MOST]:
        said = check["reason"] or check["title"]
        lines.append(
            f"- {SIGNS[check['verdict']]} **{check['verdict']}** {_plain(places(same))}: {_plain(said)} "
            f"(expected {_plain(check['expected'])}, found {_plain(check['observed'])})"
        )
        if check["fix"]:
            lines.append(f"  - {_worded(check['fix'])}")
        if check["verdict"] != WARN:
            lines.append(f"  - {_code(command_of(check, report))}")
    rest = len(wrong) - _MOST
    if rest > 0:
        lines.append(f"- and {rest} more, in report.html")
    return ["## What needs attention", "\n".join(lines)]


def _sections(report: Entry) -> list[str]:
    names = list(dict.fromkeys(str(check["section"]) for check in report["checks"]))
    rows = []
    for name in names:
        found = counts([check for check in report["checks"] if check["section"] == name])
        told = [str(found.get(verdict, 0)) for verdict in ("pass", WARN, UNKNOWN, FAIL, NOT_APPLICABLE)]
        rows.append([_plain(name), *told])
    heads = ("Section", "passed", "warning", "unknown", "failed", "not applicable")
    return ["## Checks", _table(heads, rows)]


def _left_out(report: Entry) -> list[str]:
    found = report.get("left_out") or ()
    lines = [f"- {_plain(entry['title'])}: {_plain(entry['reason'])}" for entry in found]
    return ["## Left out on purpose", "\n".join(lines)] if lines else []


def _predicted(predictions: Sequence[Entry]) -> list[str]:
    rows = []
    for entry in predictions:
        low, likely, high, measured, error = (
            number(entry.get(name)) for name in ("low", "likely", "high", "measured", "error_percent")
        )
        unit = _plain(entry.get("unit") or "")
        expected = "not predicted" if likely is None else f"{figure(likely)} {unit}"
        expected += f" ({span(low, high)})" if low is not None and high is not None else ""
        found = "not measured" if measured is None else f"{figure(measured)} {unit}"
        rows.append([_plain(entry.get("name") or ""), expected, found, "" if error is None else f"{error:+.0f} %"])
    return ["## Predicted and measured", _table(("Figure", "Expected", "Measured", "Error"), rows)] if rows else []


def _history(history: Entry | None) -> list[str]:
    if not history:
        return []
    if history["compared_with"] is None:
        return ["## Since the last good run", _plain(history["note"])]
    lines = [
        f"- worse: {_plain(change['title'])}, {_plain(where(change))}: {figure(change['before'])} → "
        f"{figure(change['now'])} {_plain(change['unit'])} ({change['change_percent']:+.0f} %, "
        f"noise ± {change['noise_percent']:.0f} %)"
        for change in history["worse"][:_MOST]
    ]
    for name, word in (("new_failures", "failing"), ("mended", "mended")):
        lines += [f"- {word}: {_plain(turn['title'])}, {_plain(where(turn))}" for turn in history[name][:_MOST]]
    compared = f"Compared with the run of {_plain(history['compared_with'])}."
    return ["## Since the last good run", compared, "\n".join(lines) or "Nothing got worse by more than its noise."]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    listed = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in listed)


def _plain(value: object) -> str:
    """Text that Markdown takes for nothing but text."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def _worded(value: object) -> str:
    """Text whose `code` stays code."""
    parts = " ".join(str(value).split()).split("`")
    if len(parts) % 2 == 0:
        return _plain(value)
    return "".join(f"`{part}`" if place % 2 else _plain(f".{part}.")[1:-1] for place, part in enumerate(parts))


def _code(command: str) -> str:
    line = " ".join(command.split())
    fence = "``" if "`" in line else "`"
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"
