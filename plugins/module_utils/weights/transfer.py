# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One file from a source to its place: appended to what is there, digested as it goes by, moved when it is right."""

from __future__ import annotations

import errno
import http.client
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from .errors import WeightsError
from .manifest import PART, File
from .metadata import CHUNK, LFS_HEAD
from .sources import Source, open_file
from .store import Digest

# A source that brings no byte for this long, over several tries, has vanished.
GIVE_UP_S = 60.0
RETRY_S = 1.0
WRONG_TIMES = 2
# On a slow link bytes come in crumbs, each of which would cost a wakeup: a short rest lets them gather in the kernel.
SMALL_CHUNK = 1 << 18
GATHER_S = 0.01


class StoppedError(Exception):
    """The transfer was told to end."""


class Meter:
    """Bytes that came, and how fast they may come: one for all files of a host. `cap` in bytes a second, 0 is none."""

    def __init__(self, cap: float = 0.0) -> None:
        self.cap = cap
        self.came = 0
        self.stop = threading.Event()
        self._lock = threading.Lock()
        self._next = time.monotonic()

    def count(self, amount: int) -> None:
        """So many bytes came; waits as long as the cap asks, and ends a transfer that was told to stop."""
        with self._lock:
            self.came += amount
            now = time.monotonic()
            self._next = max(self._next, now - 0.1) + (amount / self.cap if self.cap else 0.0)
            wait = self._next - now if self.cap else 0.0
        if self.stop.is_set() or (wait > 0 and self.stop.wait(wait)):
            raise StoppedError


@dataclass(frozen=True)
class Place:
    """Where files go, and the source they come from. A peer is waited for; a source gives up after `give_up_s`."""

    directory: Path
    source: Source
    give_up_s: float = GIVE_UP_S
    retry_s: float = RETRY_S


def _full(place: Place, file: File, error: OSError) -> WeightsError:
    return WeightsError(
        "disk-full",
        f"{place.directory}: no room left while {file.path} came ({error.strerror})",
        "Free room and run this again: it goes on where it stopped.",
    )


def _wrong(place: Place, file: File, why: str) -> WeightsError:
    return WeightsError(
        "other-content",
        f"{file.path} from {place.source.words} {why}",
        "The source has another revision than the manifest, or something on the way changes bytes.",
    )


def _append(place: Place, file: File, part: Path, meter: Meter) -> Digest:
    """Bring the part to its full length; the digest of all its bytes. OSError where the source ends early."""
    digest = Digest(file)
    have = part.stat().st_size if part.exists() else 0
    if have > file.size:
        part.unlink()
        have = 0
    if have:
        digest.read(part)
    if have == file.size and part.exists():
        return digest
    stream, begins, total = open_file(place.source, file.path, have)
    with stream:
        if total not in (-1, file.size):
            raise _wrong(place, file, f"has {total} bytes, the manifest says {file.size}")
        if begins != have:
            digest, have = Digest(file), 0
        _write(place, file, part, have, _Flow(stream, digest, meter))
    return digest


@dataclass(frozen=True)
class _Flow:
    stream: object
    digest: Digest
    meter: Meter


def _write(place: Place, file: File, part: Path, have: int, flow: _Flow) -> None:
    """Append what comes, not more than belongs to the file."""
    with part.open("ab" if have else "wb", buffering=0) as out:
        while have < file.size:
            chunk = flow.stream.read1(min(CHUNK, file.size - have))  # type: ignore[attr-defined]
            if not chunk:
                raise OSError(f"{place.source.words} ended after {have} of {file.size} bytes of {file.path}")
            rest = memoryview(chunk)
            while rest:
                try:
                    written = out.write(rest)
                except OSError as error:
                    if error.errno in (errno.ENOSPC, errno.EDQUOT):
                        raise _full(place, file, error) from error
                    raise
                rest = rest[written:]
            if len(chunk) < SMALL_CHUNK:
                time.sleep(GATHER_S)
            flow.digest.update(chunk)
            have += len(chunk)
            flow.meter.count(len(chunk))


def bring(place: Place, file: File, meter: Meter) -> str:
    """Bring a file and return its SHA-256. Tries again, from where it stopped, while the source is only slow or cut."""
    target = place.directory / file.path
    part = target.with_name(target.name + PART)
    target.parent.mkdir(parents=True, exist_ok=True)
    peer = place.source.kind == "peer"
    wrong, last, silent_since = 0, -1, time.monotonic()
    while True:
        try:
            digest = _append(place, file, part, meter)
        except (OSError, http.client.HTTPException) as error:
            now, have = time.monotonic(), part.stat().st_size if part.exists() else 0
            if have != last:
                last, silent_since = have, now
            if not peer and now - silent_since > place.give_up_s:
                raise WeightsError(
                    "source-vanished",
                    f"{place.source.words} brings no more of {file.path} since {place.give_up_s:.0f} s ({error})",
                    "Run this again when it is back: it goes on where it stopped.",
                ) from error
            if meter.stop.wait(place.retry_s):
                raise StoppedError from error
            continue
        if digest.right:
            part.replace(target)
            return digest.sha256.hexdigest()
        with part.open("rb") as handle:
            placeholder = handle.read(len(LFS_HEAD)) == LFS_HEAD
        part.unlink()
        wrong += 1
        if placeholder:
            raise _wrong(place, file, "is a placeholder of large-file storage")
        # A neighbour finds the same and mends itself; a source that gives the same wrong bytes twice is wrong.
        if wrong >= WRONG_TIMES * (5 if peer else 1):
            raise _wrong(place, file, "has another SHA-256 than the manifest says, twice")
        if meter.stop.wait(place.retry_s):
            raise StoppedError
