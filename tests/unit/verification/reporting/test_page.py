"""The page holds everything a reader needs, and nothing that has to be fetched."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification import report
from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting import charts, page
from ansible_collections.moefleet.serving.tests.unit.pages.chromium import PROGRAM, Chromium
from ansible_collections.moefleet.serving.tests.unit.pages.outline import Outline


def broken(service: Any) -> Any:
    """Break one thing of each section."""
    service.results["node-3"] = {"unreachable": True, "msg": "<Connection> & timed out"}
    service.state("node-2")["ranks"] = [{"rank": 4, "pid": 1}]
    service.state("node-1")["main_process"]["argv"][-1] = "99"
    service.probe["completions"][5].update(ok=False, error="no answer within 120 s")
    service.thresholds["ttft_p99_ms"] = 100.0
    return service


def test_every_failed_and_unknown_check_is_on_the_page(service: Any) -> None:
    broken(service)
    text = "".join(Outline(page.render(service.document())).texts)
    troubles = report.trouble(service.checks())
    assert len(troubles) == 5
    for check in troubles:
        for words in (check.reason, check.expected, check.observed, check.fix, check.host):
            assert words.replace("`", "") in text


def test_every_check_is_in_the_full_table(service: Any) -> None:
    text = page.render(broken(service).document())
    rows = "".join(re.findall(r'<table class="checks">.*?<tbody>(.*?)</tbody>', text, re.DOTALL))
    assert rows.count("<tr>") == len(service.checks())


@pytest.mark.parametrize("verdict", ["pass", "warn", "unknown", "fail"])
def test_the_verdict_stands_at_the_top(service: Any, verdict: str) -> None:
    if verdict == "warn":
        service.state("node-0")["model"]["unlisted"] = ["x.pt"]
    if verdict == "unknown":
        service.results["node-3"] = {}
    if verdict == "fail":
        service.state("node-2")["ranks"] = []
    words = {"pass": "Passed", "warn": "Passed with warnings", "unknown": "Not proven", "fail": "Failed"}[verdict]
    text = page.render(service.document())
    banner = text.index(f'<div class="banner {verdict}">')
    assert banner < text.index("<h2>")
    assert f"{words}</strong>" in text[banner : text.index("<h2>")]


def test_the_page_needs_nothing_else(service: Any) -> None:
    parsed = Outline(page.render(broken(service).document()))
    parsed.assert_needs_nothing_else()
    styles = page.render(service.document())
    assert "@import" not in styles
    assert "url(" not in styles


def test_what_comes_from_outside_is_escaped(service: Any) -> None:
    service.plan["service"]["served_model_name"] = "<script>alert(1)</script>"
    service.results["node-3"] = {"unreachable": True, "msg": "<img src=x onerror=alert(2)>"}
    text = page.render(service.document())
    assert "<script" not in text
    assert "<img" not in text
    assert html.escape("<img src=x onerror=alert(2)>") in text


def test_what_hosts_have_in_common_is_said_once(service: Any) -> None:
    for host in ("node-1", "node-2"):
        service.state(host)["engine"]["version"] = "0.31.0"
    text = page.render(service.document())
    assert "node-1, node-2: the installed engine is 0.31.0" in text
    assert text.count('<section class="trouble fail">') == 1


def test_warnings_are_shown(service: Any) -> None:
    service.state("node-1")["model"]["unlisted"] = ["x.pt"]
    assert "node-1: not in the checksum list: x.pt" in page.render(service.document())


def test_hosts_and_ranks(service: Any) -> None:
    broken(service)
    text = page.render(service.document())
    row = re.search(r"<tr><td><strong>node-2</strong>.*?</tr>", text, re.DOTALL)
    assert row is not None
    assert re.search(r'<span class="chip pass"[^>]*>✓ 4<', row.group(0))
    assert re.search(r'<span class="chip fail" title="rank 5 is not running[^"]*">✗ 5<', row.group(0))
    assert text.count('class="chip') == 8
    assert ">? 6<" in text, "the process of a rank on a host that was not reached was not seen"


def test_latencies_are_drawn_against_their_objectives(service: Any) -> None:
    text = page.render(broken(service).document())
    assert text.count('<svg class="bars"') == 4
    assert text.count('class="bar-limit"') == 2
    assert text.count('class="bar-over"') == 1, "only TTFT P99 is above its objective"
    assert "objective: at most 100 ms" in text


@pytest.mark.parametrize("missing", ["bench", "probe"])
def test_what_was_not_measured_leaves_a_whole_page(service: Any, missing: str) -> None:
    setattr(service, missing, None)
    text = page.render(service.document())
    Outline(text)
    assert ("It was not run." in text) == (missing == "bench")


def test_a_benchmark_without_figures_draws_nothing(service: Any) -> None:
    service.bench["evidence"]["values"] = dict.fromkeys(service.bench["evidence"]["values"])
    assert "<svg" not in page.render(service.document())


def test_bars_stay_within_the_picture() -> None:
    rows = [charts.Bar("P50", 10.0, None), charts.Bar("P99", 30.0, 20.0), charts.Bar("P0", 0.0, 0.0)]
    text = charts.bars("Title & more", "ms", rows)
    width = int(re.findall(r'viewBox="0 0 (\d+) ', text)[0])
    ends = [
        float(x) + float(length) for x, length in re.findall(r'<rect[^>]* x="([\d.]+)"[^>]* width="([\d.]+)"', text)
    ]
    assert len(ends) == 3
    assert max(ends) < width
    assert "Title &amp; more: P50 10 ms" in text


def test_percentiles_are_in_order() -> None:
    rows = charts.latency_rows({"p99.9": 3.0, "p50": 1.0, "mean": 9.0, "p95": None, "p99": 2.0}, {"p99": 5.0})
    assert rows == [charts.Bar("P50", 1.0, None), charts.Bar("P99", 2.0, 5.0), charts.Bar("P99.9", 3.0, None)]


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
def test_a_browser_shows_it_without_scrolling_sideways(service: Any, tmp_path: Path) -> None:
    """On a laptop not even the hosts' table scrolls, with eight ranks a host as on the reference cluster."""
    document = service.document()
    for place, host in enumerate(document["hosts"]):
        host["ranks"] = list(range(8 * place, 8 * place + 8))
    shown = tmp_path / "report.html"
    shown.write_text(page.render(document), encoding="utf-8")
    with Chromium() as browser:
        for width in (1280, 390):
            browser.open(shown, width)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            box = browser.evaluate(
                "(box => [box.scrollWidth, box.clientWidth])(document.querySelector('#hosts').parentElement)"
            )
            assert width < 1280 or box[0] <= box[1]
        assert browser.complaints == []
