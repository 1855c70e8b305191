# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host itself: system, kernels, Secure Boot, memory, limits, and what logind does to shared memory."""

from __future__ import annotations

import platform
import pwd
import re
import sys
from typing import Any

from ..evidence import processes
from ..evidence import secure_boot as secure_boot_parser
from ..evidence.systemd import UNLIMITED
from .look import Look, ProbeError

# UEFI specification, global variables: four bytes of attributes, one of value.
_SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_RPM_SYSTEMS = ("rhel", "rocky", "almalinux", "ol", "centos", "fedora")
_DIGITS = re.compile(r"(\d+)")


def system(look: Look) -> dict[str, Any]:
    """Distribution as ``ubuntu22.04``, architecture, kernel, names and ids, and the Python that runs this."""
    release = os_release(look)
    name, version = release.get("ID", ""), release.get("VERSION_ID", "")
    if not name:
        raise ProbeError("neither /etc/os-release nor /usr/lib/os-release names a distribution")
    rpm = name in _RPM_SYSTEMS
    return {
        "distribution": name + (version.split(".")[0] if rpm or name == "debian" else version),
        "family": "rpm" if rpm else "deb",
        "description": release.get("PRETTY_NAME", f"{name} {version}"),
        "architecture": look.word("/proc/sys/kernel/arch") or platform.machine(),
        "kernel": look.word("/proc/sys/kernel/osrelease"),
        "hostname": look.word("/proc/sys/kernel/hostname"),
        "machine_id": look.word("/etc/machine-id"),
        "container": look.word("/run/systemd/container"),
        "interpreter": sys.executable,
        "interpreter_version": platform.python_version(),
    }


def os_release(look: Look) -> dict[str, str]:
    """The file os-release by name."""
    text = look.text("/etc/os-release") or look.text("/usr/lib/os-release") or ""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip().strip("\"'") for name, equals, value in pairs if equals}


