"""One file: cut anywhere it goes on at that byte; what is wrong is refused or mended, and says why."""

from __future__ import annotations

import errno
import random
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.weights import sources, transfer
from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError
from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import File, Manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.signing import Keys, presigned
from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source

from .conftest import SHARD, Web


@pytest.fixture
def shard(manifest: Manifest) -> File:
    """A file of 300,000 bytes."""
    return next(file for file in manifest.files if file.path == SHARD)


def test_cut_at_ten_points_it_goes_on_at_each_byte(
    place: transfer.Place, web: Web, shard: File, checkpoint: Path
) -> None:
    web.cuts = [1, 999, 70_000, 65_536, 1, 12_345, 40_000, 7, 50_001, 3]
    total = sum(web.cuts)
    meter = transfer.Meter()
    assert transfer.bring(place, shard, meter) == shard.sha256
    assert (place.directory / SHARD).read_bytes() == (checkpoint / SHARD).read_bytes()
    assert meter.came == shard.size
    assert len(web.asked) == 11
    assert web.asked[-1][1] == f"bytes={total}-"
    assert not list(place.directory.glob("*.part"))


def test_what_an_earlier_run_left_is_kept(place: transfer.Place, web: Web, shard: File, checkpoint: Path) -> None:
    place.directory.mkdir()
    (place.directory / f"{SHARD}.part").write_bytes((checkpoint / SHARD).read_bytes()[:123_456])
    transfer.bring(place, shard, transfer.Meter())
    assert [wanted for _, wanted, _ in web.asked] == ["bytes=123456-"]


def test_a_source_without_ranges_begins_again(place: transfer.Place, web: Web, shard: File) -> None:
    web.ranges, web.cuts = False, [1000]
    assert transfer.bring(place, shard, transfer.Meter()) == shard.sha256


def test_a_flipped_byte_in_what_was_left_is_mended(place: transfer.Place, shard: File, checkpoint: Path) -> None:
    place.directory.mkdir()
    content = bytearray((checkpoint / SHARD).read_bytes()[:1000])
    content[500] ^= 1
    (place.directory / f"{SHARD}.part").write_bytes(content)
    assert transfer.bring(place, shard, transfer.Meter()) == shard.sha256


def test_a_source_with_another_byte_is_refused(place: transfer.Place, shard: File, checkpoint: Path) -> None:
    content = bytearray((checkpoint / SHARD).read_bytes())
    content[-1] ^= 1
    (checkpoint / SHARD).write_bytes(content)
    with pytest.raises(WeightsError, match=rf"other-content.*{SHARD}.*another SHA-256.*another revision"):
        transfer.bring(place, shard, transfer.Meter())
    assert not list(place.directory.iterdir())


@pytest.mark.parametrize("size", [299_999, 300_001])
def test_a_source_with_another_size_is_refused_at_once(
    place: transfer.Place, shard: File, checkpoint: Path, size: int
) -> None:
    (checkpoint / SHARD).write_bytes(bytes(size))
    with pytest.raises(WeightsError, match=f"has {size} bytes, the manifest says 300000"):
        transfer.bring(place, shard, transfer.Meter())


@pytest.mark.parametrize("lie", [-1, 1])
def test_a_source_that_lies_about_the_length_is_refused_at_once(
    place: transfer.Place, web: Web, shard: File, lie: int
) -> None:
    web.lie = lie
    with pytest.raises(WeightsError, match=f"other-content.*has {300_000 + lie} bytes, the manifest says 300000"):
        transfer.bring(place, shard, transfer.Meter())
    assert len(web.asked) == 1


def test_a_range_that_is_answered_with_the_whole_file_is_not_appended(
    place: transfer.Place, web: Web, shard: File, checkpoint: Path
) -> None:
    """Status 200: what an earlier run left is written anew."""
    web.ranges = False
    place.directory.mkdir()
    (place.directory / f"{SHARD}.part").write_bytes((checkpoint / SHARD).read_bytes()[:123_456])
    meter = transfer.Meter()
    assert transfer.bring(place, shard, meter) == shard.sha256
    assert [wanted for _, wanted, _ in web.asked] == ["bytes=123456-"]
    assert meter.came == shard.size


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """What the meter sees."""
        return self.now

    def wait(self, seconds: float) -> bool:
        """Nobody tells the transfer to stop meanwhile."""
        self.now += seconds
        return False


