"""The vendor's stack comes as one set, is judged by its modules, refused where it can't be right, and goes again."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts, package_repository

SCRATCH = hosts.LAB_DIRECTORY / "scratch" / "ofed"
MACHINE = "python3 /scratch/ofed/machine.py %s"
SOURCE = "/etc/apt/sources.list.d/60-moefleet-ofed.list"
LOAD = "/etc/modules-load.d/60-moefleet-rdma.conf"
KERNEL_PACKAGE = "mlnx-ofed-kernel-dkms"
FIRST, SECOND = hosts.NAMES
ARCHIVE = "MLNX_OFED_LINUX-24.10-3.2.5.0-debian12.5-x86_64"
UPGRADE = {"ofed_version": "2.9.6-0.1.9"}
INBOX = {"ofed_kind": "inbox", "ofed_version": ""}


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
def _left_as_found(converge: Path, machines: dict[str, Host]) -> Iterator[None]:
    """The scenarios after this one find no stack, whatever became of the tests."""
    yield
    if any(installed(machine) for machine in machines.values()):
        hosts.play(converge.parent / "entry.yml", variables={"entry": "remove"})
    for machine in machines.values():
        machine.run("dpkg --purge dkms libibverbs1 linux-headers-$(uname -r)")
        machine.check_output(MACHINE, "clean")
        machine.check_output("rm -f /etc/apt/sources.list.d/molecule-debian.list && apt-get --quiet update")
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


def test_until_the_reboot_the_kernel_runs_its_own(converge: Path, machines: dict[str, Host]) -> None:
    """Installed is not loaded: said at every run, and proven by none."""
    again = hosts.played(converge, "--check", "--diff")
    assert (again.changed(FIRST), again.changed(SECOND)) == (0, 0)
    words = " ".join(again.output.split())
    assert f"{FIRST} needs a reboot: the ib_core that runs (no version, srcversion INBOXib_core)" in words

    machines[FIRST].check_output(MACHINE, "boot")
    proof = hosts.play(converge.parent / "entry.yml", variables={"entry": "prove"})
    assert proof.recap[FIRST]["failed"] == 0, proof.output
    assert proof.recap[SECOND]["failed"] == 1
    machines[SECOND].check_output(MACHINE, "boot")


def test_drift_is_foretold_and_mended(converge: Path, machines: dict[str, Host]) -> None:
    machine = machines[FIRST]
    machine.check_output("apt-mark unhold doca-ofed")
    machine.check_output("echo > %s", LOAD)

    foretold = hosts.played(converge, "--check", "--diff")
    assert (foretold.changed(FIRST), foretold.changed(SECOND)) == (2, 0)
    assert "doca-ofed" not in machine.check_output("apt-mark showhold").split()

    mended = hosts.played(converge)
    assert (mended.changed(FIRST), mended.changed(SECOND)) == (2, 0)
    assert "needs a reboot" not in mended.output
    assert "doca-ofed" in machine.check_output("apt-mark showhold").split()


def test_a_stub_of_peermem_is_built_again(converge: Path, machines: dict[str, Host]) -> None:
    """The driver came before the OFED: its nvidia-peermem knows nothing of it."""
    machine = machines[FIRST]
    machine.check_output(MACHINE, "driver")
    machine.check_output(MACHINE, "boot")
    assert hosts.played(converge, f"--limit={FIRST}").changed(FIRST) == 1
    peermem = machine.check_output("modinfo -n nvidia_peermem")
    assert "ib_register_peer_memory_client" in machine.check_output("modprobe --dump-modversions %s", peermem)
    machine.check_output(MACHINE, "boot")
    hosts.played(converge.parent / "entry.yml", f"--limit={FIRST}", variables={"entry": "prove"})


def test_modules_that_dkms_did_not_build_are_no_ofed(converge: Path, machines: dict[str, Host]) -> None:
    """As after a new kernel whose build failed: the kernel's own are there, and ofed_info says nothing of it."""
    machine = machines[FIRST]
    machine.check_output("rm /lib/modules/$(uname -r)/updates/dkms/mlx5_core.ko && depmod -a 2> /dev/null")
    words = hosts.refused(converge, f"--limit={FIRST}")
    assert "OFED_INBOX: mlx5_core is the kernel's own" in words
    assert "though ofed_info says 24.10-3.2.5" in words
    assert "dkms autoinstall" in words
    machine.check_output("dpkg-reconfigure %s", KERNEL_PACKAGE)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"ofed_interface": "ens1f0"}, ["OFED_INTERFACE_RENAMED", "configure ens1f0np0"]),
        (INBOX, ["Take the OFED away first"]),
    ],
    ids=["interface renamed", "inbox over an OFED"],
)
def test_what_cannot_be_right_is_refused(
    converge: Path, machines: dict[str, Host], asked: dict[str, Any], words: list[str]
) -> None:
    before = installed(machines[FIRST])
    said = hosts.refused(converge, f"--limit={FIRST}", variables=asked)
    assert [word for word in words if word not in said] == [], said
    assert installed(machines[FIRST]) == before


