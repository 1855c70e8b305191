# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the engines' answers say, as the figures ``right_answers`` and ``answers_alike`` (percent of engines)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...evidence.result import FAIL, PASS, UNKNOWN, WARN
from ..entries import measured, not_applicable
from .compare import Comparison, Tolerance, compare_all
from .model import RECORDED, Answer, Reference

_MOST_REASONS = 8


def right_answers(
    reference: Reference | None,
    missing: str,
    answers: Mapping[int, Sequence[Answer]],
    errors: Mapping[int, str],
    tolerance: Tolerance,
) -> dict[str, Any]:
    """Judge every engine's answers against the reference; without one they are unknown, for ``missing``."""
    if reference is None:
        return measured("right_answers", {"value": None}, UNKNOWN, (f"there is no reference: {missing}",))
    found = compare_all(reference.answers, answers, tolerance)
    note = f"reference: {reference.made_by}"
    if reference.kind == RECORDED:
        note += "; recorded from this service, it proves sameness over time, not rightness"
    return _judge("right_answers", found, errors, tolerance, note)


def answers_alike(
    answers: Mapping[int, Sequence[Answer]], errors: Mapping[int, str], tolerance: Tolerance
) -> dict[str, Any]:
    """Judge whether all engines give the first engine's answers."""
    engines = sorted(answers)
    if len(engines) + len(errors) == 1:
        return not_applicable("answers_alike", "there is one engine")
    if not engines:
        return _judge("answers_alike", {}, errors, tolerance, "")
    found = compare_all(answers[engines[0]], answers, tolerance)
    return _judge("answers_alike", found, errors, tolerance, f"held against engine {engines[0]}")


def _judge(
    check: str, found: Mapping[int, Comparison], errors: Mapping[int, str], tolerance: Tolerance, note: str
) -> dict[str, Any]:
    total = sum(found.values(), Comparison())
    unanswered = [f"engine {engine} gave no answer: {error}" for engine, error in errors.items()]
    right = sum(1 for comparison in found.values() if not comparison.faults)
    engines = len(found) + len(errors)
    silent = [
        f"engine {engine}: nothing could be compared"
        for engine, entry in found.items()
        if not entry.differences and not entry.near_ties
    ]
    compared = len(total.differences)
    faults = list(total.faults)
    if len(faults) > _MOST_REASONS:
        faults = [*faults[:_MOST_REASONS], f"and {len(faults) - _MOST_REASONS} more"]
    verdict = FAIL if faults else UNKNOWN if unanswered or not compared else WARN if silent else PASS
    values = {
        "value": 100.0 * right / engines if engines and compared + len(faults) else None,
        "engines": engines,
        "tokens_compared": compared,
        "near_ties": total.near_ties,
        "worst_logprob_difference": total.worst,
        "median_logprob_difference": total.median,
        "tolerance": tolerance.token,
        "median_tolerance": tolerance.median,
    }
    reasons = [*faults, *unanswered, *silent, *([note] if note else [])]
    return measured(check, values, verdict, reasons, conditions={"reference": note})
