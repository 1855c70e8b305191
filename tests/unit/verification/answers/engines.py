"""Engines that answer by HTTP as vLLM does: rightly, wrongly, or not at all."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# The tokens of every answer, with their log-probabilities.
WORDS = {0: (5, -0.5), 1: (6, -0.7)}


@contextlib.contextmanager
def serving(wrong: set[int], silent: set[int]) -> Iterator[int]:
    """Serve on a port of this machine, which is returned; the engines in `wrong` and `silent` do that."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the class above
            """Keep quiet."""

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/tokenize":
                self.answer(200, {"tokens": [1, 2]})
                return
            engine = int(self.headers["X-data-parallel-rank"])
            if engine in silent or asked["prompt"] != [1, 2] or not asked["return_tokens_as_token_ids"]:
                self.answer(500, {})
                return
            shift = 10 if engine in wrong else 0
            names = [f"token_id:{WORDS[place][0] + shift}" for place in range(asked["max_tokens"])]
            values = [WORDS[place][1] for place in range(asked["max_tokens"])]
            self.answer(200, {"choices": [{"logprobs": {"tokens": names, "token_logprobs": values}}]})

        def answer(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