def natural(text: str) -> list[tuple[int, str]]:
    """A key that sorts releases as people do: 5.15.0-9 before 5.15.0-122."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(text)]


def kernels(look: Look) -> dict[str, Any]:
    """The running kernel, and those installed: each with whether its headers are there."""
    running = look.word("/proc/sys/kernel/osrelease")
    installed = [name for name in look.names("/lib/modules") if look.exists(f"/lib/modules/{name}/kernel")]
    return {
        "running": running,
        "installed": [{"release": name, "headers": has_headers(look, name)} for name in sorted(installed, key=natural)],
    }


def has_headers(look: Look, release: str) -> bool:
    """Whether a module could be built for a kernel (Debian's and Ubuntu's place, then RHEL's)."""
    places = (f"/usr/src/linux-headers-{release}", f"/usr/src/kernels/{release}")
    return any(look.exists(f"{place}/Makefile") for place in places)


def secure_boot(look: Look) -> dict[str, Any]:
    """Whether the firmware lets only signed kernels and modules run."""
    if not look.exists("/sys/firmware/efi"):
        return {"on": False, "source": "no EFI"}
    raw = look.bytes(_SECURE_BOOT)
    if raw is not None and len(raw) == 5:
        return {"on": raw[4] == 1, "source": "EFI variable SecureBoot"}
    told = look.run(["mokutil", "--sb-state"])
    on = secure_boot_parser.parse(told.output + told.complaint).values["enabled"]
    if on is None:
        raise ProbeError("the EFI variable SecureBoot can't be read, and `mokutil --sb-state` doesn't tell")
    return {"on": on, "source": "mokutil"}


def memory(look: Look) -> dict[str, Any]:
    """Memory in bytes; a control group's limit, as in a container, is the host's memory."""
    rows = (line.split() for line in (look.text("/proc/meminfo") or "").splitlines())
    values = {row[0].rstrip(":"): int(row[1]) for row in rows if len(row) >= 2 and row[1].isdecimal()}
    if "MemTotal" not in values or "MemAvailable" not in values:
        raise ProbeError("/proc/meminfo has no MemTotal and MemAvailable")
    total = values["MemTotal"] * 1024
    return {
        "total_bytes": min(total, look.number("/sys/fs/cgroup/memory.max") or total),
        "available_bytes": values["MemAvailable"] * 1024,
        "swap_bytes": values.get("SwapTotal", 0) * 1024,
        "hugepages_bytes": values.get("HugePages_Total", 0) * values.get("Hugepagesize", 0) * 1024,
    }


def limits(look: Look) -> dict[str, Any]:
    """What nothing on this host can be given more of: init's own hard limits where it may not raise them, and pids."""
    status = processes.parse_status(look.text("/proc/1/status") or "")
    may_raise = processes.may_raise_limits(status)
    found = processes.parse_limits(look.text("/proc/1/limits") or "")
    if may_raise is None or not found:
        raise ProbeError("/proc/1/status and /proc/1/limits don't tell init's capabilities and limits")
    hard = {key: found.get(name, (None, None))[1] for key, name in _CEILINGS.items()}
    ceilings = {key: None if may_raise or limit == UNLIMITED else limit for key, limit in hard.items()}
    return {**ceilings, "pids": look.number("/sys/fs/cgroup/pids.max")}


_CEILINGS = {"memlock_bytes": "Max locked memory", "nofile": "Max open files"}


def shared_memory_policy(look: Look, user: str) -> dict[str, Any]:
    """Whether logind removes a user's shared memory when its last session ends, and whether it is a system user."""
    value = "yes"  # systemd's default, logind.conf(5)
    directories = ("/usr/lib/systemd", "/run/systemd", "/etc/systemd")
    main = next((f"{place}/logind.conf" for place in reversed(directories) if look.exists(f"{place}/logind.conf")), "")
    # Of drop-ins with one name /etc's wins over /run's over /usr/lib's; then they are read by name.
    drop_ins = {
        name: f"{place}/logind.conf.d/{name}"
        for place in directories
        for name in look.names(f"{place}/logind.conf.d")
        if name.endswith(".conf")
    }
    for path in [main, *(drop_ins[name] for name in sorted(drop_ins))]:
        for line in (look.text(path) or "").splitlines() if path else ():
            name, equals, given = line.partition("=")
            if equals and name.strip() == "RemoveIPC":
                value = given.strip().lower() or "yes"
    uid = user_id(look, user)
    return {
        "remove_ipc": value not in ("no", "false", "off", "0"),
        "user": user,
        "uid": uid,
        "system_user": uid is not None and uid <= _system_uid_max(look),
        "lingers": look.exists(f"/var/lib/systemd/linger/{user}"),
    }


def user_id(look: Look, user: str) -> int | None:
    """A user's number, None where there is no such user."""
    if look.root == _SLASH:
        try:
            return pwd.getpwnam(user).pw_uid
        except KeyError:
            return None
    rows = (line.split(":") for line in (look.text("/etc/passwd") or "").splitlines())
    return next((int(row[2]) for row in rows if len(row) > 2 and row[0] == user), None)


_SLASH = Look().root


def _system_uid_max(look: Look) -> int:
    for line in (look.text("/etc/login.defs") or "").splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == "SYS_UID_MAX" and words[1].isdecimal():
            return int(words[1])
    return 999


def python(look: Look, version: str) -> dict[str, Any]:
    """Whether a Python (``3.10``) and the headers that compilers need at run time are there."""
    return {
        "version": version,
        "interpreter": look.exists(f"/usr/bin/python{version}"),
        "headers": look.exists(f"/usr/include/python{version}/Python.h"),
    }


def modules(look: Look, names: tuple[str, ...]) -> dict[str, Any]:
    """Which of these kernel modules are loaded (or built in), with their version where they have one."""
    found: dict[str, Any] = {}
    for name in names:
        if look.exists(f"/sys/module/{name}"):
            found[name] = look.word(f"/sys/module/{name}/version")
    return found
