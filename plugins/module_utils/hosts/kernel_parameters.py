# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Kernel parameters: names to files under /proc/sys, values as the kernel prints them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PROC_SYS = Path("/proc/sys")


def proc_path(name: str, root: Path = PROC_SYS) -> Path:
    """The file of a parameter. Dots separate; a slash in a name stands for a dot in a component, as in sysctl(8)."""
    return root.joinpath(*(part.replace("/", ".") for part in name.split(".")))


def normal(value: object) -> str:
    """A value with its whitespace as one blank, so that `1024\\t65000` and `1024 65000` are the same."""
    return " ".join(str(value).split())


def live(name: str, root: Path = PROC_SYS) -> str | None:
    """What the kernel has now, or None where it has no such parameter."""
    try:
        return normal(proc_path(name, root).read_text(encoding="utf-8"))
    except OSError:
        return None


def differing(wanted: Mapping[str, str], root: Path = PROC_SYS) -> dict[str, str | None]:
    """The live values of those parameters that aren't as wanted."""
    observed = {name: live(name, root) for name in wanted}
    return {name: value for name, value in observed.items() if value != normal(wanted[name])}


def apply(wanted: Mapping[str, str], root: Path = PROC_SYS) -> dict[str, str]:
    """Write parameters; returns those that the kernel refused, each with its reason."""
    refused: dict[str, str] = {}
    for name, value in wanted.items():
        try:
            proc_path(name, root).write_text(normal(value), encoding="utf-8")
        except OSError as error:
            refused[name] = error.strerror or str(error)
            continue
        if live(name, root) != normal(value):
            refused[name] = f"the kernel keeps {live(name, root)}"
    return refused


def conf_text(wanted: Mapping[str, str]) -> str:
    """The sysctl.d file that brings them back at boot."""
    return "".join(f"{name} = {normal(value)}\n" for name, value in sorted(wanted.items()))
