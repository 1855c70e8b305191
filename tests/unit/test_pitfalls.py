"""Every known pitfall has a test that exists, or a reason why it needs none."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| ([A-Z]\d\d[a-z]?) \| (.+?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
REFERENCE = re.compile(r"^`(\S+\.py)::(test_\w+)`$")
ROWS = {match[0]: match[1:] for match in ROW.findall((ROOT / "docs" / "pitfalls.md").read_text(encoding="utf-8"))}


def test_every_pitfall_is_on_the_page_once() -> None:
    with (ROOT / "tests" / "data" / "pitfalls.csv").open(encoding="utf-8", newline="") as file:
        known = [row["id"] for row in csv.DictReader(file)]
    text = (ROOT / "docs" / "pitfalls.md").read_text(encoding="utf-8")
    assert sorted(match[0] for match in ROW.findall(text)) == sorted(known)


@pytest.mark.parametrize("pitfall", ROWS)
def test_it_has_a_test_or_a_reason(pitfall: str) -> None:
    _wrong, done, reference = ROWS[pitfall]
    if not reference:
        assert done.startswith("- "), f"{pitfall} has neither a test nor a reason that begins with a dash"
        return
    found = REFERENCE.match(reference)
    assert found, f"{pitfall}: {reference} is no test"
    file = ROOT / "tests" / found[1]
    assert file.is_file(), f"{pitfall}: there is no {found[1]}"
    assert f"def {found[2]}(" in file.read_text(encoding="utf-8"), f"{pitfall}: {found[1]} has no {found[2]}"
