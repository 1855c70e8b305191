"""Write the tables of docs/document_check.md: what a claim can be about, and what the reference document says.

``--check`` writes nothing and fails when the page is not what would be written.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "document_check.md"
sys.path.insert(0, str(REPOSITORY / "collections"))

from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.claims import (  # noqa: E402
    HOLDS,
    NOT_SHOWN,
    Check,
    tally,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.quantities import QUANTITIES  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.planner.claims.subject import CONDITIONS  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan  # noqa: E402
from ansible_collections.moefleet.serving.scripts.generated import filled, table, write  # noqa: E402

# The document's cluster and its plan here, as in inventory/h20.
REFERENCE: dict[str, Any] = {
    "cluster": {
        "hosts": [f"node-{index}" for index in range(4)],
        "gpus_per_host": 8,
        "gpu": "H20-96G",
        "nic_gbit_s": 25,
    },
    "model": "deepseek-v3",
    "parallel": {"data": 32, "redundant_experts": 32},
    "engine": {"version": "0.19.1", "gpu_memory_utilization": 0.9, "max_model_len": 32768},
    "workload": {"sessions": 200, "input_tokens": 512},
    "search": {"enabled": False},
    "claims": "document",
}


def shown(value: Any) -> str:
    """Return a figure as a reader would write it."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value)
    if isinstance(value, (int, float)):
        return f"{value:,.5g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return str(value)


def quantities() -> str:
    """Return the table of what a claim can be about."""
    rows = []
    for name, item in QUANTITIES.items():
        kind = "estimate with a range" if item.expected else "physical bound" if item.limit else ""
        rows.append([f"`{name}`", item.unit, item.meaning, kind])
    return table(["quantity", "unit", "meaning", ""], rows)


def conditions() -> str:
    """Return the conditions with their types."""
    words = {int: "whole number", float: "number", str: "word"}
    return ", ".join(f"`{name}` ({words[kind]})" for name, kind in CONDITIONS.items())


def document_checks() -> list[Check]:
    """Return the reference document's checks on its own cluster."""
    return list(make_plan(REFERENCE).document_check)


def claims(checks: list[Check]) -> str:
    """Return the table of what is not so."""
    rows = [
        [
            item.section,
            item.claim,
            f"{shown(item.document)} {item.unit}".strip(),
            shown(item.reproduced),
            shown(item.derived),
            item.verdict,
            item.reason,
        ]
        for item in checks
        if item.verdict not in (HOLDS, NOT_SHOWN)
    ]
    return table(["§", "claim", "document", "its arithmetic", "derived", "verdict", "why"], rows)


def others(checks: list[Check], verdict: str) -> str:
    """Return claims of one verdict as a list."""
    return "\n".join(
        f"* {item.section}: {item.claim}, {shown(item.document)} {item.unit}".rstrip()
        for item in checks
        if item.verdict == verdict
    )


def page(text: str) -> str:
    """Return the page with its generated parts replaced."""
    checks = document_checks()
    parts = {
        "quantities": quantities(),
        "conditions": conditions(),
        "tally": ", ".join(f"{count} `{verdict}`" for verdict, count in tally(checks).items()),
        "claims": claims(checks),
        "holds": others(checks, HOLDS),
        "not shown": others(checks, NOT_SHOWN),
    }
    return filled(text, parts, PAGE.name)


def main() -> int:
    """Write the page, or with ``--check`` say whether it is out of date."""
    wanted = page(PAGE.read_text(encoding="utf-8"))
    return write(PAGE, wanted, json.dumps(tally(document_checks())))


if __name__ == "__main__":
    sys.exit(main())
