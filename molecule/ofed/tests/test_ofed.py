"""The vendor's stack comes as one set, is judged by its modules, refused where it can't be right, and goes again."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts, package_repository

SCRATCH = hosts.LAB_DIRECTORY / "scratch" / "ofed"
MACHINE = "python3 /scratch/ofed/machine.py %s"
SOURCE = "/etc/apt/sources.list.d/60-moefleet-ofed.list"
LOAD = "/etc/modules-load.d/60-moefleet-rdma.conf"
KERNEL_PACKAGE = "mlnx-ofed-kernel-dkms"
FIRST = hosts.NAMES[0]
ARCHIVE = "MLNX_OFED_LINUX-24.10-3.2.5.0-debian12.5-x86_64"
UPGRADE = {"ofed_version": "2.9.6-0.1.9"}
INBOX = {"ofed_kind": "inbox", "ofed_version": ""}


@pytest.fixture(scope="module")
def host(machines: dict[str, Host]) -> Host:
    """The scenario's one host."""
    return machines[FIRST]


def installed(host: Host) -> dict[str, str]:
    """Versions of the packages of an RDMA stack, of either side."""
    listing = host.check_output("dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n'")
    rows = [line.split() for line in listing.splitlines() if line.startswith("installed")]
    ours = ("doca", "mlnx", "ofed", "rdma", "ibverbs", "infiniband", "perftest", "dkms")
    return {name: version for _, name, version in rows if any(word in name for word in ours)}


def stand_ins(scenario: Path) -> ModuleType:
    """The scenario's tables."""
    spec = importlib.util.spec_from_file_location("stand_ins", scenario / "stand_ins.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module", autouse=True)
def _left_as_found(converge: Path, host: Host) -> Iterator[None]:
    """The scenarios after this one find no stack, whatever became of the tests."""
    yield
    if set(installed(host)) - {"dkms", "libibverbs1"}:
        hosts.play(converge.parent / "entry.yml", variables={"entry": "remove"})
    host.run("dpkg --purge dkms libibverbs1 linux-headers-$(uname -r)")
    host.check_output(MACHINE, "clean")
    host.check_output("rm -f /etc/apt/sources.list.d/molecule-debian.list && apt-get --quiet update")
    shutil.rmtree(SCRATCH, ignore_errors=True)


@pytest.fixture(scope="module")
def archive(converge: Path) -> dict[str, str]:
    """MLNX_OFED's archive as the vendor packs it: one directory, with packages in DEBS; as the role is told of it."""
    tree = SCRATCH / ARCHIVE
    package_repository.build(tree / "DEBS", stand_ins(converge.parent).ARCHIVE)
    (tree / "mlnxofedinstall").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    packed = SCRATCH / f"{ARCHIVE}.tgz"
    with tarfile.open(packed, "w:gz") as file:
        file.add(tree, arcname=ARCHIVE)
    return {
        "ofed_kind": "mlnx_ofed",
        "ofed_version": "24.10-3.2.5.0",
        "ofed_archive": f"/scratch/ofed/{ARCHIVE}.tgz",
        "ofed_archive_sha256": hashlib.sha256(packed.read_bytes()).hexdigest(),
    }


def test_the_set_is_there_held_and_the_distributions_dkms_builds_it(host: Host) -> None:
    packages = installed(host)
    assert packages["doca-ofed"] == "2.9.5-0.1.8"
    assert packages[KERNEL_PACKAGE] == "24.10.OFED.24.10.3.2.5.1-1"
    assert packages["rdma-core"] == "2410mlnx54-1.2410068"
    assert packages["dkms"] == "3.0.10-8+deb12u1"
    assert "doca-ofed" in host.check_output("apt-mark showhold").split()
    assert "Inst" not in host.check_output(
        "apt-get --simulate dist-upgrade | grep -E 'doca|mlnx|ofed|rdma|ibverbs' || true"
    )
    assert "/updates/dkms/mlx5_core.ko" in host.check_output("modinfo -n mlx5_core")


def test_modules_are_loaded_at_boot_and_the_source_has_its_own_key(host: Host) -> None:
    assert host.file(LOAD).content_string.split() == ["ib_uverbs", "rdma_ucm"]
    key = "/etc/apt/keyrings/moefleet-ofed.asc"
    assert host.file(SOURCE).content_string == f"deb [signed-by={key}] file:/scratch/ofed/2.9.5 ./\n"


