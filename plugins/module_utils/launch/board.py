# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A noticeboard on the controller: what hosts that do something together tell each other while each is watched by a
worker of its own.

One small file a topic and host, written whole (rename), read by everyone.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

POLL_S = 0.2


class BoardTimeoutError(Exception):
    """Some hosts said nothing on a topic in time."""

    def __init__(self, topic: str, silent: Sequence[str]) -> None:
        self.silent = list(silent)
        super().__init__(f"no word about {topic} from {', '.join(silent)}")


def cannot_meet(why: str, hosts: Sequence[str], here: Sequence[str], forks: int) -> str:
    """Why hosts would wait for each other in vain; empty when they all run one task at once.

    Args:
        why: what they meet for, as a clause.
        hosts: all that have to.
        here: those that take part in the play.
        forks: how many run a task at once.
    """
    absent = [host for host in hosts if host not in here]
    if absent:
        return f"{why}, and {', '.join(absent)} does not take part in this play. Run it without --limit and serial."
    if forks < len(hosts):
        return (
            f"{why}: {len(hosts)} hosts wait for each other, which needs as many forks; there are {forks}."
            f" Use --forks {len(hosts)}."
        )
    return ""


class Board:
    """The noticeboard as seen by one host. Another group of hosts has another board in the same directory."""

    def __init__(self, directory: Path, hosts: Sequence[str], me: str) -> None:
        self.directory = directory / hashlib.sha256("\n".join(hosts).encode()).hexdigest()[:16]
        self.hosts = list(hosts)
        self.me = me
        self.directory.mkdir(parents=True, exist_ok=True)

    def _path(self, topic: str, host: str) -> Path:
        return self.directory / f"{topic}.{self.hosts.index(host)}.json"

    def post(self, topic: str, content: dict[str, Any]) -> None:
        """Say something; a later post on the same topic replaces the earlier."""
        path = self._path(topic, self.me)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(path)

    def read(self, topic: str, host: str) -> dict[str, Any] | None:
        """What a host said, or None."""
        try:
            content: dict[str, Any] = json.loads(self._path(topic, host).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return content

    def all(self, topic: str) -> dict[str, dict[str, Any]]:
        """What has been said on a topic, by host."""
        said = {host: self.read(topic, host) for host in self.hosts}
        return {host: content for host, content in said.items() if content is not None}

    def failure_of_another(self) -> str:
        """Which other host has said that it failed, and why; empty when none has."""
        said = {host: failure for host, failure in self.all("failed").items() if host != self.me}
        return next((f"{host} failed: {failure['message']}" for host, failure in said.items()), "")

    def wait_for_all(
        self, topic: str, timeout_s: float, meanwhile: Callable[[], None] = lambda: None
    ) -> dict[str, dict[str, Any]]:
        """What every host says on a topic; BoardTimeoutError names those that say nothing within `timeout_s` seconds.

        `meanwhile` is called before each look; what it raises ends the wait, also for a host that comes last and late.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            meanwhile()
            said = self.all(topic)
            if len(said) == len(self.hosts):
                return said
            if time.monotonic() > deadline:
                raise BoardTimeoutError(topic, [host for host in self.hosts if host not in said])
            time.sleep(POLL_S)
