"""What goes wrong while a checkpoint comes, with real processes on the loopback: nothing that came is lost, and what
lies there in the end is right.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import Manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.metadata import record
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import Store

from .agents import COLLECTIONS, ENDS_WITHIN_S, Host, free_port, run, whole
from .conftest import REVISION, SHARD, Web

# Slow enough to be met in the middle: 600 kB take two seconds.
CAP = 300_000.0
LARGE_BYTES = 32 << 20
INTERRUPTIONS = 10


def wait_for(happened: Callable[[], bool]) -> None:
    """Return as soon as it has."""
    deadline = time.monotonic() + ENDS_WITHIN_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def there(host: Host, manifest: Manifest) -> int:
    """Bytes of the checkpoint that lie on a host, whole files or parts."""
    folder = Store(host.path).directory(manifest.revision)
    return sum(size_of(folder / file.path) for file in manifest.files)


def size_of(path: Path) -> int:
    """Bytes of a file or of its part. The part is asked first: when it is gone, it has just become the file."""
    for found in (path.with_name(f"{path.name}.part"), path):
        with contextlib.suppress(FileNotFoundError):
            return found.stat().st_size
    return 0


def has(host: Host, manifest: Manifest, least: int) -> bool:
    """Whether at least so many bytes lie there."""
    return there(host, manifest) >= least


def test_killed_at_ten_points_it_loses_no_byte(chain: list[Host], manifest: Manifest, web: Web) -> None:
    """SIGKILL, as a host that loses power. Each time no less is there than before, and all that came counts."""
    host, rng, sent = chain[0], random.Random(20), 0
    host.cap = CAP
    points = sorted(rng.sample(range(1, manifest.size), INTERRUPTIONS))
    for point in points:
        host.start(manifest, "http", web.url)
        wait_for(functools.partial(has, host, manifest, point))
        host.stop(signal.SIGKILL)
        kept = there(host, manifest)
        assert kept >= sent
        sent = kept
        host.path.with_name("status.json").unlink(missing_ok=True)
    host.cap = 0
    host.start(manifest, "http", web.url)
    said = host.ended()
    assert said["state"] == "complete"
    assert said["came_bytes"] == manifest.size - sent
    assert whole(host, manifest)


def test_a_host_that_dies_in_the_middle_of_the_chain_is_waited_for(
    chain: list[Host], manifest: Manifest, web: Web
) -> None:
    first, middle, last = chain
    middle.cap = CAP / 5
    first.start(manifest, "http", web.url)
    last.start(manifest, "peer", f"http://127.0.0.1:{middle.port}")
    wait_for(lambda: last.status["state"] == "fetching")
    middle.start(manifest, "peer", f"http://127.0.0.1:{first.port}")
    wait_for(lambda: there(last, manifest) > 50_000)
    middle.stop(signal.SIGKILL)
    kept = there(middle, manifest)
    assert 0 < kept < manifest.size
    # The host behind it has no one to ask for longer than a source would be given, and goes on asking.
    time.sleep(2 * last.give_up_s)
    assert last.status["state"] == "fetching"
    middle.path.with_name("status.json").unlink()
    middle.cap = 0
    middle.start(manifest, "peer", f"http://127.0.0.1:{first.port}")
    assert [host.ended()["state"] for host in chain] == ["complete"] * 3
    assert middle.status["came_bytes"] == manifest.size - kept
    assert all(whole(host, manifest) for host in chain)


@contextlib.contextmanager
def serving(folder: Path, port: int) -> Iterator[None]:
    """A web server without ranges, which ends like one whose machine is switched off."""
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize("back", [True, False], ids=["it comes back", "it stays away"])
def test_a_source_that_is_killed_on_the_way(chain: list[Host], checkpoint: Path, back: bool) -> None:
    """Larger than what both ends of a connection hold: that would still come."""
    (checkpoint / "model-00003.safetensors").write_bytes(random.Random(3).randbytes(LARGE_BYTES))
    manifest = record("the source", REVISION, checkpoint)
    host, port = chain[0], free_port()
    # Coming back takes as long as another interpreter's start, on a machine that has other things to do.
    host.cap, host.give_up_s = LARGE_BYTES / 5, ENDS_WITHIN_S if back else 1.0
    with serving(checkpoint, port):
        host.start(manifest, "http", f"http://127.0.0.1:{port}")
        wait_for(lambda: there(host, manifest) > 100_000)
    if back:
        with serving(checkpoint, port):
            assert host.ended()["state"] == "complete"
        assert whole(host, manifest)
        return
    began = time.monotonic()
    said = host.ended()
    assert said["state"] == "failed"
    assert "[source-vanished]" in str(said["error"])
    assert "it goes on where it stopped" in str(said["error"])
    assert time.monotonic() - began < 20  # of one second that it is given, and a second between tries
    assert there(host, manifest) > 100_000


def test_a_truncated_file_of_one_host_is_mended_from_its_neighbour(
    chain: list[Host], manifest: Manifest, web: Web
) -> None:
    run(chain, manifest, web.url)
    for host in chain:
        host.stop()
        host.path.with_name("status.json").unlink()
    shard = Store(chain[2].path).directory(manifest.revision) / SHARD
    with shard.open("r+b") as handle:
        handle.truncate(1234)
    web.asked.clear()
    assert [status["came_bytes"] for status in run(chain, manifest, web.url)] == [0, 0, 300_000]
    assert whole(chain[2], manifest)
    assert not web.asked


# Brings one file into a directory and says how it ended.
BRING = textwrap.dedent("""
    import sys
    from pathlib import Path
    from ansible_collections.moefleet.serving.plugins.module_utils.weights import transfer
    from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError
    from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import File
    from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source
    folder, url, path, size, sha256 = sys.argv[1:]
    place = transfer.Place(Path(folder), Source("http", url), give_up_s=0.2, retry_s=0.01)
    try:
        meter = transfer.Meter()
        transfer.bring(place, File(path, int(size), sha256), meter)
        print("whole", meter.came)
    except WeightsError as error:
        print(error)
""")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own")
def test_a_disk_that_is_full_is_said_and_with_room_it_goes_on(manifest: Manifest, web: Web, tmp_path: Path) -> None:
    """A real one: a file system of 200 kB in a mount namespace of its own, then the same with more room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    shard = next(file for file in manifest.files if file.path == SHARD)
    script = (
        'mount -t tmpfs -o size=200k none "$1" && "$2" -c "$3" "$1" "$4" "$5" "$6" "$7"'
        ' && mount -o remount,size=10m "$1" && "$2" -c "$3" "$1" "$4" "$5" "$6" "$7" && sha256sum "$1/$5"'
    )
    arguments = [str(disk), sys.executable, BRING, web.url, SHARD, str(shard.size), shard.sha256]
    said = subprocess.run(
        ["unshare", "--mount", "sh", "-euc", script, "sh", *arguments],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if "ermission denied" in said.stderr or "not permitted" in said.stderr:
        pytest.skip("this machine doesn't let root mount")
    full, then, digest = said.stdout.splitlines()
    assert full.startswith(f"[disk-full] {disk}: no room left while {SHARD} came (No space left on device)")
    came = int(then.removeprefix("whole "))
    assert 0 < came < shard.size
    assert web.asked[-1][1] == f"bytes={shard.size - came}-"
    assert digest.split()[0] == shard.sha256
