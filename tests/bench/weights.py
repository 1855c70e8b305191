"""How long 1 GB takes to 1, 2 and 4 hosts over links of 200 Mbit/s, against the line and against plain copies.

Makes network namespaces of its own (`moefleet-w-*`) with links limited by `tc`, and removes them whatever happens.

usage: python -m tests.bench.weights [--megabytes N] [--mbit N] [--cuts N]     (as root)
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import Manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.metadata import record
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import Store

from .timing import clock, command

ROOT = Path(__file__).resolve().parents[2]
SWITCH = "moefleet-w-switch"
SOURCE = "moefleet-w-source"
HOSTS = [f"moefleet-w-{number}" for number in range(4)]
NETWORK = "10.99.7"
PORT = 18650
FILES = 16
REVISION = "b" * 40
POLL_S = 0.05
GIVE_UP_S = 900.0


def address(name: str) -> str:
    """A namespace's address: the source's ends with 1, the hosts' begin with 10."""
    return f"{NETWORK}.1" if name == SOURCE else f"{NETWORK}.{10 + HOSTS.index(name)}"


def limited(namespace: str, device: str, mbit: int) -> None:
    """What leaves by a device is limited."""
    shape = ["rate", f"{mbit}mbit", "burst", "64kb", "latency", "50ms"]
    command(["ip", "netns", "exec", namespace, "tc", "qdisc", "add", "dev", device, "root", "tbf", *shape])


def connect(name: str, number: int, mbit: int) -> None:
    """A namespace with a link to the switch, limited in both directions, as one port is."""
    port = f"mw{number}"
    command(["ip", "netns", "add", name])
    command(["ip", "-n", SWITCH, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name])
    command(["ip", "-n", SWITCH, "link", "set", port, "master", "br0", "up"])
    command(["ip", "-n", name, "address", "add", f"{address(name)}/24", "dev", "eth0"])
    command(["ip", "-n", name, "link", "set", "eth0", "up"])
    command(["ip", "-n", name, "link", "set", "lo", "up"])
    limited(name, "eth0", mbit)
    limited(SWITCH, port, mbit)


def remove() -> None:
    """Take the namespaces and all in them away."""
    for name in [SOURCE, *HOSTS, SWITCH]:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@contextlib.contextmanager
def network(mbit: int) -> Iterator[None]:
    """A switch, a source and four hosts."""
    remove()
    try:
        command(["ip", "netns", "add", SWITCH])
        command(["ip", "-n", SWITCH, "link", "add", "br0", "type", "bridge"])
        command(["ip", "-n", SWITCH, "link", "set", "br0", "up"])
        for number, name in enumerate([SOURCE, *HOSTS]):
            connect(name, number, mbit)
        yield
    finally:
        remove()


