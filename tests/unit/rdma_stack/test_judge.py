"""A stack is judged by its modules: which ones they are, whom they were built for, and which ones run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.dkms import Build
from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack import judge
from ansible_collections.moefleet.serving.plugins.module_utils.rdma_stack.model import (
    CORE,
    Adapter,
    Finding,
    Loaded,
    PeerMemory,
    Seen,
    Wanted,
)

from . import hosts
from .hosts import DOCA, INBOX, KERNEL, MLNX

DATA = Path(__file__).resolve().parents[2] / "data" / "ofed"
NO_PEER = PeerMemory("dmabuf", "pass")


def judged(wanted: Wanted, seen: Seen) -> tuple[Finding, ...]:
    return judge.findings(wanted, seen, NO_PEER)


def only(found: tuple[Finding, ...], code: str) -> Finding:
    """The first finding, which must be of this code as all others are."""
    assert hosts.codes(found) == [code]
    return found[0]


def test_the_stack_that_was_asked_for_has_nothing_to_say() -> None:
    assert judged(INBOX, hosts.inbox()) == ()
    assert judged(DOCA, hosts.ofed()) == ()
    assert judged(MLNX, hosts.ofed()) == ()


def test_the_kernels_own_modules_are_no_ofed_whatever_ofed_info_says() -> None:
    finding = judged(DOCA, hosts.inbox(ofed_info="24.10-3.2.5"))[0]
    assert (finding.code, finding.level) == ("OFED_INBOX", "fail")
    assert "/kernel/drivers/infiniband/core/ib_core.ko" in finding.what
    assert "ofed_info says 24.10-3.2.5" in finding.what
    assert "dkms autoinstall" in finding.fix


def test_an_ofed_is_not_inbox() -> None:
    finding = only(judged(INBOX, hosts.ofed()), "OFED_FOREIGN")
    assert "updates/dkms" in finding.what


def test_headers_that_are_missing_are_what_to_do_first() -> None:
    assert judged(DOCA, hosts.inbox(headers=False))[0].fix.startswith(f"install the headers of kernel {KERNEL} first")


def test_a_module_that_no_kernel_of_this_release_has() -> None:
    seen = hosts.ofed()
    gone = replace(seen, disk={}, loaded={}, adapters=())
    assert only(judged(DOCA, gone), "OFED_MODULE_ABSENT").level == "fail"
    assert "linux-modules-extra" in only(judged(INBOX, gone), "OFED_MODULE_ABSENT").fix


def test_a_modinfo_that_fails_is_unknown_and_not_absent() -> None:
    reasons = {f"modinfo {name}": "modinfo: no such program" for name in CORE}
    gone = hosts.inbox(disk={}, loaded={}, adapters=(), reasons=reasons)
    assert only(judged(INBOX, gone), "OFED_MODULE_UNKNOWN").level == "unknown"


def test_modules_of_another_kernel_are_refused() -> None:
    seen = hosts.ofed()
    disk = {**seen.disk, "mlx5_core": hosts.ofed_module("mlx5_core", kernel="5.15.0-119-generic")}
    finding = only(judged(DOCA, replace(seen, disk=disk)), "OFED_VERMAGIC")
    assert "built for kernel 5.15.0-119-generic, not for 5.15.0-122-generic" in finding.what


@pytest.mark.parametrize(("accepted", "level"), [(False, "fail"), (True, "warn")])
def test_weak_updates_are_seen_and_accepted_only_when_asked(accepted: bool, level: str) -> None:
    seen = hosts.ofed()
    path = f"/lib/modules/{KERNEL}/weak-updates/mlnx-ofa_kernel/mlx5_core.ko"
    linked = hosts.ofed_module("mlx5_core", path=path, kernel="5.14.0-427.13.1.el9_4.x86_64")
    finding = only(
        judged(replace(DOCA, weak_updates=accepted), replace(seen, disk={**seen.disk, "mlx5_core": linked})),
        "OFED_WEAK_UPDATES",
    )
    assert finding.level == level
    assert "5.14.0-427.13.1.el9_4.x86_64" in finding.what


def test_what_runs_and_is_not_what_is_on_disk_wants_a_reboot() -> None:
    """Installed and not rebooted: the kernel still runs its own."""
    seen = hosts.ofed(loaded=hosts.loaded(hosts.inbox_module(name) for name in CORE))
    found = judged(DOCA, seen)
    finding = only(found, "OFED_LOADED_OTHER")
    assert len(found) == len(CORE)
    assert finding.level == "reboot"
    assert "srcversion INBOXib_core" in finding.what


def test_a_module_without_any_mark_is_unknown() -> None:
    seen = hosts.inbox()
    disk = {name: replace(module, srcversion="") for name, module in seen.disk.items()}
    assert only(judged(INBOX, replace(seen, disk=disk)), "OFED_LOADED_UNKNOWN").level == "unknown"


def test_an_adapter_whose_module_is_not_loaded_wants_a_reboot() -> None:
    finding = only(judged(INBOX, hosts.without(hosts.inbox(), "mlx5_core")), "OFED_NOT_LOADED")
    assert "0000:17:00.0" in finding.what


def test_without_an_adapter_nothing_need_be_loaded() -> None:
    assert judged(INBOX, hosts.without(hosts.inbox(adapters=()), *CORE)) == ()


@pytest.mark.parametrize("version", ["24.10-3.2.50", "24.10-2.1.8.0", "23.10-3.2.5.0"])
def test_another_version_of_mlnx_ofed_is_told_by_its_module(version: str) -> None:
    finding = only(judged(replace(MLNX, version=version), hosts.ofed()), "OFED_VERSION")
    assert "24.10-3.2.5," in finding.what


def test_dkms_that_built_for_another_kernel_only() -> None:
    builds = (
        Build("mlnx-ofed-kernel", "24.10.OFED.24.10.0.7.0.1", "5.15.0-119-generic", "installed", False),
        Build("mlnx-ofed-kernel", "24.10.OFED.24.10.0.7.0.1", None, "added", False),
    )
    finding = only(judged(DOCA, hosts.ofed(builds=builds)), "OFED_DKMS")
    assert "5.15.0-119-generic: installed" in finding.what


def test_modules_in_place_that_dkms_did_not_build() -> None:
    builds = (Build("mlnx-ofed-kernel", "24.10.OFED.24.10.0.7.0.1", KERNEL, "installed", True),)
    assert only(judged(DOCA, hosts.ofed(builds=builds)), "OFED_DKMS_DIFFERS").level == "warn"


def test_the_kernel_that_boots_next_has_no_ofed() -> None:
    finding = only(judged(DOCA, hosts.ofed(other_kernels={"5.15.0-130-generic": False})), "OFED_OTHER_KERNEL")
    assert "5.15.0-130-generic" in finding.what
    assert judged(DOCA, hosts.ofed(other_kernels={"5.15.0-130-generic": True})) == ()


def test_an_interface_that_the_new_driver_renamed() -> None:
    names = tuple(re.findall(r"==> (\S+)", (DATA / "O12_ibdev2netdev.txt").read_text(encoding="utf-8")))
    assert names == ("ens1f0np0", "ens1f1np1", "bond0")
    finding = only(judged(replace(DOCA, interface="ens1f0"), hosts.ofed(interfaces=names)), "OFED_INTERFACE_RENAMED")
    assert finding.level == "fail"
    assert finding.fix.startswith("configure ens1f0np0")


@pytest.mark.parametrize("name", ["ens1f0np", "ens1f0npx", "ens1f00np0", "xens1f0np0"])
def test_only_the_ports_suffix_is_a_rename(name: str) -> None:
    seen = hosts.ofed(interfaces=("lo", name))
    assert hosts.codes(judged(replace(DOCA, interface="ens1f0"), seen)) == ["OFED_INTERFACE_ABSENT"]


def test_an_interface_that_is_there_is_right_also_beside_a_longer_name() -> None:
    assert judged(replace(DOCA, interface="ens1f0"), hosts.ofed(interfaces=("ens1f0", "ens1f0np0"))) == ()


# What forbids a change.


def test_nothing_forbids_it_on_a_host_at_rest() -> None:
    assert judge.obstacles(DOCA, hosts.inbox()) == ()


@pytest.mark.parametrize("state", ["active", "activating", "deactivating", "reloading"])
def test_under_a_running_service_nothing_changes(state: str) -> None:
    wanted = replace(INBOX, service="moefleet-vllm.service")
    finding = only(judge.obstacles(wanted, hosts.inbox(service_state=state)), "OFED_SERVICE_ACTIVE")
    assert "systemctl stop moefleet-vllm.service" in finding.fix


def test_peer_memory_in_use_holds_the_modules() -> None:
    seen = hosts.inbox(loaded={"nvidia_peermem": Loaded("nvidia_peermem", 2)})
    assert only(judge.obstacles(DOCA, seen), "OFED_PEERMEM_IN_USE").level == "fail"


def test_secure_boot_without_an_enrolled_key_is_refused_with_the_steps() -> None:
    finding = only(judge.obstacles(DOCA, hosts.inbox(secure_boot=True)), "OFED_SECURE_BOOT")
    assert "mokutil --import /var/lib/dkms/mok.pub" in finding.fix
    assert "console" in finding.fix
    assert judge.obstacles(DOCA, hosts.inbox(secure_boot=True, key_enrolled=True)) == ()
    assert judge.obstacles(INBOX, hosts.inbox(secure_boot=True)) == ()


def test_secure_boot_that_cannot_be_read_is_said() -> None:
    seen = hosts.inbox(secure_boot=None, reasons={"/sys/firmware/efi/efivars/SecureBoot-x": "Permission denied"})
    finding = only(judge.obstacles(DOCA, seen), "OFED_SECURE_BOOT_UNKNOWN")
    assert "Permission denied" in finding.what


@pytest.mark.parametrize(
    ("kernel", "fits"),
    [
        ("5.15.0-122-generic", True),
        ("5.15.0-1073-azure", False),
        ("6.8.0-1021-aws", False),
        ("5.15.0-122-lowlatency", False),
    ],
)
def test_a_kernel_flavour_that_the_vendor_does_not_support(kernel: str, fits: bool) -> None:
    wanted = replace(DOCA, kernels=(r"\d+\.\d+\.\d+-\d+-generic",))
    assert hosts.codes(judge.obstacles(wanted, hosts.inbox(kernel=kernel))) == ([] if fits else ["OFED_KERNEL_FLAVOUR"])


@pytest.mark.parametrize(("version", "fits"), [("2.9.5-0.1.8", True), ("2.10.0-093000", False), ("3.2.0-1", False)])
def test_connectx_4_and_a_doca_that_has_dropped_it(version: str, fits: bool) -> None:
    seen = hosts.inbox(adapters=(Adapter("0000:17:00.0", "1013"),))
    found = judge.obstacles(replace(DOCA, version=version), seen)
    assert hosts.codes(found) == ([] if fits else ["OFED_ADAPTER_OLD"])


# The GPU driver's modules.


def test_the_driver_is_built_again_by_dkms_for_the_running_kernel() -> None:
    peer = PeerMemory("peermem", "fail", ("stub",), ("stub",))
    seen = hosts.driver(hosts.ofed())
    others = Build("nvidia", "550.144.03", "5.15.0-119-generic", "installed", False)
    commands = judge.rebuild_commands(replace(seen, builds=(*seen.builds, others)), peer)
    which = ("--force", "-m", "nvidia", "-v", "550.144.03", "-k", KERNEL)
    assert commands == (("dkms", "build", *which), ("dkms", "install", *which))
    assert hosts.codes(judge.findings(DOCA, seen, peer)) == ["OFED_PEERMEM_REBUILD"]
    assert judge.rebuild_commands(seen, NO_PEER) == ()
