"""What the page shows of a whole cluster's report: heat maps, percentiles, predictions, history; and in a browser."""

from __future__ import annotations

import copy
import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting import (
    attention,
    conditions,
    heatmap,
    page,
    past,
    write,
)
from ansible_collections.moefleet.serving.tests.unit.pages.chromium import PROGRAM, Chromium
from ansible_collections.moefleet.serving.tests.unit.pages.outline import Outline
from ansible_collections.moefleet.serving.tests.unit.verification.reporting import sample


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    """The sample as it lies in tests/data."""
    found: dict[str, Any] = json.loads(sample.FILE.read_text(encoding="utf-8"))
    return found


def section(page_text: str, name: str) -> str:
    """The HTML of one section."""
    start = page_text.index(f'<section id="{name}">')
    end = page_text.find('<section id="', start + 1)
    return page_text[start : end if end > 0 else len(page_text)]


def cells(page_text: str, figure: str) -> dict[tuple[str, str], str]:
    """The cells of a heat map by row and column."""
    table = page_text[page_text.index(f'id="map-{figure}"') :]
    table = table[: table.index("</table>")]
    columns = re.findall(r'<th scope="col">(.*?)</th>', table)
    found = {}
    for row, body in re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table):
        for column, cell in zip(columns, re.findall(r"<td.*?</td>", body), strict=True):
            found[row, column] = cell
    return found


def test_the_sample_is_what_its_code_makes() -> None:
    assert sample.FILE.read_text(encoding="utf-8") == sample.text()


def test_the_heat_map_shows_which_link_is_slow(report: dict[str, Any]) -> None:
    found = cells(page.render(report), "rdma_bandwidth_1mb")
    assert len(found) == 16
    slow = found["node-1", "node-3"]
    assert 'class="h4 fail"' in slow
    assert "✗" in slow
    assert "failed" in slow
    others = [cell for (row, column), cell in found.items() if row != column and (row, column) != ("node-1", "node-3")]
    assert all('class="h0 pass"' in cell for cell in others)
    for check in report["checks"]:
        if check["id"] == "rdma_bandwidth_1mb":
            shown = re.sub(r"<.*?>", " ", found[check["host"], check["peer"]])
            assert abs(float(shown.replace("✗", "").split()[0]) - check["value"]) < 0.06


def test_a_cell_without_a_figure_is_hatched(report: dict[str, Any]) -> None:
    found = cells(page.render(report), "rdma_latency_1mb")
    assert 'class="missing unknown"' in found["node-2", "node-0"]
    fewer = copy.deepcopy(report)
    fewer["checks"] = [check for check in fewer["checks"] if check["peer"] != "node-2"]
    text = page.render(fewer)
    assert 'class="missing"' in cells(text, "rdma_latency_64b")["node-0", "node-2"]
    assert "3 of 12 not measured" in text


@pytest.mark.parametrize(
    ("value", "best", "expected"),
    [(23.4, 23.4, 0), (21.5, 23.4, 0), (20.0, 23.4, 1), (5.9, 23.4, 4), (87.0, 59.5, 2), (3.0, 0.0, 4), (0.0, 0.0, 0)],
)
def test_a_colour_is_how_many_times_worse(value: float, best: float, expected: int) -> None:
    assert heatmap.level(value, best) == expected


def test_one_check_that_failed_at_many_places_is_one_entry(report: dict[str, Any]) -> None:
    many = copy.deepcopy(report)
    for check in many["checks"]:
        if check["id"] == "ip_round_trip":
            check.update(verdict="fail", reason=f"{check['host']} to {check['peer']} is slow", fix="See `ip link`.")
    text = section(page.render(many), "attention")
    assert text.count("Round trip: 12 of 12") == 1
    assert text.count(" is slow") == 12
    assert text.count("<h4>") == 12, "the output of each"
    assert "See <code>ip link</code>." in text


def test_a_place_without_pairs_has_no_heat_map(report: dict[str, Any]) -> None:
    none = copy.deepcopy(report)
    for check in none["checks"]:
        if check["peer"]:
            check.update(value=None, verdict="not applicable", reason="not applicable here: no RDMA device")
    text = page.render(none)
    assert 'class="heat"' not in text
    assert "not applicable here: no RDMA device" in section(text, "not-applicable")


def test_first_tokens_by_length_against_their_objectives(report: dict[str, Any]) -> None:
    text = section(page.render(report), "first-token")
    titles = re.findall(r'<text class="bar-title"[^>]*>(.*?)</text>', text)
    assert titles == [f"{length:,} input tokens, 1,000 requests" for length in (512, 2048, 4096, 8192)]
    assert text.count('class="bar-limit"') == 4
    assert text.count('class="bar-over"') == 1
    assert text.count('class="bar-label"') == 12, "percentiles that nothing is asked of are drawn too"


def test_predictions_have_their_error_and_a_mark(report: dict[str, Any]) -> None:
    text = section(page.render(report), "predicted")
    assert text.count('class="measured"') == 5
    assert "+64 %" in text
    assert "outside the range" in text
    assert text.count("✓ in the range") == 3
    assert "not measured" in text
    spoken = html.unescape(text)
    assert "Decode throughput, tokens/s: low 1,900, likely 2,480, high 3,100, measured 2,310" in spoken


def test_what_got_worse_is_told_with_its_noise(report: dict[str, Any]) -> None:
    text = section(page.render(report), "history")
    rows = re.findall(r"<tr><td>.*?</tr>", text)
    slow = next(row for row in rows if "RDMA bandwidth, 1 MiB" in row and "worse" in row)
    assert "node-1 → node-3" in slow
    assert "± 5 %" in slow
    assert 'class="spark"' in slow
    assert "Compared with the run of 2026-02-26 11:00." in text


