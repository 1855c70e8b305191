"""A host is read through paths with a prefix and through commands that can't hang."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.module_utils.nvidia import look
from ansible_collections.moefleet.serving.plugins.module_utils.packages.model import READ_TIMEOUT_S

KERNEL, LATER = "6.1.0-28-amd64", "6.1.0-31-amd64"
MODINFO = f"""filename:       /lib/modules/{KERNEL}/updates/dkms/nvidia.ko
license:        Dual MIT/GPL
version:        550.144.03
vermagic:       {KERNEL} SMP mod_unload modversions
"""
ANSWERS = {
    "uname -r": Result(0, f"{KERNEL}\n"),
    "dpkg --print-architecture": Result(0, "amd64\n"),
    "dpkg-query": Result(0, "nvidia-smi\tamd64\t550.144.03-1\thi \nold\tall\t1\trc \n"),
    "nvidia-smi -q": Result(0, "Driver Version : 550.144.03\n"),
    "systemctl show": Result(
        0,
        "Id=nvidia-persistenced.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\n"
        "Id=nvidia-fabricmanager.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n",
    ),
}


class Machine:
    """Answers by the beginning of the command; a program that it doesn't know isn't there."""

    def __init__(self, **answers: Result) -> None:
        self.answers = {**ANSWERS, **{name.replace("_", " "): answer for name, answer in answers.items()}}
        self.timeouts: list[float] = []

    def __call__(self, argv: Sequence[str], timeout_s: float = READ_TIMEOUT_S) -> Result:
        self.timeouts.append(timeout_s)
        line = " ".join(argv)
        if argv[0] == "modinfo":
            return Result(0, MODINFO) if KERNEL in argv else Result(1, "", "modinfo: ERROR: Module nvidia not found.")
        found = (answer for start, answer in self.answers.items() if line.startswith(start))
        return next(found, Result(127, "", f"{argv[0]}: No such file or directory"))


def write(root: Path, **files: str) -> None:
    for name, content in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(
        tmp_path,
        sys__module__nvidia__version="550.144.03\n",
        proc__modules="nvidia 1 0 - Live 0x0\next4 1 0 - Live 0x0\n",
        proc__driver__nvidia__params='EnableStreamMemOPs: 1\nRegistryDwords: "PeerMappingOverride=1;"\n',
    )
    for address, vendor, kind in (
        ("0000:18:00.0", "0x10de", "0x030200"),
        ("0000:07:00.0", "0x10de", "0x068000"),
        ("0000:01:00.0", "0x8086", "0x030000"),
    ):
        write(tmp_path / "sys/bus/pci/devices" / address, vendor=f"{vendor}\n")
        (tmp_path / "sys/bus/pci/devices" / address / "class").write_text(f"{kind}\n", encoding="ascii")
    return tmp_path


def test_a_host_is_read_whole(root: Path) -> None:
    machine = Machine()
    seen = look.Host(machine, root).see()
    assert (seen.kernel, seen.next_kernel, seen.loaded, seen.installed) == (KERNEL, KERNEL, "550.144.03", "550.144.03")
    assert seen.modules == {"nvidia"}
    assert (seen.gpus, seen.switches) == (("0000:18:00.0",), True)
    assert {name: (package.version, package.held) for name, package in seen.packages.items()} == {
        "nvidia-smi": ("550.144.03-1", True)
    }
    assert seen.parameters == {"EnableStreamMemOPs": "1", "RegistryDwords": '"PeerMappingOverride=1;"'}
    assert list(seen.units) == ["nvidia-persistenced.service"]
    assert seen.smi == "Driver Version : 550.144.03\n"
    assert seen.dkms is None
    assert "No such file" in seen.reasons["dkms status"]
    assert seen.secure_boot is None
    assert seen.runfile == ()
    assert max(machine.timeouts) <= look.SMI_TIMEOUT_S


def test_the_next_kernel_is_the_newest_in_boot_or_what_grubby_says(root: Path) -> None:
    write(root, **{f"boot__vmlinuz-{kernel}": "" for kernel in ("6.1.0-9-amd64", KERNEL, LATER, "0-rescue-1234")})
    seen = look.Host(Machine(), root).see()
    assert seen.next_kernel == LATER
    assert seen.on_disk[LATER] is None
    told = Machine(grubby=Result(0, f"/boot/vmlinuz-{KERNEL}\n"))
    assert look.Host(told, root).see().next_kernel == KERNEL


def test_without_a_loaded_driver_nvidia_smi_is_not_asked(root: Path) -> None:
    (root / "sys/module/nvidia/version").unlink()
    seen = look.Host(Machine(), root).see()
    assert (seen.loaded, seen.smi) == (None, None)


def test_a_gpu_that_hangs_leaves_a_reason(root: Path) -> None:
    machine = Machine()
    machine.answers["nvidia-smi -q"] = Result(124, "", "no end after 60 s: nvidia-smi -q")
    seen = look.Host(machine, root).see()
    assert seen.smi is None
    assert seen.reasons["nvidia-smi"] == "no end after 60 s: nvidia-smi -q"


def test_a_sick_gpu_s_output_is_kept_though_the_status_is_bad(root: Path) -> None:
    machine = Machine()
    machine.answers["nvidia-smi -q"] = Result(15, "Unable to determine the device handle for gpu 0000:18:00.0\n")
    assert "device handle" in (look.Host(machine, root).see().smi or "")


def test_secure_boot_and_traces_of_another_installation(root: Path) -> None:
    (root / "sys/firmware/efi").mkdir(parents=True)
    write(root, **{"usr__bin__nvidia-uninstall": "", "var__lib__dkms__mok.pub": ""})
    machine = Machine()
    machine.answers["mokutil --sb-state"] = Result(0, "SecureBoot enabled\n")
    machine.answers["mokutil --test-key"] = Result(1, "/var/lib/dkms/mok.pub is already enrolled\n")
    seen = look.Host(machine, root).see()
    assert seen.secure_boot == "SecureBoot enabled\n\n/var/lib/dkms/mok.pub is already enrolled\n"
    assert seen.runfile == ("/usr/bin/nvidia-uninstall",)


def test_a_host_with_rpm_is_read_too(root: Path) -> None:
    machine = Machine()
    machine.answers["dpkg-query"] = Result(127, "", "dpkg-query: No such file or directory")
    machine.answers["rpm -qa"] = Result(0, "nvidia-driver-cuda\t3:550.144.03-1.el9\n")
    seen = look.Host(machine, root).see()
    assert {name: package.version for name, package in seen.packages.items()} == {
        "nvidia-driver-cuda": "3:550.144.03-1.el9"
    }


def test_hardware_may_be_seen_elsewhere(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    seen = look.Host(Machine(), tmp_path_factory.mktemp("root"), root).see()
    assert (seen.loaded, seen.gpus) == ("550.144.03", ("0000:18:00.0",))
