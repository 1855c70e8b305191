# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Before ranks start: whether a checkpoint's files are still those that were verified. Cheap, for no weights are read.

usage: check_checkpoint.py DIRECTORY

Where the role model_weights has brought the files, each one's size and time of change are compared with those that
were verified. Of others the list SHA256SUMS says no sizes: every file of it has to be there, and small ones, as an
empty one or a placeholder of large-file storage is, have to be right. A folder without a list is left to the engine,
which is said.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

SUMS, VERIFIED = "SHA256SUMS", ".verified.json"
PLACEHOLDER = b"version https://git-lfs"
SMALL_BYTES = 1 << 20
# What is wrong with all files is wrong with the first few.
MOST_REASONS = 5
FIX = (
    "Run `ansible-playbook playbooks/provision.yml`, which brings what differs; with files that you put there, "
    "put the right ones there."
)


def against_verified(directory: Path, text: str) -> list[str]:
    """What differs from the sizes and times that were seen when every byte was verified."""
    found = []
    for name, (size, changed_ns, _digest) in sorted(json.loads(text).items()):
        try:
            status = (directory / name).stat()
        except OSError as error:
            found.append(f"{name}: {error.strerror}")
            continue
        if status.st_size != size:
            found.append(f"{name} has {status.st_size} bytes instead of {size}")
        elif status.st_mtime_ns != changed_ns:
            found.append(f"{name} was changed after it was verified")
    return found


def wrong_with(path: Path, digest: str) -> str:
    """What can be seen to be wrong with a file of a list of checksums; empty where nothing is."""
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            head = handle.read(SMALL_BYTES + 1)
    except OSError as error:
        return f": {error.strerror}"
    if size > SMALL_BYTES or hashlib.sha256(head).hexdigest() == digest:
        return ""
    if head.startswith(PLACEHOLDER):
        return " is a placeholder of large-file storage"
    return f" has other content than {SUMS} says" if size else " is empty"


def against_sums(directory: Path, text: str) -> list[str]:
    """What can be seen to differ from a list of checksums."""
    found = []
    for line in text.splitlines():
        digest, _, name = line.partition(" ")
        name = name.lstrip(" *")
        wrong = wrong_with(directory / name, digest) if name else ""
        if wrong:
            found.append(name + wrong)
    return found


def look(directory: Path) -> tuple[list[str], str]:
    """What differs, and what it was compared with; that is empty where there is nothing to compare with."""
    for name, compare in ((VERIFIED, against_verified), (SUMS, against_sums)):
        try:
            return compare(directory, (directory / name).read_text(encoding="utf-8")), name
        except FileNotFoundError:
            continue
        except (OSError, ValueError, TypeError, AttributeError) as error:
            return [f"{name} can't be read: {error}"], name
    return ([] if directory.is_dir() else [f"{directory} is no directory"]), ""


def main() -> int:
    """Say what differs; 1 where something does."""
    directory = Path(sys.argv[1])
    found, source = look(directory)
    if found:
        more = f"; and {len(found) - MOST_REASONS} more" if len(found) > MOST_REASONS else ""
        print(f"{directory} is not what was verified: {'; '.join(found[:MOST_REASONS])}{more}. {FIX}", file=sys.stderr)
        return 1
    print(f"{directory}: as {source} says" if source else f"{directory}: no {SUMS}, so its files are not compared")
    return 0


if __name__ == "__main__":
    sys.exit(main())
