"""A group of ranks as its API is seen: it completes, streams, and can be told to fail. Arguments: name, port.

GET /as/200 and /as/500 say with which status completions are answered from then on.
"""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NAME, PORT = sys.argv[1], int(sys.argv[2])
SAY = {"status": 200}


class Handler(BaseHTTPRequestHandler):
    """Answers with the group's name."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the class above
        """Keep quiet."""

    def answer(self, status: int, document: Any) -> None:
        """Send JSON."""
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """Health, models and metrics as of one engine; and what it shall answer."""
        if self.path.startswith("/as/"):
            SAY["status"] = int(self.path[4:])
        if self.path == "/metrics":
            body = b'vllm:request_success_total{engine="0",finished_reason="length",model_name="made-up"} 1\n'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.answer(200, {"data": [{"id": "made-up"}]})

    def do_POST(self) -> None:
        """A completion; of a stream one piece now and one a second later."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not asked.get("stream"):
            self.answer(SAY["status"], {"choices": [{"text": NAME}], "usage": {"completion_tokens": 1}})
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"first", b"second"):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(1)
        self.wfile.write(b"0\r\n\r\n")


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
