# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Are two greedy answers the same? Token by token, until a near tie lets them part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .model import Answer


@dataclass(frozen=True)
class Comparison:
    """How answers compare. Log-probabilities are natural, ``worst`` is the largest difference of one token's.

    Attributes:
        compared: how many tokens were held against each other.
        worst: the largest difference of a log-probability; None where no token was compared.
        near_ties: how often either of two tokens was right, after which the texts may differ and are not compared.
        faults: what is wrong, one sentence each.
    """

    compared: int = 0
    worst: float | None = None
    near_ties: int = 0
    faults: tuple[str, ...] = ()

    def __add__(self, other: Comparison) -> Comparison:
        known = [value for value in (self.worst, other.worst) if value is not None]
        return Comparison(
            self.compared + other.compared,
            max(known) if known else None,
            self.near_ties + other.near_ties,
            self.faults + other.faults,
        )


def compare(expected: Answer, seen: Answer, tolerance: float, who: str) -> Comparison:
    """Hold ``seen`` against ``expected``.

    Args:
        expected: the reference's answer.
        seen: the answer that is judged, to the same prompt.
        tolerance: how far log-probabilities may differ: lower precision rounds otherwise.
        who: begins every sentence about a fault.
    """
    worst: float | None = None
    for place, wanted in enumerate(expected.tokens):
        if place >= len(seen.tokens):
            return Comparison(place, worst, 0, (f"{who}: {place} of {len(expected.tokens)} tokens came",))
        token = seen.tokens[place]
        if token.id != wanted.id:
            if token.id == wanted.second_id and wanted.near_tie(tolerance):
                return Comparison(place, worst, 1)
            fault = f"{who}: token {place + 1} is {token.id}, the reference has {wanted.id}"
            return Comparison(place + 1, worst, 0, (fault,))
        difference = abs(token.logprob - wanted.logprob)
        worst = difference if worst is None else max(worst, difference)
        if difference > tolerance:
            seen_, wanted_ = f"{token.logprob:.3f}", f"{wanted.logprob:.3f}"
            fault = f"{who}: token {place + 1} has the log-probability {seen_}, the reference {wanted_}"
            return Comparison(place + 1, worst, 0, (fault,))
    return Comparison(len(expected.tokens), worst)


def compare_all(
    expected: Sequence[Answer], seen: Mapping[int, Sequence[Answer]], tolerance: float
) -> dict[int, Comparison]:
    """Hold every engine's answers against the reference's, which are to the same prompts in the same order."""
    found: dict[int, Comparison] = {}
    for engine, answers in seen.items():
        total = Comparison()
        for place, (wanted, answer) in enumerate(zip(expected, answers)):
            total += compare(wanted, answer, tolerance, f"engine {engine}, prompt {place + 1}")
        found[engine] = total
    return found
