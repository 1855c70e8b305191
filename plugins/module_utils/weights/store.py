# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Revisions of a checkpoint on a host: each in a directory of its own, and a link to the one in use.

`PATH.revisions/REVISION/` holds the files, `PATH` is the link that the engine gets.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .errors import WeightsError
from .manifest import MANIFEST, PART, SUMS, VERIFIED, File, Manifest
from .metadata import CHUNK

# Files up to this size are read at each check; of larger ones, size and time of change are compared.
SMALL_BYTES = 16 << 20
# What a file system may need beside the files themselves.
ROOM_SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class Look:
    """What a host has: digests of whole files by path, what differs with why, bytes that are there, bytes free."""

    whole: dict[str, str] = field(default_factory=dict)
    differs: dict[str, str] = field(default_factory=dict)
    have_bytes: int = 0
    free_bytes: int = 0


class Store:
    """One checkpoint's place on a host."""

    def __init__(self, path: Path) -> None:
        self.link = path
        self.root = path.with_name(path.name + ".revisions")

    def directory(self, revision: str) -> Path:
        """Where a revision's files lie."""
        return self.root / revision

    def current(self) -> str:
        """The revision in use; empty when there is none."""
        return self.link.readlink().name if self.link.is_symlink() else ""

    def status_file(self) -> Path:
        """Where a running transfer says how far it is."""
        return self.root / ".transfer.json"

    def refuse_foreign(self) -> None:
        """WeightsError when something else lies where the link goes."""
        if self.link.exists() and not self.link.is_symlink():
            raise WeightsError(
                "path-taken",
                f"{self.link} is a directory of its own, not a link to a revision",
                "Move it away, or use it as it is (model_weights_source: present).",
            )

    def look(self, manifest: Manifest, full: bool) -> Look:
        """Compare the files with the manifest; `full` reads every byte."""
        directory = self.directory(manifest.revision)
        verified = known(directory)
        whole: dict[str, str] = {}
        differs: dict[str, str] = {}
        have = 0
        for file in manifest.files:
            target = directory / file.path
            try:
                status = target.stat()
            except OSError:
                differs[file.path] = "missing"
                part = target.with_name(target.name + PART)
                have += min(file.size, part.stat().st_size) if part.exists() else 0
                continue
            if status.st_size != file.size:
                differs[file.path] = f"has {status.st_size} bytes instead of {file.size}"
                continue
            seen = verified.get(file.path)
            same = seen is not None and seen[:2] == (status.st_size, status.st_mtime_ns)
            if seen is not None and same and not full and file.size > SMALL_BYTES and file.sha256 in ("", seen[2]):
                whole[file.path] = seen[2]
            else:
                digest = Digest(file).read(target)
                if not digest.right:
                    differs[file.path] = "has other content"
                    continue
                whole[file.path] = digest.sha256.hexdigest()
            have += file.size
        return Look(whole, differs, have, free_bytes(self.root))

    def refuse_without_room(self, manifest: Manifest, look: Look) -> None:
        """WeightsError when what is missing doesn't fit."""
        need = manifest.size - look.have_bytes + ROOM_SPARE_BYTES
        if look.differs and look.free_bytes < need:
            raise WeightsError(
                "no-room",
                f"{self.root} has {look.free_bytes} bytes free and {need} are needed",
                f"Free {need - look.free_bytes} bytes, or put model_weights_path on a larger file system.",
            )

    def remember(self, manifest: Manifest, whole: dict[str, str]) -> bool:
        """Keep the manifest and what was verified beside the files; whether anything of it changed."""
        directory = self.directory(manifest.revision)
        complete = manifest.with_digests(whole)
        known = {}
        for file in complete.files:
            status = (directory / file.path).stat()
            known[file.path] = [status.st_size, status.st_mtime_ns, whole[file.path]]
        _write(directory / VERIFIED, json.dumps(known, indent=1) + "\n")
        changed = [
            _write(directory / MANIFEST, complete.to_json()),
            _write(directory / SUMS, complete.sums()),
        ]
        return any(changed)

    def switch(self, revision: str) -> bool:
        """Make the link lead to a revision; whether it did not before."""
        self.refuse_foreign()
        if self.current() == revision:
            return False
        part = self.link.with_name(self.link.name + PART)
        part.unlink(missing_ok=True)
        part.symlink_to(self.directory(revision).relative_to(self.link.parent))
        part.replace(self.link)
        return True

    def prunable(self, keep: int) -> list[str]:
        """Revisions beyond the newest `keep` (by when they were verified last), never the one in use."""
        if not self.root.is_dir():
            return []
        others = [path for path in self.root.iterdir() if path.is_dir() and path.name != self.current()]
        others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        return [path.name for path in others[max(0, keep - 1) :]]

    def prune(self, keep: int) -> list[str]:
        """Remove them."""
        gone = self.prunable(keep)
        for name in gone:
            shutil.rmtree(self.directory(name))
        return gone


def known(directory: Path) -> dict[str, tuple[int, int, str]]:
    """What was verified before: bytes, time of change in nanoseconds, SHA-256; empty when nothing readable is there."""
    try:
        rows = json.loads((directory / VERIFIED).read_text(encoding="utf-8"))
        return {str(path): (int(row[0]), int(row[1]), str(row[2])) for path, row in rows.items()}
    except (OSError, ValueError, TypeError, IndexError, AttributeError):
        return {}


def _write(path: Path, text: str) -> bool:
    """Write a file whole where it differs."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    part = path.with_name(path.name + PART)
    part.write_text(text, encoding="utf-8")
    part.chmod(0o644)
    part.replace(path)
    return True


def free_bytes(path: Path) -> int:
    """Bytes that may be written under a directory that need not exist yet."""
    there = path
    while not there.exists():
        there = there.parent
    return shutil.disk_usage(there).free


class Digest:
    """What names a file's content, computed as its bytes go by."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.sha256 = hashlib.sha256()
        # git's own name of a file; only where the source knows nothing better.
        self.blob = None if file.sha256 else hashlib.sha1(f"blob {file.size}\0".encode(), usedforsecurity=False)

    def update(self, chunk: bytes | memoryview) -> None:
        """The next bytes."""
        self.sha256.update(chunk)
        if self.blob is not None:
            self.blob.update(chunk)

    def read(self, path: Path) -> Digest:
        """All bytes of a file."""
        with path.open("rb") as handle:
            for chunk in iter(lambda: handle.read(CHUNK), b""):
                self.update(chunk)
        return self

    @property
    def right(self) -> bool:
        """Whether the content is what the manifest says."""
        if self.blob is not None:
            return self.blob.hexdigest() == self.file.git_sha1
        return self.sha256.hexdigest() == self.file.sha256
