# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What roles say that their layers need from elsewhere, put together for all hosts.

A role's entry has any of `packages` (names), `sets` (name and version), `files` (path or url, and sha256), `engine`
(lock, python, text, sha256) and `source` (key, key_path, fingerprints, and files with path and content).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Entry = Mapping[str, Any]


def asked(entries: Iterable[Entry]) -> list[str]:
    """Packages as NAME or NAME=VERSION, sorted. One that is asked for with a version isn't asked for without."""
    versions: dict[str, set[str]] = {}
    for entry in entries:
        for name in entry.get("packages") or ():
            versions.setdefault(str(name), set())
        for one in entry.get("sets") or ():
            known = versions.setdefault(str(one["name"]), set())
            known.update([str(one["version"])] if one.get("version") else [])
    return sorted(
        word for name, found in versions.items() for word in ([f"{name}={one}" for one in found] if found else [name])
    )


def _unique(values: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def source_files(sources: Iterable[Entry], work: str) -> dict[str, str]:
    """Content by path of sources and pins, with keys where they lie below `work`."""
    return {
        str(file["path"]): str(file["content"]).replace(str(source["key_path"]), f"{work}{source['key_path']}")
        for source in sources
        for file in source["files"]
    }


def together(hosts: Mapping[str, Iterable[Entry]], work: str = "") -> dict[str, Any]:
    """All that hosts need.

    Args:
        hosts: entries by host.
        work: prefix of the places where keys of sources lie.

    Returns:
        `names` and `asked` of packages, `sources` and `source_files`, `files`, `engines` (each lock once), `locks`
        (their texts by name), and of each lock the first host that has it (`firsts`).
    """
    entries = [entry for found in hosts.values() for entry in found]
    sources = _unique(entry["source"] for entry in entries if entry.get("source"))
    firsts: dict[str, str] = {}
    for host, found in hosts.items():
        for entry in found:
            if entry.get("engine"):
                firsts.setdefault(str(entry["engine"]["sha256"]), host)
    engines = _unique(entry["engine"] for entry in entries if entry.get("engine"))
    packages = asked(entries)
    return {
        "names": sorted({word.partition("=")[0] for word in packages}),
        "asked": packages,
        "sources": sources,
        "source_files": source_files(sources, work),
        "files": _unique(file for entry in entries for file in entry.get("files") or ()),
        "engines": [{name: one[name] for name in ("lock", "python", "sha256")} for one in engines],
        "locks": {str(one["lock"]): str(one["text"]) for one in engines},
        "firsts": sorted(set(firsts.values())),
    }
