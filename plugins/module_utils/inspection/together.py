# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Probes side by side, each in a process of its own.

A read from a dead file server or a sick device can block in the kernel, where neither a signal nor a thread's time
limit ends it, and a process that holds the module's output open would keep Ansible waiting. So every probe is a child
without the module's files, and one that is late is left behind.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
import warnings
from collections.abc import Mapping
from typing import Any, Callable, NoReturn

from .look import ProbeError

Probe = Callable[[], Any]
_CHUNK_BYTES = 1 << 16


def look_together(probes: Mapping[str, Probe], timeout_s: float) -> tuple[dict[str, Any], dict[str, str]]:
    """Run every probe; return by name what each saw, and why those that saw nothing (None) did not."""
    deadline = time.monotonic() + timeout_s
    started = {name: _start(probe) for name, probe in probes.items()}
    texts = _collect({reader: name for name, (unused, reader) in started.items()}, deadline)
    values: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for name, (process, reader) in started.items():
        os.close(reader)
        text = texts.get(name)
        _end(process, late=text is None)
        values[name], reason = _read(text, timeout_s)
        if reason is not None:
            reasons[name] = reason
    return values, reasons


def _start(probe: Probe) -> tuple[int, int]:
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn where the caller has threads; the child uses none of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        _be_probe(probe, writer)
    os.close(writer)
    return process, reader


def _be_probe(probe: Probe, writer: int) -> NoReturn:
    try:
        os.setsid()  # what the probe starts ends with it
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.closerange(3, writer)
        os.closerange(writer + 1, max(256, writer + 64))
        try:
            answer = {"value": probe()}
        except (ProbeError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            answer = {"reason": str(error) or type(error).__name__}
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _collect(readers: Mapping[int, str], deadline: float) -> dict[str, bytes]:
    """What each probe wrote, of those that came to their end in time."""
    parts: dict[int, list[bytes]] = {reader: [] for reader in readers}
    done: dict[str, bytes] = {}
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for key, _unused in selector.select(left):
                chunk = os.read(key.fd, _CHUNK_BYTES)
                if chunk:
                    parts[key.fd].append(chunk)
                else:
                    done[readers[key.fd]] = b"".join(parts[key.fd])
                    selector.unregister(key.fd)
    return done


def _end(process: int, late: bool) -> None:
    try:
        if late:
            os.killpg(process, signal.SIGKILL)
        # One that blocks in the kernel can't be waited for: init does, when it comes back.
        os.waitpid(process, os.WNOHANG if late else 0)
    except (ProcessLookupError, ChildProcessError):
        pass


def _read(text: bytes | None, timeout_s: float) -> tuple[Any, str | None]:
    if text is None:
        return None, f"no answer within {timeout_s:g} s"
    try:
        answer = json.loads(text)
    except ValueError:
        return None, "the probe ended without an answer"
    return answer.get("value"), answer.get("reason")
