# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted of a host's GPU driver, what was seen, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..evidence.result import FAIL, UNKNOWN, WARN
from ..packages.model import Installed

__all__ = ["DMABUF", "FAIL", "PEER", "UNKNOWN", "WARN", "Finding", "Module", "Seen", "Unit", "Wanted"]

DMABUF, PEER = "dmabuf", "peermem"


@dataclass(frozen=True)
class Wanted:
    """The driver as it should be. `nvswitch` None: whatever the host has; `gpus` 0: as many as are on the bus."""

    version: str = ""
    gpus: int = 0
    nvswitch: bool | None = None
    dkms: bool = True
    ibgda: bool = False
    peer_memory: str = DMABUF
    foreign: tuple[str, ...] = ()  # globs of packages of the other route
    ignore_xids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Module:
    """The driver's module as modinfo finds it for a kernel. `open` is None where nobody says."""

    path: str
    version: str
    open: bool | None


@dataclass(frozen=True)
class Unit:
    """A systemd unit that exists."""

    active: str
    enabled: bool


@dataclass(frozen=True)
class Seen:
    """A host. None is what can't be known; `reasons` says why, by what was asked."""

    kernel: str
    next_kernel: str
    loaded: str | None  # version of the loaded driver
    modules: frozenset[str]  # names of loaded modules that matter
    on_disk: Mapping[str, Module | None]  # by kernel
    dkms: str | None  # what `dkms status` printed
    packages: Mapping[str, Installed]
    runfile: tuple[str, ...]  # traces of an installation past the package manager
    gpus: tuple[str, ...]  # PCI addresses
    switches: bool
    secure_boot: str | None  # what mokutil printed; None without EFI
    smi: str | None  # what `nvidia-smi -q` printed
    parameters: Mapping[str, str]  # the loaded module's
    fabric_log: str | None
    kernel_log: str | None
    units: Mapping[str, Unit]
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def installed(self) -> str | None:
        """Version of the module that the running kernel would load next."""
        module = self.on_disk.get(self.kernel)
        return module.version if module else None


@dataclass(frozen=True)
class Finding:
    """Something that isn't as it should be. `wait`: it may become right by itself."""

    code: str
    verdict: str
    what: str
    fix: str = ""
    wait: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As a module returns it."""
        return {"code": self.code, "verdict": self.verdict, "what": self.what, "fix": self.fix, "wait": self.wait}

    def __str__(self) -> str:
        return f"{self.what}{f' ({self.fix})' if self.fix else ''}"