@pytest.mark.parametrize("cap", [1_000.0, 1e6, 2.5e9])
def test_a_cap_holds_over_any_run_of_chunks(monkeypatch: pytest.MonkeyPatch, cap: float) -> None:
    """Bytes over time never exceed the cap by more than what the tenth of a second of grace lets through."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    meter = transfer.Meter(cap)
    monkeypatch.setattr(meter.stop, "wait", clock.wait)
    began, rng = clock.now, random.Random(7)
    for _ in range(500):
        meter.count(rng.randint(1, int(cap)))
        # The network is slow at times, and what it didn't bring then may not come in a burst later.
        clock.now += rng.choice((0.0, 0.0, 0.4 / 1000))
    passed = clock.now - began
    assert meter.came <= cap * (passed + 0.1)
    assert meter.came >= 0.95 * cap * passed


def test_a_placeholder_is_refused_as_such(place: transfer.Place, shard: File, checkpoint: Path) -> None:
    words = b"version https://git-lfs.github.com/spec/v1\n"
    (checkpoint / SHARD).write_bytes(words + bytes(shard.size - len(words)))
    with pytest.raises(WeightsError, match=rf"{SHARD}.*placeholder of large-file storage"):
        transfer.bring(place, shard, transfer.Meter())


@pytest.mark.parametrize(
    ("status", "code"), [(404, "source-vanished"), (401, "source-refused"), (403, "source-refused")]
)
def test_what_the_source_says_no_to_is_said(
    place: transfer.Place, web: Web, shard: File, status: int, code: str
) -> None:
    web.status = status
    with pytest.raises(WeightsError, match=rf"{code}.*{status}"):
        transfer.bring(place, shard, transfer.Meter())
    assert len(web.asked) == 1


def test_a_source_that_stays_away_has_vanished(place: transfer.Place, web: Web, shard: File) -> None:
    web.status = 503
    with pytest.raises(WeightsError, match=r"source-vanished.*brings no more of"):
        transfer.bring(place, shard, transfer.Meter())
    assert len(web.asked) > 1


def test_a_full_disk_is_said_and_what_came_stays(
    place: transfer.Place, shard: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def opened(path: Path, *args: Any, **named: Any) -> Any:
        handle = real(path, *args, **named)
        if path.name.endswith(".part") and args and args[0] in ("wb", "ab"):
            return Small(handle)
        return handle

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(WeightsError, match=r"disk-full.*no room left"):
        transfer.bring(place, shard, transfer.Meter())
    assert (place.directory / f"{SHARD}.part").stat().st_size == 1000


class Small:
    """A file on a disk with room for 1000 bytes, which takes a part of a write as a real one does."""

    def __init__(self, handle: Any) -> None:
        self.handle, self.room = handle, 1000

    def __enter__(self) -> Small:
        return self

    def __exit__(self, *_: object) -> None:
        self.handle.close()

    def write(self, chunk: memoryview) -> int:
        """What fits."""
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = int(self.handle.write(chunk[: self.room]))
        self.room -= written
        return written


def test_a_folder_is_a_source_too(checkpoint: Path, shard: File, tmp_path: Path) -> None:
    place = transfer.Place(tmp_path / "target", Source("file", str(checkpoint)))
    assert transfer.bring(place, shard, transfer.Meter()) == shard.sha256
    (checkpoint / SHARD).unlink()
    (place.directory / SHARD).unlink()
    with pytest.raises(WeightsError, match="source-vanished"):
        transfer.bring(place, shard, transfer.Meter())


def test_credentials_go_to_their_host_only(web: Web, elsewhere: Web) -> None:
    source = Source("http", web.url, token="secret")
    web.redirect = elsewhere.url
    with sources.ask(source, source.file_address("config.json")) as answer:
        assert answer.status == 200
    assert [credentials for _, _, credentials in web.asked] == ["Bearer secret"]
    assert [credentials for _, _, credentials in elsewhere.asked] == [""]
    assert "secret" not in repr(source)


def test_a_redirect_within_the_host_keeps_them(web: Web) -> None:
    source = Source("http", web.url, token="secret")
    web.redirect = web.url + "/."
    with pytest.raises(OSError, match="answered 302"):  # it never stops
        sources.ask(source, source.file_address("config.json"))
    assert len(web.asked) > 1
    assert {credentials for _, _, credentials in web.asked} == {"Bearer secret"}


@pytest.mark.parametrize(
    ("source", "address"),
    [
        (Source("huggingface", "", "a/b", "c"), "https://huggingface.co/a/b/resolve/c/d/e%20f"),
        (Source("huggingface", "https://hf-mirror.com/", "a/b", "c"), "https://hf-mirror.com/a/b/resolve/c/d/e%20f"),
        (
            Source("modelscope", "", "a/b", "c"),
            "https://modelscope.cn/api/v1/models/a/b/repo?Revision=c&FilePath=d%2Fe%20f",
        ),
        (Source("s3", "https://store/bucket/x"), "https://store/bucket/x/d/e%20f"),
    ],
)
def test_addresses(source: Source, address: str) -> None:
    assert source.file_address("d/e f") == address


def test_a_signed_address_is_what_its_definition_shows() -> None:
    """AWS's own example of a signature in the query: bucket examplebucket, test.txt, 24 May 2013, a day."""
    keys = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
    now = datetime(2013, 5, 24, tzinfo=timezone.utc)
    url = presigned("https://examplebucket.s3.amazonaws.com/test.txt", keys, now, 86400)
    assert url.endswith("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404")
