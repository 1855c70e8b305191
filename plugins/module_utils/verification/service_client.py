# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Asking a vLLM server over HTTP. Every question has a time limit as a whole; a hang is an answer with a reason."""

from __future__ import annotations

import concurrent.futures
import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..evidence import metrics
from ..evidence.result import count

# The request header that addresses one data-parallel rank (vllm/entrypoints/generate/base/serving.py, seen in 0.32.0).
RANK_HEADER = "X-data-parallel-rank"


@dataclass(frozen=True)
class Instance:
    """One engine with an API of its own; its first rank is number ``first_rank`` of the whole service."""

    head: str
    address: str
    port: int
    engines: int
    first_rank: int

    def __str__(self) -> str:
        """For messages."""
        return f"{self.head} ({self.address} port {self.port})"


@dataclass(frozen=True)
class Endpoint:
    """Where a service listens, and what every request to it bears. Where it is a balancer that listens there,
    ``instances`` are what stands behind it: engines are numbered over all of them, and asked where they are.
    """

    host: str
    port: int
    api_key: str = ""
    instances: tuple[Instance, ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Endpoint:
        """Read the options of the documentation fragment ``service``."""
        instances = tuple(
            Instance(**{name: entry[name] for name in ("head", "address", "port", "engines", "first_rank")})
            for entry in options["instances"]
        )
        return cls(options["host"], int(options["port"]), options["api_key"] or "", instances)

    def at(self, instance: Instance) -> Endpoint:
        """The API of one instance."""
        return Endpoint(instance.address, instance.port, self.api_key)

    def of_engine(self, engine: int) -> tuple[Endpoint, int]:
        """The API that an engine answers at, and its number there."""
        for instance in self.instances:
            if 0 <= engine - instance.first_rank < instance.engines:
                return self.at(instance), engine - instance.first_rank
        return self, engine


# The options of every module that asks a service.
SERVICE_OPTIONS: dict[str, dict[str, Any]] = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 8000},
    "model": {"type": "str", "required": True},
    "api_key": {"type": "str", "no_log": True},
    "instances": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "head": {"type": "str", "required": True},
            "hosts": {"type": "list", "elements": "str", "default": []},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "engines": {"type": "int", "required": True},
            "first_rank": {"type": "int", "required": True},
        },
    },
}


@dataclass(frozen=True)
class Answer:
    """What came back after ``seconds``. ``status`` is None when nothing whole did, and ``error`` says why."""

    status: int | None
    body: str
    seconds: float
    error: str = ""
    timed_out: bool = False


@dataclass(frozen=True)
class Question:
    """A completion to ask for: model name, prompt (text or token ids), number of tokens, seconds allowed."""

    model: str
    prompt: str | list[int]
    max_tokens: int
    timeout_s: float


