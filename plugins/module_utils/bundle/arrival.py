# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A bundle's files on a host: what is missing, and what came, looked at once before it takes its place.

What was verified is remembered as the store of weights does, so that it need not read a checkpoint again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..weights.manifest import VERIFIED
from ..weights.metadata import digest_of
from ..weights.store import free_bytes, known
from .document import BundleError, files_in, inside

# Where files lie while they come.
INCOMING = ".incoming"
# What a file system may need beside the files themselves, in bytes.
SPARE_BYTES = 64 << 20


@dataclass(frozen=True)
class Wanted:
    """A file: relative path, bytes, SHA-256."""

    path: str
    size: int
    sha256: str


def missing(directory: Path, wanted: Mapping[str, Wanted], full: bool) -> dict[str, str]:
    """Why files have to come, by path. Only `full` reads those that were verified before and look the same."""
    seen = known(directory)
    found = {}
    for path, file in wanted.items():
        try:
            status = (directory / path).stat()
        except OSError:
            found[path] = "missing"
            continue
        trusted = seen.get(path) == (status.st_size, status.st_mtime_ns, file.sha256)
        if status.st_size != file.size:
            found[path] = f"has {status.st_size} bytes instead of {file.size}"
        elif not (trusted and not full) and digest_of(directory / path) != file.sha256:
            found[path] = "has other content"
    return found


def strays(directory: Path, wanted: Mapping[str, Wanted]) -> list[str]:
    """Files of an earlier bundle."""
    return [path for path in files_in(directory) if path not in wanted and not path.startswith(f"{INCOMING}/")]


def prepare(directory: Path, need_bytes: int, owner: int) -> Path:
    """The place where files come, empty, for the user (by id) that brings them.

    Raises:
        BundleError: they don't fit.
    """
    free = free_bytes(directory)
    if free < need_bytes + SPARE_BYTES:
        raise BundleError(
            f"{directory} has {free} bytes free and {need_bytes + SPARE_BYTES} are needed: free the difference,"
            " or put bundle_path on a larger file system"
        )
    incoming = directory / INCOMING
    shutil.rmtree(incoming, ignore_errors=True)
    incoming.mkdir(parents=True)
    directory.chmod(0o755)
    incoming.chmod(0o700)
    os.chown(incoming, owner, -1)
    return incoming


def accept(directory: Path, wanted: Mapping[str, Wanted], came: Mapping[str, str]) -> None:
    """Verify what came, by path its name in the place where files come, and put all of it in place.

    Raises:
        BundleError: a file is not what it should be; nothing is put in place then.
    """
    incoming = directory / INCOMING
    for path, name in came.items():
        if not inside(path) or digest_of(incoming / name) != wanted[path].sha256:
            raise BundleError(f"{path} came with other content than the bundle's list says: run this again")
    for path, name in came.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = incoming / name
        os.chown(part, os.geteuid(), os.getegid())
        part.chmod(0o644)
        part.replace(target)
    shutil.rmtree(incoming, ignore_errors=True)


def remember(directory: Path, wanted: Mapping[str, Wanted]) -> None:
    """Keep what was verified."""
    rows = {}
    for path, file in wanted.items():
        status = (directory / path).stat()
        rows[path] = [status.st_size, status.st_mtime_ns, file.sha256]
    text = json.dumps(rows, indent=1) + "\n"
    target = directory / VERIFIED
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")
