"""Write the tables of docs/acceptance.md: the figures that a deployment is accepted by, and the document's thresholds.

``--check`` writes nothing and fails when the page is not what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "acceptance.md"
sys.path.insert(0, str(REPOSITORY / "collections"))

from ansible_collections.moefleet.serving.plugins.module_utils.pages.quantities import figure  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import (  # noqa: E402
    ACCEPTANCES,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.document import ROWS  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.model import (  # noqa: E402
    AT_MOST,
    PHASES,
    Acceptance,
    Threshold,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.floors import floor_of  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.verification.limits import (  # noqa: E402
    Choice,
    limits_of,
)
from ansible_collections.moefleet.serving.scripts.document_check import REFERENCE  # noqa: E402
from ansible_collections.moefleet.serving.scripts.generated import filled, table, write  # noqa: E402


def reference_plan() -> dict[str, Any]:
    """Return the plan of the reference cluster as the document has it."""
    return make_plan({name: value for name, value in REFERENCE.items() if name != "claims"}).as_dict()


def shown(threshold: Threshold, entry: Acceptance) -> str:
    """Return a threshold in short: expected, warning, failure."""
    sign = "≤" if entry.better == AT_MOST else "≥"
    numbers = (threshold.expected, threshold.warn, threshold.fail)
    if threshold.expected is not None and threshold.expected == threshold.fail:
        return f"{threshold.source}: {sign} {figure(threshold.expected)}"
    return f"{threshold.source}: {sign} " + " / ".join("-" if value is None else figure(value) for value in numbers)


def figures(phase: str, plan: dict[str, Any]) -> str:
    """Return the table of one phase's figures."""
    rows = []
    for entry in (entry for entry in ACCEPTANCES if entry.phase == phase):
        floor = floor_of(entry, plan)
        limits = limits_of(entry, plan, Choice())
        judged = shown(limits.threshold, entry) if limits.asked is not None and limits.threshold is not None else ""
        rows.append(
            [
                f"`{entry.id}`",
                entry.title,
                entry.unit,
                "<br>".join(shown(threshold, entry) for threshold in entry.thresholds),
                f"{figure(floor.value)}: {floor.derivation}" if floor is not None else "",
                judged,
            ]
        )
    return table(["id", "figure", "unit", "source: expected / warning / failure", "floor", "judged by"], rows)


def document() -> str:
    """Return the table of the document's thresholds."""
    return table(["§", "the document", "check"], [[row.section, row.text, f"`{row.check}`"] for row in ROWS])


def page(text: str) -> str:
    """Return the page with its generated parts replaced."""
    plan = reference_plan()
    parts = {**{phase: figures(phase, plan) for phase in PHASES}, "document": document()}
    return filled(text, parts, PAGE.name)


def main() -> int:
    """Write the page, or with ``--check`` say whether it is out of date."""
    wanted = page(PAGE.read_text(encoding="utf-8"))
    return write(PAGE, wanted, f"{len(ACCEPTANCES)} figures, {len(ROWS)} rows of the document")


if __name__ == "__main__":
    sys.exit(main())
