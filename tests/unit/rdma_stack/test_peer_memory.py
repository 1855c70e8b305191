"""DMA-BUF or nvidia-peermem: what can be proven, and the reason where it can't."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack import peer_memory
from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack.model import Seen, Wanted

from . import hosts
from .hosts import DOCA, INBOX

NO_CONFIG = {"CONFIG_DMA_SHARED_BUFFER": "y"}


def decided(wanted: Wanted, seen: Seen, way: str = "auto") -> tuple[str, str]:
    peer = peer_memory.decide(replace(wanted, peer_memory=way), seen)
    return peer.mode, peer.verdict


def reason(wanted: Wanted, seen: Seen, way: str = "auto") -> str:
    return "; ".join(peer_memory.decide(replace(wanted, peer_memory=way), seen).reasons)


@pytest.mark.parametrize("wanted", [INBOX, DOCA])
def test_open_modules_and_an_able_kernel_are_dmabuf(wanted: Wanted) -> None:
    seen = hosts.driver(hosts.ofed() if wanted is DOCA else hosts.inbox())
    assert decided(wanted, seen) == ("dmabuf", "pass")


def test_without_the_driver_nothing_is_decided_yet() -> None:
    assert decided(DOCA, hosts.ofed()) == ("", "unknown")
    assert "isn't installed" in reason(DOCA, hosts.ofed())
    assert decided(DOCA, hosts.ofed(), "peermem") == ("peermem", "unknown")


def test_a_kernel_without_move_notify_is_unknown_with_the_reason() -> None:
    """Debian 12's kernel."""
    seen = replace(hosts.driver(hosts.inbox()), config=NO_CONFIG)
    assert decided(INBOX, seen) == ("dmabuf", "unknown")
    assert "CONFIG_DMABUF_MOVE_NOTIFY, CONFIG_PCI_P2PDMA" in reason(INBOX, seen)
    assert "GDRDMA" in reason(INBOX, seen)


def test_a_configuration_that_cannot_be_read_is_unknown() -> None:
    assert decided(INBOX, replace(hosts.driver(hosts.inbox()), config=None), "dmabuf") == ("dmabuf", "unknown")


def test_with_an_ofed_what_is_proven_wins_over_what_is_unknown() -> None:
    seen = replace(hosts.driver(hosts.ofed()), config=NO_CONFIG)
    assert decided(DOCA, seen) == ("peermem", "pass")


def test_closed_modules_need_peermem_and_so_an_ofed() -> None:
    assert decided(DOCA, hosts.driver(hosts.ofed(), is_open=False)) == ("peermem", "pass")
    closed = hosts.driver(hosts.inbox(), is_open=False)
    assert decided(INBOX, closed) == ("", "fail")
    assert "closed" in reason(INBOX, closed)
    assert "needs an OFED" in reason(INBOX, closed)


def test_a_kernel_before_dmabuf() -> None:
    assert decided(INBOX, replace(hosts.driver(hosts.inbox()), kernel="5.4.0-200-generic"), "dmabuf")[1] == "fail"


def test_a_stub_of_peermem_has_to_be_built_again() -> None:
    seen = hosts.driver(hosts.ofed(), refers=False)
    peer = peer_memory.decide(replace(DOCA, peer_memory="peermem"), seen)
    assert peer.verdict == "fail"
    assert "Invalid argument" in peer.rebuild[0]


def test_peermem_older_than_the_ofed_has_to_be_built_again() -> None:
    seen = hosts.driver(hosts.ofed(), peermem_at=1000.0)
    peer = peer_memory.decide(replace(DOCA, peer_memory="peermem"), seen)
    assert "Unknown symbol ib_register_peer_memory_client" in peer.rebuild[0]


def test_peermem_that_is_not_loaded_fails_and_says_why() -> None:
    seen = hosts.without(hosts.driver(hosts.ofed()), "nvidia_peermem")
    assert decided(DOCA, seen, "peermem") == ("peermem", "fail")
    assert "another ib_core runs" in reason(DOCA, replace(seen, mismatch=True), "peermem")


@pytest.mark.parametrize(("exports", "verdict"), [(True, "pass"), (False, "fail"), (None, "unknown")])
def test_peermem_is_proven_by_the_running_kernels_symbol(exports: bool | None, verdict: str) -> None:
    seen = replace(hosts.driver(hosts.ofed()), kernel_exports=exports)
    assert decided(DOCA, seen, "peermem") == ("peermem", verdict)


def test_a_driver_without_peermem() -> None:
    seen = hosts.driver(hosts.ofed())
    disk = {name: module for name, module in seen.disk.items() if name != "nvidia_peermem"}
    assert decided(DOCA, replace(seen, disk=disk), "peermem") == ("peermem", "fail")
