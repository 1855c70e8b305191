"""The page on the checked document is what the data say."""

from __future__ import annotations

import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.reading import read_claims
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.scripts import document_check


def test_the_pages_tables_are_current() -> None:
    text = document_check.PAGE.read_text(encoding="utf-8")
    assert document_check.page(text) == text, "make docs"


def test_the_pages_example_can_be_read() -> None:
    text = document_check.PAGE.read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    findings: list[Finding] = []
    assert len(read_claims(yaml.safe_load(example), findings).claims) == 4
    assert not findings
