# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Settings of the machine that are files under /sys and /proc/sys, set where the kernel has them.

This file is the module's code and also, copied to the host, the program that brings the settings back at boot: it
imports nothing but the standard library, and there is no second implementation.

    python3 machine_settings.py [--check] [--root DIR] PATTERN=VALUE ...
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

BRACKETED = re.compile(r"\[([^\]]+)\]")
TREES = ("/sys/", "/proc/sys/")


@dataclass(frozen=True)
class Setting:
    """A file below /sys or /proc/sys, or a pattern of several such as one for each CPU, and its value."""

    pattern: str
    value: str


@dataclass(frozen=True)
class Found:
    """One file of a setting: what it has and what it should have."""

    path: str
    value: str
    wanted: str

    @property
    def differs(self) -> bool:
        """Whether it has to be written."""
        return self.value != self.wanted


def normal(text: str) -> str:
    """A value with its whitespace as one blank; of choices such as `always [madvise] never`, the one in brackets."""
    chosen = BRACKETED.search(text)
    return " ".join((chosen.group(1) if chosen else text).split())


def read_setting(words: str) -> Setting:
    """`PATTERN=VALUE`; ValueError for anything else."""
    pattern, equals, value = words.partition("=")
    if not equals or not value.strip() or not pattern.startswith(TREES) or ".." in pattern.split("/"):
        raise ValueError(f"{words!r} is not PATH=VALUE with a path below /sys or /proc/sys")
    return Setting(pattern, normal(value))


def look(settings: Iterable[Setting], root: Path = Path("/")) -> tuple[list[Found], dict[str, str]]:
    """What the kernel has, file by file; and each pattern that has nothing to be set, with why."""
    found: list[Found] = []
    left: dict[str, str] = {}
    for setting in settings:
        paths = sorted(root.glob(setting.pattern.lstrip("/")))
        if not paths:
            left[setting.pattern] = "this kernel has no such setting"
        for path in paths:
            name = "/" + str(path.relative_to(root))
            try:
                found.append(Found(name, normal(path.read_text(encoding="utf-8")), setting.value))
            except (OSError, UnicodeDecodeError) as error:
                left[name] = f"can't be read: {error}"
    return found, left


def apply(found: Iterable[Found], root: Path = Path("/")) -> dict[str, str]:
    """Write those that differ; returns those that the kernel refused, each with its reason."""
    refused: dict[str, str] = {}
    for one in found:
        if not one.differs:
            continue
        path = root / one.path.lstrip("/")
        try:
            path.write_text(one.wanted, encoding="utf-8")
            now = normal(path.read_text(encoding="utf-8"))
        except OSError as error:
            refused[one.path] = f"{one.wanted}: {error.strerror or error}"
            continue
        if now != one.wanted:
            refused[one.path] = f"{one.wanted}: the kernel keeps {now}"
    return refused


def main(arguments: Sequence[str]) -> int:
    """Set, or with --check only compare. 0: as wanted. 1: something differs or was refused. 2: not understood."""
    parser = argparse.ArgumentParser(description="Set files under /sys and /proc/sys where the kernel has them.")
    parser.add_argument("--check", action="store_true", help="compare only; exit status 1 if something differs")
    parser.add_argument("--root", type=Path, default=Path("/"), help="prefix of every path")
    parser.add_argument("settings", nargs="*", metavar="PATTERN=VALUE")
    given = parser.parse_args(arguments)
    try:
        settings = [read_setting(words) for words in given.settings]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    found, left = look(settings, given.root)
    for pattern, why in left.items():
        print(f"left {pattern}: {why}")
    differing = [one for one in found if one.differs]
    for one in differing:
        print(f"{'differs' if given.check else 'sets'} {one.path}: {one.value} -> {one.wanted}")
    refused = {} if given.check else apply(differing, given.root)
    for path, why in refused.items():
        print(f"refused {path} = {why}", file=sys.stderr)
    return 1 if refused or (given.check and differing) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
