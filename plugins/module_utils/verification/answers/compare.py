# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Are two greedy answers the same? Token by token, until a near tie lets them part."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .model import Answer


@dataclass(frozen=True)
class Tolerance:
    """How far log-probabilities (natural) may differ: lower precision rounds otherwise.

    ``token`` is for every single token, and the distance of a near tie: where two experts are as good as each other,
    rounding sends a token to the other one, and its figure jumps. ``median`` is for the middle of an engine's tokens.
    """

    token: float = 0.5
    median: float = 0.1


@dataclass(frozen=True)
class Comparison:
    """How answers compare.

    Attributes:
        differences: of the log-probabilities of the tokens that were held against each other.
        near_ties: how often any of several tokens was right, after which the texts may differ and are not compared.
        faults: what is wrong, one sentence each.
    """

    differences: tuple[float, ...] = ()
    near_ties: int = 0
    faults: tuple[str, ...] = ()

    def __add__(self, other: Comparison) -> Comparison:
        return Comparison(
            self.differences + other.differences, self.near_ties + other.near_ties, self.faults + other.faults
        )

    @property
    def worst(self) -> float | None:
        """The largest difference; None where no token was compared."""
        return max(self.differences, default=None)

    @property
    def median(self) -> float | None:
        """The difference in the middle; None where no token was compared."""
        return statistics.median(self.differences) if self.differences else None


def compare(expected: Answer, seen: Answer, tolerance: Tolerance, who: str) -> Comparison:
    """Hold ``seen`` against ``expected``, the reference's answer to the same prompt.

    ``who`` begins every sentence about a fault.
    """
    found: list[float] = []
    for place, wanted in enumerate(expected.tokens):
        if place >= len(seen.tokens):
            return Comparison(tuple(found), 0, (f"{who}: {place} of {len(expected.tokens)} tokens came",))
        token = seen.tokens[place]
        if token.id != wanted.id:
            if wanted.near_tie(token.id, tolerance.token):
                return Comparison(tuple(found), 1)
            fault = f"{who}: token {place + 1} is {token.id}, the reference has {wanted.id}"
            return Comparison(tuple(found), 0, (fault,))
        found.append(abs(token.logprob - wanted.logprob))
        if found[-1] > tolerance.token:
            have, want = f"{token.logprob:.3f}", f"{wanted.logprob:.3f}"
            fault = f"{who}: token {place + 1} has the log-probability {have}, the reference {want}"
            return Comparison(tuple(found), 0, (fault,))
    return Comparison(tuple(found))


def compare_all(
    expected: Sequence[Answer], seen: Mapping[int, Sequence[Answer]], tolerance: Tolerance
) -> dict[int, Comparison]:
    """Hold every engine's answers against the reference's, which are to the same prompts in the same order."""
    found: dict[int, Comparison] = {}
    for engine, answers in seen.items():
        total = Comparison()
        for place, (wanted, answer) in enumerate(zip(expected, answers)):
            total += compare(wanted, answer, tolerance, f"engine {engine}, prompt {place + 1}")
        middle = total.median
        if middle is not None and middle > tolerance.median:
            fault = f"engine {engine}: half of its log-probabilities differ by more than {middle:.3f}"
            total = replace(total, faults=(*total.faults, fault))
        found[engine] = total
    return found