def test_the_first_run_has_nothing_to_compare_with() -> None:
    text = page.render(dict(write.finished(sample.judged(0, wrong=True))))
    assert "There is no earlier run to compare with." in section(text, "history")


def test_each_failure_has_a_command_and_its_output(report: dict[str, Any]) -> None:
    text = section(page.render(report), "attention")
    failures = re.findall(r'<section class="trouble fail">.*?</section>', text, re.DOTALL)
    assert len(failures) == report["counts"]["fail"]
    for failure in failures:
        assert re.search(r'<code class="copy">.+?</code>', failure)
        assert "<details" in failure
        assert "<dt>what to do</dt>" in failure
    assert "ssh node-1 ib_bandwidth" in text
    assert "Run 3 of 3" in text
    assert "pytest tests/testinfra --hosts=ansible://node-2 -k ranks" in text
    assert "pytest tests/testinfra --hosts=ansible://node-1,ansible://node-2 -k kernel_parameters" in text


def test_a_long_output_is_cut_at_its_begin(report: dict[str, Any]) -> None:
    long = copy.deepcopy(report)
    for entry in long["measurements"]:
        if (entry["check"], entry.get("host"), entry.get("peer")) == ("rdma_bandwidth_1mb", *sample.SLOW):
            entry["runs"] = [{"evidence": None, "output": "x" * 9000 + "<last words>"}]
    text = section(page.render(long), "attention")
    assert "&lt;last words&gt;" in text
    assert "x" * (attention.OUTPUT_END + 1) not in text
    assert "the rest is in report.json" in text


def test_conditions_are_told_once_where_they_are_alike(report: dict[str, Any]) -> None:
    text = conditions.conditions(report)
    assert text.count("5.15.0-122-generic") == 1
    assert "node-3:</span> 0.7, 0.5, 0.4" in text
    assert conditions.conditions({"measurements": []}) == ""


def test_an_old_report_makes_a_page(report: dict[str, Any]) -> None:
    old = {key: value for key, value in report.items() if key not in ("predictions", "measurements", "history")}
    new_keys = ("peer", "value", "unit", "source", "command")
    old["checks"] = [{key: value for key, value in check.items() if key not in new_keys} for check in report["checks"]]
    old["schema"] = "moefleet.verify/1"
    Outline(page.render(old)).assert_needs_nothing_else()


def test_signs_are_spoken_and_tables_have_headers(report: dict[str, Any]) -> None:
    text = page.render(report)
    pictures = re.findall(r"<svg[^>]*>", text)
    assert pictures
    assert all('role="img"' in tag and 'aria-label="' in tag for tag in pictures)
    for table in re.findall(r"<table.*?</table>", text, re.DOTALL):
        assert "<th" in table
    links = set(re.findall(r'href="#([^"]+)"', text))
    assert links <= set(re.findall(r' id="([^"]+)"', text))


def test_a_line_over_the_runs_stays_in_its_picture() -> None:
    drawn = past.sparkline("a & b", [3.0, 3.0, 9.0, -2.0])
    points = re.findall(r"([\d.-]+),([\d.-]+)", re.findall(r'points="(.*?)"', drawn)[0])
    assert all(0 <= float(x) <= 120 and 0 <= float(y) <= 26 for x, y in points)
    assert "a &amp; b: 3, 3, 9, -2" in drawn
    assert "<svg" not in past.sparkline("one", [1.0])


@settings(max_examples=30)
@given(st.text(), st.text(), st.text())
def test_whatever_a_check_says_the_page_is_whole(reason: str, fix: str, name: str) -> None:
    small = sample.judged(0, wrong=False)
    small["checks"] = [
        sample.check(name or "x", name, reason, host=name, verdict="fail", reason=reason, fix=fix, command=fix)
    ]
    small["measurements"], small["evidence"] = [], {"hosts": {name: {"text": reason}}}
    Outline(page.render(small)).assert_needs_nothing_else()


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
def test_a_browser_shows_tables_and_charts_and_asks_for_nothing(report: dict[str, Any], tmp_path: Path) -> None:
    shown = tmp_path / "report.html"
    shown.write_text(page.render(report), encoding="utf-8")
    wide = "[...document.querySelectorAll('.wide')].filter(box => box.scrollWidth > box.clientWidth).length"
    small = "[...document.querySelectorAll('svg')].filter(s => !s.closest('details') && s.clientWidth < 50).length"
    with Chromium() as browser:
        for width, dark in ((390, False), (1280, False), (1280, True)):
            browser.open(shown, width, dark=dark)
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            assert browser.evaluate("document.querySelectorAll('table.heat').length") == 4
            assert browser.evaluate(small) == 0
            if width == 1280:
                assert browser.evaluate(wide) == 0, "no table scrolls on a laptop"
                assert browser.evaluate(_CONTRAST) >= 4.5
        assert browser.pdf()[:4] == b"%PDF"
        assert browser.complaints == []


# The least contrast of a heat map's numbers on the five colours, as WCAG reckons it.
_CONTRAST = """(() => {
  const light = colour => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  return Math.min(...[0, 1, 2, 3, 4].map(step => {
    const cell = document.querySelector('.heat td.h0').cloneNode(true);
    cell.className = 'h' + step;
    document.querySelector('.heat tr:last-child').append(cell);
    const style = getComputedStyle(cell);
    const [a, b] = [light(style.color), light(style.backgroundColor)].sort((x, y) => y - x);
    cell.remove();
    return (a + 0.05) / (b + 0.05);
  }));
})()"""
