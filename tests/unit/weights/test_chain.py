"""Hosts behind each other: each byte leaves the source once, and what one host has wrong is mended."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.weights import store as stores
from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError
from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import Manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import Store

from .agents import ENDS_WITHIN_S, Host, run, whole
from .conftest import SHARD, Web


def test_the_source_is_asked_once_and_every_host_has_all(chain: list[Host], manifest: Manifest, web: Web) -> None:
    said = run(chain, manifest, web.url)
    assert [status["state"] for status in said] == ["complete"] * 3
    assert all(whole(host, manifest) for host in chain)
    assert sorted(path for path, _, _ in web.asked) == sorted(f"/{file.path}" for file in manifest.files)
    assert {status["came_bytes"] for status in said} == {manifest.size}


def test_a_flipped_byte_is_mended_without_the_source(chain: list[Host], manifest: Manifest, web: Web) -> None:
    run(chain, manifest, web.url)
    for host in chain:
        host.stop()
        host.path.with_name("status.json").unlink()
    shard = Store(chain[1].path).directory(manifest.revision) / SHARD
    content = bytearray(shard.read_bytes())
    content[7] ^= 1
    shard.write_bytes(content)
    web.asked.clear()
    said = run(chain, manifest, web.url)
    assert [status["came_bytes"] for status in said] == [0, 300_000, 0]
    assert whole(chain[1], manifest)
    assert not web.asked


def test_what_a_killed_host_has_is_not_brought_again(chain: list[Host], manifest: Manifest, web: Web) -> None:
    run(chain[:1], manifest, web.url)
    here, there = (Store(host.path).directory(manifest.revision) for host in chain[:2])
    there.mkdir(parents=True)
    (there / f"{SHARD}.part").write_bytes((here / SHARD).read_bytes()[:12_345])
    chain[1].start(manifest, "peer", f"http://127.0.0.1:{chain[0].port}")
    assert chain[1].ended()["came_bytes"] == manifest.size - 12_345
    assert whole(chain[1], manifest)


def test_the_next_host_waits_for_a_host_that_comes_later(chain: list[Host], manifest: Manifest, web: Web) -> None:
    chain[1].start(manifest, "peer", f"http://127.0.0.1:{chain[0].port}")
    chain[0].start(manifest, "http", web.url)
    assert chain[1].ended()["state"] == "complete"


def test_a_vanished_source_is_said(chain: list[Host], manifest: Manifest, web: Web) -> None:
    web.status = 503
    chain[0].start(manifest, "http", web.url)
    assert "[source-vanished]" in str(chain[0].ended()["error"])


def test_two_at_once_are_refused(chain: list[Host], manifest: Manifest, web: Web) -> None:
    chain[0].start(manifest, "http", web.url)
    chain[0].ended()
    other = Host(chain[0].path)
    chain[0].path.with_name("status.json").unlink()
    other.start(manifest, "http", web.url)
    assert other.process is not None
    assert other.process.wait(ENDS_WITHIN_S) == 1


def test_too_little_room_names_the_bytes(manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "free_bytes", lambda _: 1000)
    store = Store(tmp_path / "model")
    need = manifest.size + stores.ROOM_SPARE_BYTES
    with pytest.raises(WeightsError, match=rf"no-room.*1000 bytes free and {need} are needed"):
        store.refuse_without_room(manifest, store.look(manifest, full=False))


def test_revisions_are_kept_switched_and_pruned(chain: list[Host], manifest: Manifest, web: Web) -> None:
    run(chain[:1], manifest, web.url)
    store = Store(chain[0].path)
    look = store.look(manifest, full=False)
    assert store.remember(manifest, look.whole)
    assert not store.remember(manifest, look.whole)
    assert store.switch(manifest.revision)
    assert not store.switch(manifest.revision)
    assert (chain[0].path / SHARD).stat().st_size == 300_000
    for number in range(3):
        store.directory(f"older{number}").mkdir()
        os.utime(store.directory(f"older{number}"), (number, number))
    assert store.prune(2) == ["older1", "older0"]
    assert store.current() == manifest.revision
    assert store.switch("older2")
    assert store.prunable(1) == [manifest.revision]


def test_a_directory_in_the_links_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with pytest.raises(WeightsError, match="path-taken"):
        Store(tmp_path / "model").switch("r1")


def test_a_changed_file_is_seen_without_reading_all(chain: list[Host], manifest: Manifest, web: Web) -> None:
    run(chain[:1], manifest, web.url)
    store = Store(chain[0].path)
    store.remember(manifest, store.look(manifest, full=False).whole)
    shard = store.directory(manifest.revision) / SHARD
    shard.write_bytes(bytes(300_000))
    assert store.look(manifest, full=False).differs == {SHARD: "has other content"}
    shard.write_bytes(b"short")
    assert store.look(manifest, full=False).differs == {SHARD: "has 5 bytes instead of 300000"}
    shard.unlink()
    assert store.look(manifest, full=False).differs == {SHARD: "missing"}
