"""docs/evidence.md: every tool and every key of its context is in the table."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "evidence.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("` "): cells
    for line in PAGE.partition("## Tools")[2].splitlines()
    if line.startswith("| `")
    for cells in [[cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]]
}


def test_every_tool_is_a_row_and_no_other() -> None:
    assert sorted(ROWS) == sorted(registry.TOOLS)


def test_every_key_of_a_context_is_in_its_row() -> None:
    for name, tool in registry.TOOLS.items():
        named = set(re.findall(r"`([^`]+)`", ROWS[name][3]))
        assert set(tool.context) == {key for key in named if re.match(r"^\w+$", key)}, name
