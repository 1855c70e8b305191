# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted of a host's RDMA modules, what was seen, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..evidence.dkms import Build

INBOX, MLNX_OFED, DOCA = "inbox", "mlnx_ofed", "doca"
KINDS = (INBOX, MLNX_OFED, DOCA)

# The modules by which a stack is judged. An OFED replaces all four; a mix of both stacks doesn't load.
CORE = ("ib_core", "ib_uverbs", "mlx5_core", "mlx5_ib")
NVIDIA, PEERMEM = "nvidia", "nvidia_peermem"
PEER_SYMBOL = "ib_register_peer_memory_client"

# How much a finding weighs. "fail": the stack is not what was asked for. "unknown": nobody can say. "reboot" and
# "rebuild": it becomes right with that. "warn": worth knowing.
FAIL, UNKNOWN, REBOOT, REBUILD, WARN = "fail", "unknown", "reboot", "rebuild", "warn"

AUTO, DMABUF, PEER = "auto", "dmabuf", "peermem"


@dataclass(frozen=True)
class Wanted:
    """The stack that is asked for. `version` as its package has it, empty for inbox."""

    kind: str
    version: str = ""
    peer_memory: str = AUTO
    interface: str = ""
    kernels: tuple[str, ...] = ()  # regular expressions of supported kernel releases; empty: any
    weak_updates: bool = False  # whether modules of another kernel are accepted
    service: str = ""

    @property
    def replaces(self) -> bool:
        """Whether it replaces the kernel's own modules."""
        return self.kind != INBOX


@dataclass(frozen=True)
class OnDisk:
    """A module as ``modinfo`` finds it, which is the one that the next load takes. `path` is empty for a built-in one,
    `kernel` the release that it was built for, `open` (of the GPU driver's) None where nobody says.
    """

    name: str
    path: str
    inbox: bool
    version: str = ""
    srcversion: str = ""
    kernel: str = ""
    open: bool | None = None
    installed_at: float = 0.0  # seconds, the file's time

    @property
    def origin(self) -> str:
        """``inbox``, or by what it came: ``weak-updates``, ``dkms``, ``extra``, ``updates``, ``other``."""
        if self.inbox:
            return INBOX
        directories = ("weak-updates", "dkms", "extra", "updates")
        return next((name for name in directories if f"/{name}/" in self.path), "other")


@dataclass(frozen=True)
class Loaded:
    """A module as the kernel runs it now."""

    name: str
    users: int = 0
    holders: tuple[str, ...] = ()
    version: str = ""
    srcversion: str = ""


@dataclass(frozen=True)
class Adapter:
    """An NVIDIA (Mellanox) adapter: PCI address and device id, four hexadecimal digits."""

    address: str
    device: str


@dataclass(frozen=True)
class Seen:
    """A host as it is. None where something couldn't be read; `reasons` says why."""

    kernel: str
    disk: Mapping[str, OnDisk] = field(default_factory=dict)
    loaded: Mapping[str, Loaded] = field(default_factory=dict)
    builds: tuple[Build, ...] = ()
    adapters: tuple[Adapter, ...] = ()
    interfaces: tuple[str, ...] = ()
    secure_boot: bool | None = None
    key_enrolled: bool = False
    headers: bool = False
    config: Mapping[str, str] | None = None
    kernel_exports: bool | None = None  # whether the running kernel has the peer memory symbol
    peermem_refers: bool | None = None  # whether nvidia-peermem on disk was built with it
    other_kernels: Mapping[str, bool] = field(default_factory=dict)  # bootable kernel → whether it has OFED's modules
    ofed_info: str | None = None
    service_state: str = ""
    mismatch: bool = False  # whether the kernel's log says that nvidia-peermem and ib_core don't fit
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """Something about the stack: its code, how much it weighs, what it is and what to do."""

    code: str
    level: str
    what: str
    fix: str = ""

    def to_dict(self) -> dict[str, str]:
        """For a module's result."""
        return {"code": self.code, "level": self.level, "what": self.what, "fix": self.fix}


@dataclass(frozen=True)
class PeerMemory:
    """How the adapter reaches GPUs' memory: `mode` (empty where neither way is there), the verdict on it and why."""

    mode: str
    verdict: str
    reasons: tuple[str, ...] = ()
    rebuild: tuple[str, ...] = ()  # why the driver's modules must be built again

    def to_dict(self) -> dict[str, object]:
        """For a module's result."""
        return {"mode": self.mode, "verdict": self.verdict, "reasons": list(self.reasons)}
