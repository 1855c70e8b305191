# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host while a checkpoint comes: it brings the files from the source or from the host before it in the
chain, and gives them to the host behind it as they come.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .errors import WeightsError
from .manifest import File, Manifest
from .server import Server
from .sources import Source
from .store import Store
from .transfer import GIVE_UP_S, Meter, Place, StoppedError, bring

STATUS_S = 0.5
# A host that has all, and that nobody asks for so long, ends by itself: its controller is gone.
LINGER_S = 600.0
LOCK = ".lock"


@dataclass(frozen=True)
class Job:
    """What a host does. `status` is the file that says how far it is; `cap` in bytes a second."""

    path: Path
    manifest: Manifest
    source: Source
    status: Path
    address: tuple[str, int] = ("127.0.0.1", 18650)
    clients: tuple[str, ...] = ()
    parallel: int = 4
    cap: float = 0.0
    give_up_s: float = GIVE_UP_S
    full: bool = False


@dataclass
class Status:
    """How far a host is. `state`: looking, fetching, complete, failed."""

    state: str = "looking"
    pid: int = 0
    have_bytes: int = 0
    total_bytes: int = 0
    came_bytes: int = 0
    sent_bytes: int = 0
    rate: float = 0.0
    error: str = ""
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        """Whether the process that says so is still there."""
        try:
            os.kill(self.pid, 0)
        except OSError:
            return False
        return self.pid > 0

    def write(self, path: Path) -> None:
        """Write it whole."""
        part = path.with_name(f"{path.name}.{threading.get_ident()}.part")
        part.write_text(json.dumps({**vars(self), "digests": dict(self.digests)}), encoding="utf-8")
        part.replace(path)


def read_status(path: Path) -> Status | None:
    """What a host's agent said last; None when it said nothing."""
    try:
        return Status(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else brings files into the same directory meanwhile."""
    with (directory / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise WeightsError(
                "already-runs", f"another transfer fills {directory}", "Wait for it, or end it on this host."
            ) from error
        yield


class Agent:
    """A job while it runs."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.store = Store(job.path)
        self.directory = self.store.directory(job.manifest.revision)
        self.meter = Meter(job.cap)
        self.status = Status(total_bytes=job.manifest.size)
        self.failures: list[WeightsError] = []
        self._rates: list[tuple[float, int]] = []

    def _work(self, waiting: queue.SimpleQueue[File]) -> None:
        """Bring files until none waits or one fails."""
        place = Place(self.directory, self.job.source, self.job.give_up_s)
        try:
            while not self.meter.stop.is_set():
                file = waiting.get_nowait()
                self.status.digests[file.path] = bring(place, file, self.meter)
        except (queue.Empty, StoppedError):
            return
        except WeightsError as error:
            self.failures.append(error)
        except OSError as error:
            self.failures.append(WeightsError("host-failed", f"{self.directory}: {error}", "Look at this host."))
        self.meter.stop.set()

    def _say(self, began_with: int, server: Server) -> None:
        """Write how far it is; the rate is that of the last ten seconds."""
        now = time.monotonic()
        self._rates = [(at, came) for at, came in self._rates if now - at < 10] + [(now, self.meter.came)]
        at, came = self._rates[0]
        self.status.rate = (self.meter.came - came) / (now - at) if now > at else 0.0
        self.status.came_bytes, self.status.sent_bytes = self.meter.came, server.sent
        self.status.have_bytes = min(self.status.total_bytes, began_with + self.meter.came)
        self.status.write(self.job.status)

    def _fetch(self, server: Server) -> None:
        look = self.store.look(self.job.manifest, self.job.full)
        self.store.refuse_without_room(self.job.manifest, look)
        self.status.digests.update(look.whole)
        waiting: queue.SimpleQueue[File] = queue.SimpleQueue()
        for file in self.job.manifest.files:
            if file.path in look.differs:
                if look.differs[file.path] != "missing":
                    (self.directory / file.path).unlink()
                waiting.put(file)
        self.status.state = "fetching"
        workers = [threading.Thread(target=self._work, args=(waiting,)) for _ in range(self.job.parallel)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            self._say(look.have_bytes, server)
            workers[0].join(STATUS_S) if workers[0].is_alive() else time.sleep(STATUS_S / 5)
        if self.failures:
            raise self.failures[0]
        if self.meter.stop.is_set():
            raise StoppedError
        self.status.have_bytes, self.status.rate = self.job.manifest.size, 0.0
        self.status.came_bytes = self.meter.came

    def run(self) -> int:
        """Bring all, give to others until told to end (SIGTERM); 0 when all is there."""
        self.status.pid = os.getpid()
        signal.signal(signal.SIGTERM, lambda *_: self.meter.stop.set())
        self.directory.mkdir(parents=True, exist_ok=True)
        files = {file.path: file for file in self.job.manifest.files}
        try:
            with _alone(self.directory):
                server = Server(self.job.address, self.directory, files, self.job.clients)
                threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
                try:
                    self._fetch(server)
                    self._serve(server)
                finally:
                    server.ending.set()
                    server.shutdown()
                    server.server_close()
        except StoppedError:
            self.status.state, self.status.error = "failed", "ended before all was there"
        except WeightsError as error:
            self.status.state, self.status.error = "failed", str(error)
        except OSError as error:
            self.status.state, self.status.error = "failed", f"[host-failed] {self.directory}: {error}"
        self.status.write(self.job.status)
        return 0 if self.status.state == "complete" else 1

    def _serve(self, server: Server) -> None:
        """Give until told to end."""
        self.status.state = "complete"
        server.asked = time.monotonic()
        while not self.meter.stop.wait(STATUS_S) and time.monotonic() - server.asked < LINGER_S:
            self.status.sent_bytes = server.sent
            self.status.write(self.job.status)
