# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How the two ends of a pair know of each other: one TCP connection that lasts as long as the client measures.

A measuring tool's server doesn't say when its client has gone for good, and a busy machine starts one end seconds after
the other. So the server's side is there from the moment the client comes until the connection ends, and no longer.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterator

_AGAIN_S = 0.1


class Nobody(Exception):  # noqa: N818 - it is said of the other end
    """The other end didn't come in time."""


def place_of(meet: str) -> tuple[str, int]:
    """Split ``address:port``.

    Raises:
        ValueError: it has no port.
    """
    address, _colon, port = meet.rpartition(":")
    return address.strip("[]"), int(port)


@contextlib.contextmanager
def come(meet: str, wait_s: float) -> Iterator[None]:
    """Be there as the client; the server serves until the block ends.

    Raises:
        Nobody: nobody listens there.
    """
    deadline = time.monotonic() + wait_s
    address = place_of(meet)
    while True:
        try:
            connection = socket.create_connection(address, timeout=max(deadline - time.monotonic(), 0.1))
            break
        except OSError as error:
            if time.monotonic() >= deadline:
                raise Nobody(f"nobody serves at {meet} after {wait_s:g} s ({error.strerror or error})") from None
            time.sleep(_AGAIN_S)
    with connection:
        yield


class Guest:
    """The client, as its server sees it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def gone(self, wait_s: float = 0.0) -> bool:
        """Say whether the client has gone, after waiting for that so long in seconds at most."""
        ready, _writable, _broken = select.select([self._connection], [], [], wait_s)
        if not ready:
            return False
        try:
            return self._connection.recv(1) == b""
        except OSError:
            return True


@contextlib.contextmanager
def await_guest(meet: str, wait_s: float) -> Iterator[Guest]:
    """Wait for the client as the server.

    Raises:
        Nobody: it didn't come.
    """
    address, port = place_of(meet)
    deadline = time.monotonic() + wait_s
    listener = _listen(address, port, deadline, meet)
    with listener:
        listener.settimeout(max(deadline - time.monotonic(), 0.1))
        try:
            connection, _peer = listener.accept()
        except OSError:
            raise Nobody(f"no client came to {meet} within {wait_s:g} s") from None
    # The listener is closed: the next client waits for the next server.
    with connection:
        yield Guest(connection)


def _listen(address: str, port: int, deadline: float, meet: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        try:
            return socket.create_server((address, port), family=family, backlog=1)
        except OSError as error:
            if time.monotonic() >= deadline:
                raise Nobody(f"{meet} can't be listened at: {error.strerror or error}") from None
            time.sleep(_AGAIN_S)
