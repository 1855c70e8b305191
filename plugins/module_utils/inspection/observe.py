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
    timeout_s: float = 4.0


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
        probes["python"] = lambda: _python(look, asked.python)
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
        "kernels": lambda: _kernels(look),
        "modules": lambda: {**system.modules(look, MODULES), "run_file": look.exists(RUN_FILE)},
        "kernel_log": lambda: driver.kernel_log(look) if pci.gpus(look) else {},
        "mig": lambda: driver.mig(look) if look.exists("/proc/driver/nvidia/version") else {},
    }


def _own_name(look: Look) -> dict[str, Any]:
    name = look.word("/proc/sys/kernel/hostname") or ""
    return {"name": name, "addresses": network.resolve(look, [name])[name] if name else []}


def _kernels(look: Look) -> dict[str, Any]:
    """Kernels, and where the running one has no headers whether they can still be had."""
    found = system.kernels(look)
    running = found["running"]
    there = any(kernel["release"] == running and kernel["headers"] for kernel in found["installed"])
    found["headers"] = there or system.has_headers(look, running or "")
    if not found["headers"]:
        prefix = "linux-headers" if system.system(look)["family"] == "deb" else "kernel-devel"
        found["offer"] = packages.offer(look, f"{prefix}-{running}")
    return found


def _python(look: Look, version: str) -> dict[str, Any]:
    found = system.python(look, version)
    if not found["headers"]:
        deb = system.system(look)["family"] == "deb"
        found["offer"] = packages.offer(look, f"python{version}-dev" if deb else f"python{version}-devel")
    return found
