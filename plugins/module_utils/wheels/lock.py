# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A lock file: exact versions with hashes, closed under dependencies, for one Python or for several by markers.

The format is pip's requirements file as ``uv pip compile --universal --generate-hashes`` writes it. Of the markers only
those on the Python version differ between this collection's hosts; ``# python: 3.10 3.11`` says which ones a lock is
for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

_ENTRY = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:;\s*(.+))?$")
_HASH = re.compile(r"--hash=([a-z0-9]+:[0-9a-f]+)")
_PYTHONS = re.compile(r"^#\s*python:\s*(\d+\.\d+(?:\s+\d+\.\d+)*)\s*$", re.MULTILINE)
_VERSION_CLAUSE = re.compile(
    r"""^python(?:_full)?_version\s*(<=|>=|<|>|==|!=)\s*['"](\d+)\.(\d+)(?:\.(\d+|\*))?['"]$"""
)

Release = tuple[int, int]


class LockError(Exception):
    """A lock file that can't be used; says where and what to do."""


@dataclass(frozen=True)
class Entry:
    """One distribution of a lock: name as written, exact version, marker or "", hashes."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]


@dataclass(frozen=True)
class Lock:
    """A lock file as read. ``pythons`` are those it says it is for; none is said to be for any."""

    entries: tuple[Entry, ...]
    pythons: tuple[Release, ...]


def normal(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def release(text: str) -> Release:
    """``3.11`` as numbers.

    Raises:
        LockError: anything else.
    """
    match = re.fullmatch(r"(\d+)\.(\d+)(?:\.\d+)?", text.strip())
    if match is None:
        raise LockError(f"'{text}' is no Python version: give it as 3.11, in quotes")
    return int(match.group(1)), int(match.group(2))


def read(text: str, where: str = "the lock file") -> Lock:
    """Read a lock file.

    Raises:
        LockError: a line that is neither an exact version with hashes nor a comment: such a file is no lock.
    """
    entries: list[Entry] = []
    joined = re.sub(r"\\\r?\n", " ", text)
    for line in joined.splitlines():
        plain = line.strip()
        if not plain or plain.startswith("#"):
            continue
        hashes = tuple(_HASH.findall(plain))
        match = _ENTRY.match(plain.split(" --hash=", 1)[0].strip())
        if match is None:
            raise LockError(f"{where}: '{plain[:80]}' is no exact version: pin it as name==version with --hash")
        if not hashes:
            raise LockError(f"{where}: {match.group(1)} {match.group(2)} has no hash: lock it with hashes")
        entries.append(Entry(match.group(1), match.group(2), (match.group(3) or "").strip(), hashes))
    if not entries:
        raise LockError(f"{where} names no distribution")
    said = _PYTHONS.search(text)
    return Lock(tuple(entries), tuple(release(word) for word in said.group(1).split()) if said else ())


def choose_python(lock: Lock, offered: Iterable[str], where: str = "the lock file") -> str:
    """The first of a host's Pythons, as ``3.11``, that the lock is for.

    Raises:
        LockError: it is for none of them.
    """
    names = list(offered)
    for name in names:
        if not lock.pythons or release(name) in lock.pythons:
            return name
    wanted = ", ".join(f"{major}.{minor}" for major, minor in lock.pythons)
    raise LockError(
        f"{where} is for Python {wanted}, the host's distribution has {', '.join(names) or 'none'}:"
        " install one and name it with vllm_env_python, or choose another release of the engine"
    )


def narrowed(lock: Lock, python: str, where: str = "the lock file") -> Lock:
    """Those entries that hold for one Python, without markers.

    Raises:
        LockError: a marker asks for something else than the Python version, or one name remains twice.
    """
    wanted = release(python)
    kept = tuple(
        Entry(entry.name, entry.version, "", entry.hashes)
        for entry in lock.entries
        if _holds(entry.marker, wanted, f"{where}: {entry.name}")
    )
    seen: dict[str, Entry] = {}
    for entry in kept:
        before = seen.setdefault(normal(entry.name), entry)
        if before is not entry:
            raise LockError(f"{where}: Python {python} gets {entry.name} {before.version} and {entry.version}")
    return Lock(kept, (wanted,))


def rendered(lock: Lock) -> str:
    """A lock without markers as a requirements file for ``pip install --require-hashes --no-deps``."""
    return "".join(
        " ".join([f"{entry.name}=={entry.version}", *(f"--hash={digest}" for digest in entry.hashes)]) + "\n"
        for entry in lock.entries
    )


def versions(lock: Lock) -> dict[str, str]:
    """Versions by normalised name."""
    return {normal(entry.name): entry.version for entry in lock.entries}


_COMPARE: Mapping[str, Callable[[Sequence[int], Sequence[int]], bool]] = {
    "<": lambda left, right: list(left) < list(right),
    "<=": lambda left, right: list(left) <= list(right),
    ">": lambda left, right: list(left) > list(right),
    ">=": lambda left, right: list(left) >= list(right),
    "==": lambda left, right: list(left) == list(right),
    "!=": lambda left, right: list(left) != list(right),
}


def _holds(marker: str, python: Release, where: str) -> bool:
    """Whether a marker of Python versions joined by ``and`` and ``or`` holds (no brackets: uv writes none here)."""
    if not marker:
        return True
    return any(
        all(_clause(clause.strip(), python, where) for clause in part.split(" and ")) for part in marker.split(" or ")
    )


def _clause(clause: str, python: Release, where: str) -> bool:
    match = _VERSION_CLAUSE.match(clause)
    if match is None or match.group(4) not in (None, "*", "0"):
        raise LockError(f"{where}: marker '{clause}' is not about a Python's minor version; lock for one kind of host")
    return _COMPARE[match.group(1)](python, (int(match.group(2)), int(match.group(3))))
