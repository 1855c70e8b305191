# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Greedy answers: one token after the other with its log-probability, as a reference or an engine gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...evidence.result import count, number

SCHEMA = "moefleet.reference/1"
# A reference computed from the weights by another program proves that answers are right; one recorded from this
# service proves only that they stayed the same.
COMPUTED = "computed"
RECORDED = "recorded"


class BadReferenceError(ValueError):
    """A reference can't be used; the text says why."""


@dataclass(frozen=True)
class Token:
    """The most probable token, and the next best ones with theirs. Log-probabilities are natural."""

    id: int
    logprob: float
    others: tuple[tuple[int, float], ...] = ()

    def near_tie(self, other: int, tolerance: float) -> bool:
        """Whether a difference within the tolerance could have made ``other`` the best."""
        return any(found == other and self.logprob - logprob < tolerance for found, logprob in self.others)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of a reference file."""
        return {"id": self.id, "logprob": self.logprob, "others": [list(pair) for pair in self.others]}


@dataclass(frozen=True)
class Answer:
    """A prompt, as token ids, and its continuation."""

    prompt: tuple[int, ...]
    tokens: tuple[Token, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the entry of a reference file."""
        return {"prompt": list(self.prompt), "tokens": [token.to_dict() for token in self.tokens]}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Answer:
        """Read an entry of a reference file.

        Raises:
            BadReferenceError: it is none.
        """
        try:
            prompt = tuple(count(word) for word in entry["prompt"])
            tokens = tuple(_token(token) for token in entry["tokens"])
        except (KeyError, TypeError, AttributeError, IndexError):
            raise BadReferenceError("an answer has no prompt or no tokens") from None
        if not prompt or not tokens or None in prompt:
            raise BadReferenceError("an answer's prompt or tokens are empty or no token ids")
        return cls(tuple(word for word in prompt if word is not None), tokens)


@dataclass(frozen=True)
class Reference:
    """Answers of one checkpoint, which is named by the SHA-256 of its SHA256SUMS."""

    checkpoint: str
    kind: str
    made_by: str
    answers: tuple[Answer, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the content of a reference file."""
        return {
            "schema": SCHEMA,
            "checkpoint": self.checkpoint,
            "kind": self.kind,
            "made_by": self.made_by,
            "answers": [answer.to_dict() for answer in self.answers],
        }


def read(text: str) -> Reference:
    """Read a reference file.

    Raises:
        BadReferenceError: it is none, or lacks something.
    """
    try:
        document = json.loads(text)
    except ValueError:
        raise BadReferenceError("it is no JSON") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise BadReferenceError(f"its schema is not {SCHEMA}")
    answers = document.get("answers")
    if not isinstance(answers, list) or not answers:
        raise BadReferenceError("it has no answers")
    if document.get("kind") not in (COMPUTED, RECORDED):
        raise BadReferenceError(f"its kind is neither {COMPUTED} nor {RECORDED}")
    return Reference(
        checkpoint=str(document.get("checkpoint") or ""),
        kind=str(document["kind"]),
        made_by=str(document.get("made_by") or "unknown"),
        answers=tuple(Answer.from_dict(entry) for entry in answers),
    )


def _token(entry: Mapping[str, Any]) -> Token:
    identity, logprob = count(entry["id"]), number(entry["logprob"])
    pairs = [(count(other[0]), number(other[1])) for other in entry.get("others") or ()]
    others = tuple((found, value) for found, value in pairs if found is not None and value is not None)
    if identity is None or logprob is None or len(others) != len(pairs):
        raise BadReferenceError("a token has no id or no log-probability")
    return Token(identity, logprob, others)
