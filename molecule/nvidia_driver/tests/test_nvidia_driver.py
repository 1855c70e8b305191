"""Driver and fabric manager of one version: they come whole, stay, move whole, and are refused where they can't."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.molecule.nvidia_driver import stand_ins
from ansible_collections.moefleet.serving.tests.testinfra import hosts

OLD, NEW, NEXT = "550.127.05", "550.144.03", "580.126.20"
FIRST = "mol-0"
DIRECTORY = hosts.LAB_DIRECTORY / "scratch" / "nvidia-driver"
KERNEL = stand_ins.KERNEL
LIBRARIES = {
    "firmware-nvidia-gsp",
    "libcuda1",
    "libnvidia-ml1",
    "libnvidia-ptxjitcompiler1",
    "nvidia-kernel-open-dkms",
    "nvidia-kernel-support",
    "nvidia-persistenced",
    "nvidia-smi",
}
OF_550 = LIBRARIES | {"nvidia-fabricmanager-550", "libnvidia-nscq-550"}
OF_580 = LIBRARIES | {"nvidia-driver-cuda", "nvidia-fabricmanager", "libnvidia-nscq"}


def driver(host: Host) -> dict[str, str]:
    """Status and version of every package of the driver."""
    command = "dpkg-query --show --showformat='${Package} ${db:Status-Abbrev} ${Version}\\n' '*nvidia*' libcuda1"
    rows = [line.split() for line in host.run(command).stdout.splitlines()]
    return {row[0]: " ".join(row[1:]) for row in rows if len(row) == 3 and row[1][1] == "i"}


def whole(names: set[str], version: str) -> dict[str, str]:
    """What `driver` finds where all of it is there in one version, and held."""
    return dict.fromkeys(names, f"hi {version}-1")


def transactions(host: Host) -> int:
    """How many calls of apt have changed something."""
    return int(host.check_output("grep -c ^Commandline /var/log/apt/history.log"))


@pytest.fixture
def host(machines: dict[str, Host]) -> Host:
    """The scenario's one host."""
    return machines[FIRST]


@pytest.fixture
def service(host: Host) -> Iterator[None]:
    """The service runs."""
    host.check_output("systemd-run --quiet --unit=moefleet-vllm sleep 600")
    yield
    host.check_output("systemctl stop moefleet-vllm")


def test_driver_and_fabric_manager_are_of_one_version_and_held(host: Host) -> None:
    assert driver(host) == whole(OF_550, OLD)
    assert f"Driver Version                            : {OLD}" in host.check_output("nvidia-smi -q")
    assert host.check_output("modinfo --field version nvidia") == OLD


def test_units_run_and_come_back_at_boot(host: Host) -> None:
    for unit in ("nvidia-fabricmanager", "nvidia-persistenced"):
        assert host.check_output("systemctl is-active %s", unit) == "active"
        assert host.check_output("systemctl is-enabled %s", unit) == "enabled"
    # Some packagers' unit starts the daemon without the mode that it is there for.
    assert "--persistence-mode" in host.check_output("pgrep --list-full --full nvidia-persistenced")


def test_the_blacklist_is_in_the_image(host: Host) -> None:
    assert "blacklist nouveau" in host.check_output("cat /boot/initrd.img-%s", KERNEL)


def test_what_an_unattended_upgrade_moves_is_foretold_and_taken_back(converge: Path, host: Host) -> None:
    host.check_output(f"apt-mark unhold {' '.join(OF_550)}")
    host.check_output("rm /etc/apt/preferences.d/60-moefleet-nvidia-driver")
    host.check_output("apt-get -qq update >&2; DEBIAN_FRONTEND=noninteractive apt-get -qq upgrade >&2")
    moved = driver(host)
    assert moved["nvidia-smi"] == f"ii {NEXT}-1"
    assert moved["nvidia-fabricmanager-550"] == f"ii {NEW}-1"

    back = {"nvidia_driver_allow_downgrade": True}
    foretold = hosts.played(converge, "--check", "--diff", variables=back)
    assert f"-nvidia-smi {NEXT}-1\n" in foretold.output
    assert f"+nvidia-smi {OLD}-1 held\n" in foretold.output
    assert driver(host) == moved

    mended = hosts.played(converge, variables=back)
    assert mended.changed(FIRST) == foretold.changed(FIRST)
    assert driver(host) == whole(OF_550, OLD)
    assert "needs a reboot" not in mended.output
    # The image was made once, and what has drifted since then is not in it.
    assert host.check_output("cat /srv/hardware/initramfs.log") == f"-u -k {KERNEL}"


def test_a_version_that_vanished_is_refused_by_name(converge: Path, host: Host) -> None:
    stand_ins.build(DIRECTORY, without=("nvidia-fabricmanager-550", NEW))
    try:
        host.check_output("apt-get -qq update >&2")
        words = hosts.refused(converge, variables={"nvidia_driver_version": NEW})
    finally:
        stand_ins.build(DIRECTORY)
        host.check_output("apt-get -qq update >&2")
    assert f"no source has nvidia-fabricmanager-550 {NEW}; there is {OLD}-1" in words
    assert f"have is {OLD}" in words
    assert driver(host) == whole(OF_550, OLD)


