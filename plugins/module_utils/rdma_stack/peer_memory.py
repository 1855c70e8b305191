# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""By which way the adapter reaches GPUs' memory: DMA-BUF or nvidia-peermem, decided and proven by what is loaded."""

from __future__ import annotations

import re

from .model import AUTO, DMABUF, FAIL, NVIDIA, PEER, PEER_SYMBOL, PEERMEM, UNKNOWN, PeerMemory, Seen, Wanted

PASS = "pass"  # noqa: S105 - a verdict
# ib_umem's DMA-BUF registration came with Linux 5.12.
_FIRST_DMABUF = (5, 12)
_NEEDED = ("CONFIG_DMABUF_MOVE_NOTIFY", "CONFIG_PCI_P2PDMA")


def decide(wanted: Wanted, seen: Seen) -> PeerMemory:
    """The way that was asked for, or the one that can be proven; DMA-BUF first, as the vendor recommends."""
    if NVIDIA not in seen.disk and NVIDIA not in seen.loaded:
        return PeerMemory(
            "" if wanted.peer_memory == AUTO else wanted.peer_memory,
            UNKNOWN,
            ("the GPU driver isn't installed: it comes after the RDMA stack, and this is decided when it is there",),
        )
    if wanted.peer_memory == DMABUF:
        return _dmabuf(seen)
    if wanted.peer_memory == PEER:
        return _peermem(wanted, seen)
    dmabuf = _dmabuf(seen)
    if dmabuf.verdict == PASS or (dmabuf.verdict == UNKNOWN and not wanted.replaces):
        return dmabuf
    if wanted.replaces:
        return _peermem(wanted, seen)
    peer = _peermem(wanted, seen)
    return PeerMemory("", FAIL, (*dmabuf.reasons, *peer.reasons))


def _release(kernel: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", kernel)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def _dmabuf(seen: Seen) -> PeerMemory:
    driver = seen.disk.get(NVIDIA)
    if _release(seen.kernel) < _FIRST_DMABUF:
        return PeerMemory(DMABUF, FAIL, (f"kernel {seen.kernel} is older than 5.12, the first with DMA-BUF for RDMA",))
    if driver is None or driver.open is None:
        return PeerMemory(DMABUF, UNKNOWN, ("nobody says whether the GPU driver's modules are the open ones",))
    if not driver.open:
        words = f"the GPU driver's modules are the closed ones ({driver.path}): DMA-BUF needs the open ones"
        return PeerMemory(DMABUF, FAIL, (words,))
    reasons = []
    if NVIDIA not in seen.loaded:
        reasons.append("the GPU driver isn't loaded")
    if seen.config is None:
        reasons.append(
            f"/boot/config-{seen.kernel} can't be read: {seen.reasons.get(f'/boot/config-{seen.kernel}', '')}"
        )
    else:
        unset = [name for name in _NEEDED if seen.config.get(name) != "y"]
        if unset:
            reasons.append(
                f"kernel {seen.kernel} is built without {', '.join(unset)}: whether NCCL uses DMA-BUF all the same"
                " shows in its log only (NCCL_DEBUG=INFO, look for GDRDMA)"
            )
    return PeerMemory(DMABUF, UNKNOWN if reasons else PASS, tuple(reasons))


def _peermem(wanted: Wanted, seen: Seen) -> PeerMemory:
    if not wanted.replaces:
        return PeerMemory(
            PEER, FAIL, ("the kernel's own ib_core has no peer memory: nvidia-peermem needs an OFED, or use DMA-BUF",)
        )
    module = seen.disk.get(PEERMEM)
    if module is None:
        return PeerMemory(PEER, FAIL, ("the GPU driver brings no nvidia-peermem",))
    rebuild = _rebuild(seen)
    return PeerMemory(PEER, FAIL, rebuild, rebuild) if rebuild else _peermem_runs(seen)


def _peermem_runs(seen: Seen) -> PeerMemory:
    if PEERMEM not in seen.loaded:
        return PeerMemory(PEER, FAIL, (_why_not_loaded(seen),))
    if seen.kernel_exports is None:
        return PeerMemory(PEER, UNKNOWN, (f"/proc/kallsyms can't be read: {seen.reasons.get('/proc/kallsyms', '')}",))
    if not seen.kernel_exports:
        return PeerMemory(PEER, FAIL, (f"the ib_core that is loaded has no {PEER_SYMBOL}",))
    return PeerMemory(PEER, PASS)


def _why_not_loaded(seen: Seen) -> str:
    if seen.mismatch:
        return f"nvidia-peermem isn't loaded: another ib_core runs (the log has 'Unknown symbol {PEER_SYMBOL}')"
    return "nvidia-peermem isn't loaded"


def _rebuild(seen: Seen) -> tuple[str, ...]:
    """Why nvidia-peermem on disk can't work with the OFED on disk."""
    module, core = seen.disk[PEERMEM], seen.disk.get("ib_core")
    reasons = []
    if seen.peermem_refers is False:
        reasons.append(
            f"nvidia-peermem was built without an OFED: {module.path} doesn't know {PEER_SYMBOL}, and loading it says"
            " 'Invalid argument'"
        )
    elif core is not None and not core.inbox and 0 < module.installed_at < core.installed_at:
        reasons.append(
            f"the OFED's ib_core ({core.path}) is newer than nvidia-peermem ({module.path}), which was built for"
            f" another one; loading it says 'Unknown symbol {PEER_SYMBOL}'"
        )
    return tuple(reasons)
