# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One look at a host: every probe at once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from . import driver, network, packages, pci, storage, system
from .look import Look
from .together import Probe, look_together

MODULES = ("nouveau", "nvidia", "nvidia_peermem", "nvidia_uvm", "mlx5_core", "mlx5_ib", "vfio_pci")
# NVIDIA's .run installer leaves its uninstaller behind; no package has it.
RUN_FILE = "/usr/bin/nvidia-uninstall"


@dataclass(frozen=True)
class Asked:
    """What to look at beyond what every host has. ``hardware`` is the GPUs' part: bus, firmware, drivers, kernels."""

    hardware: bool = False
    names: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    paths: tuple[str, ...] = ()
    python: str = ""
    user: str = "moefleet"
    timeout_s: float = 5.0


def observe(look: Look, asked: Asked) -> dict[str, Any]:
    """Everything asked for, by the name of the probe; None where it could not be seen, with why in ``reasons``."""
    started = time.time()
    probes: dict[str, Probe] = {
        "system": lambda: system.system(look),
        "memory": lambda: system.memory(look),
        "limits": lambda: system.limits(look),
        "shared_memory": lambda: system.shared_memory_policy(look, asked.user),
        "interfaces": lambda: network.interfaces(look),
        "addresses": lambda: network.addresses(look),
        "own_name": lambda: _own_name(look),
        "peers": lambda: network.resolve(look, list(asked.names)),
        "ports": lambda: network.ports(look, list(asked.ports)),
        "packages": lambda: packages.packages(look),
        **{f"path {path}": lambda path=path: storage.room(look, path) for path in asked.paths},  # type: ignore[misc]
    }
    if asked.python:
        probes["python"] = lambda: system.python(look, asked.python)
    if asked.python or asked.hardware:
        probes["offers"] = lambda: _offers(look, asked)
    if asked.hardware:
        probes.update(_hardware(look))
    values, reasons = look_together(probes, asked.timeout_s)
    rooms = {path: values.pop(f"path {path}") for path in asked.paths}
    return {**values, "paths": rooms, "reasons": reasons, "started_s": started, "ended_s": time.time()}


def _hardware(look: Look) -> dict[str, Probe]:
    return {
        "gpus": lambda: pci.gpus(look),
        "nvswitches": lambda: pci.nvswitches(look),
        "bridges": lambda: pci.bridges(look) if pci.gpus(look) else [],
        "iommu": lambda: pci.iommu(look, [gpu["address"] for gpu in pci.gpus(look)]),
        "secure_boot": lambda: system.secure_boot(look),
        "kernels": lambda: system.kernels(look),
        "modules": lambda: {**system.modules(look, MODULES), "run_file": look.exists(RUN_FILE)},
        "kernel_log": lambda: driver.kernel_log(look) if pci.gpus(look) else {},
        "mig": lambda: driver.mig(look) if look.exists("/proc/driver/nvidia/version") else {},
    }


def _own_name(look: Look) -> dict[str, Any]:
    name = look.word("/proc/sys/kernel/hostname") or ""
    return {"name": name, "addresses": network.resolve(look, [name])[name] if name else []}


def _offers(look: Look, asked: Asked) -> dict[str, Any]:
    """Headers that are not there, and whether they can still be had: package lists are slow to read."""
    deb = system.system(look)["family"] == "deb"
    found: dict[str, Any] = {}
    running = look.word("/proc/sys/kernel/osrelease") or ""
    if asked.hardware and not system.has_headers(look, running):
        found["kernel"] = packages.offer(look, f"{'linux-headers' if deb else 'kernel-devel'}-{running}")
    if asked.python and not system.python(look, asked.python)["headers"]:
        found["python"] = packages.offer(look, f"python{asked.python}-{'dev' if deb else 'devel'}")
    return found
