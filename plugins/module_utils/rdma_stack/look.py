# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look at a host's RDMA modules: on disk, in the kernel, in DKMS, and at what decides about them. Changes nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..evidence import dkms, kernel_log, kernel_module, ofed, secure_boot
from ..hosts.commands import Result
from ..packages.model import Runner
from .model import CORE, NVIDIA, PEER_SYMBOL, PEERMEM, Adapter, Loaded, OnDisk, Seen

_MELLANOX = "0x15b3"
_SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
# Keys with which DKMS signs what it builds: its own, and Ubuntu's.
_DKMS_KEYS = ("var/lib/dkms/mok.pub", "var/lib/shim-signed/mok/MOK.der")
_SRCVERSION = re.compile(r"^srcversion:\s*(\w+)", re.MULTILINE)
_CONFIG = re.compile(r"^(CONFIG_\w+)=(\S+)$", re.MULTILINE)
_NOT_FOUND = re.compile(r"not found", re.IGNORECASE)


def read_module(name: str, text: str) -> OnDisk | None:
    """A module from ``modinfo``'s output; None where that describes none."""
    values = kernel_module.parse(text).values
    filename, source = values["filename"], _SRCVERSION.search(text)
    if filename is None:
        return None
    return OnDisk(
        name,
        "" if filename == "(builtin)" else filename,
        values["origin"] == kernel_module.INBOX,
        values["version"] or "",
        source.group(1) if source else "",
        values["kernel"] or "",
        values["open"],
    )


def read_loaded(text: str) -> dict[str, tuple[int, tuple[str, ...]]]:
    """``/proc/modules``: number of users and names of holders by module."""
    found: dict[str, tuple[int, tuple[str, ...]]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 4 and words[2].isdecimal():
            found[words[0]] = (int(words[2]), tuple(name for name in words[3].split(",") if name not in ("", "-")))
    return found


def read_config(text: str) -> dict[str, str]:
    """A kernel's configuration, without what isn't set."""
    return dict(_CONFIG.findall(text))


class Host:
    """A host's paths under `root`, and its commands."""

    def __init__(self, root: Path, run: Runner) -> None:
        self._root = root
        self._run = run
        self._reasons: dict[str, str] = {}

    def see(self, service: str) -> Seen:
        """Everything at once."""
        kernel = self._ask(["uname", "-r"]).stdout.strip()
        disk = {name: found for name in (*CORE, NVIDIA, PEERMEM) if (found := self._on_disk(name, kernel))}
        return Seen(
            kernel=kernel,
            disk=disk,
            loaded=self._loaded(),
            builds=tuple(dkms.read(self._ask(["dkms", "status"]).stdout.splitlines())),
            adapters=self._adapters(),
            interfaces=tuple(sorted(path.name for path in self._glob("sys/class/net/*"))),
            secure_boot=self._secure_boot(),
            key_enrolled=self._key_enrolled(),
            headers=(self._root / f"lib/modules/{kernel}/build/include").exists(),
            config=self._config(kernel),
            kernel_exports=self._kernel_exports(),
            peermem_refers=self._refers(disk.get(PEERMEM)),
            other_kernels=self._other_kernels(kernel),
            ofed_info=ofed.parse(self._ask(["ofed_info", "-s"]).stdout).values["version"],
            service_state=self._ask(["systemctl", "show", "--property=ActiveState", "--value", service]).stdout.strip()
            if service
            else "",
            mismatch=kernel_log.parse(self._ask(["dmesg"]).stdout).values["peer_memory_mismatch"] is True,
            reasons=dict(self._reasons),
        )

    def _ask(self, argv: Sequence[str]) -> Result:
        return self._run(argv, timeout_s=20.0)

    def _glob(self, pattern: str) -> list[Path]:
        return sorted(self._root.glob(pattern))

    def _text(self, path: str) -> str | None:
        try:
            return (self._root / path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            self._reasons[f"/{path}"] = error.strerror or str(error)
            return None

    def _base(self) -> list[str]:
        return [] if self._root == Path("/") else [f"--basedir={self._root}"]

    def _on_disk(self, name: str, kernel: str) -> OnDisk | None:
        answer = self._ask(["modinfo", *self._base(), "--set-version", kernel, name])
        found = None if answer.status else read_module(name, answer.stdout)
        if found is None:
            if not _NOT_FOUND.search(answer.stderr):
                self._reasons[f"modinfo {name}"] = answer.words
            return None
        try:
            return replace(found, installed_at=Path(found.path).stat().st_mtime) if found.path else found
        except OSError:
            return found

    def _loaded(self) -> dict[str, Loaded]:
        listing = read_loaded(self._text("proc/modules") or "")
        found = {}
        for name in (*CORE, NVIDIA, PEERMEM):
            if name in listing:
                users, holders = listing[name]
                version, source = (
                    (self._text(f"sys/module/{name}/{word}") or "").strip() for word in ("version", "srcversion")
                )
                found[name] = Loaded(name, users, holders, version, source)
        return found

    def _adapters(self) -> tuple[Adapter, ...]:
        found = []
        for device in self._glob("sys/bus/pci/devices/*"):
            if (self._text(f"sys/bus/pci/devices/{device.name}/vendor") or "").strip() == _MELLANOX:
                number = (self._text(f"sys/bus/pci/devices/{device.name}/device") or "").strip()
                found.append(Adapter(device.name, number[2:].lower()))
        return tuple(found)

    def _secure_boot(self) -> bool | None:
        """The firmware's variable: four bytes of attributes and one of state. Without EFI there is no Secure Boot."""
        if not (self._root / "sys/firmware/efi").exists():
            return False
        try:
            content = (self._root / _SECURE_BOOT).read_bytes()
        except OSError as error:
            self._reasons[f"/{_SECURE_BOOT}"] = error.strerror or str(error)
            return None
        return content[4:5] == b"\x01"

    def _key_enrolled(self) -> bool:
        """Whether the firmware trusts one of DKMS' keys. ``mokutil`` says so in words; its status is 1 if it does."""
        keys = [self._root / key for key in _DKMS_KEYS if (self._root / key).exists()]
        answers = (self._ask(["mokutil", "--test-key", str(key)]) for key in keys)
        return any(
            secure_boot.parse(answer.stdout + answer.stderr).values["key_enrolled"] is True for answer in answers
        )

    def _config(self, kernel: str) -> dict[str, str] | None:
        text = self._text(f"boot/config-{kernel}")
        return None if text is None else read_config(text)

    def _kernel_exports(self) -> bool | None:
        text = self._text("proc/kallsyms")
        return None if text is None else bool(re.search(rf"\b{PEER_SYMBOL}\b", text))

    def _refers(self, peermem: OnDisk | None) -> bool | None:
        """Whether nvidia-peermem was built with an OFED: only then does it name the symbol. Otherwise it is a stub that
        refuses to load with "Invalid argument".
        """
        if peermem is None or not peermem.path:
            return None
        answer = self._ask(["modprobe", "--dump-modversions", peermem.path])
        if answer.status or not answer.stdout.strip():
            self._reasons[f"modprobe --dump-modversions {peermem.path}"] = answer.words or "it lists no symbols"
            return None
        return PEER_SYMBOL in answer.stdout.split()

    def _other_kernels(self, running: str) -> dict[str, bool]:
        found = {}
        for directory in self._glob("lib/modules/*"):
            if directory.name != running and (directory / "kernel").is_dir():
                found[directory.name] = any(
                    True
                    for place in ("updates", "extra", "weak-updates")
                    for _ in (directory / place).rglob("mlx5_core.ko*")
                )
        return found
