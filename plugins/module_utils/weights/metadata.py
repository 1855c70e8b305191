# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Manifests from what sources say of their files."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..evidence import checksums
from .errors import WeightsError
from .manifest import OWN, PART, File, Manifest, make

MOVING = frozenset({"main", "master", "latest", "head", "dev", "nightly"})
COMMIT = re.compile(r"[0-9a-f]{40}")
# A repository's own files, which no engine reads.
_NOT_MODEL = (".git/", ".cache/", ".msc", ".mv")
LFS_HEAD = b"version https://git-lfs.github.com/spec/v1"
CHUNK = 1 << 20


def fixed_revision(kind: str, revision: str) -> str:
    """The revision, if it names the same bytes tomorrow; WeightsError for a name that moves."""
    if revision.lower() in MOVING or not revision:
        what = f"revision {revision!r} moves: it names other files tomorrow"
    elif kind == "huggingface" and not COMMIT.fullmatch(revision):
        what = f"revision {revision!r} is not a commit of the hub (40 hexadecimal digits)"
    else:
        return revision
    raise WeightsError("revision-moves", what, "Give the commit, as the hub's history of the files shows it.")


def _wrong(source: str, why: str) -> WeightsError:
    return WeightsError("metadata-invalid", f"{source}'s list of files can't be read: {why}", "Is the endpoint right?")


def from_huggingface(repository: str, revision: str, rows: Any) -> Manifest:
    """From `/api/models/REPOSITORY/tree/REVISION?recursive=1`: large files have `lfs.oid` (SHA-256), small ones only
    the git blob's `oid` (SHA-1).
    """
    source = f"huggingface {repository}"
    files = []
    try:
        for row in rows:
            if row["type"] != "file" or str(row["path"]).startswith(_NOT_MODEL):
                continue
            large = row.get("lfs")
            if large:
                digest = str(large.get("oid") or large.get("sha256")).replace("sha256:", "")
                files.append(File(str(row["path"]), int(large["size"]), digest))
            else:
                files.append(File(str(row["path"]), int(row["size"]), "", str(row["oid"])))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _wrong(source, f"{type(error).__name__} {error}") from error
    return make(source, fixed_revision("huggingface", revision), files)


def from_modelscope(repository: str, revision: str, answer: Any) -> Manifest:
    """From `/api/v1/models/REPOSITORY/repo/files?Revision=REVISION&Recursive=true`: every blob has `Sha256`."""
    source = f"modelscope {repository}"
    try:
        files = [
            File(str(row["Path"]), int(row["Size"]), str(row["Sha256"]).lower())
            for row in answer["Data"]["Files"]
            if row["Type"] != "tree" and not str(row["Path"]).startswith(_NOT_MODEL)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _wrong(source, f"{type(error).__name__} {error}") from error
    return make(source, fixed_revision("modelscope", revision), files)


def from_sums(source: str, revision: str, text: str, sizes: Mapping[str, int]) -> Manifest:
    """From a `SHA256SUMS` and the sizes in bytes of the files it names."""
    digests, problems = checksums.parse(text)
    problems += [f"{path} has no known size" for path in digests if path not in sizes]
    if problems:
        raise _wrong(source, "; ".join(problems))
    return make(source, revision, [File(path, sizes[path], digest) for path, digest in digests.items()])


def digest_of(path: Path) -> str:
    """A file's SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        for chunk in iter(lambda: handle.read(CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def is_placeholder(path: Path) -> bool:
    """Whether the file only stands for one that large-file storage has."""
    with path.open("rb") as handle:
        return handle.read(len(LFS_HEAD)) == LFS_HEAD


def refuse_placeholders(names: Sequence[str]) -> None:
    """WeightsError with the names of files that only stand for others; nothing where there are none."""
    if names:
        raise WeightsError(
            "placeholder",
            f"these are placeholders of large-file storage, not weights: {', '.join(names)}",
            "Run `git lfs pull` where they come from, or take another source.",
        )


def record(source: str, revision: str, folder: Path) -> Manifest:
    """A local folder's files as they are now, every byte read once."""
    if not folder.is_dir():
        raise WeightsError("source-vanished", f"{folder} is no directory", "Is it mounted on the first host?")
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {str(path.relative_to(folder)): path for path in paths}
    kept = {
        name: path
        for name, path in named.items()
        if name not in OWN and not name.endswith(PART) and not name.startswith(_NOT_MODEL)
    }
    refuse_placeholders([name for name, path in kept.items() if is_placeholder(path)])
    files = [File(name, path.stat().st_size, digest_of(path)) for name, path in kept.items()]
    return make(source, revision, files)
