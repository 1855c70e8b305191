# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Package versions, compared as dpkg and rpm do: parsed, never as substrings."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Callable

Compare = Callable[[str, str], int]

_EPOCH = re.compile(r"(\d+):(.*)", re.DOTALL)
_RPM_PART = re.compile(r"\d+|[a-zA-Z]+|~|\^")


@dataclass(frozen=True)
class Version:
    """A version in its three parts. `revision` is Debian's revision or rpm's release, empty where there is none."""

    epoch: int
    upstream: str
    revision: str


def parse(text: str) -> Version:
    """Split ``epoch:upstream-revision``; the last hyphen is the one that separates."""
    found = _EPOCH.fullmatch(text.strip())
    epoch, rest = (int(found.group(1)), found.group(2)) if found else (0, text.strip())
    upstream, _, revision = rest.rpartition("-")
    return Version(epoch, upstream, revision) if upstream else Version(epoch, rest, "")


def upstream(text: str) -> str:
    """The version as its authors number it: without epoch and revision."""
    return parse(text).upstream


def without_epoch(text: str) -> str:
    """The version without its epoch, as file names and apt's pins have it."""
    found = _EPOCH.fullmatch(text.strip())
    return found.group(2) if found else text.strip()


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _weight(character: str) -> int:
    """Order of one character outside numbers: a tilde before the end, letters before the rest."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _debian_part(left: str, right: str) -> int:
    """Compare two upstream versions or revisions: stretches of non-digits and of digits in turn (deb-version(7))."""
    while left or right:
        words = [re.match(r"\D*", text).group() for text in (left, right)]  # type: ignore[union-attr]
        left, right = left[len(words[0]) :], right[len(words[1]) :]
        for at in range(max(map(len, words))):
            one, other = (_weight(word[at]) if at < len(word) else 0 for word in words)
            if one != other:
                return _sign(one - other)
        digits = [re.match(r"\d*", text).group() for text in (left, right)]  # type: ignore[union-attr]
        left, right = left[len(digits[0]) :], right[len(digits[1]) :]
        one, other = (int(number or "0") for number in digits)
        if one != other:
            return _sign(one - other)
    return 0


def _rpm_part(left: str, right: str) -> int:
    """Compare two versions or releases as rpm does: separators only separate, and a number beats letters."""
    ours, theirs = (_RPM_PART.findall(text) for text in (left, right))
    for one, other in zip(ours, theirs):
        if one == other:
            continue
        for mark, less in (("~", -1), ("^", -1)):
            if mark in (one, other):
                return less if one == mark else -less
        if one.isdecimal() != other.isdecimal():
            return 1 if one.isdecimal() else -1
        order = _sign(int(one) - int(other)) if one.isdecimal() else (one > other) - (one < other)
        if order:
            return order
    if len(ours) == len(theirs):
        return 0
    rest, longer = (ours[len(theirs)], 1) if len(ours) > len(theirs) else (theirs[len(ours)], -1)
    return -longer if rest == "~" else longer


def _comparison(part: Compare) -> Compare:
    """A comparison of whole versions from one of their parts."""

    def compare(left: str, right: str) -> int:
        one, other = parse(left), parse(right)
        return (
            _sign(one.epoch - other.epoch) or part(one.upstream, other.upstream) or part(one.revision, other.revision)
        )

    return compare


debian = _comparison(_debian_part)
rpm = _comparison(_rpm_part)


def matches(wanted: str, full: str, compare: Compare = debian) -> bool:
    """Whether a package's full version is the wanted one.

    `wanted` is an upstream version (``570.124.06`` is ``570.124.06-1`` and ``1:570.124.06-0ubuntu1``), or one with its
    revision, which then counts (``570.124.06-1`` isn't ``570.124.06-10``).
    """
    return compare(without_epoch(wanted), without_epoch(full)) == 0 or compare(wanted, upstream(full)) == 0


def newest_first(versions: Iterable[str], compare: Compare = debian) -> list[str]:
    """Distinct versions, the newest first."""
    return sorted(set(versions), key=cmp_to_key(compare), reverse=True)


def branch(text: str) -> str:
    """The first number of an upstream version: a driver's branch."""
    return upstream(text).split(".", maxsplit=1)[0]


def nearest(wanted: str, available: Iterable[str], compare: Compare = debian) -> str | None:
    """The version nearest to `wanted`: of its own branch if there is one, the next newer, or else the next older."""
    offered = newest_first(available, compare)
    same = [version for version in offered if branch(version) == branch(wanted)] or offered
    newer = [version for version in same if compare(version, wanted) >= 0]
    return newer[-1] if newer else next(iter(same), None)
