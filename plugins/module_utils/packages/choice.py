# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which full versions a set gets: what is installed if it is right, else what the sources offer, never a substitute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import versions
from .model import Installed, Manager, PackageError, Pin, Request, Wanted


class VanishedError(PackageError):
    """A version or package that no source has."""


@dataclass(frozen=True)
class Choice:
    """Full versions by package: of the set (None where any will do) and of the companions that are there; and what no
    source has, in words.
    """

    packages: Mapping[str, str | None]
    companions: Mapping[str, str]
    missing: tuple[str, ...] = ()


def right(wanted: Wanted, there: Installed | None, manager: Manager) -> bool:
    """Whether a package is installed in the version that is asked for."""
    if there is None:
        return False
    return wanted.version is None or versions.matches(wanted.version, there.version, manager.compare)


def _uniform(offered: Mapping[str, Sequence[str]], wanted: Sequence[Wanted], manager: Manager) -> dict[str, str]:
    """For each package the newest matching version; one that most packages of the set have goes before, so that a set
    doesn't come from two vendors who number revisions each in their own way.
    """
    matching = {
        entry.name: [
            full
            for full in offered.get(entry.name, ())
            if entry.version is not None and versions.matches(entry.version, full, manager.compare)
        ]
        for entry in wanted
    }
    common: dict[str, int] = {}
    for found in matching.values():
        for full in {versions.without_epoch(version) for version in found}:
            common[full] = common.get(full, 0) + 1
    return {
        name: max(found, key=lambda full: (common[versions.without_epoch(full)], -found.index(full)))
        for name, found in matching.items()
        if found
    }


def _lament(wanted: Wanted, request: Request, offered: Mapping[str, Sequence[str]], manager: Manager) -> str:
    """What there is instead of a version that isn't there, and the nearest one that the whole set could have."""
    group = [entry.name for entry in request.packages if entry.version == wanted.version]
    if wanted.name not in offered:
        return f"no source has a package {wanted.name} (wanted {wanted.version or 'in any version'})"
    common = set.intersection(*({versions.upstream(full) for full in offered.get(name, ())} for name in group))
    near = versions.nearest(versions.upstream(wanted.version or ""), common, manager.compare)
    advice = f"the nearest that all of {', '.join(group)} have is {near}" if near else "no version is common to the set"
    return f"no source has {wanted.name} {wanted.version}; there is {', '.join(offered[wanted.name])}; {advice}"


def choose(request: Request, there: Mapping[str, Installed], manager: Manager) -> Choice:
    """Find the full version of every package of the set and of every companion that is there already."""
    companions = {
        name: Wanted(name, entry.version)
        for name in there
        if not request.unwanted(name) and (entry := request.companion(name)) is not None
    }
    entries = [*request.packages, *companions.values()]
    wrong = [entry for entry in entries if not right(entry, there.get(entry.name), manager)]
    offered = manager.candidates(sorted({entry.name for entry in [*wrong, *(request.packages if wrong else ())]}))
    found = _uniform(offered, entries, manager)

    packages: dict[str, str | None] = {}
    missing = []
    for entry in request.packages:
        now = there.get(entry.name)
        if now is not None and right(entry, now, manager):
            packages[entry.name] = now.version if entry.version else None
        elif entry.name in found:
            packages[entry.name] = found[entry.name]
        else:
            packages[entry.name] = None
            if entry.version or entry.name not in offered:
                missing.append(_lament(entry, request, offered, manager))
    chosen = {
        name: there[name].version if right(entry, there[name], manager) else found[name]
        for name, entry in companions.items()
        if entry.version is not None and (right(entry, there[name], manager) or name in found)
    }
    return Choice(packages, chosen, tuple(missing))


def pins(request: Request, choice: Choice) -> list[Pin]:
    """What the set pins: its packages to their full versions, its companions to the version in any revision."""
    by_version: dict[str, list[str]] = {}
    for name, full in choice.packages.items():
        if full is not None:
            by_version.setdefault(full, []).append(name)
    exact = [Pin(tuple(sorted(names)), full, exact=True) for full, names in sorted(by_version.items())]
    by_upstream: dict[str, list[str]] = {}
    for entry in request.companions:
        if entry.version is not None:
            by_upstream.setdefault(entry.version, []).append(entry.name)
    return exact + [Pin(tuple(sorted(globs)), wanted, exact=False) for wanted, globs in sorted(by_upstream.items())]
