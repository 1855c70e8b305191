"""The probe against a server that answers, lies, hangs and drips."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification import service_client
from ansible_collections.moefleet.serving.plugins.modules import service_probe

MODEL = "deepseek-v3-tiny"


class Fake:
    """A service of a few engines. A test sets what is wrong with it."""

    def __init__(self, engines: int) -> None:
        self.engines = engines
        self.answered = dict.fromkeys(range(engines), 0)
        self.health = 200
        self.hanging: set[int] = set()
        self.asked: list[dict[str, Any]] = []
        self.reply: Callable[[int], tuple[int, Any]] | None = None
        self.released = threading.Event()

    def metrics(self) -> str:
        return "".join(
            f'vllm:request_success_total{{engine="{engine}",finished_reason="length",model_name="{MODEL}"}} {count}\n'
            for engine, count in self.answered.items()
        )

    def complete(self, engine: int) -> tuple[int, Any]:
        if engine in self.hanging:
            self.released.wait(20)
        if self.reply is not None:
            return self.reply(engine)
        self.answered[engine] += 1
        return 200, {"choices": [{"text": " jumps"}], "usage": {"completion_tokens": 4}}


@contextlib.contextmanager
def serving(fake: Fake) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the class above
            """Keep quiet."""

        def answer(self, status: int, body: str) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

        def do_GET(self) -> None:
            if self.path == "/health":
                self.answer(fake.health, "")
            elif self.path == "/v1/models":
                self.answer(200, json.dumps({"data": [{"id": MODEL}]}))
            elif self.path == "/metrics":
                self.answer(200, fake.metrics())
            elif self.path == "/drip":
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while not fake.released.wait(0.05):
                        self.wfile.write(b".")
            elif self.path == "/short":
                self.send_response(200)
                self.send_header("Content-Length", "100")
                self.end_headers()
                self.wfile.write(b"only this")
            else:
                self.answer(404, "no such page")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            engine = self.headers.get("X-data-parallel-rank")
            fake.asked.append({"engine": engine, "body": body, "key": self.headers.get("Authorization")})
            status, reply = fake.complete(int(engine or 0))
            self.answer(status, json.dumps(reply))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        fake.released.set()
        server.shutdown()
        server.server_close()


def options(port: int, **changes: Any) -> dict[str, Any]:
    values = {name: option.get("default") for name, option in service_probe.ARGUMENT_SPEC.items()}
    return {**values, "host": "127.0.0.1", "port": port, "model": MODEL, "engines": 4, "timeout_s": 5, **changes}


def probe(fake: Fake, **changes: Any) -> dict[str, Any]:
    with serving(fake) as port:
        return service_probe.probe_service(options(port, **changes))


def test_a_healthy_service_is_ready() -> None:
    fake = Fake(4)
    result = probe(fake, api_key="k")
    assert (result["ready"], result["reasons"]) == (True, [])
    assert sorted(request["engine"] for request in fake.asked) == ["0", "1", "2", "3"]
    assert {request["key"] for request in fake.asked} == {"Bearer k"}
    assert {request["body"]["model"] for request in fake.asked} == {MODEL}
    assert [entry["tokens"] for entry in result["completions"]] == [4, 4, 4, 4]
    assert result["metrics_after"]["per_engine"]["2"]["requests_succeeded"] == 1.0


def test_only_the_engines_asked_for_are_asked() -> None:
    fake = Fake(4)
    assert probe(fake, ask=[2])["ready"] is True
    assert [request["engine"] for request in fake.asked] == ["2"]


def test_without_a_completion_nothing_is_ready() -> None:
    result = probe(Fake(4), ask=[])
    assert (result["ready"], result["reasons"]) == (False, ["no completion was asked for"])


def test_a_bad_health_a_missing_engine_and_another_model_are_all_reasons() -> None:
    fake = Fake(3)
    fake.health = 503
    result = probe(fake, model="other", ask=[0])
    assert [reason.partition(":")[0] for reason in result["reasons"]] == ["/health", "/v1/models", "/metrics"]
    assert "engines missing: 3" in result["reasons"][2]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ((500, {"error": "EngineDead"}), "HTTP status 500"),
        ((200, {"choices": []}), "is no completion"),
        ((200, "text"), "is no completion"),
        ((200, {"choices": [{"text": ""}], "usage": {"completion_tokens": 0}}), "has no token"),
    ],
)
def test_an_answer_that_is_no_completion(reply: tuple[int, Any], words: str) -> None:
    fake = Fake(4)
    fake.reply = lambda _engine: reply
    result = probe(fake, ask=[1])
    assert result["ready"] is False
    assert words in result["completions"][0]["error"]


def test_one_hanging_engine_costs_its_time_limit_and_no_other() -> None:
    fake = Fake(4)
    fake.hanging = {2}
    started = time.monotonic()
    result = probe(fake, completion_timeout_s=0.5, concurrency=2)
    assert time.monotonic() - started < 30
    assert [entry["ok"] for entry in result["completions"]] == [True, True, False, True]
    assert result["completions"][2]["timed_out"] is True
    assert result["completions"][2]["error"] == "no answer within 0.5 s"


def test_when_all_hang_the_rest_is_not_asked() -> None:
    fake = Fake(8)
    fake.hanging = set(range(8))
    result = probe(fake, engines=8, completion_timeout_s=0.4, concurrency=2)
    assert [entry["asked"] for entry in result["completions"]].count(True) in {2, 3}
    assert all(not entry["ok"] and entry["error"] for entry in result["completions"])


def test_nobody_listens() -> None:
    with serving(Fake(1)) as port:
        pass
    result = service_probe.probe_service(options(port))
    assert result["ready"] is False
    assert result["health"]["status"] is None
    assert all("refused" in entry["error"] for entry in result["completions"])


@pytest.mark.parametrize(("path", "words"), [("/drip", "no answer within 0.4 s"), ("/short", "IncompleteRead")])
def test_an_answer_that_never_ends_or_ends_early_is_no_answer(path: str, words: str) -> None:
    with serving(Fake(1)) as port:
        answer = service_client.ask(service_client.Endpoint("127.0.0.1", port), path, 0.4)
    assert (answer.status, answer.body) == (None, "")
    assert words in answer.error
    assert answer.seconds < 3


def behind_a_balancer(*ports: int) -> list[dict[str, Any]]:
    """Instances of two engines each."""
    return [
        {
            "head": f"node-{number}",
            "hosts": [f"node-{number}"],
            "address": "127.0.0.1",
            "port": port,
            "engines": 2,
            "first_rank": 2 * number,
        }
        for number, port in enumerate(ports)
    ]


def test_engines_of_several_instances_are_asked_where_they_are() -> None:
    left, right = Fake(2), Fake(2)
    with serving(left) as one, serving(right) as other:
        result = service_probe.probe_service(options(one, instances=behind_a_balancer(one, other)))
    assert result["reasons"] == []
    assert result["metrics_after"]["engines"] == [0, 1, 2, 3]
    # Each instance counts its own from 0.
    assert sorted(request["engine"] for request in left.asked) == ["0", "1"]
    assert sorted(request["engine"] for request in right.asked) == ["0", "1"]
    assert [entry["engine"] for entry in result["completions"]] == [0, 1, 2, 3]
    assert {name: figures["requests_succeeded"] for name, figures in result["metrics_after"]["per_engine"].items()} == {
        "0": 1.0,
        "1": 1.0,
        "2": 1.0,
        "3": 1.0,
    }


def test_an_instance_that_is_gone_is_named_and_its_engines_are_missing() -> None:
    """Its neighbour answers at the service's address, as it does behind a balancer."""
    left = Fake(2)
    with serving(Fake(2)) as gone:
        pass
    with serving(left) as one:
        result = service_probe.probe_service(options(one, instances=behind_a_balancer(one, gone)))
    assert result["ready"] is False
    assert f"node-1 (127.0.0.1 port {gone})" in result["health"]["error"]
    assert result["metrics_after"]["engines"] == [0, 1]
    assert "/metrics: engines missing: 2, 3" in result["reasons"]
    assert [entry["ok"] for entry in result["completions"]] == [True, True, False, False]


def test_of_no_instance_nothing_is_known() -> None:
    with serving(Fake(2)) as gone:
        pass
    result = service_probe.probe_service(options(gone, instances=behind_a_balancer(gone), timeout_s=1, ask=[]))
    assert result["metrics_after"]["engines"] is None
    assert f"node-0 (127.0.0.1 port {gone})" in result["metrics_after"]["error"]
