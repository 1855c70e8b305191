# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages that must fit one another: what is installed, held, pinned or broken, and who has the package manager."""

from __future__ import annotations

import re
from typing import Any

from .look import Look, ProbeError, Result

# What goes together with a driver, and what its versions must fit.
COUPLED = re.compile(
    r"(lib)?nvidia|xserver-xorg-video-nvidia|cuda|libcuda|linux-(image|modules|headers)|kernel($|-)|[ak]mod-nvidia"
    r"|mlnx|ofed|doca|rdma-core|libibverbs|ibverbs|datacenter-gpu|libnccl|xorg-x11-drv-nvidia"
)
_STATUS = "/var/lib/dpkg/status"
_LOCKS = ("/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock", "/var/lib/rpm/.rpm.lock")
_FIELD = re.compile(r"^(Package|Status|Version): (.*)$", re.MULTILINE)
_SETTLED = ("installed", "config-files", "not-installed")


def packages(look: Look) -> dict[str, Any]:
    """The package manager's view, of packages that belong to the stack; a broken one is named whatever it is."""
    text = look.text(_STATUS)
    found = _dpkg(look, text) if text is not None else _rpm(look)
    found["locks"] = locks(look)
    return found


def _dpkg(look: Look, text: str) -> dict[str, Any]:
    rows = dpkg_rows(text)
    here = [row for row in rows if row["state"] == "installed" and COUPLED.match(row["name"])]
    return {
        "manager": "dpkg",
        "coupled": [{"name": row["name"], "version": row["version"]} for row in here],
        "held": [{"name": row["name"], "version": row["version"]} for row in here if row["want"] == "hold"],
        "broken": [f"{row['name']} ({row['state']})" for row in rows if row["broken"]],
        "interrupted": bool(look.names("/var/lib/dpkg/updates")),
        "pins": [pin for path in _preference_files(look) for pin in pins(path, look.text(path) or "")],
    }


def dpkg_rows(text: str) -> list[dict[str, Any]]:
    """Packages in dpkg's status file, each with what is wanted (``hold``) and its state (``half-configured``)."""
    rows = []
    for stanza in text.split("\n\n"):
        fields = dict(_FIELD.findall(stanza))
        words = fields.get("Status", "").split()
        if "Package" in fields and len(words) == 3:
            want, flag, state = words
            broken = flag != "ok" or state not in _SETTLED
            name, version = fields["Package"], fields.get("Version", "")
            rows.append({"name": name, "version": version, "want": want, "state": state, "broken": broken})
    return rows


def _preference_files(look: Look) -> list[str]:
    parts = [f"/etc/apt/preferences.d/{name}" for name in look.names("/etc/apt/preferences.d")]
    # Names that apt itself passes over.
    parts = [path for path in parts if re.fullmatch(r"[\w-]+(\.pref)?", path.rpartition("/")[2])]
    return ["/etc/apt/preferences", *parts]


def pins(path: str, text: str) -> list[dict[str, Any]]:
    """The pins of coupled packages in an apt_preferences(5) file."""
    found = []
    for stanza in re.split(r"\n\s*\n", text):
        pairs = (line.partition(":") for line in stanza.splitlines() if not line.startswith("#"))
        fields = {name.strip(): value.strip() for name, colon, value in pairs if colon}
        names = [name for name in fields.get("Package", "").split() if COUPLED.match(name.strip("*/^"))]
        if names and "Pin" in fields:
            priority = fields.get("Pin-Priority", "0")
            found.append({"file": path, "packages": names, "pin": fields["Pin"], "priority": int(priority)})
    return found


def _rpm(look: Look) -> dict[str, Any]:
    told = look.run(["rpm", "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n"])
    if told.status != 0:
        raise ProbeError(f"`rpm -qa`: {told.complaint.strip() or f'exit status {told.status}'}")
    rows = [line.split() for line in told.output.splitlines()]
    here = {row[0]: row[1] for row in rows if len(row) == 2 and COUPLED.match(row[0])}
    locked = [line.strip() for line in (look.text("/etc/dnf/plugins/versionlock.list") or "").splitlines()]
    names = {name for name in here for entry in locked if _locks(entry, name)}
    return {
        "manager": "rpm",
        "coupled": [{"name": name, "version": here[name]} for name in sorted(here)],
        "held": [{"name": name, "version": here[name]} for name in sorted(names)],
        "broken": [],
        "interrupted": False,
        "pins": [],
    }


def _locks(entry: str, name: str) -> bool:
    """Whether a line of versionlock.list (``name-0:1.2-3.el9.*``) is for a package."""
    return re.match(rf"!?{re.escape(name)}-\d+:", entry) is not None


def locks(look: Look) -> list[dict[str, Any]]:
    """Which of the package manager's locks are held, by the kernel's own table; looking takes none."""
    inodes = {}
    for path in _LOCKS:
        try:
            inodes[look.path(path).stat().st_ino] = path
        except OSError:
            continue
    found: dict[str, dict[str, Any]] = {}
    for line in (look.text("/proc/locks") or "").splitlines():
        fields = line.split()
        # "1: POSIX ADVISORY WRITE 1234 fe:00:1491018 0 EOF"; one that waits has "->" after the number.
        if len(fields) == 8 and fields[5].count(":") == 2:
            lock = inodes.get(int(fields[5].rpartition(":")[2]))
            pid = int(fields[4])
            if lock is not None and pid > 0:
                found[lock] = {"path": lock, "pid": pid, "command": look.word(f"/proc/{pid}/comm")}
    return [found[path] for path in sorted(found)]


def offer(look: Look, package: str) -> dict[str, Any]:
    """The version of a package that the host's repositories have, by the lists it has of them; None where none has."""
    if look.exists(_STATUS):
        told = look.run(["apt-cache", "policy", package])
        return {"package": package, "candidate": candidate(told), "lists": bool(_lists(look))}
    told = look.run(["dnf", "-C", "-q", "repoquery", "--available", "--qf", "%{version}-%{release}", package])
    if told.status != 0:
        raise ProbeError(f"`dnf -C repoquery {package}`: {told.complaint.strip() or told.status}")
    versions = told.output.split()
    return {"package": package, "candidate": versions[-1] if versions else None, "lists": True}


def candidate(told: Result) -> str | None:
    """The candidate that ``apt-cache policy`` names."""
    match = re.search(r"^\s*Candidate:\s*(\S+)", told.output, re.MULTILINE)
    return match.group(1) if match and match.group(1) != "(none)" else None


def _lists(look: Look) -> list[str]:
    return [name for name in look.names("/var/lib/apt/lists") if name.endswith(("_Packages", "_Packages.lz4"))]
