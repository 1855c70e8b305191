# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The manifest: every file of a checkpoint with its size and digest, and which revision of which source it is."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from .errors import WeightsError

# Names that the store keeps for itself beside a checkpoint's files.
PART = ".part"
MANIFEST = "MANIFEST.json"
SUMS = "SHA256SUMS"
VERIFIED = ".verified.json"
OWN = frozenset({MANIFEST, SUMS, VERIFIED})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHA1 = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class File:
    """A file: relative path, bytes, SHA-256; `git_sha1` is the git blob's id where the source knows no SHA-256."""

    path: str
    size: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True)
class Manifest:
    """A checkpoint: `source` in words, its revision, and the files, sorted by path."""

    source: str
    revision: str
    files: tuple[File, ...]

    @property
    def size(self) -> int:
        """All bytes."""
        return sum(file.size for file in self.files)

    def with_digests(self, digests: Mapping[str, str]) -> Manifest:
        """The same with the SHA-256 that were found by path, for files that had only a git blob's id."""
        files = (replace(file, sha256=file.sha256 or digests.get(file.path, "")) for file in self.files)
        return replace(self, files=tuple(files))

    def code(self) -> tuple[File, ...]:
        """Files that an engine would run as code if told to trust them (`trust_remote_code`)."""
        return tuple(file for file in self.files if file.path.endswith(".py"))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        files = [{name: value for name, value in asdict(file).items() if value != ""} for file in self.files]
        return {"source": self.source, "revision": self.revision, "files": files}

    def to_json(self) -> str:
        """As it is kept with the release."""
        return json.dumps(self.as_dict(), indent=1) + "\n"

    def sums(self) -> str:
        """As `sha256sum --check` reads it."""
        return "".join(f"{file.sha256}  {file.path}\n" for file in self.files)


def _bad(what: str) -> WeightsError:
    return WeightsError("manifest-invalid", f"the manifest is no good: {what}", "Make it again from the source.")


def checked(file: File) -> File:
    """The file, whose path stays inside the directory and whose digest is one; WeightsError otherwise."""
    path = file.path
    outside = path.startswith(("/", "../")) or path == ".." or posixpath.normpath(path) != path or "\\" in path
    if outside or any(ord(letter) < 32 for letter in path):
        raise _bad(f"path {path!r} leaves the directory or is not plain")
    if path in OWN or path.endswith(PART):
        raise _bad(f"{path} is a name that the store keeps for itself")
    if file.size < 0:
        raise _bad(f"{path} has a size of {file.size}")
    if not (_SHA256.fullmatch(file.sha256) or (file.sha256 == "" and _SHA1.fullmatch(file.git_sha1))):
        raise _bad(f"{path} has no SHA-256 and no git blob id")
    return file


def make(source: str, revision: str, files: list[File]) -> Manifest:
    """A manifest of checked files."""
    paths = [file.path for file in files]
    if not files:
        raise _bad("it lists no file")
    if len(set(paths)) != len(paths):
        raise _bad("it lists a file twice")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", revision):
        raise _bad(f"revision {revision!r} can't be a directory's name (letters, digits, dot, dash, underscore)")
    return Manifest(source, revision, tuple(sorted((checked(file) for file in files), key=lambda file: file.path)))


def from_dict(given: Any) -> Manifest:
    """Read what `as_dict` gives."""
    try:
        files = [
            File(str(row["path"]), int(row["size"]), str(row.get("sha256", "")), str(row.get("git_sha1", "")))
            for row in given["files"]
        ]
        return make(str(given["source"]), str(given["revision"]), files)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _bad(f"{type(error).__name__} {error}") from error


def from_json(text: str) -> Manifest:
    """Read what `to_json` writes."""
    try:
        return from_dict(json.loads(text))
    except ValueError as error:
        raise _bad(str(error)) from error
