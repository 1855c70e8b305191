# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the mapping ``stack``: the parts of a host's software that must go together, all optional."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..fields import Section, suggestion
from ..findings import Finding
from . import facts
from .facts import Numbers, Profile, numbers

_KEYS = (
    "profile",
    "driver",
    "cuda_toolkit",
    "wheel_cuda",
    "distribution",
    "glibc",
    "python",
    "ofed",
    "fabric_manager",
    "secure_boot",
    "packages",
)
OFED = ("inbox", "doca", "mlnx_ofed")


@dataclass(frozen=True)
class StackInput:
    """The mapping ``stack`` as read; everything is optional. Versions are numbers, ``packages`` names with versions."""

    profile: Profile | None = None
    driver: Numbers | None = None
    toolkit: Numbers | None = None
    wheel_cuda: Numbers | None = None
    distribution: str | None = None
    glibc: Numbers | None = None
    python: Numbers | None = None
    ofed: str | None = None
    fabric_manager: Numbers | None = None
    secure_boot: bool | None = None
    packages: Mapping[str, str] = field(default_factory=dict)


def read_stack(raw: Any, findings: list[Finding]) -> StackInput | None:
    """Read the mapping ``stack``; ``None`` where there is none or it is wrong, which ``findings`` then say."""
    if raw is None:
        return None
    section = Section("stack", raw, _KEYS, findings)
    name = section.text("profile", None)
    profile = facts.PROFILES.get(name) if name else None
    if name and profile is None:
        section.refuse("stack.profile", f"stack.profile is '{name}'", suggestion(name, facts.PROFILES))
    ofed = section.text("ofed", None)
    if ofed is not None and (ofed.split() or [""])[0].lower().replace("-", "_") not in OFED:
        section.refuse("stack.ofed", f"stack.ofed is '{ofed}'", "use inbox, doca or mlnx_ofed, and a version after it")
    python = _version(section, "python")
    if python is not None and len(python) > 1 and python[:2] == (3, 1):
        section.refuse("stack.python", "stack.python is 3.1: an unquoted 3.10 is that number", "write it in quotes")
    found = StackInput(
        profile=profile,
        driver=_version(section, "driver"),
        toolkit=_version(section, "cuda_toolkit"),
        wheel_cuda=_wheel_cuda(section),
        distribution=section.text("distribution", None),
        glibc=_version(section, "glibc"),
        python=python,
        ofed=ofed,
        fabric_manager=_version(section, "fabric_manager"),
        secure_boot=section.boolean("secure_boot", False) if section.get("secure_boot") is not None else None,
        packages=_packages(section),
    )
    return found if section.sound else None


def _version(section: Section, key: str) -> Numbers | None:
    text = section.text(key, None)
    if text is None:
        return None
    found = numbers(text)
    if found is None:
        section.refuse(
            "input.not_a_version", f"{section.path(key)} is '{text}'", "give numbers between dots, in quotes"
        )
    return found


def _wheel_cuda(section: Section) -> Numbers | None:
    """The CUDA version of a wheel other than PyPI's, also as its tag: ``cu129`` is 12.9."""
    text = section.text("wheel_cuda", None)
    if text is not None and re.fullmatch(r"cu[0-9]{3,4}", text.lower()):
        return int(text[2:-1]), int(text[-1])
    return _version(section, "wheel_cuda")


def _packages(section: Section) -> dict[str, str]:
    """Installed Python packages, as a mapping or as the lines of ``pip list --format freeze``."""
    raw = section.get("packages")
    if isinstance(raw, str):
        pairs = [line.split("==", 1) for line in raw.split() if "==" in line]
        return {name.lower().replace("_", "-"): text for name, text in pairs}
    return {name.lower().replace("_", "-"): str(text) for name, text in section.mapping("packages").items()}