@pytest.mark.usefixtures("service")
def test_nothing_moves_under_a_running_service(converge: Path, host: Host) -> None:
    asked = {"nvidia_driver_version": NEW}
    words = hosts.refused(converge, "--check", variables=asked)
    assert "moefleet-vllm.service is active, and these packages would change under it" in words
    assert "systemctl stop moefleet-vllm.service" in words
    assert driver(host) == whole(OF_550, OLD)


def test_every_shut_gate_is_named_at_once(converge: Path, host: Host) -> None:
    """A fabric manager of another release, a GPU that isn't in the fabric, one with MIG pending, a kernel to come."""
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qq install --allow-change-held-packages %s >&2"
    host.check_output(install, f"nvidia-fabricmanager-550={NEW}-1")
    host.check_output("touch /boot/vmlinuz-99.1.0-test")
    host.check_output("cp /srv/hardware/smi.txt /srv/hardware/good.txt")
    edits = "/18:00/,/2A:00/s/Pending .*/Pending : Enabled/; /AB:00/,/BA:00/s/Completed/In Progress/"
    host.check_output("sed -i %s /srv/hardware/smi.txt", edits)
    try:
        words = hosts.refused(converge.parent / "gates.yml")
    finally:
        host.check_output("rm /boot/vmlinuz-99.1.0-test; mv /srv/hardware/good.txt /srv/hardware/smi.txt")
    assert f"fabric manager {NEW} does not go with driver {OLD}" in words
    assert "00000000:AB:00.0: fabric state In Progress" in words
    assert "GPU 00000000:18:00.0: MIG is Disabled now and Enabled after a reset" in words
    assert "there is no nvidia module for kernel 99.1.0-test, which boots next" in words
    assert "00000000:2A:00.0: fabric" not in words


def test_another_branch_comes_in_one_transaction(converge: Path, host: Host) -> None:
    """From a fabric manager that doesn't go with its driver. The old driver runs until the host is rebooted."""
    before, asked = transactions(host), {"nvidia_driver_version": NEXT}
    upgraded = hosts.played(converge, variables=asked)
    assert driver(host) == whole(OF_580, NEXT)
    assert transactions(host) == before + 1
    assert f"{FIRST} needs a reboot: driver {OLD} is loaded, {NEXT} is installed" in " ".join(upgraded.output.split())
    assert host.check_output("cat /var/lib/moefleet/nvidia-driver.previous") == OLD

    host.check_output("stand-in-boot")
    hosts.played(converge.parent / "gates.yml", variables=asked)
    assert host.check_output("systemctl is-active nvidia-fabricmanager") == "active"


def test_the_way_back_is_as_short(converge: Path, host: Host) -> None:
    before, asked = transactions(host), {"nvidia_driver_allow_downgrade": True}
    hosts.played(converge, variables=asked)
    assert driver(host) == whole(OF_550, OLD)
    assert transactions(host) == before + 1
    assert host.check_output("cat /var/lib/moefleet/nvidia-driver.previous") == NEXT


def test_removal_leaves_nothing_and_a_bare_host_is_told_what_cant_be_known(converge: Path, host: Host) -> None:
    """The host is then as the scenario found it."""
    hosts.played(converge, variables={"nvidia_driver_state": "absent"})
    assert driver(host) == {}
    assert host.check_output("apt-mark showhold") == ""
    assert host.file("/etc/apt/preferences.d").listdir() == []
    assert not host.file("/etc/systemd/system/nvidia-persistenced.service.d/60-moefleet.conf").exists
    assert "nouveau" not in host.check_output("cat /boot/initrd.img-%s; ls /etc/modprobe.d", KERNEL)
    host.check_output("DEBIAN_FRONTEND=noninteractive apt-get -qq purge dkms 'linux-headers-*' >&2")
    host.check_output("rm /etc/apt/sources.list.d/60-moefleet-cuda.list /etc/apt/keyrings/moefleet-cuda.asc")
    host.check_output("apt-get -qq update >&2")
    host.check_output("rm -rf /srv/hardware/sys/module/nvidia && : > /srv/hardware/proc/modules")
    bare = hosts.played(converge, "--check")
    assert f"no source has a package nvidia-kernel-open-dkms (wanted {OLD})" in " ".join(bare.output.split())
    assert bare.changed(FIRST) > 0
    assert driver(host) == {}
    host.check_output("cd /usr/local/sbin && rm modprobe stand-in-boot update-initramfs")
    host.check_output(f"rm -rf /srv/hardware /boot/initrd.img-{KERNEL} /var/lib/dkms /lib/modules/{KERNEL}")
    host.check_output("systemctl daemon-reload; systemctl reset-failed")
