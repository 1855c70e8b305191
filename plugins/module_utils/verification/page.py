# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The report as one HTML page that needs nothing else: no script, no font, no picture, no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..evidence.result import FAIL, PASS, UNKNOWN, WARN, worst
from ..pages.markup import SIGNS, banner, document, facts, folded, mark, soft, text
from ..pages.quantities import quantity
from .charts import bars, latency_rows
from .model import Check
from .report import headline, together

_VERDICT_WORDS = {PASS: "Passed", WARN: "Passed with warnings", UNKNOWN: "Not proven", FAIL: "Failed"}
_SERVICE = "the service"
_LATENCY_TITLES = {
    "ttft": "Time to first token",
    "tpot": "Time per output token",
    "itl": "Inter-token latency",
    "e2el": "Whole answer",
}

# Columns of the table of hosts: a heading, and the checks that it stands for.
_HOST_COLUMNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Reached", ("host_reached",)),
    (
        "Unit",
        ("unit_active", "unit_restarts", "unit_loaded", "unit_command", "unit_user", "unit_hardening", "unit_files"),
    ),
    ("Arguments", ("process_arguments",)),
    ("Environment", ("process_environment",)),
    ("Limits", ("limit_memlock", "limit_nofile")),
    ("Kernel", ("kernel_parameters",)),
    ("Model", ("model_checksums",)),
    ("Engine", ("engine_version",)),
    ("Network", ("data_address",)),
)


def render(report: Mapping[str, Any]) -> str:
    """Return the page of a report as ``report.build`` makes it."""
    service = report["service"]
    title = f"Verification of {service['model']}"
    body = "".join(
        (
            _header(report, title),
            _trouble(report["checks"]),
            _hosts(report),
            _benchmark(report),
            _all_checks(report["checks"]),
        )
    )
    return document(title, body)


def _header(report: Mapping[str, Any], title: str) -> str:
    verdict, service, layout = report["verdict"], report["service"], report["service"]["layout"]
    sizes = (("DP", "data_parallel_size"), ("EP", "expert_parallel_size"), ("TP", "tensor_parallel_size"))
    tiles = (
        ("Engine", service["engine"]),
        ("Hosts", len(report["hosts"])),
        ("Engines (ranks)", service["engines"]),
        ("Layout", ", ".join(f"{name} {layout[key]}" for name, key in sizes if layout.get(key) is not None)),
        ("Address", f"{service['address']}, port {service['port']}"),
        ("Measured", report["generated_at"].replace("T", " ")),
    )
    return f"<h1>{text(title)}</h1>{banner(verdict, _VERDICT_WORDS[verdict], headline(report))}{facts(tiles)}"


def _trouble(checks: Sequence[Mapping[str, Any]]) -> str:
    wrong = [Check(**check) for verdict in (FAIL, UNKNOWN, WARN) for check in checks if check["verdict"] == verdict]
    if not wrong:
        return ""
    entries = "".join(
        f'<section class="trouble {check.verdict}"><h3>{mark(check.verdict)} · '
        f"{text(check.host or _SERVICE)}: {text(check.reason or check.title)}</h3><dl>"
        f"<dt>expected</dt><dd>{text(check.expected)}</dd><dt>found</dt><dd>{text(check.observed)}</dd>"
        + (f"<dt>what to do</dt><dd>{text(check.fix)}</dd>" if check.fix else "")
        + "</dl></section>"
        for check in together(wrong)
    )
    return f"<h2>What needs attention</h2>{entries}"


def _place(check: Mapping[str, Any]) -> str:
    return str(check["host"] or _SERVICE)


def _hosts(report: Mapping[str, Any]) -> str:
    heads = "".join(f"<th>{heading}</th>" for heading, unused in _HOST_COLUMNS)
    rows = "".join(_host_row(host, report["checks"]) for host in report["hosts"])
    return (
        '<h2>Hosts and ranks</h2><div class="wide"><table id="hosts"><thead>'
        "<tr><th>Host</th><th>Role</th><th>Verdict</th>"
        f"{heads}<th>Ranks</th></tr></thead><tbody>{rows}</tbody></table></div>"
        + soft(
            f"{SIGNS[PASS]} pass, {SIGNS[WARN]} warning, {SIGNS[UNKNOWN]} unknown, {SIGNS[FAIL]} fail. A rank passes "
            "when its process runs, the service's metrics know it, it answered a completion addressed to it, and its "
            "own counter shows that it computed it."
        )
    )


