# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The driver and the fabric manager as a set: what the package manager lists, what the fabric manager's journal says.

The fabric manager refuses to start unless its version is the loaded driver's in full: 550.90.07 does not go with
550.127.05, though both are branch 550.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Context, Findings, flag, nothing, word
from .result import Evidence, clean_lines

TOOL = "driver_packages"
LOG_TOOL = "fabric_manager_log"

_UPSTREAM = re.compile(r"^(?:\d+:)?(\d{3,4}\.\d+(?:\.\d+)?)(?![\d.])")
_FABRIC_MANAGER = re.compile(r"^(?:nvidia-fabric-?manager(?:-\d+)?|cuda-drivers-fabricmanager(?:-\d+)?)$")
# In the order in which they say what the driver's version is: kernel modules first, tools and metapackages last.
_DRIVERS = tuple(
    re.compile(pattern)
    for pattern in (
        r"^nvidia-dkms(?:-.+)?$",
        r"^kmod-nvidia(?:-(?!modprobe).+)?$",
        r"^nvidia-kernel-(?:common|source|support|dkms|open-dkms|open|open-source)(?:-.+)?$",
        r"^nvidia-driver(?!-(?:assistant|pinning|selinux))(?:-.+)?$",
        r"^nvidia-(?:headless|open)(?:-.+)?$",
        r"^(?:lib)?nvidia-(?:utils|compute(?:-utils)?|driver-cuda|smi)(?:-.+)?$",
        r"^libnvidia-(?:nscq|compute|cfg1|ml|ml1)(?:-.+)?$",
        r"^cuda-drivers(?:-\d+)?$",
    )
)

_DPKG = re.compile(r"^([uihrp])([ncHUFWti])([ R]?)\s+(\S+?)(?::\w+)?\s+(\S+)(?:\s|$)")
_PAIR = re.compile(r"^([a-z0-9][a-z0-9+.-]+)(?::\w+|\.(?:x86_64|noarch|aarch64))?\s+(\d\S*)(?:\s|$)")
_RPM = re.compile(r"^([A-Za-z0-9_+.-]+?)-(?:\d+:)?(\d[\w.+~^]*-[\w.+~^]+)\.(?:x86_64|noarch|aarch64)$")

_MISMATCH = re.compile(
    r"fabric manager NVIDIA GPU driver interface version (\d+\.[\d.]*\d) don'?t match with driver version"
    r" (\d+\.[\d.]*\d)(?:\.? |\.?$)",
    re.IGNORECASE,
)
_START = re.compile(r"\bStarting\b.*fabric ?manager", re.IGNORECASE)
_STARTED = re.compile(r"\bStarted\b.*fabric ?manager", re.IGNORECASE)
_FAILED = re.compile(
    r"Failed to start .*fabric ?manager|fabricmanager\.service: (?:Failed with result|Control process exited"
    r"|Main process exited)",
    re.IGNORECASE,
)
_NO_SWITCH = re.compile(r"NV_WARN_NOTHING_TO_DO|request to query NVSwitch device information.*failed", re.IGNORECASE)
_FM_VERSION = re.compile(r"Fabric Manager version is\s*:?\s*(\d+\.[\d.]*\d)", re.IGNORECASE)


@dataclass(frozen=True)
class Package:
    """One line of a package list."""

    name: str
    version: str
    installed: bool
    held: bool
    broken: bool

    @property
    def upstream(self) -> str | None:
        """Return the driver's own version, without epoch and packaging revision; None where there is none."""
        return upstream(self.version)


def upstream(version: str) -> str | None:
    """Return ``550.127.05`` of ``550.127.05-0ubuntu0.22.04.1`` or ``3:550.127.05-1.el9``; None of another version."""
    match = _UPSTREAM.match(version.strip())
    return match.group(1) if match is not None else None


def is_fabric_manager(name: str) -> bool:
    """Say whether a package is the fabric manager."""
    return _FABRIC_MANAGER.match(name) is not None


