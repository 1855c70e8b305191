# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Claims about a service, each checked against what the planner derives.

A claim has the figures as they were printed, the arithmetic they came from where there is any, and a formula over the
planner's quantities for the right ones. The verdict is computed:

* ``impossible``: a rate above what physics allows, or a time below it;
* ``inconsistent``: the figures don't follow from the claim's own arithmetic, or contradict each other or another place;
* ``wrong``: the arithmetic may be sound, but what it starts from is not;
* ``holds``: the derived figure is the same within the tolerance;
* ``not_shown``: nothing follows from what is given, or it is no more than not impossible.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Union

from .formula import Lookup, UnknownError, Value, evaluate, filled, number

HOLDS, WRONG, INCONSISTENT, IMPOSSIBLE, NOT_SHOWN = "holds", "wrong", "inconsistent", "impossible", "not_shown"
VERDICTS = (HOLDS, WRONG, INCONSISTENT, IMPOSSIBLE, NOT_SHOWN)

# How a printed figure relates to the derived one.
EQUAL = "equal"  # the same within the tolerance
CEILING = "ceiling"  # the derived figure is what a rate cannot pass
FLOOR = "floor"  # the derived figure is what a time cannot fall below
AT_LEAST = "at_least"  # the claim is that there is at least as much as printed
AT_MOST = "at_most"  # the claim is that there is at most as much as printed

# Whether a claim is about the model alone, about any cluster of as many devices, or about the very devices.
MODEL, SIZE, DEVICE = "model", "size", "device"
TOLERANCE = 0.02

Figures = Union[float, str, list[Union[float, str]], None]


@dataclass(frozen=True)
class Claim:
    """``document`` are the printed figures with their digits, ``own`` the arithmetic that gives each of them from the
    claim's own numbers, ``derived`` the formula for each (or one for all) over the planner's quantities.

    ``reason`` may have placeholders ``{formula:format}``. ``contradicts`` marks figures that follow from their
    arithmetic but not from what is said elsewhere; ``assumption`` is what the figures rest on. ``scope`` says on which
    clusters the claim means the same. A claim can never be told to hold, only be found to.
    """

    section: str
    claim: str
    document: tuple[str, ...]
    unit: str = ""
    assumption: str = ""
    own: tuple[str, ...] = ()
    derived: tuple[str, ...] = ()
    reason: str = ""
    relation: str = EQUAL
    tolerance: float = TOLERANCE
    contradicts: bool = False
    scope: str = MODEL


@dataclass(frozen=True)
class Check:
    """A claim's result. Figures are numbers, texts where they are releases, lists where there are several, and ``None``
    where there is nothing to tell.
    """

    section: str
    claim: str
    document: Figures
    derived: Figures
    verdict: str
    reason: str
    reproduced: Figures
    unit: str
    assumption: str

    def as_dict(self) -> dict[str, Any]:
        """A row of ``plan.document_check``."""
        return asdict(self)


def check(claim: Claim, lookup: Lookup) -> Check:
    """Reproduce a claim's figures, derive the right ones and judge."""
    reproduced = [number(formula) for formula in claim.own]
    missing = ""
    derived: list[Value] = []
    try:
        derived = [evaluate(formula, lookup) for formula in claim.derived]
    except UnknownError as problem:
        missing = f"{problem}. " if claim.reason else str(problem)
    verdict = _verdict(claim, reproduced, derived)
    arithmetic = "; ".join(dict.fromkeys(claim.own))
    return Check(
        section=claim.section,
        claim=claim.claim,
        document=_figures([printed(text) for text in claim.document]),
        derived=_figures([_rounded(value) for value in derived]),
        verdict=verdict,
        reason=(missing + filled(claim.reason, lookup)).strip(),
        reproduced=_figures([_rounded(value) for value in reproduced]),
        unit=claim.unit,
        assumption=f"{claim.assumption} ({arithmetic})" if claim.assumption and arithmetic else claim.assumption,
    )


def printed(text: str) -> Value:
    """A printed figure: a number with or without thousands' commas, else the text itself."""
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return text


def same_digits(text: str, value: float) -> bool:
    """Whether a value rounds to a printed figure, to the digits it has."""
    figure = printed(text)
    if isinstance(figure, str):
        return False
    decimals = len(text.partition(".")[2])
    return abs(value - figure) <= 0.5 * 10.0**-decimals * (1 + 1e-6)


def _verdict(claim: Claim, reproduced: list[float], derived: list[Value]) -> str:
    figures = [printed(text) for text in claim.document]
    right = derived * len(figures) if len(derived) == 1 else derived
    pairs = list(zip(figures, right))
    if any(_impossible(claim.relation, *pair) for pair in pairs):
        return IMPOSSIBLE
    unlike = any(not same_digits(text, value) for text, value in zip(claim.document, reproduced))
    if claim.contradicts or unlike:
        return INCONSISTENT
    if not pairs or claim.relation in (CEILING, FLOOR):
        return NOT_SHOWN
    return HOLDS if all(_agrees(claim, *pair) for pair in pairs) else WRONG


def _impossible(relation: str, figure: Value, right: Value) -> bool:
    if isinstance(figure, str) or isinstance(right, str):
        return False
    return (relation == CEILING and figure > right) or (relation == FLOOR and figure < right)


def _agrees(claim: Claim, figure: Value, right: Value) -> bool:
    if isinstance(figure, str) or isinstance(right, str):
        return str(figure) == str(right)
    if claim.relation == AT_LEAST:
        return right >= figure
    if claim.relation == AT_MOST:
        return right <= figure
    return math.isclose(figure, right, rel_tol=claim.tolerance, abs_tol=1e-12)


def _rounded(value: Value) -> Value:
    """Six significant digits, or a whole number."""
    if isinstance(value, str) or value == int(value):
        return value
    return float(f"{value:.6g}")


def _figures(values: list[Value]) -> Figures:
    plain: list[Value] = [int(value) if isinstance(value, float) and value == int(value) else value for value in values]
    if not plain:
        return None
    return plain[0] if len(plain) == 1 else plain


def tally(checks: Iterable[Check]) -> dict[str, int]:
    """How many checks have each verdict."""
    found = dict.fromkeys(VERDICTS, 0)
    for item in checks:
        found[item.verdict] += 1
    return found
