"""The list and its checksums are written once, and weights that were verified are not read again."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from ansible_collections.moefleet.serving.plugins.modules import bundle_contents, bundle_index, bundle_wheels

from .conftest import RunModule

DOCUMENT = {"system": "debian12", "architecture": "x86_64", "engines": [], "packages": [], "weights": {}}


def test_it_is_written_once_and_checked_by_coreutils(tmp_path: Path, run_module: RunModule) -> None:
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages/a b.deb").write_bytes(b"package")
    assert run_module(bundle_index, check=True, path=str(tmp_path), document=DOCUMENT)["changed"]
    assert not (tmp_path / "SHA256SUMS").exists()
    assert run_module(bundle_index, path=str(tmp_path), document=DOCUMENT)["bytes"] == 7
    assert not run_module(bundle_index, path=str(tmp_path), document=DOCUMENT)["changed"]
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, capture_output=True)

    read = run_module(bundle_contents, path=str(tmp_path), read=["packages/a b.deb"])
    assert [file["path"] for file in read["files"]] == ["packages/a b.deb"]
    (tmp_path / "packages/a b.deb").write_bytes(b"Package")
    assert "failed" not in run_module(bundle_contents, path=str(tmp_path))
    refused = run_module(bundle_contents, path=str(tmp_path), read=["packages/a b.deb"])
    assert "has other content" in refused["msg"]


def test_verified_weights_are_not_read_again(tmp_path: Path, run_module: RunModule) -> None:
    place = tmp_path / "weights/model.revisions/first"
    place.mkdir(parents=True)
    shard = place / "shard"
    shard.write_bytes(b"shard")
    status, said = shard.stat(), "f" * 64
    (place / ".verified.json").write_text(
        json.dumps({"shard": [status.st_size, status.st_mtime_ns, said]}), encoding="utf-8"
    )
    weights = {"revision": "first", "directory": "weights/model.revisions/first"}
    run_module(bundle_index, path=str(tmp_path), document={**DOCUMENT, "weights": weights})
    sums = (tmp_path / "SHA256SUMS").read_text(encoding="utf-8")
    assert f"{said}  weights/model.revisions/first/shard\n" in sums
    assert ".verified.json" not in sums


def test_wheels_are_there_by_their_digest(tmp_path: Path, run_module: RunModule) -> None:
    (tmp_path / "a.whl").write_bytes(b"")
    (tmp_path / "old.whl").write_bytes(b"old")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    text = f"a==1 --hash=sha256:{empty}\nb==1 --hash=sha256:{'0' * 64}\n"
    found = run_module(bundle_wheels, path=str(tmp_path), locks={"l.txt": text}, prune=True)
    assert found["missing"] == {"l.txt": ["b"]}
    assert found["changed"]
    assert [file.name for file in tmp_path.iterdir()] == ["a.whl"]
    assert not run_module(bundle_wheels, path=str(tmp_path), locks={"l.txt": text}, prune=True)["changed"]
    assert "no hash" in run_module(bundle_wheels, path=str(tmp_path), locks={"l.txt": "a==1"})["msg"]
