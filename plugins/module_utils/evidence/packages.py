# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What package managers offer and did: ``apt-cache madison`` (or ``policy``), apt's history, dnf's modules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .driver_packages import is_driver, is_fabric_manager, upstream
from .findings import Context, Findings, nothing, word, words
from .result import Evidence, clean_lines

CANDIDATES_TOOL = "apt_candidates"
HISTORY_TOOL = "apt_history"
MODULES_TOOL = "dnf_modules"

_MADISON = re.compile(r"^\s*(\S+) \| +(\S+) \| +(\S.*?)\s*$")
_POLICY_NAME = re.compile(r"^([a-z0-9][a-z0-9+.:-]+):$")
_POLICY_VERSION = re.compile(r"^ (?:\*\*\*|   ) (\S+) -?\d+\s*$")
_UNABLE = re.compile(r"Unable to locate package (\S+)|No packages found")

_HEADER = re.compile(r"^([A-Z][A-Za-z-]+): ?(.*)$")
_CHANGE = re.compile(r"([a-z0-9][a-z0-9+.-]*)(?::\w+)? \(([^()]*)\)")
_ACTIONS = ("Install", "Upgrade", "Downgrade", "Reinstall", "Remove", "Purge")
_COUPLED = re.compile(
    r"^(?:nvidia-|libnvidia-|cuda-drivers|kmod-nvidia|linux-(?:image|modules|headers)-|mlnx-|doca-|libibverbs|rdma-core"
    r"|ibverbs-|ofed|mft)"
)

_STREAM = re.compile(r"^([a-z0-9][\w.+-]*)\s+([\w.+-]+)((?:\s?\[[deaxi]\])*)\s+(\S.*)$")
_HINT = re.compile(r"\[d\].*\[e\].*\[x\].*\[i\]")
_NO_MODULE = re.compile(r"No matching Modules to list|Unable to resolve argument|Error: Problem|^Error:")


@dataclass
class Transaction:
    """One transaction of apt's history while it is read: changes are (action, package, before, after)."""

    start: str
    command: str = ""
    error: str = ""
    ended: bool = False
    changes: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)


def parse_apt_candidates(text: str, context: Context | None = None) -> Evidence:
    """Judge whether a version can be installed, before anything is changed.

    Args:
        text: ``apt-cache madison PACKAGE…`` or ``apt-cache policy PACKAGE…``.
        context: ``version`` (wanted: the upstream one, 550.127.05, or the full one), ``packages`` (those that must have
            it; else all that are listed), ``driver_versions`` (versions that the other half of the set has: the nearest
            common one is named).

    Returns:
        ``candidates`` (upstream versions, newest first), ``matches`` (full versions that are the wanted one),
        ``packages`` (by name: full versions), ``common`` (upstream versions that every package, and the other half of
        the set, has).
    """
    lines = clean_lines(text)
    offered = _read_candidates(lines)
    values: dict[str, Any] = {"candidates": [], "matches": [], "packages": offered, "common": []}
    found = Findings()
    for line in lines:
        unable = _UNABLE.search(line)
        if unable is not None:
            found.failures.append(
                f"{unable.group(1) or 'the package'} is in no repository: enable its repository first"
            )
    wanted_packages = words(context, "packages") or sorted(offered)
    for name in wanted_packages:
        if name not in offered and not found.failures:
            found.unknowns.append(f"{name} is not in this output")
    if not offered:
        return (
            found.evidence(CANDIDATES_TOOL, values)
            if found.failures
            else nothing(CANDIDATES_TOOL, values, lines, "candidate")
        )
    sets = [{_upstream(version) for version in offered.get(name, [])} for name in wanted_packages]
    others = words(context, "driver_versions")
    common = set.intersection(*sets, *([{_upstream(version) for version in others}] if others is not None else []))
    values["candidates"] = _newest(set().union(*sets))
    values["common"] = _newest(common)
    wanted = word(context, "version") or word(context, "requested")
    if wanted is not None:
        values["matches"] = _judge_wanted(
            wanted, {name: offered.get(name, []) for name in wanted_packages}, values, found
        )
    elif others is not None and not common:
        found.failures.append(f"no version is offered for all of them: there are {', '.join(values['candidates'])}")
    return found.evidence(CANDIDATES_TOOL, values)


