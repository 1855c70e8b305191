# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The checks as JUnit XML, which every CI server shows: a test case for each check.

Failed is a failure, unknown an error, not applicable skipped. A warning passes and says what it is about.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from ...evidence.result import FAIL, NOT_APPLICABLE, UNKNOWN, WARN
from .reading import Entry, where

# What XML 1.0 can't hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENTS = {FAIL: "failure", UNKNOWN: "error", NOT_APPLICABLE: "skipped"}


def render(report: Entry) -> str:
    """Return the report's checks as one document, a suite for each section."""
    checks = report["checks"]
    root = ElementTree.Element("testsuites", {"name": "moefleet verification", **_counted(checks)})
    for section in dict.fromkeys(check["section"] for check in checks):
        own = [check for check in checks if check["section"] == section]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            {"name": _clean(section), "timestamp": _clean(report["generated_at"]), **_counted(own)},
        )
        for check in own:
            _case(suite, check)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _counted(checks: list[Entry]) -> dict[str, str]:
    def number(verdict: str) -> str:
        return str(sum(check["verdict"] == verdict for check in checks))

    return {
        "tests": str(len(checks)),
        "failures": number(FAIL),
        "errors": number(UNKNOWN),
        "skipped": number(NOT_APPLICABLE),
    }


def _case(suite: ElementTree.Element, check: Entry) -> None:
    rank = "" if check["rank"] is None else f", {check['rank']}"
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": _clean(f"moefleet.{check['section']}.{check['id']}"),
            "name": _clean(f"{check['title']} [{where(check)}{rank}]"),
        },
    )
    told = "\n".join(f"{name}: {check[key]}" for name, key in _TOLD if check[key] not in ("", None))
    kind = _ELEMENTS.get(check["verdict"])
    if kind is not None:
        element = ElementTree.SubElement(case, kind, {"message": _clean(check["reason"] or check["observed"])})
        element.text = _clean(told)
        if kind != "skipped":
            element.set("type", check["id"])
    elif check["verdict"] == WARN or check["value"] is not None:
        ElementTree.SubElement(case, "system-out").text = _clean(
            ("warning\n" if check["verdict"] == WARN else "") + told
        )


_TOLD = (
    ("expected", "expected"),
    ("found", "observed"),
    ("why", "reason"),
    ("what to do", "fix"),
    ("by hand", "command"),
    ("threshold from", "source"),
)


def _clean(value: object) -> str:
    return _FORBIDDEN.sub("\ufffd", str(value))
