# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A checkpoint's manifest, wherever it is to be had: kept, given, or from the source."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..evidence import checksums
from . import checkpoint, metadata
from .errors import WeightsError
from .manifest import MANIFEST, SUMS, Manifest, from_dict, from_json
from .sources import Source, ask, open_file, sizes
from .store import Store

_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')
# A file that describes a checkpoint is small; DeepSeek-V3's index of 91,991 tensors has 9 MB.
MOST_BYTES = 64 << 20


def _pages(source: Source) -> list[Any]:
    """All rows of a hub's list, which comes in pages."""
    rows: list[Any] = []
    url = source.list_address()
    while url:
        with ask(source, url) as answer:
            rows += json.load(answer)
            found = _NEXT.search(answer.headers.get("Link", ""))
        url = found.group(1) if found else ""
    return rows


def _text(source: Source, path: str) -> str:
    """A small file of the source."""
    stream, _, _ = open_file(source, path, 0)
    with stream:
        return stream.read(MOST_BYTES).decode("utf-8")


def from_source(source: Source) -> Manifest:
    """What the source says of its files."""
    try:
        if source.kind == "huggingface":
            metadata.fixed_revision(source.kind, source.revision)
            return metadata.from_huggingface(source.repository, source.revision, _pages(source))
        if source.kind == "modelscope":
            metadata.fixed_revision(source.kind, source.revision)
            with ask(source, source.list_address()) as answer:
                return metadata.from_modelscope(source.repository, source.revision, json.load(answer))
        if source.kind == "file" and not (Path(source.url) / SUMS).exists():
            return metadata.record(source.words, source.revision, Path(source.url))
        text = _text(source, SUMS)
    except ValueError as error:
        raise WeightsError(
            "metadata-invalid", f"{source.words} gives no list of files: {error}", "Is the endpoint right?"
        ) from error
    digests, _ = checksums.parse(text)
    return metadata.from_sums(source.words, source.revision, text, _sizes(source, sorted(digests)))


def _sizes(source: Source, paths: list[str]) -> Mapping[str, int]:
    if source.kind != "file":
        return sizes(source, paths)
    there = {path: Path(source.url) / path for path in paths}
    present = {path: place for path, place in there.items() if place.is_file()}
    metadata.refuse_placeholders([path for path, place in present.items() if metadata.is_placeholder(place)])
    return {path: place.stat().st_size for path, place in present.items()}


def find_manifest(store: Store, source: Source, given: Mapping[str, Any], expected: checkpoint.Expected) -> Manifest:
    """The manifest kept with the revision, the one given, or the source's; its checkpoint is the plan's."""
    metadata.fixed_revision(source.kind, source.revision)
    kept = store.directory(source.revision) / MANIFEST
    pinned = from_dict(given) if given else None
    if pinned is not None and pinned.revision != source.revision:
        raise WeightsError(
            "other-revision",
            f"the manifest is of revision {pinned.revision}, asked for is {source.revision}",
            "Change model_weights_revision or model_weights_manifest.",
        )
    manifest = pinned or (from_json(kept.read_text(encoding="utf-8")) if kept.exists() else from_source(source))
    names = {file.path for file in manifest.files}
    if expected == checkpoint.Expected() or checkpoint.CONFIG not in names:
        return manifest

    def described(name: str) -> str:
        local = store.directory(source.revision) / name
        return local.read_text(encoding="utf-8") if local.exists() else _text(source, name)

    index = described(checkpoint.INDEX) if checkpoint.INDEX in names else ""
    checkpoint.refuse(manifest, described(checkpoint.CONFIG), index, expected)
    return manifest
