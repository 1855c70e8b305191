"""Hosts of a chain, each with its agent as a process of its own on the loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path

from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import Manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import Store

# One host's agent, as a process of its own: what the module does on a host.
AGENT = textwrap.dedent("""
    import json, sys
    from pathlib import Path
    from ansible_collections.moefleet.serving.plugins.module_utils.weights.agent import Agent, Job
    from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import from_dict
    from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source
    given = json.loads(sys.argv[1])
    path = Path(given["path"])
    job = Job(path, from_dict(given["manifest"]), Source(*given["source"]), path.with_name("status.json"),
              ("127.0.0.1", given["port"]), ("127.0.0.1",), give_up_s=given["give_up_s"], cap=given["cap"])
    sys.exit(Agent(job).run())
""")
ENDS_WITHIN_S = 30
COLLECTIONS = Path(__file__).resolve().parents[3] / "collections"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@dataclass
class Host:
    """One host of the chain."""

    path: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    give_up_s: float = 0.5
    cap: float = 0.0

    def start(self, manifest: Manifest, *source: str) -> None:
        """Start its agent."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        given = {"path": str(self.path), "manifest": manifest.as_dict(), "source": source, "port": self.port}
        given.update(give_up_s=self.give_up_s, cap=self.cap)
        environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
        self.process = subprocess.Popen([sys.executable, "-c", AGENT, json.dumps(given)], env=environment)

    @property
    def status(self) -> dict[str, object]:
        """What it says."""
        file = self.path.with_name("status.json")
        return json.loads(file.read_text()) if file.exists() else {"state": "none"}

    def ended(self) -> dict[str, object]:
        """Its status when it has all or has failed."""
        deadline = time.monotonic() + ENDS_WITHIN_S
        while self.status["state"] not in ("complete", "failed"):
            assert time.monotonic() < deadline, self.status
            time.sleep(0.02)
        return self.status

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(ENDS_WITHIN_S)


def run(chain: list[Host], manifest: Manifest, url: str) -> list[dict[str, object]]:
    """Start all, and wait for what they say."""
    chain[0].start(manifest, "http", url)
    for before, host in zip(chain, chain[1:], strict=False):
        host.start(manifest, "peer", f"http://127.0.0.1:{before.port}")
    return [host.ended() for host in chain]


def whole(host: Host, manifest: Manifest) -> bool:
    return not Store(host.path).look(manifest, full=True).differs
