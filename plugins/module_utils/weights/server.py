# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host has of a checkpoint, for the next host, while it still comes: plain HTTP with ranges.

A file that is not whole yet is sent as it grows. Only the addresses of the group are answered.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from collections.abc import Collection, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from .manifest import PART, File

POLL_S = 0.02
# How long a neighbour waits for a file's first byte before it asks again, and for the next byte of one that grows.
WAIT_S = 30.0
SEND_BYTES = 1 << 22
_RANGE = re.compile(r"bytes=(\d+)-")


class Server(ThreadingHTTPServer):
    """Answers the clients that are allowed; `sent` counts bytes."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, address: tuple[str, int], directory: Path, files: Mapping[str, File], clients: Collection[str]
    ) -> None:
        self.directory, self.files, self.clients = directory, files, frozenset(clients)
        self.sent = 0
        self.asked = time.monotonic()
        self.ending = threading.Event()
        super().__init__(address, _Handler)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether the client is one of the group."""
        del request
        return str(client_address[0]) in self.clients

    def open_growing(self, file: File) -> BinaryIO | None:
        """The file, or what there is of it; None when there is nothing for a while."""
        whole = self.directory / file.path
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and not self.ending.is_set():
            for path in (whole, whole.with_name(whole.name + PART)):
                try:
                    stream = path.open("rb")
                except FileNotFoundError:
                    continue
                if path != whole or os.fstat(stream.fileno()).st_size == file.size:
                    return stream
                stream.close()
            self.ending.wait(POLL_S)
        return None


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Send a file from a byte on."""
        self.close_connection = True
        file = self.server.files.get(unquote(self.path).lstrip("/"))
        if file is None:
            self.send_error(404)
            return
        words = _RANGE.fullmatch(self.headers.get("Range", ""))
        begin = min(int(words.group(1)), file.size) if words else 0
        stream = self.server.open_growing(file)
        if stream is None:
            self.send_error(503)
            return
        with stream:
            self.send_response(206 if words else 200)
            self.send_header("Content-Length", str(file.size - begin))
            if words:
                self.send_header("Content-Range", f"bytes {begin}-{file.size - 1}/{file.size}")
            self.end_headers()
            # A neighbour that hangs up asks again when it wants more.
            with contextlib.suppress(ConnectionError, TimeoutError):
                self._send(stream.fileno(), begin, file.size)

    def _send(self, source: int, begin: int, end: int) -> None:
        """Send as the file grows; ends early when it no longer does, or was thrown away."""
        grew = time.monotonic()
        while begin < end and not self.server.ending.is_set():
            status = os.fstat(source)
            if status.st_nlink == 0:
                return
            there = min(status.st_size, end)
            if there <= begin:
                if time.monotonic() - grew > WAIT_S:
                    return
                time.sleep(POLL_S)
                continue
            sent = os.sendfile(self.connection.fileno(), source, begin, min(SEND_BYTES, there - begin))
            if sent == 0:
                return
            begin, grew = begin + sent, time.monotonic()
            self.server.sent += sent
            self.server.asked = grew

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it
        """Nobody reads it."""