def ask(
    endpoint: Endpoint,
    path: str,
    timeout_s: float,
    document: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET ``path``, or POST ``document`` to it, and wait at most ``timeout_s`` for the whole answer."""
    sent = {"Accept": "*/*", "Connection": "close"}
    if endpoint.api_key:
        sent["Authorization"] = f"Bearer {endpoint.api_key}"
    sent.update(headers or {})
    body = None
    if document is not None:
        body = json.dumps(document).encode()
        sent["Content-Type"] = "application/json"
    started = time.monotonic()
    expired = threading.Event()
    connection = http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s)
    guard: threading.Timer | None = None
    try:
        connection.connect()
        # A server that sends a byte now and then would satisfy the socket's own timeout for ever.
        guard = _guard(connection.sock, timeout_s - (time.monotonic() - started), expired)
        connection.request("GET" if body is None else "POST", path, body=body, headers=sent)
        response = connection.getresponse()
        content = response.read()
        if expired.is_set():
            raise socket.timeout()
        return Answer(response.status, content.decode("utf-8", "replace"), time.monotonic() - started)
    except (OSError, http.client.HTTPException, ValueError) as error:
        seconds = time.monotonic() - started
        if expired.is_set() or isinstance(error, socket.timeout):
            return Answer(None, "", seconds, f"no answer within {timeout_s:g} s", True)
        return Answer(None, "", seconds, str(error) or type(error).__name__)
    finally:
        if guard is not None:
            guard.cancel()
        connection.close()


def health(endpoint: Endpoint, timeout_s: float) -> dict[str, Any]:
    """Ask ``/health``, of every instance too. 200 means that a front end believes its engines alive; it may be
    wrong.
    """
    answers = [ask(endpoint, "/health", timeout_s)]
    errors = [error_of(answers[0])]
    for instance in endpoint.instances:
        answer = ask(endpoint.at(instance), "/health", timeout_s)
        error = error_of(answer)
        answers.append(answer)
        errors.append(f"{instance}: {error}" if error else "")
    worst = next((answer for answer, error in zip(answers, errors) if error), answers[0])
    return {
        "ok": not any(errors),
        "status": worst.status,
        "seconds": round(sum(answer.seconds for answer in answers), 3),
        "error": "; ".join(filter(None, errors)),
    }


def models(endpoint: Endpoint, timeout_s: float) -> dict[str, Any]:
    """Ask ``/v1/models`` for the served names; None when there is no readable answer."""
    answer = ask(endpoint, "/v1/models", timeout_s)
    error, names = error_of(answer), None
    if not error:
        try:
            names = sorted(str(entry["id"]) for entry in json.loads(answer.body)["data"])
        except (ValueError, KeyError, TypeError):
            error = "the answer is no list of models"
    return {"names": names, "status": answer.status, "error": error}


def read_metrics(endpoint: Endpoint, timeout_s: float) -> dict[str, Any]:
    """Ask ``/metrics`` and return the evidence's values, each None when there is no readable answer.

    Of several instances all that could be read are joined; the engines of the others are missing.
    """
    if endpoint.instances:
        return _joined([(each, read_metrics(endpoint.at(each), timeout_s)) for each in endpoint.instances])
    answer = ask(endpoint, "/metrics", timeout_s)
    error = error_of(answer)
    evidence = metrics.parse("" if error else answer.body)
    if not error and evidence.values["engines"] is None:
        error = "; ".join(evidence.reasons)
    return dict(evidence.values, status=answer.status, error=error)


def _joined(read: Sequence[tuple[Instance, Mapping[str, Any]]]) -> dict[str, Any]:
    """Several instances' metrics as one service's, with its engines' numbers."""
    known = [(instance, found) for instance, found in read if found["engines"] is not None]
    errors = [f"{instance}: {found['error']}" for instance, found in read if found["error"]]
    if not known:
        return dict(read[0][1], error="; ".join(errors))
    return {
        **known[0][1],
        "engines": sorted(instance.first_rank + engine for instance, found in known for engine in found["engines"]),
        "per_engine": {
            str(instance.first_rank + int(engine)): figures
            for instance, found in known
            for engine, figures in (found["per_engine"] or {}).items()
        },
        "error": "; ".join(errors),
    }


def completion(endpoint: Endpoint, question: Question, engine: int | None) -> dict[str, Any]:
    """Ask one engine (None: whichever the server picks) for tokens and say what came back."""
    document = {
        "model": question.model,
        "prompt": question.prompt,
        "max_tokens": question.max_tokens,
        "temperature": 0,
        "ignore_eos": True,
    }
    headers = {}
    if engine is not None:
        endpoint, rank = endpoint.of_engine(engine)
        headers = {RANK_HEADER: str(rank)}
    answer = ask(endpoint, "/v1/completions", question.timeout_s, document, headers)
    result: dict[str, Any] = {
        "engine": engine,
        "ok": False,
        "status": answer.status,
        "seconds": round(answer.seconds, 3),
        "timed_out": answer.timed_out,
        "tokens": None,
        "prompt_tokens": None,
        "text": None,
        "error": error_of(answer),
    }
    if result["error"]:
        return result
    try:
        reply = json.loads(answer.body)
        result["text"] = str(reply["choices"][0]["text"])
        result["tokens"] = count(reply["usage"]["completion_tokens"])
        result["prompt_tokens"] = count(reply["usage"].get("prompt_tokens"))
    except (ValueError, KeyError, TypeError, IndexError):
        result["error"] = f"the answer is no completion: {answer.body[:200]}"
        return result
    if not result["tokens"]:
        result["error"] = "the completion has no token"
    result["ok"] = not result["error"]
    return result


def completions(
    endpoint: Endpoint, question: Question, engines: Sequence[int | None], concurrency: int
) -> list[dict[str, Any]]:
    """Ask every engine, ``concurrency`` at a time; the result has one entry an engine, in their order.

    The ranks of one expert-parallel group compute in step, so where one hangs all do: once as many questions timed out
    as are asked at a time and not one was answered, the rest is not asked.
    """
    width = max(1, min(concurrency, len(engines)))
    lock = threading.Lock()
    tally = {"answered": 0, "timed_out": 0}

    def one(engine: int | None) -> dict[str, Any]:
        with lock:
            hopeless = tally["answered"] == 0 and tally["timed_out"] >= width
        if hopeless:
            return {
                "engine": engine,
                "ok": False,
                "status": None,
                "seconds": None,
                "timed_out": False,
                "tokens": None,
                "prompt_tokens": None,
                "text": None,
                "error": f"not asked: the {width} engines asked before it gave no answer",
                "asked": False,
            }
        result = completion(endpoint, question, engine)
        with lock:
            tally["answered"] += 1 if result["ok"] else 0
            tally["timed_out"] += 1 if result["timed_out"] else 0
        return dict(result, asked=True)

    with concurrent.futures.ThreadPoolExecutor(max_workers=width) as pool:
        return list(pool.map(one, engines))


def _guard(sock: Any, seconds: float, expired: threading.Event) -> threading.Timer:
    def end() -> None:
        expired.set()
        with contextlib.suppress(OSError):  # it had ended by itself
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, seconds), end)
    timer.daemon = True
    timer.start()
    return timer


def error_of(answer: Answer) -> str:
    """Return why there is no answer of status 200; empty where there is."""
    if answer.error:
        return answer.error
    if answer.status != 200:
        return f"HTTP status {answer.status}: {' '.join(answer.body.split())[:300]}"
    return ""
