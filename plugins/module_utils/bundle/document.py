# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a bundle says of itself: BUNDLE.json, and SHA256SUMS in the form that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..weights.manifest import VERIFIED
from ..weights.metadata import digest_of

SCHEMA = 1
DOCUMENT = "BUNDLE.json"
SUMS = "SHA256SUMS"
# What the store of weights keeps for itself.
PRIVATE = frozenset({VERIFIED, ".transfer.json"})
_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")


class BundleError(Exception):
    """A bundle that can't be used or made; says what is wrong and what to do."""


def text_digest(text: str) -> str:
    """SHA-256 of a text as it is written."""
    return hashlib.sha256(text.encode()).hexdigest()


def files_in(directory: Path) -> dict[str, int]:
    """Bytes by relative path of all regular files below a directory, sorted; links are none of a bundle's."""
    found = {}
    for place, _names, files in os.walk(directory):
        for name in files:
            path = Path(place) / name
            if name not in PRIVATE and not path.is_symlink():
                found[path.relative_to(directory).as_posix()] = path.stat().st_size
    return dict(sorted(found.items()))


def inside(path: str) -> bool:
    """Whether a relative path is plain and stays in its directory."""
    plain = path == posixpath.normpath(path) and not path.startswith(("/", "..")) and "\\" not in path
    return plain and all(ord(letter) >= 32 for letter in path)


def read_sums(text: str) -> dict[str, str]:
    """Digests by path.

    Raises:
        BundleError: a line of another form, or a path that leaves the directory.
    """
    found = {}
    for line in text.splitlines():
        match = _SUM.fullmatch(line)
        if match is None or not inside(match.group(2)):
            raise BundleError(f"{SUMS}: {line[:120]!r} is no digest and path: copy the bundle again")
        found[match.group(2)] = match.group(1)
    return found


def write_sums(digests: Mapping[str, str]) -> str:
    """The text of SHA256SUMS."""
    return "".join(f"{digests[path]}  {path}\n" for path in sorted(digests))


def to_json(document: Mapping[str, Any]) -> str:
    """The text of BUNDLE.json."""
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def same(document: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two documents say the same, whenever they were written."""
    return {**document, "made": ""} == {**other, "made": ""}


def read(directory: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The document and the digests by path of a bundle.

    Raises:
        BundleError: it is none, of another schema, or not whole by its own list.
    """
    texts = {}
    for name in (DOCUMENT, SUMS):
        try:
            texts[name] = (directory / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BundleError(
                f"{directory}/{name} can't be read ({error}): give the directory that playbooks/bundle.yml made"
            ) from error
    try:
        document = json.loads(texts[DOCUMENT])
        schema = document["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{directory}/{DOCUMENT} is no bundle's document: copy the bundle again") from error
    if schema != SCHEMA:
        raise BundleError(
            f"{directory}/{DOCUMENT} has schema {schema}, this version of the collection reads {SCHEMA}:"
            " gather the bundle with this version, or install with the one that made it"
        )
    digests = read_sums(texts[SUMS])
    if text_digest(texts[DOCUMENT]) != digests.get(DOCUMENT):
        raise BundleError(f"{directory}/{DOCUMENT} is not what {SUMS} says: copy the bundle again")
    return document, digests


def absences(directory: Path, document: Mapping[str, Any], digests: Mapping[str, str]) -> list[str]:
    """Files that the document lists and that have no digest, or are not there in their size; none is read for it."""
    found = [f"{SUMS} lacks {path}: copy the bundle again" for path in document["files"] if path not in digests]
    for path, size in document["files"].items():
        try:
            there = (directory / path).stat().st_size if inside(path) else None
        except OSError:
            there = None
        if there is None:
            found.append(f"{directory}/{path} is missing: copy the bundle again")
        elif there != size:
            found.append(f"{directory}/{path} has {there} bytes instead of {size}: copy the bundle again")
    return found


def flipped(directory: Path, digests: Mapping[str, str], paths: Iterable[str]) -> list[str]:
    """Which of the files have other content than the list says; every byte of them is read."""
    found = []
    for path in sorted(set(paths)):
        try:
            wrong = "" if digest_of(directory / path) == digests.get(path) else f"has other content than {SUMS} says"
        except OSError as error:
            wrong = f"can't be read ({error.strerror})"
        if wrong:
            found.append(f"{directory}/{path} {wrong}: copy the bundle again")
    return found


def judge(document: Mapping[str, Any], hosts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Why a bundle doesn't fit hosts, each with host, value and remedy.

    Args:
        document: the bundle's.
        hosts: by name what a host has and wants: `system`, `architecture`, `packages` (names), `engine` with `lock`,
            `python` and `sha256`, and `revision` of the weights ("" where they come from elsewhere).
    """
    found = []
    again = "gather one with this inventory (playbooks/bundle.yml)"
    engines = {engine["sha256"]: f"{engine['lock']} for Python {engine['python']}" for engine in document["engines"]}
    for name, host in hosts.items():
        found += [
            f"{name}: its {what} is {host[what]}, the bundle is for {document[what]}:"
            f" gather one on a machine of {host[what]}"
            for what in ("system", "architecture")
            if host[what] != document[what]
        ]
        if host["system"] != document["system"]:
            continue  # what it would need there has other names
        engine = host["engine"]
        if engine["sha256"] not in engines:
            found.append(
                f"{name}: its engine is {engine['lock']} for Python {engine['python']},"
                f" the bundle has {', '.join(engines.values()) or 'none'} (by their content): {again}"
            )
        lacking = sorted(set(host["packages"]) - set(document["packages"]))
        if lacking:
            found.append(
                f"{name}: it needs {', '.join(lacking)}, which the bundle wasn't gathered for:"
                f" {again}; for other kernels say bundle_kernels"
            )
        held = document["weights"].get("revision", "")
        if host["revision"] and host["revision"] != held:
            found.append(
                f"{name}: it wants revision {host['revision']}, the bundle has {held or 'no weights'}: {again}"
            )
    return found
