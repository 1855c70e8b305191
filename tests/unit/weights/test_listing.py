"""A manifest is found beside the files, given, or made from what the source says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.weights.checkpoint import Expected
from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError
from ansible_collections.moefleet.serving.plugins.module_utils.weights.listing import find_manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import Manifest
from ansible_collections.moefleet.serving.plugins.module_utils.weights.sources import Source
from ansible_collections.moefleet.serving.plugins.module_utils.weights.store import Store
from ansible_collections.moefleet.serving.plugins.modules import weights_manifest

from .conftest import REVISION, Web


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A host without the model."""
    return Store(tmp_path / "model")


@pytest.mark.parametrize("kind", ["http", "file"])
def test_from_a_directory_with_a_list(kind: str, store: Store, manifest: Manifest, checkpoint: Path, web: Web) -> None:
    (checkpoint / "SHA256SUMS").write_text(manifest.sums())
    source = Source(kind, web.url if kind == "http" else str(checkpoint), revision=REVISION)
    found = find_manifest(store, source, {}, Expected("DeepseekV3ForCausalLM", "fp8", 600_000))
    assert found.files == manifest.files


def test_the_hubs_list_is_asked_with_the_revision(store: Store, checkpoint: Path, web: Web) -> None:
    folder = checkpoint / "api/models/a/b/tree"
    folder.mkdir(parents=True)
    (folder / REVISION).write_text(json.dumps([{"type": "file", "path": "x", "size": 1, "oid": "1" * 40}]))
    source = Source("huggingface", web.url, "a/b", REVISION, token="secret")
    assert find_manifest(store, source, {}, Expected()).size == 1
    assert web.asked == [(f"/api/models/a/b/tree/{REVISION}?recursive=1", "", "Bearer secret")]


def test_what_is_kept_asks_the_source_nothing(store: Store, manifest: Manifest, web: Web) -> None:
    store.directory(REVISION).mkdir(parents=True)
    (store.directory(REVISION) / "MANIFEST.json").write_text(manifest.to_json())
    assert find_manifest(store, Source("http", web.url, revision=REVISION), {}, Expected()) == manifest
    assert not web.asked


def test_a_manifest_of_another_revision_is_refused(store: Store, manifest: Manifest, web: Web) -> None:
    with pytest.raises(WeightsError, match="other-revision"):
        find_manifest(store, Source("http", web.url, revision="r2"), manifest.as_dict(), Expected())


def test_the_module_refuses_another_checkpoint(run_module: object, store: Store, checkpoint: Path) -> None:
    arguments = {"path": str(store.link), "revision": "r1", "source": {"kind": "file", "url": str(checkpoint)}}
    assert callable(run_module)
    good = run_module(weights_manifest, **arguments, expected={"quantisation": "fp8"})
    assert not good["changed"]
    assert list(good["code"]) == ["code/model.py"]
    bad = run_module(weights_manifest, **arguments, expected={"quantisation": "none"})
    assert "[other-checkpoint]" in bad["msg"]
    moving = run_module(weights_manifest, **{**arguments, "revision": "main"})
    assert "[revision-moves]" in moving["msg"]
