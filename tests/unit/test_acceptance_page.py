"""The page on the acceptance figures is what the catalogue says."""

from __future__ import annotations

import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES
from ansible_collections.moefleet.serving.plugins.module_utils.verification.limits import Choice
from ansible_collections.moefleet.serving.scripts import acceptance


def test_the_pages_tables_are_current() -> None:
    text = acceptance.PAGE.read_text(encoding="utf-8")
    assert acceptance.page(text) == text, "python scripts/acceptance.py"


def test_every_figure_is_on_the_page() -> None:
    text = acceptance.PAGE.read_text(encoding="utf-8")
    assert [entry.id for entry in ACCEPTANCES if f"| `{entry.id}` |" not in text] == []


def test_the_pages_examples_can_be_read() -> None:
    example = acceptance.PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    first, rest = example.split("\n", 1)
    for text in (f"{first}\n{rest.split(chr(10), 1)[1]}", rest):
        given = yaml.safe_load(text)
        choice = Choice.read(ACCEPTANCES, given["verify_threshold_sources"], given["verify_thresholds"])
        assert choice.overrides
        assert choice.order or choice.by_check
