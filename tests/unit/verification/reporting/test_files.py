"""The report's files: their form, and that each says what the checks say."""

from __future__ import annotations

import copy
import json
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting import (
    junit,
    markdown,
    reading,
    schema,
    write,
)
from ansible_collections.moefleet.serving.tests.unit.verification.reporting import sample


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """All files of the sample."""
    return write.files(sample.judged(0, wrong=True), sample.earlier_runs())


def test_all_files(files: dict[str, str]) -> None:
    assert set(files) == {
        "report.json",
        "report.html",
        "report.md",
        "junit.xml",
        "history/20260303T110000Z.json",
    }


def test_the_schema_is_one_and_the_report_is_of_it(files: dict[str, str]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema.JSON_SCHEMA)
    report = json.loads(files["report.json"])
    jsonschema.validate(report, schema.JSON_SCHEMA)
    schema.demand(report)
    assert report["schema"] == "moefleet.verify/2"


def test_a_service_without_measurements_is_of_the_schema(service: Any) -> None:
    for missing in ("probe", "bench"):
        setattr(service, missing, None)
    report = json.loads(write.files(service.document())["report.json"])
    jsonschema.validate(report, schema.JSON_SCHEMA)


def paths(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a structure."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(path for name, inner in items for path in paths(inner, (*place, name)))]


SMALL = json.loads(json.dumps(write.finished(sample.judged(0, wrong=True), sample.earlier_runs(1))))
for _name, _keep in (("checks", 3), ("measurements", 2), ("predictions", 2)):
    SMALL[_name] = SMALL[_name][:_keep]
for _name in ("worse", "new_failures", "series"):
    SMALL["history"][_name] = SMALL["history"][_name][:1]
PLACES = [path for path in paths(SMALL) if path]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 40), st.floats(-2, 9), st.sampled_from(["", "x", "pass"]), st.just([])
)


@given(st.sampled_from(PLACES), VALUES, st.booleans())
def test_the_small_check_says_what_the_whole_validator_says(path: tuple[Any, ...], value: Any, drop: bool) -> None:
    changed = copy.deepcopy(SMALL)
    inner: Any = changed
    for name in path[:-1]:
        inner = inner[name]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    valid = jsonschema.Draft202012Validator(schema.JSON_SCHEMA).is_valid(changed)
    assert valid == (list(schema.problems(changed)) == [])


def test_a_wrong_report_is_not_written() -> None:
    wrong = sample.judged(0, wrong=True)
    wrong["checks"][0]["verdict"] = "maybe"
    with pytest.raises(schema.SchemaError, match=r"report\.checks\[0\]\.verdict is 'maybe'"):
        write.files(wrong)


def test_junit_has_a_case_for_each_check(files: dict[str, str]) -> None:
    report = json.loads(files["report.json"])
    root = ElementTree.fromstring(files["junit.xml"])
    cases = list(root.iter("testcase"))
    assert len(cases) == len(report["checks"]) == int(root.attrib["tests"])
    kinds = {"fail": "failure", "unknown": "error", "not applicable": "skipped"}
    for verdict, kind in kinds.items():
        assert len(list(root.iter(kind))) == report["counts"][verdict] > 0
    for attribute, verdict in (("failures", "fail"), ("errors", "unknown"), ("skipped", "not applicable")):
        assert sum(int(suite.attrib[attribute]) for suite in root) == report["counts"][verdict]
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(set(names)) == len(names)
    slow = next(case for case in cases if case.find("failure") is not None and "node-1 → node-3" in case.attrib["name"])
    failure = slow.find("failure")
    assert failure is not None
    assert "what to do: Look at the cable" in str(failure.text)
    assert "by hand: ssh node-1" in str(failure.text)


@given(st.text(), st.text())
def test_junit_holds_whatever_a_tool_printed(reason: str, observed: str) -> None:
    checks = [sample.check("x", observed, reason, verdict="fail", reason=reason, observed=observed)]
    root = ElementTree.fromstring(
        junit.render({"checks": checks, "generated_at": "2026-03-03T11:00:00+00:00"}).encode("utf-8")
    )
    assert len(list(root.iter("failure"))) == 1


def test_markdown_says_the_verdict_and_every_failure(files: dict[str, str]) -> None:
    text = files["report.md"]
    assert text.startswith("# Verification of deepseek-v3\n")
    assert "**✗ fail**: 156 checks: 4 failed, 1 unknown" in text
    for words in (
        "rank 21 is not running",
        "node-1 → node-3",
        "`ssh node-1 ib_bandwidth",
        "| network | 44 | 1 | 1 | 2 |",
    ):
        assert words in text
    assert "outside" not in text
    assert "worse: RDMA bandwidth, 1 MiB, node-1 → node-3: 23 → 5.9" in text


def test_markdown_takes_text_for_text() -> None:
    report = write.finished(sample.judged(0, wrong=False))
    odd = {**report, "checks": [sample.check("x", "s", "t", verdict="fail", reason="a|b\n# *c* <d> `e`")]}
    line = next(line for line in markdown.render(odd).splitlines() if line.startswith("- "))
    assert r"a\|b \# \*c\* \<d> \`e\`" in line
    fixed = {**odd, "checks": [{**odd["checks"][0], "fix": "See `x | y` <b>, `z`."}]}
    assert r"  - See `x | y` \<b>, `z`." in markdown.render(fixed).splitlines()


@pytest.mark.parametrize(
    ("check", "better", "objective"),
    [
        ({"id": "x", "expected": "at most 1,500 ms", "unit": "ms"}, "at most", 1500.0),
        ({"id": "x", "expected": "At least 2.5e3 tokens/s", "unit": "tokens/s"}, "at least", 2500.0),
        ({"id": "x", "expected": "no objective", "unit": "us"}, "at most", None),
        ({"id": "x", "expected": "no objective", "unit": "Gbit/s"}, "at least", None),
        ({"id": "rdma_bandwidth_1mb", "expected": "", "unit": "us"}, "at least", None),
    ],
)
def test_which_way_is_better(check: dict[str, Any], better: str, objective: float | None) -> None:
    assert reading.better(check) == better
    assert reading.objective(check) == objective