def parse_apt_history(text: str, context: Context | None = None) -> Evidence:
    """Judge what happened to packages that belong together: driver, fabric manager, kernel, OFED.

    Args:
        text: ``/var/log/apt/history.log`` (of a rotated one: unpacked).
        context: ``packages`` (patterns of names that are watched instead), ``since`` (``2026-03-02``: earlier ones are
            left out).

    Returns:
        ``transactions`` (a number), ``changes`` (``package``, ``action``, ``before``, ``after``, ``start``,
        ``unattended`` each), ``driver_version`` and ``fabric_manager_version`` (upstream, as the last change left
        them).
    """
    lines = clean_lines(text)
    since = word(context, "since")
    transactions = [one for one in _read_history(lines) if since is None or one.start >= since]
    values: dict[str, Any] = {
        "transactions": len(transactions),
        "changes": [],
        "driver_version": None,
        "fabric_manager_version": None,
    }
    if not _read_history(lines):
        return nothing(HISTORY_TOOL, values, lines, "transaction")
    found = Findings()
    patterns = words(context, "packages")
    watched = (
        _COUPLED if patterns is None else re.compile("|".join(f"(?:{re.escape(name)})" for name in patterns) or "$.")
    )
    for transaction in transactions:
        unattended = "unattended-upgrade" in transaction.command
        if not transaction.ended:
            found.unknowns.append(
                f"the transaction of {transaction.start} has no end: it runs, broke off, or is cut off"
            )
        if transaction.error:
            found.failures.append(f"the transaction of {transaction.start} failed: {transaction.error[:160]}")
        for action, package, before, after in transaction.changes:
            if watched.match(package) is None:
                continue
            values["changes"].append(
                {
                    "package": package,
                    "action": action,
                    "before": before,
                    "after": after,
                    "start": transaction.start,
                    "unattended": unattended,
                }
            )
            _follow(package, after, values)
            if unattended and action in ("Upgrade", "Downgrade", "Remove"):
                found.failures.append(
                    f"unattended-upgrades changed {package} ({before} to {after or 'nothing'}) on {transaction.start}:"
                    " hold driver, fabric manager, kernel and OFED together (apt-mark hold)"
                )
    driver, manager = values["driver_version"], values["fabric_manager_version"]
    if driver is not None and manager is not None and driver != manager:
        found.failures.append(f"the driver became {driver}, the fabric manager {manager}: install the same of both")
    return found.evidence(HISTORY_TOOL, values)


def parse_dnf_modules(text: str, context: Context | None = None) -> Evidence:
    """Judge ``dnf module list nvidia-driver``.

    Args:
        text: what it printed.
        context: ``stream`` (wanted, ``580-open``), ``module`` (else nvidia-driver).

    Returns:
        ``streams``, ``enabled`` and ``default`` (a stream or None), ``installed`` (profiles of the enabled one),
        ``disabled`` (true where the module is).
    """
    lines = clean_lines(text)
    module = word(context, "module") or "nvidia-driver"
    values: dict[str, Any] = {"streams": [], "enabled": None, "default": None, "installed": [], "disabled": False}
    found = Findings()
    hint = False
    for line in lines:
        hint = hint or (_HINT.search(line) is not None and not line.startswith(module))
        match = _STREAM.match(line)
        if match is not None and match.group(1) == module:
            _read_stream(match.group(2), match.group(3), match.group(4), values)
        elif _NO_MODULE.search(line):
            found.failures.append(
                f"{line.strip()[:160]}: enable NVIDIA's repository first, or install without a module"
            )
    if not values["streams"]:
        return (
            found.evidence(MODULES_TOOL, values) if found.failures else nothing(MODULES_TOOL, values, lines, "stream")
        )
    if not hint:
        found.unknowns.append("the list's last line, which explains its marks, is missing: cut off")
    _judge_stream(module, word(context, "stream"), values, found)
    return found.evidence(MODULES_TOOL, values)


def _upstream(version: str) -> str:
    plain = upstream(version)
    return plain if plain is not None else version.partition(":")[2] or version


def _newest(versions: set[str]) -> list[str]:
    return sorted(versions, key=lambda version: [int(part[:9]) for part in re.findall(r"\d+", version)], reverse=True)


