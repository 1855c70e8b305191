# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The report as one HTML page that needs nothing else: no script, no font, no picture, no network.

What a reader came for is first: the verdict, then what needs attention, then how fast everything is, then the rest.
"""

from __future__ import annotations

from ...evidence.result import FAIL, PASS, UNKNOWN, WARN
from ...pages.markup import banner, document, facts, text
from ..report import headline
from .attention import attention
from .conditions import conditions
from .heatmap import heat_maps
from .latency import benchmark, first_tokens
from .past import past
from .predicted import predicted
from .reading import Entry, complete
from .report_style import REPORT_CSS
from .sections import all_checks, hosts, left_out, not_applicable, overview

_VERDICT_WORDS = {PASS: "Passed", WARN: "Passed with warnings", UNKNOWN: "Not proven", FAIL: "Failed"}


def render(report: Entry) -> str:
    """Return the page of a report of this or an earlier version."""
    whole = complete(report)
    title = f"Verification of {whole['service']['model']}"
    sections = (
        ("Attention", attention(whole)),
        ("Hosts", hosts(whole)),
        ("Network", _network(whole)),
        ("First token", first_tokens(whole)),
        ("Benchmark", benchmark(whole)),
        ("Predicted", predicted(whole["predictions"])),
        ("History", past(whole)),
        ("Left out", left_out(whole)),
        ("Not applicable", not_applicable(whole)),
        ("Conditions", conditions(whole)),
        ("All checks", all_checks(whole)),
    )
    shown = [(name, body) for name, body in sections if body]
    links = "".join(f'<a href="#{_anchor(body)}">{text(name)}</a>' for name, body in shown)
    nav = f'<nav aria-label="Sections">{links}</nav>'
    return document(
        title, _header(whole, title) + overview(whole) + nav + "".join(body for unused, body in shown), REPORT_CSS
    )


def _anchor(body: str) -> str:
    """The section's own id, which is the first of its text."""
    return body.split('id="', 1)[1].split('"', 1)[0]


def _header(report: Entry, title: str) -> str:
    verdict, service, layout = report["verdict"], report["service"], report["service"]["layout"]
    sizes = (("DP", "data_parallel_size"), ("EP", "expert_parallel_size"), ("TP", "tensor_parallel_size"))
    tiles = (
        ("Engine", service["engine"]),
        ("Hosts", len(report["hosts"])),
        ("Engines (ranks)", service["engines"]),
        ("Layout", " ".join(f"{name}{layout[key]}" for name, key in sizes if layout.get(key) is not None)),
        ("Address", f"{service['address']}, port {service['port']}"),
        ("Measured", report["generated_at"].replace("T", " ")),
    )
    return f"<h1>{text(title)}</h1>{banner(verdict, _VERDICT_WORDS[verdict], headline(report))}{facts(tiles)}"


def _network(report: Entry) -> str:
    maps = heat_maps(report["checks"], [host["name"] for host in report["hosts"]])
    return f'<section id="network"><h2>Network, between every two hosts</h2>{maps}</section>' if maps else ""
