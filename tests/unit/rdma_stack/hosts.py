"""Hosts with one RDMA stack or another, as the looking sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.dkms import Build
from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack.model import (
    CORE,
    Adapter,
    Finding,
    Loaded,
    OnDisk,
    Seen,
    Wanted,
)

KERNEL = "5.15.0-122-generic"
INBOX_PATH = {
    "ib_core": "drivers/infiniband/core",
    "ib_uverbs": "drivers/infiniband/core",
    "mlx5_core": "drivers/net/ethernet/mellanox/mlx5/core",
    "mlx5_ib": "drivers/infiniband/hw/mlx5",
}
INBOX = Wanted("inbox")
DOCA = Wanted("doca", "2.9.5-0.1.8")
MLNX = Wanted("mlnx_ofed", "24.10-3.2.5.0")


def inbox_module(name: str) -> OnDisk:
    path = f"/lib/modules/{KERNEL}/kernel/{INBOX_PATH[name]}/{name}.ko"
    return OnDisk(name, path, True, "", f"INBOX{name}", KERNEL)


def ofed_module(name: str, **changes: Any) -> OnDisk:
    path = f"/lib/modules/{KERNEL}/updates/dkms/{name}.ko"
    return replace(OnDisk(name, path, False, "24.10-3.2.5", f"OFED{name}", KERNEL, installed_at=2000.0), **changes)


def loaded(modules: Iterable[OnDisk]) -> dict[str, Loaded]:
    """What runs where just these were loaded."""
    return {m.name: Loaded(m.name, 0, (), m.version, m.srcversion) for m in modules}


def inbox(**changes: Any) -> Seen:
    """A host with the kernel's own modules, loaded."""
    modules = [inbox_module(name) for name in CORE]
    return replace(_host({m.name: m for m in modules}, loaded(modules)), **changes)


def ofed(**changes: Any) -> Seen:
    """A host with an OFED's modules, loaded after a reboot."""
    modules = [ofed_module(name) for name in CORE]
    built = (Build("mlnx-ofed-kernel", "24.10.OFED.24.10.3.2.5.1", KERNEL, "installed", False),)
    host = replace(_host({m.name: m for m in modules}, loaded(modules)), builds=built, kernel_exports=True)
    return replace(host, ofed_info="24.10-3.2.5", **changes)


def _host(disk: dict[str, OnDisk], running: dict[str, Loaded]) -> Seen:
    return Seen(
        KERNEL,
        disk,
        running,
        adapters=(Adapter("0000:17:00.0", "101d"),),
        interfaces=("ens1f0np0", "eno1", "lo"),
        secure_boot=False,
        headers=True,
        kernel_exports=False,
        service_state="inactive",
    )


def driver(seen: Seen, is_open: bool = True, refers: bool | None = True, peermem_at: float = 3000.0) -> Seen:
    """A host with the GPU driver on it, too, its peermem loaded."""
    here = f"/lib/modules/{KERNEL}/updates/dkms"
    modules = [
        OnDisk("nvidia", f"{here}/nvidia.ko", False, "550.144.03", "NVIDIA", KERNEL, is_open, peermem_at),
        OnDisk("nvidia_peermem", f"{here}/nvidia-peermem.ko", False, "550.144.03", "PEER", KERNEL, None, peermem_at),
    ]
    return replace(
        seen,
        disk={**seen.disk, **{m.name: m for m in modules}},
        loaded={**seen.loaded, **loaded(modules)},
        builds=(*seen.builds, Build("nvidia", "550.144.03", KERNEL, "installed", False)),
        config={"CONFIG_DMABUF_MOVE_NOTIFY": "y", "CONFIG_PCI_P2PDMA": "y"},
        peermem_refers=refers,
    )


def without(seen: Seen, *names: str) -> Seen:
    """The same host, with some modules not loaded."""
    return replace(seen, loaded={name: module for name, module in seen.loaded.items() if name not in names})


def codes(found: Iterable[Finding]) -> list[str]:
    """Codes, each once, in order."""
    return list(dict.fromkeys(finding.code for finding in found))
