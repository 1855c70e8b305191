"""Manifests: what is not a plain list of files with digests is refused, and sources' own words become one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.weights import checkpoint as checkpoints
from ansible_collections.moefleet.serving.plugins.module_utils.weights import manifest as manifests
from ansible_collections.moefleet.serving.plugins.module_utils.weights import metadata
from ansible_collections.moefleet.serving.plugins.module_utils.weights.checkpoint import Expected
from ansible_collections.moefleet.serving.plugins.module_utils.weights.errors import WeightsError
from ansible_collections.moefleet.serving.plugins.module_utils.weights.manifest import File, Manifest

from .conftest import REVISION, SHARD

SHA = "0" * 64
GIT = "1" * 40


def test_it_survives_json(manifest: Manifest) -> None:
    assert manifests.from_json(manifest.to_json()) == manifest
    assert [file.path for file in manifest.code()] == ["code/model.py"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "a//b", "x.part", "MANIFEST.json", "a\nb", "..", "a\\b"]
)
def test_paths_that_leave_the_directory_or_are_the_stores_own_are_refused(path: str) -> None:
    with pytest.raises(WeightsError, match="manifest-invalid"):
        manifests.make("s", REVISION, [File(path, 1, SHA)])


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[]",
        '{"source": "s", "revision": "r", "files": []}',
        '{"source": "s", "revision": "r", "files": [{"path": "a", "size": 1}]}',
        f'{{"source": "s", "revision": "../r", "files": [{{"path": "a", "size": 1, "sha256": "{SHA}"}}]}}',
        f'{{"source": "s", "revision": "r", "files": [{{"path": "a", "size": -1, "sha256": "{SHA}"}}]}}',
    ],
)
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(WeightsError, match="manifest-invalid"):
        manifests.from_json(text)


def test_hugging_face_gives_sha256_of_large_files_and_blob_ids_of_small_ones() -> None:
    rows = [
        {"type": "directory", "path": "code", "oid": GIT, "size": 0},
        {"type": "file", "path": "config.json", "oid": GIT, "size": 12},
        {"type": "file", "path": "m.safetensors", "oid": "2" * 40, "size": 99, "lfs": {"oid": SHA, "size": 99}},
    ]
    made = metadata.from_huggingface("a/b", REVISION, rows)
    assert made.files == (File("config.json", 12, "", GIT), File("m.safetensors", 99, SHA))
    assert made.size == 111


def test_modelscope_gives_sha256_of_all() -> None:
    rows = [
        {"Path": "code", "Type": "tree", "Size": 0, "Sha256": ""},
        {"Path": "m.safetensors", "Type": "blob", "Size": 99, "Sha256": SHA},
    ]
    made = metadata.from_modelscope("a/b", "v1.0.0", {"Code": 200, "Data": {"Files": rows}})
    assert made.files == (File("m.safetensors", 99, SHA),)


@pytest.mark.parametrize("answer", [{}, {"Data": None}, {"Data": {"Files": [{"Path": "a"}]}}])
def test_other_answers_are_refused_as_such(answer: object) -> None:
    with pytest.raises(WeightsError, match="metadata-invalid"):
        metadata.from_modelscope("a/b", "v1", answer)


@pytest.mark.parametrize(
    ("kind", "revision"),
    [("huggingface", "main"), ("huggingface", "v1.0"), ("modelscope", "master"), ("modelscope", "Latest"), ("s3", "")],
)
def test_a_revision_that_moves_is_refused(kind: str, revision: str) -> None:
    with pytest.raises(WeightsError, match="revision-moves"):
        metadata.fixed_revision(kind, revision)


def test_a_list_of_checksums_needs_sizes() -> None:
    text = f"{SHA}  a\n"
    assert metadata.from_sums("s", "r1", text, {"a": 5}).files == (File("a", 5, SHA),)
    with pytest.raises(WeightsError, match="a has no known size"):
        metadata.from_sums("s", "r1", text, {})


def test_a_folder_is_recorded_with_what_sha256sum_says(checkpoint: Path, manifest: Manifest) -> None:
    assert {file.path: file.sha256 for file in manifest.files}[SHARD] == (
        hashlib.sha256((checkpoint / SHARD).read_bytes()).hexdigest()
    )
    assert f"  {SHARD}\n" in manifest.sums()


def test_placeholders_are_refused_by_name(checkpoint: Path) -> None:
    (checkpoint / SHARD).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 300000\n")
    with pytest.raises(WeightsError, match=f"placeholder.*{SHARD}"):
        metadata.record("s", "r1", checkpoint)


CONFIG = '{"architectures": ["DeepseekV3ForCausalLM"], "quantization_config": {"quant_method": "fp8"}}'


def said(manifest: Manifest, expected: Expected, config: str = CONFIG, index: str = "") -> list[str]:
    return checkpoints.problems(manifest, config, index, expected)


def test_the_planned_checkpoint_passes(manifest: Manifest) -> None:
    checkpoints.refuse(manifest, CONFIG, "", Expected("DeepseekV3ForCausalLM", "fp8", 590_000))


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        (Expected(architecture="Qwen3MoeForCausalLM"), "architecture is DeepseekV3ForCausalLM, the plan's is Qwen3"),
        (Expected(quantisation="none"), "quantisation is fp8, the plan's is none"),
        (Expected(bytes=1_200_000), "its weights have 600000 bytes, the plan's model has 1200000"),
    ],
)
def test_another_checkpoint_is_refused(manifest: Manifest, expected: Expected, words: str) -> None:
    with pytest.raises(WeightsError, match="other-checkpoint") as caught:
        checkpoints.refuse(manifest, CONFIG, "", expected)
    assert words in str(caught.value)


def test_shards_that_the_index_names_are_there(manifest: Manifest) -> None:
    assert not said(manifest, Expected(), index=f'{{"weight_map": {{"a": "{SHARD}"}}}}')
    assert said(manifest, Expected(), index='{"weight_map": {"a": "model-00003.safetensors"}}') == [
        "model.safetensors.index.json names files that are not there: model-00003.safetensors"
    ]
    assert "says 700000 bytes" in said(manifest, Expected(), index='{"metadata": {"total_size": 700000}}')[0]
