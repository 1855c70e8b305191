"""The page on the checked document is what the data say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.reading import read_claims
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("document_check", REPOSITORY / "scripts" / "document_check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_pages_tables_are_current(script: ModuleType) -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    assert script.page(text) == text, "make docs"


def test_the_pages_example_can_be_read(script: ModuleType) -> None:
    text = script.PAGE.read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    findings: list[Finding] = []
    assert len(read_claims(yaml.safe_load(example), findings).claims) == 4
    assert not findings
