# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``dkms status``: is a module built and installed for the kernel that runs (or boots next)?

dkms 2 prints ``nvidia, 550.127.05, 5.15.0-119-generic, x86_64: installed``, dkms 3 ``nvidia/550.127.05, 5.15…``. A
module that is only added has no kernel.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .findings import Context, Findings, nothing, table, word, words
from .result import Evidence, clean_lines

TOOL = "dkms_status"

_LINE = re.compile(
    r"^(?P<name>[A-Za-z0-9_.+-]+)(?:/|, )(?P<version>[^,:\s]+)"
    r"(?:, (?P<kernel>[^,:\s]+), (?P<arch>[A-Za-z0-9_]+))?: (?P<state>\S.*)$"
)
_BEGUN = re.compile(r"^[A-Za-z0-9_.+-]+(?:/|, )\d[^,:\s/]*(?:, [^\s:]*)*:?$")
_STATE = re.compile(r"^(added|built|installed-weak|installed|broken|loaded)(?: from [^\s()]+)?(?: ?\(.*\))*$")
_READY = ("installed", "installed-weak", "loaded")
_KERNEL = re.compile(r"^\d+\.\d+\.\d+[\w.+~-]*$")


@dataclass(frozen=True)
class Build:
    """One line: a module's version, the kernel it was built for, its state."""

    name: str
    version: str
    kernel: str | None
    state: str
    differs: bool


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge whether modules are installed for a kernel.

    Args:
        text: ``dkms status``; ``uname -r`` may stand in it, on a line of its own.
        context: ``kernel`` (the release: it decides), ``modules`` (those that must be there; else all that are
            listed), ``versions`` (the version that must be there, by module).

    Returns:
        ``kernel``, ``installed`` (true or false by module, for that kernel), ``missing``, ``modules`` (by module: the
        builds).
    """
    lines = clean_lines(text)
    builds = read(lines)
    kernel = word(context, "kernel") or next((line.strip() for line in lines if _KERNEL.match(line.strip())), None)
    wanted = words(context, "modules")
    versions = {name: str(version) for name, version in (table(context, "versions") or {}).items()}
    names = sorted({build.name for build in builds}) if wanted is None else wanted
    values: dict[str, Any] = {
        "kernel": kernel,
        "installed": dict.fromkeys(names) if kernel is None else {},
        "missing": [],
        "modules": {
            name: [
                {"version": build.version, "kernel": build.kernel, "state": build.state, "differs": build.differs}
                for build in builds
                if build.name == name
            ]
            for name in sorted({build.name for build in builds})
        },
    }
    if not builds:
        return nothing(TOOL, values, lines, "module")
    found = Findings()
    found.unknowns.extend(
        f"the line {line.strip()!r} is cut off" for line in lines if _BEGUN.match(line.strip()) and not read([line])
    )
    for build in builds:
        if build.state == "broken":
            found.failures.append(
                f"{build.name}/{build.version} is broken, its source is gone: dkms remove it, reinstall its package"
            )
        elif build.state == "unknown":
            found.unknowns.append(f"the state of {build.name}/{build.version} can't be read")
    if kernel is None:
        for name in names:
            if not any(build.kernel for build in builds if build.name == name):
                values["missing"].append(name)
                found.failures.append(f"{name} is installed for no kernel: dkms autoinstall")
        found.unknowns.append("which kernel runs was not said: give the context kernel")
    else:
        for name in names:
            of_name = [build for build in builds if build.name == name]
            values["installed"][name] = _judge((name, versions.get(name)), kernel, of_name, found)
        values["missing"] = [name for name in names if values["installed"][name] is False]
    return found.evidence(TOOL, values)


def read(lines: Sequence[str]) -> list[Build]:
    """Return the builds that the lines name."""
    builds: list[Build] = []
    for line in lines:
        match = _LINE.match(line.strip())
        if match is None or (match["kernel"] is not None and not _KERNEL.match(match["kernel"])):
            continue
        state = _STATE.match(match["state"])
        if match["kernel"] is None and (state is None or state.group(1) not in ("added", "broken")):
            continue
        builds.append(
            Build(
                match["name"],
                match["version"],
                match["kernel"],
                "unknown" if state is None else state.group(1),
                "WARNING" in match["state"],
            )
        )
    return builds


def _judge(wanted: tuple[str, str | None], kernel: str, builds: Sequence[Build], found: Findings) -> bool | None:
    """Say whether the module (name, version) is installed for the kernel; None where its state can't be read."""
    name, version = wanted
    here = [build for build in builds if build.kernel == kernel and version in (None, build.version)]
    ready = [build for build in here if build.state in _READY]
    if ready:
        if any(build.differs for build in ready):
            found.warnings.append(
                f"{name} for {kernel}: the installed module is not the one that dkms built: dkms install --force"
            )
        return True
    if any(build.state == "unknown" for build in here):
        return None
    others = sorted({str(build.kernel) for build in builds if build.kernel})
    there = f"only for {', '.join(others)}" if others else "for no kernel"
    which = f"{name} {version}" if version is not None else name
    found.failures.append(
        f"{which} is not installed for kernel {kernel} ({there}): install linux-headers for it, then"
        f" dkms autoinstall -k {kernel}"
    )
    return False