def test_all_that_forbids_a_change_is_said_at_once(converge: Path, machines: dict[str, Host]) -> None:
    machine = machines[FIRST]
    machine.check_output("systemd-run --quiet --collect --unit=moefleet-vllm sleep 600")
    try:
        said = hosts.refused(converge, f"--limit={FIRST}", variables={**UPGRADE, "ofed_kernels": [r"\d+-generic"]})
    finally:
        machine.check_output("systemctl stop moefleet-vllm")
    assert "OFED_SERVICE_ACTIVE: moefleet-vllm.service is active" in said, said
    assert "OFED_KERNEL_FLAVOUR" in said
    assert "Nothing was changed" in said
    assert installed(machine)["doca-ofed"] == "2.9.5-0.1.8"


def test_up_and_back_again_is_one_transaction_each(converge: Path, machines: dict[str, Host]) -> None:
    machine = machines[FIRST]
    machine.check_output(MACHINE, "boot")
    up = hosts.played(converge, f"--limit={FIRST}", variables=UPGRADE)
    assert "needs a reboot" in up.output
    assert installed(machine)[KERNEL_PACKAGE] == "24.10.OFED.24.10.4.1.4.1-1"
    back = hosts.played(converge, f"--limit={FIRST}", variables={"ofed_allow_downgrade": True})
    assert "needs a reboot" not in back.output
    assert installed(machine)[KERNEL_PACKAGE] == "24.10.OFED.24.10.3.2.5.1-1"


def test_an_archive_is_what_its_checksum_says(
    converge: Path, machines: dict[str, Host], archive: dict[str, str]
) -> None:
    machine = machines[FIRST]
    wrong = {**archive, "ofed_archive_sha256": "ab" * 32}
    assert archive["ofed_archive_sha256"] in hosts.refused(converge, f"--limit={FIRST}", variables=wrong)
    assert installed(machine)["doca-ofed"] == "2.9.5-0.1.8"

    hosts.played(converge, f"--limit={FIRST}", variables=archive)
    packages = installed(machine)
    assert packages["mlnx-ofed-all"] == "24.10-3.2.5.0"
    assert "doca-ofed" not in packages
    assert hosts.played(converge, f"--limit={FIRST}", variables=archive).changed(FIRST) == 0


def test_removed_and_then_the_kernels_own(converge: Path, machines: dict[str, Host]) -> None:
    hosts.played(converge.parent / "entry.yml", variables={"entry": "remove"})
    for machine in machines.values():
        assert set(installed(machine)) <= {"dkms"}
        assert not machine.file(SOURCE).exists
        assert not machine.file(LOAD).exists
        assert not machine.file("/var/lib/moefleet/ofed").exists
        assert machine.check_output("ls /etc/apt/preferences.d /etc/apt/keyrings").split() == [
            "/etc/apt/keyrings:",
            "/etc/apt/preferences.d:",
        ]
        assert "/kernel/drivers/" in machine.check_output("modinfo -n mlx5_core")
        machine.check_output(MACHINE, "boot")

    hosts.played(converge, f"--limit={FIRST}", variables=INBOX)
    packages = installed(machines[FIRST])
    assert (packages["rdma-core"], packages["perftest"]) == ("44.0-2", "4.5+0.17-1")
    assert machines[FIRST].file(LOAD).exists
    hosts.played(converge.parent / "entry.yml", f"--limit={FIRST}", variables={"entry": "remove", **INBOX})
    assert set(installed(machines[FIRST])) <= {"dkms", "libibverbs1"}
