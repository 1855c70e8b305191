# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small configuration files: compared as a whole, written atomically and only on difference."""

from __future__ import annotations

import grp
import os
import pwd
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """A file as it should be. `mode` in octal digits."""

    path: str
    content: str
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True)
class Seen:
    """A file as it is; all None where there is none."""

    content: str | None
    mode: str | None
    owner: str | None
    group: str | None


def _name(find: Any, number: int) -> str:
    """A user's or group's name, or its number where it has none."""
    try:
        return str(find(number)[0])
    except KeyError:
        return str(number)


def normal_mode(mode: str) -> str:
    """Permission bits as four octal digits; ValueError for anything else."""
    if not set(mode) <= set("01234567") or not 3 <= len(mode) <= 4:
        raise ValueError(f"mode {mode!r} is not three or four octal digits in quotes, such as '0644'")
    return mode.zfill(4)


def see(path: str) -> Seen:
    """Read a file with its owner and mode. Line ends are kept, and bytes that aren't UTF-8 show as such."""
    try:
        status = Path(path).stat()
        content = Path(path).read_bytes().decode("utf-8", "backslashreplace")
    except OSError:
        return Seen(None, None, None, None)
    mode = normal_mode(f"{stat.S_IMODE(status.st_mode):04o}")
    return Seen(content, mode, _name(pwd.getpwuid, status.st_uid), _name(grp.getgrgid, status.st_gid))


def differs(wanted: Wanted, seen: Seen) -> bool:
    """Whether anything of the file has to change."""
    return (wanted.content, normal_mode(wanted.mode), wanted.owner, wanted.group) != (
        seen.content,
        seen.mode,
        seen.owner,
        seen.group,
    )


def write(wanted: Wanted) -> None:
    """Write it beside its place, with owner and mode, and move it there; missing directories are made (0755 whatever
    the umask).
    """
    target = Path(wanted.path)
    absent = [directory for directory in target.parents if not directory.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    for directory in absent:
        directory.chmod(0o755)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as handle:
            handle.write(wanted.content)
            handle.flush()
            os.fsync(handle.fileno())
        os.chown(temporary, pwd.getpwnam(wanted.owner).pw_uid, grp.getgrnam(wanted.group).gr_gid)
        Path(temporary).chmod(int(wanted.mode, 8))
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def headed(path: str, seen: Mapping[str, Any]) -> str:
    """A file for a diff: owner and mode, then its content."""
    if seen["content"] is None:
        return ""
    return f"# {path} {seen['owner']}:{seen['group']} {seen['mode']}\n{seen['content']}"