def test_until_the_reboot_the_kernel_runs_its_own_and_drift_is_mended(converge: Path, host: Host) -> None:
    """Installed is not loaded: said at every run, and proven by none. The driver came before the OFED: its
    nvidia-peermem is a stub that knows nothing of it, and is built again.
    """
    host.check_output("echo > %s", LOAD)
    foretold = hosts.played(converge, "--check", "--diff")
    assert foretold.changed(FIRST) == 1
    assert host.file(LOAD).content_string == "\n"
    words = " ".join(foretold.output.split())
    assert f"{FIRST} needs a reboot: the ib_core that runs (no version, srcversion INBOXib_core)" in words
    hosts.refused(converge.parent / "entry.yml", variables={"entry": "prove"})

    host.check_output("apt-mark unhold doca-ofed")
    host.check_output(MACHINE, "driver")
    host.check_output(MACHINE, "boot")
    assert hosts.played(converge).changed(FIRST) == 3
    assert host.file(LOAD).content_string.split() == ["ib_uverbs", "rdma_ucm"]
    assert "doca-ofed" in host.check_output("apt-mark showhold").split()
    peermem = host.check_output("modinfo -n nvidia_peermem")
    assert "ib_register_peer_memory_client" in host.check_output("modprobe --dump-modversions %s", peermem)
    host.check_output(MACHINE, "boot")
    hosts.played(converge.parent / "entry.yml", variables={"entry": "prove"})


def test_modules_that_dkms_did_not_build_are_no_ofed(converge: Path, host: Host) -> None:
    """As after a new kernel whose build failed: the kernel's own are there, and ofed_info says nothing of it. Told
    together with an interface that the new driver renamed.
    """
    host.check_output("rm /lib/modules/$(uname -r)/updates/dkms/mlx5_core.ko && depmod -a 2> /dev/null")
    words = hosts.refused(converge, variables={"ofed_interface": "ens1f0"})
    assert "OFED_INBOX: mlx5_core is the kernel's own" in words
    assert "though ofed_info says 24.10-3.2.5" in words
    assert "dkms autoinstall" in words
    assert "OFED_INTERFACE_RENAMED" in words
    assert "configure ens1f0np0" in words
    host.check_output("dpkg-reconfigure %s", KERNEL_PACKAGE)


def test_the_kernels_own_do_not_come_over_an_ofed(converge: Path, host: Host) -> None:
    before = installed(host)
    assert "Take the OFED away first" in hosts.refused(converge, variables=INBOX)
    assert installed(host) == before


def test_all_that_forbids_a_change_is_said_at_once(converge: Path, host: Host) -> None:
    host.check_output("systemd-run --quiet --collect --unit=moefleet-vllm sleep 600")
    try:
        said = hosts.refused(converge, variables={**UPGRADE, "ofed_kernels": [r"\d+-generic"]})
    finally:
        host.check_output("systemctl stop moefleet-vllm")
    assert "OFED_SERVICE_ACTIVE: moefleet-vllm.service is active" in said, said
    assert "OFED_KERNEL_FLAVOUR" in said
    assert "Nothing was changed" in said
    assert installed(host)["doca-ofed"] == "2.9.5-0.1.8"


def test_up_and_back_again_is_one_transaction_each(converge: Path, host: Host) -> None:
    host.check_output(MACHINE, "boot")
    up = hosts.played(converge, variables=UPGRADE)
    assert "needs a reboot" in up.output
    assert installed(host)[KERNEL_PACKAGE] == "24.10.OFED.24.10.4.1.4.1-1"
    back = hosts.played(converge, variables={"ofed_allow_downgrade": True})
    assert "needs a reboot" not in back.output
    assert installed(host)[KERNEL_PACKAGE] == "24.10.OFED.24.10.3.2.5.1-1"


def test_an_archive_is_what_its_checksum_says(converge: Path, host: Host, archive: dict[str, str]) -> None:
    wrong = {**archive, "ofed_archive_sha256": "ab" * 32}
    assert archive["ofed_archive_sha256"] in hosts.refused(converge, variables=wrong)
    assert installed(host)["doca-ofed"] == "2.9.5-0.1.8"

    hosts.played(converge, variables=archive)
    packages = installed(host)
    assert packages["mlnx-ofed-all"] == "24.10-3.2.5.0"
    assert "doca-ofed" not in packages
    assert hosts.played(converge, variables=archive).changed(FIRST) == 0


def test_removed_and_then_the_kernels_own(converge: Path, host: Host) -> None:
    hosts.played(converge.parent / "entry.yml", variables={"entry": "remove"})
    assert set(installed(host)) <= {"dkms"}
    assert not host.file(SOURCE).exists
    assert not host.file(LOAD).exists
    assert not host.file("/var/lib/moefleet/ofed").exists
    assert host.check_output("ls /etc/apt/preferences.d /etc/apt/keyrings").split() == [
        "/etc/apt/keyrings:",
        "/etc/apt/preferences.d:",
    ]
    assert "/kernel/drivers/" in host.check_output("modinfo -n mlx5_core")
    host.check_output(MACHINE, "boot")

    hosts.played(converge, variables=INBOX)
    packages = installed(host)
    assert (packages["rdma-core"], packages["perftest"]) == ("44.0-2", "4.5+0.17-1")
    assert host.file(LOAD).exists
    hosts.played(converge.parent / "entry.yml", variables={"entry": "remove", **INBOX})
    assert set(installed(host)) <= {"dkms", "libibverbs1"}