def _host_row(host: Mapping[str, Any], checks: Sequence[Mapping[str, Any]]) -> str:
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


def _worst_or_unknown(checks: Iterable[Mapping[str, Any]], identifiers: Sequence[str]) -> str:
    return worst(check["verdict"] for check in checks if check["id"] in identifiers)


def _rank_chip(rank: int, checks: Sequence[Mapping[str, Any]]) -> str:
    told = [check["reason"] or f"{check['title']}: {check['observed']}" for check in checks]
    verdicts = [check["verdict"] for check in checks]
    if not any(check["id"] == "rank_running" for check in checks):
        verdicts.append(UNKNOWN)
        told.append("whether its process runs was not seen")
    verdict = worst(verdicts)
    return f'<span class="chip {verdict}" title="{text("; ".join(told))}">{SIGNS[verdict]} {rank}</span>'


def _benchmark(report: Mapping[str, Any]) -> str:
    values: Mapping[str, Any] = report["benchmark"] or {}
    bench: Mapping[str, Any] = report["evidence"]["bench"] or {}
    if not values:
        return "<h2>Benchmark</h2><p>It was not run.</p>"
    limits: Mapping[str, float] = report["thresholds"]
    counted = f"{_or_dash(values['completed'])} of {_or_dash(values['requested'])} completed"
    tiles = (
        ("Requests", f"{counted}, {_or_dash(values['failed'])} failed"),
        ("Output throughput", quantity(values["output_tokens_s"], "tokens/s")),
        ("Total throughput", quantity(values["total_tokens_s"], "tokens/s")),
        ("Duration", quantity(values["duration_s"], "s")),
    )
    charts = "".join(_latency_chart(name, values, limits) for name in _LATENCY_TITLES)
    told = "".join(
        f"<pre>{text(part)}</pre>" for part in (" ".join(bench.get("argv") or ()), bench.get("output_tail") or "")
    )
    return (
        f'<h2>Benchmark</h2>{facts(tiles)}<div class="charts" id="latency">{charts}</div>'
        + soft("The upright line is the objective of that percentile.")
        + folded("The command, and what it printed", told)
    )


def _latency_chart(name: str, values: Mapping[str, Any], limits: Mapping[str, float]) -> str:
    own_limits = {
        key[len(name) + 1 : -3]: limit
        for key, limit in limits.items()
        if key.startswith(f"{name}_") and key.endswith("_ms")
    }
    rows = latency_rows(values.get(f"{name}_ms") or {}, own_limits)
    return f"<div>{bars(_LATENCY_TITLES[name], 'ms', rows)}</div>" if rows else ""


def _all_checks(checks: Sequence[Mapping[str, Any]]) -> str:
    rows = "".join(
        f'<tr><td class="mark">{mark(check["verdict"])}</td><td>{text(_place(check))}</td>'
        f'<td class="text">{text(check["title"] + _rank_note(check))}'
        f'<br><span class="soft">{text(check["id"])}</span></td>'
        f'<td class="text">{text(check["expected"])}</td><td class="text">{text(check["observed"])}'
        + (f'<br><span class="soft">{text(check["reason"])}</span>' if check["reason"] else "")
        + "</td></tr>"
        for check in checks
    )
    listed = (
        '<div class="wide"><table id="checks"><thead><tr><th>Verdict</th><th>Where</th><th>Check</th><th>Expected</th>'
        f"<th>Found</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return folded(f"All {len(checks)} checks", listed)


def _rank_note(check: Mapping[str, Any]) -> str:
    return "" if check["rank"] is None else f" ({check['rank']})"


def _or_dash(value: object) -> str:
    return "unknown" if value is None else str(value)
