# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The storage mount as a systemd unit, and whether it is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .paths import text, under

DIRECTORY = "/etc/systemd/system"
# File systems that need the network before they can be mounted.
NETWORK_TYPES = ("nfs", "nfs4", "cifs", "ceph", "glusterfs", "lustre", "beegfs")


@dataclass(frozen=True)
class Mount:
    """What is mounted where. `options` as in /etc/fstab."""

    source: str
    path: str
    fstype: str
    options: str = "defaults"

    @property
    def network(self) -> bool:
        """Whether it waits for the network."""
        return self.fstype in NETWORK_TYPES or "_netdev" in self.options.split(",")


@dataclass(frozen=True)
class Mounted:
    """What the kernel has on a path."""

    source: str
    fstype: str


def problems(mount: Mount) -> list[str]:
    """What is wrong with a wanted mount."""
    found = []
    if not re.fullmatch(r"/[^\0\n]+", mount.path) or Path(mount.path).as_posix() != mount.path or ".." in mount.path:
        found.append(f"path {mount.path!r} is not an absolute path below /")
    for name, value in (("source", mount.source), ("fstype", mount.fstype), ("options", mount.options)):
        if not value or re.search(r"\s", value):
            found.append(f"{name} {value!r} must be one word")
    return found


def unit_name(path: str) -> str:
    """The unit that systemd has for a path: what can't stand in a name is written as \\xNN."""
    escaped = []
    for number, byte in enumerate(path.strip("/").encode()):
        character = chr(byte)
        if character == "/":
            escaped.append("-")
        elif re.fullmatch(r"[A-Za-z0-9:_]", character) or (character == "." and number > 0):
            escaped.append(character)
        else:
            escaped.append(f"\\x{byte:02x}")
    return "".join(escaped) + ".mount"


def unit_text(mount: Mount) -> str:
    """The unit's file. Percent signs are systemd's own."""
    lines = ["# Written by moefleet.serving (role host_network).", "[Unit]", "Description=Storage of the serving hosts"]
    lines += ["Wants=network-online.target", "After=network-online.target"] if mount.network else []
    lines += ["Before=remote-fs.target"] if mount.network else []
    lines += ["", "[Mount]", f"What={mount.source.replace('%', '%%')}", f"Where={mount.path.replace('%', '%%')}"]
    lines += [f"Type={mount.fstype}", f"Options={mount.options.replace('%', '%%')}"]
    target = "remote-fs.target" if mount.network else "local-fs.target"
    return "\n".join([*lines, "", "[Install]", f"WantedBy={target}", ""])


def _plain(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), field)


def mounted(path: str, root: Path) -> Mounted | None:
    """What is mounted on a path now; the last one covers the others."""
    found = None
    for line in (text(under(root, "/proc/self/mountinfo")) or "").splitlines():
        left, _, right = line.partition(" - ")
        if len(left.split()) > 4 and _plain(left.split()[4]) == path and len(right.split()) > 1:
            found = Mounted(_plain(right.split()[1]), right.split()[0])
    return found


def in_fstab(path: str, root: Path) -> bool:
    """Whether /etc/fstab mounts the same path: systemd would make a unit of that, which ours replaces unseen."""
    rows = (line.split() for line in (text(under(root, "/etc/fstab")) or "").splitlines())
    return any(len(row) > 1 and not row[0].startswith("#") and _plain(row[1]).rstrip("/") == path for row in rows)


def as_wanted(mount: Mount, now: Mounted | None) -> bool:
    """Whether the wanted file system is mounted. A bind mount shows as what it was taken from."""
    if now is None:
        return False
    if "bind" in mount.options.split(",") or "rbind" in mount.options.split(","):
        return True
    same_type = mount.fstype == now.fstype or {mount.fstype, now.fstype} <= {"nfs", "nfs4"}
    return same_type and now.source.rstrip("/") == mount.source.rstrip("/")