def is_driver(name: str) -> bool:
    """Say whether a package's version is the driver's."""
    return any(pattern.match(name) for pattern in _DRIVERS)


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge the installed set: ``dpkg -l``, ``dpkg-query -W``, ``rpm -qa``, ``dnf list installed``; or the fabric
    manager's journal, which says the same of the loaded driver.

    Args:
        text: the list.
        context: ``driver_version`` (of the loaded module: the set must be of it), ``fabric_manager`` (true: a host
            with NVSwitch, which needs one; false: none is wanted).

    Returns:
        ``driver_version``, ``fabric_manager_version`` (upstream), ``match``, ``held`` (packages on hold), ``packages``
        (full versions by name).
    """
    lines = clean_lines(text)
    packages = [
        package for package in read_packages(lines) if is_driver(package.name) or is_fabric_manager(package.name)
    ]
    if not packages:
        journal = parse_fabric_manager_log(text, context)
        if journal.values["fabric_manager_version"] is not None or journal.values["started"] is not None:
            return Evidence(TOOL, {**journal.values, "held": [], "packages": {}}, journal.verdict, journal.reasons)
    values: dict[str, Any] = {
        "driver_version": None,
        "fabric_manager_version": None,
        "match": None,
        "held": [package.name for package in packages if package.held],
        "packages": {package.name: package.version for package in packages if package.installed},
    }
    if not packages:
        return nothing(TOOL, values, lines, "driver or fabric manager package")
    found = Findings()
    for package in packages:
        if package.broken:
            found.failures.append(
                f"{package.name} is not completely installed: dpkg --configure -a, apt-get -f install"
            )
    _judge_set(packages, context, values, found)
    return found.evidence(TOOL, values)


def parse_fabric_manager_log(text: str, context: Context | None = None) -> Evidence:
    """Judge the fabric manager's last start: ``journalctl -u nvidia-fabricmanager`` or its log file.

    Args:
        text: the journal.
        context: ``driver_version`` (loaded): a version that the journal names must be that one.

    Returns:
        ``fabric_manager_version`` and ``driver_version`` (where they are named), ``match``, ``started`` (None where
        the journal doesn't tell).
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {"fabric_manager_version": None, "driver_version": None, "match": None, "started": None}
    starts = [index for index, line in enumerate(lines) if _START.search(line)]
    last = lines[starts[-1] :] if starts else list(lines)
    found = Findings()
    failed = started = False
    for line in last:
        mismatch, version = _MISMATCH.search(line), _FM_VERSION.search(line)
        if mismatch is not None:
            values["fabric_manager_version"], values["driver_version"] = mismatch.groups()
            values["match"] = values["fabric_manager_version"] == values["driver_version"]
            found.failures.append(_advice(values["fabric_manager_version"], values["driver_version"], ()))
            failed = True
        elif version is not None:
            values["fabric_manager_version"] = version.group(1)
        if _NO_SWITCH.search(line):
            found.failures.append("the host has no NVSwitch: remove the fabric manager or mask nvidia-fabricmanager")
            failed = True
        failed = failed or _FAILED.search(line) is not None
        started = started or _STARTED.search(line) is not None
    if failed:
        values["started"] = False
        found.failures.append("the fabric manager did not start: CUDA answers 802 on this host until it does")
    elif started:
        values["started"] = True
    elif not starts and values["fabric_manager_version"] is None:
        return nothing(LOG_TOOL, values, lines, "start of the fabric manager")
    else:
        found.unknowns.append("the journal does not say whether the fabric manager started")
    loaded = word(context, "driver_version")
    named = values["driver_version"] or values["fabric_manager_version"]
    if loaded is not None and named is not None and named != loaded and not failed:
        values["match"] = False
        found.failures.append(_advice(named, loaded, ()))
    return found.evidence(LOG_TOOL, values)


def read_packages(lines: Sequence[str]) -> list[Package]:
    """Return the packages of a list in the format of dpkg, dpkg-query, rpm or dnf; other lines are skipped."""
    packages: list[Package] = []
    for line in lines:
        dpkg = _DPKG.match(line)
        if dpkg is not None:
            wanted, status, error, name, version = dpkg.groups()
            packages.append(
                Package(
                    name,
                    version,
                    installed=status == "i",
                    held=wanted == "h",
                    broken=status in "HUFWt" or error == "R",
                )
            )
            continue
        stripped = line.strip()
        pair = _RPM.match(stripped) or _PAIR.match(stripped)
        if pair is not None:
            packages.append(Package(pair.group(1), pair.group(2), installed=True, held=False, broken=False))
    return packages


def _judge_set(packages: Sequence[Package], context: Context | None, values: dict[str, Any], found: Findings) -> None:
    managers = [package for package in packages if package.installed and is_fabric_manager(package.name)]
    drivers = [package for package in packages if package.installed and not is_fabric_manager(package.name)]
    for package in (*managers, *drivers):
        if package.upstream is None:
            found.unknowns.append(f"the version {package.version} of {package.name} can't be read")
    versions = {package.upstream for package in drivers if package.upstream is not None}
    ordered = sorted(drivers, key=lambda package: _rank(package.name))
    values["driver_version"] = next((package.upstream for package in ordered if package.upstream is not None), None)
    values["fabric_manager_version"] = next((package.upstream for package in managers if package.upstream), None)
    if len(versions) > 1:
        found.failures.append(
            f"driver packages of several versions are installed ({', '.join(sorted(versions))}): install one version of"
            " all of them in one transaction"
        )
    loaded = word(context, "driver_version")
    driver = loaded or values["driver_version"]
    if loaded is not None and values["driver_version"] is not None and loaded != values["driver_version"]:
        found.failures.append(
            f"driver {loaded} is loaded but {values['driver_version']} is installed: reboot, or install what is loaded"
        )
    _judge_presence(managers, flag(context, "fabric_manager"), driver, found)
    if driver is None:
        found.unknowns.append("no driver package is in this list")
    for package in managers:
        if driver is not None and package.upstream is not None:
            values["match"] = package.upstream == driver and values["match"] is not False
            if package.upstream != driver:
                found.failures.append(_advice(package.upstream, driver, [package.name] if package.held else ()))


def _judge_presence(managers: Sequence[Package], wanted: bool | None, driver: str | None, found: Findings) -> None:
    if managers and wanted is False:
        found.failures.append(f"{managers[0].name} is installed on a host without NVSwitch: remove it")
    elif not managers and wanted:
        found.failures.append(f"no fabric manager is installed: install the one of version {driver or 'the driver'}")
    elif not managers and wanted is None:
        found.unknowns.append(
            "no fabric manager is in this list; only a host with NVSwitch needs one: say so in the context"
        )


def _advice(manager: str, driver: str, held: Sequence[str]) -> str:
    hold = f" {held[0]} is on hold, so an upgrade leaves it alone: unhold it," if held else ""
    return (
        f"fabric manager {manager} does not go with driver {driver}:{hold} install exactly {driver} and hold driver and"
        " fabric manager together"
    )


def _rank(name: str) -> int:
    return next((index for index, pattern in enumerate(_DRIVERS) if pattern.match(name)), len(_DRIVERS))
