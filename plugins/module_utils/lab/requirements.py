# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a machine must have before a lab is made on it: everything that can be known wrong, found at once and before
anything changes.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .cgroups import MOUNTINFO, unified_mount
from .commands import LabError, run
from .swap import GIB, meminfo, swap_needed

# Command → Debian package that has it.
COMMANDS: Mapping[str, str] = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "nc": "netcat-openbsd",
    "socat": "socat",
    "mkswap": "util-linux",
    "nsenter": "util-linux",
}
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROC_FILESYSTEMS = Path("/proc/filesystems")
FILESYSTEMS = ("overlay", "cgroup2")


@dataclass(frozen=True)
class Need:
    """What the lab asks of the machine, sizes in bytes. `swap_file_bytes` is what its swap file takes of the disk
    already.
    """

    memory_bytes: int
    reserve_bytes: int
    disk_bytes: int
    directory: str
    port: int
    swap_file_bytes: int = 0


@dataclass(frozen=True)
class Problem:
    """One thing that is missing: a code, what is wrong, what to do."""

    code: str
    message: str
    fix: str


def missing_packages() -> list[str]:
    """Debian packages that have to be installed."""
    packages = {package for command, package in COMMANDS.items() if shutil.which(command) is None}
    if not Path(KEYRING).exists():
        packages.add("debian-archive-keyring")
    return sorted(packages)


def loadable(module: str) -> bool:
    """Whether the kernel would load `module` at its first use, as it does overlay on a machine that never had one."""
    try:
        run(["modprobe", "--dry-run", "--quiet", module])
    except LabError:
        return False
    return True


def port_is_free(port: int) -> bool:
    """Whether 127.0.0.1:port can be bound."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def nearest_existing(path: Path) -> Path:
    """`path`, or the closest directory above it that exists."""
    return path if path.exists() else nearest_existing(path.parent)


def problems(need: Need, port_is_ours: bool) -> list[Problem]:
    """Everything that keeps this machine from holding the lab."""
    found: list[Problem] = []
    if os.geteuid() != 0:
        found.append(
            Problem(
                "LAB_NOT_ROOT", "the lab makes namespaces and mounts, which takes root", "run as root, or with sudo"
            )
        )
    known = PROC_FILESYSTEMS.read_text(encoding="utf-8").split()
    found += [
        Problem("LAB_NO_FILESYSTEM", f"the kernel has no {name}", f"use a kernel with {name}; see modprobe {name}")
        for name in FILESYSTEMS
        if name not in known and not loadable(name)
    ]
    if unified_mount(MOUNTINFO.read_text(encoding="utf-8")) is None:
        found.append(
            Problem("LAB_NO_CGROUP2", "cgroup2 is not mounted", "mount -t cgroup2 none /sys/fs/cgroup/unified")
        )
    packages = missing_packages()
    if packages and shutil.which("apt-get") is None:
        wanted = ", ".join(packages)
        found.append(
            Problem(
                "LAB_NO_APT",
                f"missing: {wanted}; and no apt-get to install them",
                "use Debian or Ubuntu, or install them",
            )
        )
    memory = meminfo(Path("/proc/meminfo").read_text(encoding="utf-8"))
    swap_bytes = swap_needed(memory, need.memory_bytes, need.reserve_bytes)
    if swap_bytes > memory["MemTotal"]:
        found.append(
            Problem(
                "LAB_MEMORY_SHORT",
                f"the ranks need {need.memory_bytes / GIB:.1f} GiB and the machine has {memory['MemTotal'] / GIB:.1f}",
                "use fewer ranks (lab_ranks_per_host) or a larger machine: more swap than memory is too slow",
            )
        )
    free = shutil.disk_usage(nearest_existing(Path(need.directory))).free
    more_bytes = need.disk_bytes + max(0, swap_bytes - need.swap_file_bytes)
    if free < more_bytes:
        found.append(
            Problem(
                "LAB_DISK_SHORT",
                f"{need.directory} has {free / GIB:.1f} GiB free and the lab needs {more_bytes / GIB:.1f}",
                "free some space, or put the lab elsewhere (lab_hosts_directory)",
            )
        )
    if not port_is_ours and not port_is_free(need.port):
        found.append(
            Problem(
                "LAB_PORT_TAKEN",
                f"127.0.0.1:{need.port} is in use",
                "free it, or choose another with lab_hosts_api_port",
            )
        )
    return found
