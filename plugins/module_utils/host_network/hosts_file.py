# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Host names in /etc/hosts: a block of ours, and no other line that says something else of the same names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from .paths import text, under

PATH = "/etc/hosts"
BEGIN, END = "# BEGIN moefleet", "# END moefleet"
# cloud-init writes the file anew at every boot when it is told to.
CLOUD_INIT = re.compile(r"^\s*manage_etc_hosts\s*:\s*(true|localhost|template|yes|on)\b", re.MULTILINE | re.IGNORECASE)


def problems(names: Mapping[str, str]) -> list[str]:
    """What is wrong with wanted names: an address that is none, loopback, or a name that can't be one."""
    found = []
    for name, address in names.items():
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", name) or name.startswith("localhost"):
            found.append(f"{name!r} is no host name")
        try:
            if ipaddress.ip_address(address).is_loopback:
                found.append(
                    f"{name}: {address} is loopback; other hosts would be told to look for {name} on themselves"
                )
        except ValueError:
            found.append(f"{name}: {address!r} is no address")
    return found


def _words(line: str) -> list[str]:
    return line.partition("#")[0].split()


def _outside(lines: Iterable[str]) -> list[str]:
    """The lines that aren't ours."""
    kept, inside = [], False
    for line in lines:
        if line.strip() == BEGIN:
            inside = True
        elif line.strip() == END:
            inside = False
        elif not inside:
            kept.append(line)
    return kept


def _full_names(lines: Iterable[str], names: Mapping[str, str]) -> dict[str, str]:
    """The name with a domain that stood beside a wanted one, as in `127.0.1.1 gpu-a02.lab.example gpu-a02`."""
    found: dict[str, str] = {}
    for line in lines:
        words = _words(line)[1:]
        for word in words:
            short = word.partition(".")[0]
            if word not in names and short in names and short in words:
                found.setdefault(short, word)
    return found


def wanted(content: str, names: Mapping[str, str]) -> str:
    """The file's content with these names, address by name.

    A wanted name is taken out of every other line, since the first line that has a name is the one that counts:
    Debian's 127.0.1.1 for a host's own name, an old address. What else stands in such a line stays.
    """
    lines = _outside(content.splitlines())
    full = _full_names(content.splitlines(), names)
    taken = set(names) | set(full.values())
    kept = []
    for line in lines:
        words = _words(line)
        left = [word for word in words[1:] if word not in taken]
        if len(left) == len(words[1:]):
            kept.append(line)
        elif left:
            comment = line.partition("#")[2]
            kept.append(f"{words[0]} {' '.join(left)}" + (f" #{comment}" if comment else ""))
    while kept and not kept[-1].strip():
        kept.pop()
    block = [
        f"{names[name]} {full[name] + ' ' if name in full else ''}{name}"
        for name in sorted(names, key=lambda name: _order(names[name], name))
    ]
    return "\n".join([*kept, *([BEGIN, *block, END] if block else []), ""])


def _order(address: str, name: str) -> tuple[int, int, str]:
    parsed = ipaddress.ip_address(address)
    return parsed.version, int(parsed), name


def resolves_to(content: str, name: str) -> list[str]:
    """Every address that the file gives a name, in its order."""
    return [words[0] for words in map(_words, content.splitlines()) if name in words[1:]]


def rewritten_at_boot(root: Path) -> str:
    """The file by which cloud-init undoes this at the next boot; empty where it doesn't."""
    last = ""
    main = under(root, "/etc/cloud/cloud.cfg")
    for file in [main, *sorted(under(root, "/etc/cloud/cloud.cfg.d").glob("*.cfg"))]:
        content = text(file) or ""
        if CLOUD_INIT.search(content):
            last = "/" + str(file.relative_to(root))
        elif re.search(r"^\s*manage_etc_hosts\s*:", content, re.MULTILINE):
            last = ""
    return last
