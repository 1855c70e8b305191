# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Asking engines for greedy answers with log-probabilities, as token ids: text could hide what a tokenizer joins."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...evidence.result import count, number
from ..service_client import RANK_HEADER, Endpoint, ask, error_of
from .model import Answer, Token

_PREFIX = "token_id:"
# As many as every version gives without being told otherwise.
_ALTERNATIVES = 20


@dataclass(frozen=True)
class Question:
    """What every engine is asked: the served model's name, the prompts, tokens an answer, seconds an answer."""

    model: str
    prompts: tuple[tuple[int, ...], ...]
    tokens: int
    timeout_s: float


class NoAnswerError(Exception):
    """An engine gave no answer that can be judged; the text says why."""


def read_completion(body: str, prompt: tuple[int, ...]) -> Answer:
    """Read an answer of ``/v1/completions`` that was asked for with ``return_tokens_as_token_ids`` and logprobs.

    Raises:
        NoAnswerError: it holds no tokens with log-probabilities.
    """
    try:
        logprobs = json.loads(body)["choices"][0]["logprobs"]
        names, values = logprobs["tokens"], logprobs["token_logprobs"]
        best = logprobs.get("top_logprobs") or [{}] * len(names)
        tokens = tuple(_token(name, value, ranks) for name, value, ranks in zip(names, values, best))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise NoAnswerError(f"no tokens with log-probabilities in {body[:200]}") from None
    if not tokens:
        raise NoAnswerError("the answer has no token")
    return Answer(prompt, tokens)


def ask_engine(endpoint: Endpoint, question: Question, prompt: tuple[int, ...], engine: int) -> Answer:
    """Ask one engine for the greedy continuation of ``prompt``.

    Raises:
        NoAnswerError: none came, or not in time.
    """
    document = {
        "model": question.model,
        "prompt": list(prompt),
        "max_tokens": question.tokens,
        "temperature": 0,
        "ignore_eos": True,
        "logprobs": _ALTERNATIVES,
        "return_tokens_as_token_ids": True,
    }
    there, rank = endpoint.of_engine(engine)
    reply = ask(there, "/v1/completions", question.timeout_s, document, {RANK_HEADER: str(rank)})
    error = error_of(reply)
    if error:
        raise NoAnswerError(error)
    return read_completion(reply.body, prompt)


def tokens_of(endpoint: Endpoint, model: str, text: str, timeout_s: float) -> tuple[int, ...]:
    """Return a text's token ids, as the service's own tokenizer has them.

    Raises:
        NoAnswerError: it doesn't say.
    """
    reply = ask(endpoint, "/tokenize", timeout_s, {"model": model, "prompt": text})
    error = error_of(reply)
    if error:
        raise NoAnswerError(f"/tokenize: {error}")
    try:
        tokens = [count(token) for token in json.loads(reply.body)["tokens"]]
    except (ValueError, KeyError, TypeError):
        raise NoAnswerError(f"/tokenize: no tokens in {reply.body[:200]}") from None
    return tuple(token for token in tokens if token is not None)


def ask_all(
    endpoint: Endpoint, question: Question, engines: Sequence[int], concurrency: int
) -> tuple[dict[int, list[Answer]], dict[int, str]]:
    """Ask every engine for every prompt, ``concurrency`` engines at a time.

    Returns:
        The answers by engine, in the prompts' order, and by engine why it has none.
    """
    answers: dict[int, list[Answer]] = {}
    errors: dict[int, str] = {}

    def one(engine: int) -> None:
        try:
            answers[engine] = [ask_engine(endpoint, question, prompt, engine) for prompt in question.prompts]
        except NoAnswerError as error:
            errors[engine] = str(error)

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(concurrency, len(engines)))) as pool:
        list(pool.map(one, engines))
    return dict(sorted(answers.items())), dict(sorted(errors.items()))


def _token(name: Any, value: Any, ranks: Any) -> Token:
    identity, logprob = _identity(name), number(value)
    if identity is None or logprob is None:
        raise ValueError(name)
    pairs = [(_identity(key), number(raw)) for key, raw in (ranks or {}).items()]
    others = [(found, other) for found, other in pairs if found is not None and other is not None and found != identity]
    return Token(identity, logprob, tuple(sorted(others, key=lambda pair: -pair[1])))


def _identity(name: Any) -> int | None:
    return count(name[len(_PREFIX) :]) if isinstance(name, str) and name.startswith(_PREFIX) else None
