#!/usr/bin/python3
"""What these hosts lack to have an RDMA stack: the kernel's own modules, a kernel that loads them, an adapter.

    machine.py setup    the kernel's own modules on disk and loaded, an adapter and its interface
    machine.py boot     what is on disk is what runs
    machine.py driver   the GPU driver by DKMS, its nvidia-peermem built for what is there
    machine.py clean    nothing of it

The kernel that runs is described by files under /srv/moefleet-host, for these hosts' own loads no modules.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
KERNEL = platform.release()
MODULES = Path("/lib/modules") / KERNEL
HOST = Path("/srv/moefleet-host")
CORE = {
    "ib_core": "drivers/infiniband/core",
    "ib_uverbs": "drivers/infiniband/core",
    "mlx5_core": "drivers/net/ethernet/mellanox/mlx5/core",
    "mlx5_ib": "drivers/infiniband/hw/mlx5",
}
SYMBOL = "ib_register_peer_memory_client"
DRIVER = Path("/usr/src/nvidia-550.144.03")


def write(path: Path, content: str) -> None:
    """A file, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def module(path: Path, name: str, *fields: str, needs: str = "") -> None:
    """A kernel object."""
    words = [f"name={name}", f"vermagic={KERNEL} SMP mod_unload modversions", "depends=", *fields]
    symbols = ["--needs", "module_layout", *needs.split()]
    subprocess.run([sys.executable, str(HERE / "kernel_object.py"), str(path), *words, *symbols], check=True)


def depmod() -> None:
    """The index of the modules."""
    subprocess.run(["depmod", "-a", KERNEL], check=False, capture_output=True)


def setup() -> None:
    """The kernel's own modules on disk and loaded, an adapter and its interface."""
    for name, directory in CORE.items():
        path = MODULES / "kernel" / directory / f"{name}.ko"
        module(path, name, "intree=Y", "license=Dual BSD/GPL", f"srcversion=INBOX{name}")
    depmod()
    HOST.mkdir(parents=True, exist_ok=True)
    if not (HOST / "lib").is_symlink():
        (HOST / "lib").symlink_to("/lib")
    write(HOST / "sys/bus/pci/devices/0000:17:00.0/vendor", "0x15b3\n")
    write(HOST / "sys/bus/pci/devices/0000:17:00.0/device", "0x101d\n")
    write(HOST / "sys/class/net/ens1f0np0/mtu", "9000\n")
    write(HOST / f"boot/config-{KERNEL}", "CONFIG_DMA_SHARED_BUFFER=y\n# CONFIG_DMABUF_MOVE_NOTIFY is not set\n")
    boot()
    write(HOST / "ready", "")


def boot() -> None:
    """What is on disk is what runs."""
    listing, symbols = "", "0000000000000000 T module_layout\n"
    for name in [*CORE, "nvidia", "nvidia_peermem"]:
        shown = subprocess.run(["modinfo", name], check=False, capture_output=True, text=True)
        fields = dict(re.findall(r"^(\w+):\s*(.*)$", shown.stdout, re.MULTILINE))
        if not fields:
            continue
        for field in ("version", "srcversion"):
            write(HOST / f"sys/module/{name}/{field}", f"{fields.get(field, '')}\n")
        listing += f"{name} 16384 0 - Live 0x0000000000000000\n"
        if name == "ib_core" and "/updates/" in fields["filename"]:
            symbols += f"0000000000000000 T {SYMBOL}\t[ib_core]\n"
    write(HOST / "proc/modules", listing)
    write(HOST / "proc/kallsyms", symbols)


def driver() -> None:
    """The GPU driver by DKMS; built before the OFED it has a stub of nvidia-peermem, built after it the real one."""
    fields = ["version=550.144.03", "license=Dual MIT/GPL", "srcversion=NVIDIA"]
    module(MODULES / "updates/dkms/nvidia.ko", "nvidia", *fields)
    peermem = MODULES / "updates/dkms/nvidia-peermem.ko"
    module(peermem, "nvidia_peermem", "version=550.144.03", "license=Linux-OpenIB", "srcversion=STUB")
    depmod()
    write(
        DRIVER / "build",
        f"#!/bin/sh\nset -e\ngrep -q {SYMBOL} /usr/src/ofa_kernel/default/Module.symvers\n"
        f"python3 {HERE}/kernel_object.py {peermem} name=nvidia_peermem version=550.144.03 license=Linux-OpenIB"
        f' srcversion=PEER "vermagic={KERNEL} SMP mod_unload modversions" depends= --needs module_layout {SYMBOL}\n'
        f"depmod -a {KERNEL} 2> /dev/null\n",
    )
    (DRIVER / "build").chmod(0o755)
    write(Path("/var/lib/dkms/nvidia.status"), f"nvidia/550.144.03, {KERNEL}, x86_64: installed\n")


def clean() -> None:
    """Nothing of it."""
    for path in (HOST, DRIVER, MODULES):
        shutil.rmtree(path, ignore_errors=True)
    Path("/var/lib/dkms/nvidia.status").unlink(missing_ok=True)


if __name__ == "__main__":
    {"setup": setup, "boot": boot, "driver": driver, "clean": clean}[sys.argv[1]]()
