"""A bundle says what it is, and one that isn't whole or doesn't fit is refused with host, value and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import document as documents
from ansible_collections.moefleet.serving.plugins.module_utils.weights.metadata import digest_of

ENGINE = {"lock": "cpu-python3.11.txt", "python": "3.11", "sha256": "a" * 64}
HOST = {"system": "debian12", "architecture": "x86_64", "packages": ["gcc"], "engine": ENGINE, "revision": "first"}


def made(directory: Path, **more: Any) -> dict[str, Any]:
    """A bundle with one file."""
    (directory / "wheels").mkdir(exist_ok=True)
    (directory / "wheels/a.whl").write_bytes(b"wheel")
    document: dict[str, Any] = {
        "schema": documents.SCHEMA,
        "system": "debian12",
        "architecture": "x86_64",
        "packages": ["gcc", "haproxy"],
        "engines": [ENGINE],
        "weights": {"revision": "first"},
        "files": {"wheels/a.whl": 5},
        **more,
    }
    text = documents.to_json(document)
    digests = {"wheels/a.whl": digest_of(directory / "wheels/a.whl"), "BUNDLE.json": documents.text_digest(text)}
    (directory / "BUNDLE.json").write_text(text, encoding="utf-8")
    (directory / "SHA256SUMS").write_text(documents.write_sums(digests), encoding="utf-8")
    return document


def test_a_whole_bundle_is_read_and_fits(tmp_path: Path) -> None:
    made(tmp_path)
    document, digests = documents.read(tmp_path)
    assert documents.absences(tmp_path, document, digests) == []
    assert documents.flipped(tmp_path, digests, document["files"]) == []
    assert documents.judge(document, {"node-0": HOST, "node-1": {**HOST, "revision": ""}}) == []


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(documents.BundleError, match=r"BUNDLE\.json can't be read .*playbooks/bundle\.yml"):
        documents.read(tmp_path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    made(tmp_path, schema=2)
    with pytest.raises(documents.BundleError, match="has schema 2, this version of the collection reads 1: gather"):
        documents.read(tmp_path)


def test_a_changed_document_is_refused(tmp_path: Path) -> None:
    made(tmp_path)
    text = (tmp_path / "BUNDLE.json").read_text(encoding="utf-8")
    (tmp_path / "BUNDLE.json").write_text(text.replace("debian12", "debian13"), encoding="utf-8")
    with pytest.raises(documents.BundleError, match="is not what SHA256SUMS says"):
        documents.read(tmp_path)
    (tmp_path / "BUNDLE.json").write_text("[]", encoding="utf-8")
    with pytest.raises(documents.BundleError, match="is no bundle's document"):
        documents.read(tmp_path)


@pytest.mark.parametrize("line", ["no digest", f"{'0' * 64}  ../outside", f"{'0' * 64}  /etc/passwd"])
def test_paths_that_leave_the_directory_are_refused(line: str) -> None:
    with pytest.raises(documents.BundleError, match="is no digest and path"):
        documents.read_sums(line)


def test_missing_cut_off_and_flipped_files_are_named(tmp_path: Path) -> None:
    made(tmp_path)
    document, digests = documents.read(tmp_path)
    wheel = tmp_path / "wheels/a.whl"
    wheel.write_bytes(b"wheeL")
    assert documents.flipped(tmp_path, digests, ["wheels/a.whl"]) == [
        f"{wheel} has other content than SHA256SUMS says: copy the bundle again"
    ]
    wheel.write_bytes(b"whe")
    assert documents.absences(tmp_path, document, digests) == [
        f"{wheel} has 3 bytes instead of 5: copy the bundle again"
    ]
    wheel.unlink()
    assert documents.absences(tmp_path, document, {}) == [
        "SHA256SUMS lacks wheels/a.whl: copy the bundle again",
        f"{wheel} is missing: copy the bundle again",
    ]
    assert "can't be read (No such file" in documents.flipped(tmp_path, digests, ["wheels/a.whl"])[0]


def test_all_that_does_not_fit_is_said_at_once(tmp_path: Path) -> None:
    document = made(tmp_path)
    hosts = {
        "node-0": {**HOST, "system": "ubuntu22.04", "architecture": "aarch64"},
        "node-1": {**HOST, "engine": {**ENGINE, "sha256": "b" * 64}, "packages": ["gcc", "linux-headers-1"]},
        "node-2": {**HOST, "revision": "second"},
    }
    found = documents.judge(document, hosts)
    assert [words.split(" (")[0] for words in found] == [
        "node-0: its system is ubuntu22.04, the bundle is for debian12: gather one on a machine of ubuntu22.04",
        "node-0: its architecture is aarch64, the bundle is for x86_64: gather one on a machine of aarch64",
        "node-1: its engine is cpu-python3.11.txt for Python 3.11, the bundle has cpu-python3.11.txt for Python 3.11",
        "node-1: it needs linux-headers-1, which the bundle wasn't gathered for: gather one with this inventory",
        "node-2: it wants revision second, the bundle has first: gather one with this inventory",
    ]
    assert "the bundle has no weights" in documents.judge({**document, "weights": {}}, {"node-0": HOST})[0]


def test_the_time_of_making_makes_no_difference(tmp_path: Path) -> None:
    document = made(tmp_path)
    assert documents.same({**document, "made": "now"}, json.loads(documents.to_json({**document, "made": "then"})))
    assert not documents.same(document, {**document, "system": "rhel9"})
