# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``SHA256SUMS``, as written by ``sha256sum``: 64 hexadecimal digits, a space, a space or an asterisk, and the path."""

from __future__ import annotations

import posixpath
import re

_LINE = re.compile(r"^([0-9a-fA-F]{64}) [ *](.+)$")


def parse(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the digests by relative path, and what is wrong with the list (a path that leaves the directory is)."""
    digests: dict[str, str] = {}
    problems: list[str] = []
    for row, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.match(line)
        path = posixpath.normpath(match.group(2)) if match is not None else ""
        if match is None:
            problems.append(f"line {row} is no checksum")
        elif path.startswith(("/", "../")) or path == "..":
            problems.append(f"line {row} names a file outside the directory: {match.group(2)}")
        elif digests.get(path, match.group(1).lower()) != match.group(1).lower():
            problems.append(f"line {row} gives {path} a second digest")
        else:
            digests[path] = match.group(1).lower()
    if not digests and not problems:
        problems.append("the list is empty")
    return digests, problems
