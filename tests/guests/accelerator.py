"""Whether this machine runs guests on its processor (KVM), or in software emulation (TCG).

/dev/kvm can be there and every guest hang in it, so a kernel is booted on trial. The answer is kept until the machine
itself boots.
"""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path

KVM = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Without a root file system the kernel panics, and QEMU ends: 2 s where KVM works.
TRIAL_TIMEOUT_S = 15
PANIC = b"Kernel panic"


def trial(kernel: Path) -> list[str]:
    """QEMU under KVM with nothing but a kernel, whose panic ends it."""
    return [
        *("qemu-system-x86_64", "-machine", "q35,accel=kvm", "-cpu", "host", "-m", "256", "-nodefaults"),
        *("-no-user-config", "-no-reboot", "-display", "none", "-vga", "none", "-serial", "stdio"),
        *("-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"),
    ]


def kvm_boots(kernel: Path, timeout_s: float = TRIAL_TIMEOUT_S) -> bool:
    """Whether a guest's kernel really gets going under KVM."""
    if not KVM.exists():
        return False
    try:
        done = subprocess.run(trial(kernel), capture_output=True, check=False, timeout=timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and PANIC in done.stdout


def choose(kernel: Path, memory: Path) -> str:
    """`kvm` or `tcg`; `memory` is the file that keeps the answer for this boot of this machine."""
    circumstances = {"boot": BOOT_ID.read_text(encoding="utf-8").strip(), "kernel": platform.release()}
    try:
        known = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    if {key: known.get(key) for key in circumstances} != circumstances:
        known = {**circumstances, "accelerator": "kvm" if kvm_boots(kernel) else "tcg"}
        memory.write_text(json.dumps(known), encoding="utf-8")
    return str(known["accelerator"])
