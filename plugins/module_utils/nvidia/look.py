# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a host's GPU driver once: packages, modules, kernel, nvidia-smi. Changes nothing, and nothing can hang it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..evidence import kernel_module
from ..hosts.commands import Result
from ..packages import apt, versions
from ..packages.model import Installed, Runner
from .model import Module, Seen, Unit

UNITS = ("nvidia-persistenced.service", "nvidia-fabricmanager.service")
MODULES = frozenset({"nvidia", "nouveau", "nvidia_peermem", "nv_peer_mem"})
# What NVIDIA's own installer leaves behind; no package has these.
RUNFILE = ("usr/bin/nvidia-uninstall", "usr/bin/nvidia-installer")
TIMEOUT_S = 20.0
# A GPU that hangs holds nvidia-smi; initialising eight of them without the persistence daemon takes half of this.
SMI_TIMEOUT_S = 60.0
_NVIDIA = "0x10de"
_GPU_CLASSES, _SWITCH_CLASS = ("0x0300", "0x0302"), "0x0680"
_PARAMETER = re.compile(r"^(\w+):\s*(.*)$", re.MULTILINE)
_RPM = "%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\n"


def newest(kernels: Sequence[str]) -> str | None:
    """The newest of several kernel releases, which is the one that a boot loader takes if nobody tells it otherwise."""
    return next(iter(versions.newest_first(kernels)), None)


class Host:
    """A host's files under `root`, what its kernel shows under `hardware`, and its commands."""

    def __init__(self, run: Runner, root: Path = Path("/"), hardware: Path | None = None) -> None:
        self._run = run
        self._root = root
        self._hardware = root if hardware is None else hardware
        self._reasons: dict[str, str] = {}

    def see(self) -> Seen:
        """Everything at once."""
        kernel = self._ask(["uname", "-r"]).stdout.strip()
        after = self._next_kernel(kernel)
        gpus, switches = self._bus()
        loaded = self._loaded()
        return Seen(
            kernel=kernel,
            next_kernel=after,
            loaded=loaded,
            modules=frozenset(
                line.split(maxsplit=1)[0] for line in (self._text("proc/modules") or "").splitlines() if line.strip()
            )
            & MODULES,
            on_disk={release: self._module(release) for release in dict.fromkeys((kernel, after))},
            dkms=self._output(["dkms", "status"]),
            packages=self._packages(),
            runfile=tuple(f"/{path}" for path in RUNFILE if (self._root / path).exists()),
            gpus=gpus,
            switches=switches or any(self._hardware.glob("proc/driver/nvidia-nvswitch/devices/*")),
            secure_boot=self._secure_boot(),
            smi=self._smi() if loaded else None,
            parameters=dict(_PARAMETER.findall(self._text("proc/driver/nvidia/params") or "")),
            fabric_log=self._output(
                ["journalctl", "--unit=nvidia-fabricmanager", "--boot", "--no-pager", "--lines=200"]
            ),
            kernel_log=self._output(["dmesg"]),
            units=self._units(),
            reasons=dict(self._reasons),
        )

    def _ask(self, argv: Sequence[str], timeout_s: float = TIMEOUT_S) -> Result:
        return self._run(argv, timeout_s=timeout_s)

    def _output(self, argv: Sequence[str]) -> str | None:
        answer = self._ask(argv)
        if answer.status:
            self._reasons[" ".join(argv[:2])] = answer.words or f"exit status {answer.status}"
            return None
        return answer.stdout

    def _text(self, path: str) -> str | None:
        try:
            return (self._hardware / path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            self._reasons[f"/{path}"] = error.strerror or str(error)
            return None

    def _next_kernel(self, running: str) -> str:
        """grubby says which kernel boots next; without it, the newest in /boot, as GRUB has it."""
        answer = self._ask(["grubby", "--default-kernel"])
        if answer.status == 0 and "vmlinuz-" in answer.stdout:
            return answer.stdout.strip().split("vmlinuz-", 1)[1]
        there = [path.name[len("vmlinuz-") :] for path in self._root.glob("boot/vmlinuz-*")]
        return newest([release for release in there if "rescue" not in release]) or running

    def _loaded(self) -> str | None:
        version = (self._text("sys/module/nvidia/version") or "").strip()
        return version or None

    def _module(self, kernel: str) -> Module | None:
        base = [] if self._root == Path("/") else [f"--basedir={self._root}"]
        answer = self._ask(["modinfo", *base, "--set-version", kernel, "nvidia"])
        values = kernel_module.parse(answer.stdout).values
        if answer.status or not values["filename"]:
            self._reasons[f"modinfo {kernel}"] = answer.words
            return None
        return Module(values["filename"], values["version"] or "", values["open"])

    def _packages(self) -> dict[str, Installed]:
        listing = self._ask(["dpkg-query", "--show", f"--showformat={apt.FORMAT}"])
        if listing.status == 0:
            native = self._ask(["dpkg", "--print-architecture"]).stdout.strip()
            return apt.read_installed(listing.stdout, native)
        pairs = (line.split("\t") for line in (self._output(["rpm", "-qa", f"--qf={_RPM}"]) or "").splitlines())
        return {pair[0]: Installed(pair[0], pair[1]) for pair in pairs if len(pair) == 2}

    def _bus(self) -> tuple[tuple[str, ...], bool]:
        gpus, switches = [], False
        for device in sorted(self._hardware.glob("sys/bus/pci/devices/*")):
            try:
                vendor, kind = ((device / word).read_text(encoding="ascii").strip() for word in ("vendor", "class"))
            except OSError:
                continue
            if vendor == _NVIDIA:
                switches = switches or kind.startswith(_SWITCH_CLASS)
                gpus += [device.name] if kind.startswith(_GPU_CLASSES) else []
        return tuple(gpus), switches

    def _secure_boot(self) -> str | None:
        if not (self._hardware / "sys/firmware/efi").exists():
            return None
        answers = [self._ask(["mokutil", "--sb-state"])]
        keys = ("var/lib/dkms/mok.pub", "var/lib/shim-signed/mok/MOK.der")
        answers += [self._ask(["mokutil", "--test-key", f"/{key}"]) for key in keys if (self._root / key).exists()]
        return "\n".join(answer.stdout + answer.stderr for answer in answers)

    def _smi(self) -> str | None:
        answer = self._ask(["nvidia-smi", "-q"], SMI_TIMEOUT_S)
        if answer.stdout.strip():
            return answer.stdout  # a sick GPU makes its status bad, and its output says which one
        self._reasons["nvidia-smi"] = answer.words or f"exit status {answer.status}"
        return None

    def _units(self) -> dict[str, Unit]:
        shown = self._ask(["systemctl", "show", "--property=Id,LoadState,ActiveState,UnitFileState", *UNITS])
        found = {}
        for block in shown.stdout.split("\n\n"):
            unit = dict(line.partition("=")[::2] for line in block.splitlines())
            if unit.get("LoadState") in ("loaded", "masked"):
                found[unit["Id"]] = Unit(
                    unit.get("ActiveState", ""), unit.get("UnitFileState") in ("enabled", "static")
                )
        return found