def _read_candidates(lines: Sequence[str]) -> dict[str, list[str]]:
    offered: dict[str, list[str]] = {}
    current: str | None = None
    for line in lines:
        madison, name, version = _MADISON.match(line), _POLICY_NAME.match(line), _POLICY_VERSION.match(line)
        if madison is not None:
            if not madison.group(3).endswith("Sources"):
                offered.setdefault(madison.group(1), []).append(madison.group(2))
        elif name is not None:
            current = name.group(1)
        elif version is not None and current is not None:
            offered.setdefault(current, []).append(version.group(1))
    return {name: list(dict.fromkeys(versions)) for name, versions in offered.items()}


def _judge_wanted(wanted: str, offered: dict[str, list[str]], values: dict[str, Any], found: Findings) -> list[str]:
    matches: list[str] = []
    for name, versions in offered.items():
        # Compared in full, never as a start: 570.124.06-1 is not 570.124.06-10.
        fitting = [version for version in versions if wanted in (version, _upstream(version))]
        matches.extend(version for version in fitting if version not in matches)
        if not fitting and versions:
            there = ", ".join(_newest({_upstream(version) for version in versions}))
            nearest = f"; all of the set offer {values['common'][0]}" if values["common"] else ""
            found.failures.append(
                f"{name} {wanted} is not offered, there are {there}{nearest}: choose one explicitly for driver and"
                " fabric manager, or add the repository that has it"
            )
        elif len({version.partition("-")[2] for version in fitting}) > 1:
            found.notes.append(
                f"{name} {wanted} is offered in several builds: {', '.join(fitting)}; use one repository"
            )
    return matches


def _read_history(lines: Sequence[str]) -> list[Transaction]:
    transactions: list[Transaction] = []
    for line in lines:
        match = _HEADER.match(line)
        if match is None:
            continue
        name, value = match.groups()
        if name == "Start-Date":
            transactions.append(Transaction(" ".join(value.split())))
        elif not transactions or transactions[-1].ended:
            continue
        elif name == "Commandline":
            transactions[-1].command = value
        elif name == "Error":
            transactions[-1].error = value
        elif name == "End-Date":
            transactions[-1].ended = True
        elif name in _ACTIONS:
            for package, detail in _CHANGE.findall(value):
                versions = [part.strip() for part in detail.split(",") if part.strip() != "automatic"]
                transactions[-1].changes.append(_change(name, package, versions))
    return transactions


def _change(action: str, package: str, versions: Sequence[str]) -> tuple[str, str, str | None, str | None]:
    first = versions[0] if versions else None
    if action in ("Remove", "Purge"):
        return action, package, first, None
    if action in ("Upgrade", "Downgrade"):
        return action, package, first, versions[1] if len(versions) > 1 else None
    return action, package, None, first


def _follow(package: str, after: str | None, values: dict[str, Any]) -> None:
    version = upstream(after) if after is not None else None
    if is_fabric_manager(package):
        values["fabric_manager_version"] = version
    elif is_driver(package) and version is not None:
        values["driver_version"] = version


def _read_stream(stream: str, marks: str, profiles: str, values: dict[str, Any]) -> None:
    if stream not in values["streams"]:
        values["streams"].append(stream)
    if "[d]" in marks:
        values["default"] = stream
    if "[e]" in marks:
        values["enabled"] = stream
        cells = re.split(r"\s{2,}", profiles)[0].split(",")
        values["installed"] = [cell.split()[0] for cell in cells if "[i]" in cell and cell.split()]
    if "[x]" in marks:
        values["disabled"] = True


def _judge_stream(module: str, wanted: str | None, values: dict[str, Any], found: Findings) -> None:
    if values["disabled"]:
        found.failures.append(f"module {module} is disabled: dnf module reset {module}")
    if wanted is None:
        return
    if wanted not in values["streams"]:
        found.failures.append(f"{module}:{wanted} is not offered, there are {', '.join(values['streams'])}")
    elif values["enabled"] not in (None, wanted):
        found.failures.append(
            f"{module}:{values['enabled']} is enabled, {wanted} is wanted: dnf module switch-to {module}:{wanted}"
        )
    elif values["enabled"] is None:
        found.warnings.append(f"no stream of {module} is enabled: dnf module enable {module}:{wanted}")