@dataclass
class Bench:
    """The place of one measurement."""

    folder: Path
    manifest: Manifest
    source: str = f"http://{NETWORK}.1:{PORT}"

    def path(self, name: str) -> Path:
        """Where a host has the model."""
        return self.folder / name / "model"

    def start(self, name: str, before: str) -> subprocess.Popen[bytes]:
        """A host's agent, which brings everything from `before`, or from the source where that is empty."""
        self.path(name).parent.mkdir(exist_ok=True)
        given = {
            "path": str(self.path(name)),
            "manifest": self.manifest.as_dict(),
            "source": ["peer", f"http://{address(before)}:{PORT}"] if before else ["http", self.source],
            "address": [address(name), PORT],
            "clients": [address(host) for host in HOSTS],
        }
        self.path(name).with_name("status.json").unlink(missing_ok=True)
        argv = ["ip", "netns", "exec", name, sys.executable, "-m", "tests.bench.weights_host"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, cwd=ROOT)
        if process.stdin is not None:
            process.stdin.write(json.dumps(given).encode())
            process.stdin.close()
        return process

    def state(self, name: str) -> tuple[str, str]:
        """A host's state and what is wrong."""
        try:
            said = json.loads(self.path(name).with_name("status.json").read_text())
        except FileNotFoundError:
            return "none", ""
        return said["state"], said["error"]

    def wait(self, names: list[str]) -> None:
        """Until all have everything."""
        deadline = time.monotonic() + GIVE_UP_S
        while any(self.state(name)[0] != "complete" for name in names):
            wrong = [self.state(name)[1] for name in names if self.state(name)[0] == "failed"]
            if wrong or time.monotonic() > deadline:
                raise SystemExit(f"bench: {wrong or 'no end'}")
            time.sleep(POLL_S)

    def clear(self) -> None:
        """No host has anything."""
        for name in HOSTS:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def chain(self, names: list[str]) -> float:
        """Seconds until the last host has all: each brings it from the host before it, the first from the source."""
        self.clear()
        return self._timed(names, dict(zip(names[1:], names, strict=False)))

    def plain(self, names: list[str]) -> float:
        """Seconds when every host takes its own copy from the source."""
        self.clear()
        return self._timed(names, {})

    def _timed(self, names: list[str], before: dict[str, str]) -> float:
        running: list[subprocess.Popen[bytes]] = []
        try:
            running += [self.start(name, before.get(name, "")) for name in names]
            return clock(lambda: self.wait(names))
        finally:
            stop(running)

    def cut(self, cuts: int, about_s: float) -> int:
        """Kill both hosts of a chain at random points; returns how many bytes came in all. Every byte is read again."""
        self.clear()
        names = HOSTS[:2]
        came = 0
        for number in range(cuts + 1):
            running = [self.start(names[0], ""), self.start(names[1], names[0])]
            try:
                if number < cuts:
                    time.sleep(random.uniform(0.1, 1.8) * about_s / cuts)
                else:
                    self.wait(names)
            finally:
                stop(running, signal.SIGKILL)
            have = sum(self.bytes_of(name) for name in names)
            print(f"  cut {number + 1}: {have} of {2 * self.manifest.size} bytes", flush=True)
            if have < came:
                raise SystemExit("bench: a cut lost bytes")
            came = have
        for name in names:
            if Store(self.path(name)).look(self.manifest, full=True).differs:
                raise SystemExit(f"bench: {name} is not whole")
        return came

    def bytes_of(self, name: str) -> int:
        """Bytes of the model's files on a host, whole or not."""
        directory = Store(self.path(name)).directory(REVISION)
        return sum(file.stat().st_size for file in directory.rglob("model-*") if file.is_file())


def stop(running: list[subprocess.Popen[bytes]], how: signal.Signals = signal.SIGTERM) -> None:
    """End processes that were started here."""
    for process in running:
        process.send_signal(how)
    for process in running:
        process.wait()


def make_files(folder: Path, megabytes: int) -> None:
    """Files of random bytes."""
    folder.mkdir()
    for number in range(FILES):
        with (folder / f"model-{number:05}-of-{FILES:05}.safetensors").open("wb") as out:
            for _ in range(megabytes // FILES):
                out.write(random.randbytes(10**6))


def measure(bench: Bench, mbit: int, cuts: int) -> dict[str, float]:
    """All of it, in one run."""
    line_s = bench.manifest.size * 8 / (mbit * 1e6)
    print(
        f"{bench.manifest.size} bytes in {FILES} files, {mbit} Mbit/s a link: {line_s:.1f} s at line rate", flush=True
    )
    found: dict[str, float] = {"line": line_s}
    for count in (1, 2, 4):
        found[f"{count} hosts"] = bench.chain(HOSTS[:count])
        taken = found[f"{count} hosts"]
        print(
            f"{count} hosts: {taken:6.1f} s   {line_s / taken:4.0%} of line rate"
            f"   {taken / found['1 hosts']:.2f} x one host",
            flush=True,
        )
    found["4 plain copies"] = bench.plain(HOSTS)
    ratio = found["4 plain copies"] / found["4 hosts"]
    print(f"4 plain copies from the source: {found['4 plain copies']:6.1f} s   {ratio:.2f} x the chain", flush=True)
    came = bench.cut(cuts, found["2 hosts"])
    print(f"2 hosts killed at {cuts} random points: whole, {came} bytes on both, none lost by a cut", flush=True)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.weights")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--mbit", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=10)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="moefleet-w-") as name, network(given.mbit):
        folder = Path(name)
        make_files(folder / "source", given.megabytes)
        bench = Bench(folder, record("bench", REVISION, folder / "source"))
        argv = [sys.executable, "-m", "tests.bench.weights_host", "--serve", str(folder / "source"), address(SOURCE)]
        web = subprocess.Popen(["ip", "netns", "exec", SOURCE, *argv], cwd=ROOT)
        try:
            found = measure(bench, given.mbit, given.cuts)
        finally:
            stop([web])
    (ROOT / "artifacts/bench-weights.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
