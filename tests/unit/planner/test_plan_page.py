"""The plan's page: what it says is what the plan says, whatever is missing, and it needs nothing else."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.pages.plan_headline import judged
from ansible_collections.moefleet.serving.plugins.module_utils.pages.plan_page import render
from ansible_collections.moefleet.serving.plugins.module_utils.pages.plan_rates import value_at
from ansible_collections.moefleet.serving.plugins.module_utils.pages.plan_serve import MASK, command
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.tests.unit.pages.chromium import PROGRAM, Chromium
from ansible_collections.moefleet.serving.tests.unit.pages.outline import Outline
from ansible_collections.moefleet.serving.tests.unit.planner.conftest import REFERENCE, changed

OBJECTIVES = [
    {"metric": "decode_tokens_s", "at_least": 50000},
    {"name": "<b>first</b> token", "metric": "ttft_ms", "at_most": 800},
    {"metric": "memory_used_fraction", "at_most": 0.9},
]
COMMANDS = {
    f"node-{place}": (
        "VLLM_API_KEY=sesame vllm serve deepseek-ai/DeepSeek-V3 --data-parallel-size 32 --data-parallel-size-local 8"
        f" --data-parallel-address 192.168.1.10 --enable-expert-parallel --api-key opensesame {role}"
    )
    for place, role in enumerate(("", *(f"--headless --data-parallel-start-rank {8 * n}" for n in (1, 2, 3))))
}
CLAIM = {"section": "3.3.2, A.4", "claim": "a & b", "unit": "GB", "document": [1.0, 2.5], "derived": 3, "reason": "so"}
# Everything at once, once for all tests: the search takes a second.
FULL: dict[str, Any] = make_plan(
    changed(
        REFERENCE,
        {
            "objectives": OBJECTIVES,
            "stack": {"profile": "cuda12_8", "driver": "570.1", "distribution": "ubuntu22.04"},
            "commands": COMMANDS,
        },
    )
).as_dict()
FULL["document_check"] = [{**CLAIM, "verdict": verdict} for verdict in ("holds", "wrong", "not_shown", "new & odd")]
REFUSED = make_plan(changed(REFERENCE, {"precision": "bf16"})).as_dict()


def words(page: str) -> str:
    """The text of a page, in one line."""
    body = re.sub(r"<style>.*?</style>|<title>.*?</title>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def top(page: str) -> str:
    """What stands before the sections."""
    return words(page[: page.index("<nav")])


def test_the_headline_has_the_figures_of_the_json() -> None:
    said = top(render(FULL))
    performance, rank = FULL["performance"], FULL["memory"]["per_rank"]
    decode = performance["decode_tokens_s"]
    assert f"{decode['likely']:,.0f} tokens/s {decode['low']:,.0f} to {decode['high']:,.0f}" in said
    assert f"bound {decode['bound']:,.0f}" in said
    assert f"{performance['ttft_ms']['likely']:,.0f} ms" in said
    assert f"{performance['tpot_ms']['likely']:,.0f} ms" in said
    assert f"of {rank['budget_bytes'] / 2**30:,.1f} GiB" in said
    assert f"{rank['headroom_bytes'] / 2**30:,.1f} GiB to spare" in said
    assert FULL["alternatives"][0]["layout"] in said
    assert "DP32 TP1 EP32 +32 experts fp8 · vllm 0.19.1 · 4 hosts x 8 H20-96G · 200 sessions" in said


def test_objectives_have_verdict_and_margin() -> None:
    said = top(render(FULL))
    for item in FULL["objectives"]:
        assert f"{item['verdict']}" in said
        assert f"{100 * item['margin']:+.1f} %" in said
    assert "decode at least 50,000 tokens/s" in said
    assert "<b>first</b> token" in said


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({}, "pass", "Fits"),
        ({"objectives": [{"verdict": "met"}, {"verdict": "not met"}]}, "warn", "Fits, but misses 1 of 2 objectives"),
        ({"objectives": [{"verdict": "uncertain"}]}, "warn", "Fits; 1 objective uncertain"),
        ({"memory": {"per_rank": {"fits": False}}}, "fail", "Does not fit"),
        ({"memory": None}, "unknown", "Not judged"),
        ({"findings": [{"severity": "error"}]}, "fail", "No plan"),
    ],
)
def test_the_verdict(change: dict[str, Any], verdict: str, said: str) -> None:
    assert judged({"memory": {"per_rank": {"fits": True}}, **change})[:2] == (verdict, said)


def test_a_plan_with_errors_says_so_first() -> None:
    page = render(REFUSED)
    Outline(page)
    assert "Does not fit" in top(page)
    first = page[page.index("<nav") :]
    assert first.index('id="findings"') < first.index('id="memory"')
    for item in REFUSED["findings"]:
        assert html.escape(item["message"]) in page
        assert html.escape(item["fix"]) in page
    assert "What would make it fit" in page
    assert all(html.escape(remedy["text"]) in page for remedy in REFUSED["memory"]["per_rank"]["remedies"])


@pytest.mark.parametrize("name", sorted(FULL))
@pytest.mark.parametrize("nothing", [None, {}, []])
def test_every_part_is_optional(name: str, nothing: Any) -> None:
    Outline(render({**FULL, name: nothing}))
    Outline(render({key: value for key, value in FULL.items() if key != name}))
    Outline(render({name: FULL[name]}))


def test_nothing_makes_a_page_and_so_does_a_wrong_input() -> None:
    assert "Not judged" in render({})
    wrong = make_plan({"cluster": 3}).as_dict()
    assert "No plan" in top(render(wrong))


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in items for found in _paths(item, (*path, key)))]


PATHS = [path for path in _paths(FULL) if path]


@given(st.sets(st.sampled_from(PATHS), min_size=1, max_size=6), st.sampled_from([None, 0, "", "<i>", [], {}, 1e9]))
def test_any_value_may_be_missing_or_odd(paths: set[tuple[Any, ...]], odd: Any) -> None:
    plan = json.loads(json.dumps(FULL))
    for path in sorted(paths, key=len, reverse=True):
        holder = plan
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = odd
    page = render(plan)
    Outline(page)
    assert "<i>" not in page


def _hostile(value: Any) -> Any:
    """Every text and name of the data with markup around it."""
    if isinstance(value, dict):
        return {key: _hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hostile(item) for item in value]
    return f"\"'><script>alert('{value}')</script>&" if isinstance(value, str) else value


def test_names_are_escaped() -> None:
    plan = _hostile(FULL)
    bad = "<img src=x onerror=alert(1)>"
    for key in ("serve", "by_port_rate"):
        plan[key] = {f"{bad}{name}": value for name, value in plan[key].items()}
    plan["commands"]["hosts"] = {f"{bad}{name}": value for name, value in plan["commands"]["hosts"].items()}
    plan["network"]["port_bytes_per_token"] = {bad: 1}
    plan["memory"]["per_rank"]["components"] = {bad: 1e10}
    page = render(plan)
    assert "<script" not in page
    assert "<img" not in page
    Outline(page).assert_needs_nothing_else()


def test_the_page_needs_nothing_else() -> None:
    page = render(FULL)
    parsed = Outline(page)
    parsed.assert_needs_nothing_else()
    assert "@import" not in page
    assert "url(" not in page
    ids = [attributes["id"] for unused, attributes in parsed.tags if "id" in attributes]
    links = [str(attributes["href"])[1:] for tag, attributes in parsed.tags if tag == "a"]
    assert len(ids) == len(set(ids))
    assert links
    assert set(links) <= set(ids)


def test_pictures_have_titles_and_stay_inside() -> None:
    page = render(FULL)
    pictures = re.findall(r'<svg class="(?:strip|area)".*?>(.*?)<', page)
    assert len(pictures) > 40
    assert re.findall(r'<svg class="(?:strip|area)"[^>]*role="img" aria-label="[^"]', page)
    places = [float(place) for place in re.findall(r'(?:x|x1|x2|cx)="([\d.]+)%"', page)]
    assert max(places) <= 100


def test_all_sections_are_there() -> None:
    said = words(render(FULL))
    for item in (*FULL["contingencies"], *FULL["bring_up"]):
        assert item["name"] in said
    for item in FULL["explain"]:
        assert item["quantity"] in said
        assert " ".join(item["arithmetic"].split()) in said
    for item in FULL["alternatives"]:
        assert item["layout"] in said
    assert all(item in said for item in FULL["not_modelled"])
    assert all(item["reason"] in said for item in FULL["alternatives"])
    assert all(item["input"] in said for item in FULL["sensitivity"])
    assert f"as fast from {FULL['wins_from_nic_gbit_s']:.3g} Gb/s" in said
    assert all(check["reason"] in said for check in FULL["stack"]["checks"])


def test_every_kind_of_layout_has_a_row_with_its_figures_and_what_forbids_it() -> None:
    said = words(render(FULL))
    for item in FULL["layouts"]:
        planned = " planned" if item["chosen"] else ""
        assert f"{item['kind']}{planned} {item['layout']} {item['decode_tokens_s']['likely']:,.0f}" in said
        assert item["fits"] or f"✗ no {item['reason']}" in said
    without = {**FULL, "alternatives": [], "layouts": [{"kind": "replicas", "chosen": False, "reason": "too <few>"}]}
    assert "replicas - unknown" in words(render(without))
    assert "too <few>" in words(render(without))


def test_claims_are_by_chapter_with_their_verdicts() -> None:
    page = render(FULL)
    said = words(page)
    assert "The document, checked: 4 claims" in said
    assert "3.3 : ✗ 1 wrong · ? 1 not shown · ✓ 1 holds · ? 1 new & odd" in said
    assert "3.3.2, A.4 a & b 1 2.5 GB 3 GB so" in said


def test_secrets_are_not_on_the_page() -> None:
    plan = make_plan(
        changed(
            REFERENCE,
            {
                "engine.environment": {
                    "HF_TOKEN": "hush-1",
                    "AWS_SECRET_ACCESS_KEY": "hush-2",
                    "db_password": "hush-3",
                },
                "engine.arguments": {"api-key": "hush-4", "max-num-batched-tokens": 4096},
                "commands": COMMANDS,
            },
        )
    ).as_dict()
    page = render(plan)
    assert "hush-1" in json.dumps(plan)
    assert "hush-4" in json.dumps(plan)
    assert not re.findall(r"hush-\d|sesame", page)
    assert "--max-num-batched-tokens 4096" in page


def test_a_command_can_be_copied() -> None:
    host = {
        "env": {"A": "1 2", "B_KEY": "x"},
        "argv": ["vllm", "serve", "m o", "--on", "--x", '{"a": 1, "api_key": "y"}', "--hf-token=z", "--port", "80"],
    }
    assert command(host).split(" \\\n") == [
        "A='1 2'",
        f"B_KEY={MASK}",
        "vllm serve 'm o'",
        "  --on",
        f"""  --x '{{"a": 1, "api_key": "{MASK}"}}'""",
        f"  --hf-token={MASK}",
        "  --port 80",
    ]


def test_a_curve_is_read_between_its_points() -> None:
    points = [(1.0, 10.0), (100.0, 1000.0)]
    assert value_at(points, 10.0) == pytest.approx(100.0)
    assert value_at(points, 100.0) == pytest.approx(1000.0)
    assert value_at(points, 101.0) is None


@pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine")
def test_a_browser_shows_and_prints_it(tmp_path: Path) -> None:
    pages = {"full": FULL, "refused": REFUSED, "empty": {}}
    with Chromium() as browser:
        for name, plan in pages.items():
            page = tmp_path / f"{name}.html"
            page.write_text(render(plan), encoding="utf-8")
            for width in (1280, 390):
                browser.open(page, width, dark=width == 390)
                wide = browser.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, f"{name} is {wide} wide in a window of {width}"
            assert browser.pdf().startswith(b"%PDF-")
        assert browser.complaints == []
