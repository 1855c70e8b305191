# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Checks a user's own claims, such as a vendor's plan, against what the planner derives for the same conditions.

Where the planner's figure is an estimate, its range decides: a claim of ``at_least`` holds where even the low end
reaches it, is not shown within the range, and is wrong above it. Beyond what physics allows it is impossible, with what
stands in the way.
"""

from __future__ import annotations

import math
from typing import Any

from ..findings import Finding, error, warning
from ..performance.performance import Range
from .claims import HOLDS, IMPOSSIBLE, INCONSISTENT, NOT_SHOWN, WRONG, Check
from .document import check_document
from .formula import number
from .quantities import QUANTITIES, Quantity
from .reach import reach
from .reading import AT_LEAST, AT_MOST, GivenClaim, read_claims
from .subject import Subject
from .units import UNITS, converted

_TIMES = ("s", "ms")


def check_claims(raw: Any, subject: Subject | None, findings: list[Finding]) -> list[Check]:
    """Check the input ``claims``; without a subject it is only read. What is wrong with it goes to ``findings``, as
    does a summary of the user's claims that are not borne out.
    """
    given = read_claims(raw, findings)
    if subject is None:
        return []
    checks = []
    for claim in given.claims:
        stages = claim.conditions.get("pipeline", 1)
        if stages > len(subject.model.layers):
            layers = len(subject.model.layers)
            findings.append(
                error("claims.stages", f"{claim.claim}: pipeline {stages} of {layers} layers", "fewer stages")
            )
            continue
        checks.append(_check(claim, subject))
    failed = [item for item in checks if item.verdict in (WRONG, IMPOSSIBLE, INCONSISTENT)]
    if failed:
        listed = "; ".join(f"{item.claim} ({item.verdict})" for item in failed)
        findings.append(
            warning(
                "claims.not_borne_out",
                f"{len(failed)} of {len(checks)} claims are not borne out: {listed}",
                "see document_check in the plan",
            )
        )
    return (check_document(subject) if given.document else []) + checks


def _check(claim: GivenClaim, subject: Subject) -> Check:
    quantity, asked = QUANTITIES[claim.quantity], subject.under(claim.conditions)
    value = claim.value
    if quantity.unit in UNITS:
        value = converted(claim.value, claim.unit, quantity.unit)
    right = quantity.of(asked)
    reproduced = None if claim.arithmetic is None else number(claim.arithmetic)
    verdict, reason = _judged(claim, quantity, asked, value, right)
    if reproduced is not None and not math.isclose(reproduced, claim.value, rel_tol=claim.tolerance):
        reason = f"its own arithmetic gives {reproduced:.6g}" + (f"; {reason}" if reason else "")
        verdict = verdict if verdict == IMPOSSIBLE else INCONSISTENT
    return Check(
        section=claim.section,
        claim=claim.claim,
        document=claim.value,
        derived=_shown(right, quantity, claim),
        verdict=verdict,
        reason=reason,
        reproduced=reproduced,
        unit=claim.unit,
        assumption=", ".join(f"{name} {value}" for name, value in claim.conditions.items()),
    )


def _shown(right: float | None, quantity: Quantity, claim: GivenClaim) -> float | None:
    if right is None:
        return None
    return float(f"{converted(right, quantity.unit, claim.unit) if quantity.unit in UNITS else right:.6g}")


def _judged(
    claim: GivenClaim, quantity: Quantity, asked: Subject, value: float, right: float | None
) -> tuple[str, str]:
    if right is None:
        return NOT_SHOWN, f"{claim.quantity} cannot be derived: the input lacks a rate or a size that it takes"
    if _impossible(claim, quantity, asked, value):
        limit = QUANTITIES[quantity.limit].of(asked) if quantity.limit else None
        beyond = "at least" if quantity.unit in _TIMES else "at most"
        return IMPOSSIBLE, "; ".join(
            part
            for part in (f"{beyond} {limit:,.4g} {quantity.unit}".strip(), reach(asked, claim.quantity, value))
            if part
        )
    expected = quantity.expected(asked) if quantity.expected is not None else None
    if expected is not None:
        return _within(claim, quantity.unit, value, expected)
    if claim.relation == AT_LEAST:
        return (HOLDS if right >= value else WRONG), ""
    if claim.relation == AT_MOST:
        return (HOLDS if right <= value else WRONG), ""
    return (HOLDS if math.isclose(value, right, rel_tol=claim.tolerance) else WRONG), ""


def _impossible(claim: GivenClaim, quantity: Quantity, asked: Subject, value: float) -> bool:
    """Beyond the limit by more than the tolerance; a claim in the other direction may be."""
    limit = QUANTITIES[quantity.limit].of(asked) if quantity.limit else None
    if limit is None:
        return False
    if quantity.unit in _TIMES:
        return claim.relation != AT_LEAST and value < limit * (1 - claim.tolerance)
    return claim.relation != AT_MOST and value > limit * (1 + claim.tolerance)


def _within(claim: GivenClaim, unit: str, value: float, expected: Range) -> tuple[str, str]:
    reason = (
        f"services of this kind reach {expected.low:,.4g} to {expected.high:,.4g} {unit}, likely {expected.likely:,.4g}"
    )
    if claim.relation == AT_LEAST:
        verdict = HOLDS if value <= expected.low else NOT_SHOWN if value <= expected.high else WRONG
    elif claim.relation == AT_MOST:
        verdict = HOLDS if value >= expected.high else NOT_SHOWN if value >= expected.low else WRONG
    else:
        near = expected.low * (1 - claim.tolerance) <= value <= expected.high * (1 + claim.tolerance)
        verdict = HOLDS if near else WRONG
    return verdict, reason
