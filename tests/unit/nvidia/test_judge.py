"""What a host's driver is found to be, from captured output of the tools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.nvidia import judge
from ansible_collections.moefleet.serving.plugins.module_utils.nvidia.model import Module, Seen, Unit, Wanted
from ansible_collections.moefleet.serving.plugins.module_utils.packages.model import Installed

DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
VERSION = "550.127.05"
KERNEL, LATER = "5.15.0-119-generic", "5.15.0-122-generic"
GPUS = tuple(f"0000:{bus}:00.0" for bus in ("18", "2a", "3a", "5d", "9a", "ab", "ba", "db"))
WANTED = Wanted(version=VERSION, gpus=8)
PARAMETERS = {"EnableStreamMemOPs": "0", "RegistryDwords": '""'}


def captured(name: str) -> str:
    return (DATA / name).read_text(encoding="utf-8")


def packages(driver: str = VERSION, fabric: str = VERSION, held: bool = True) -> dict[str, Installed]:
    names = {"nvidia-dkms-550-open": driver, "nvidia-utils-550": driver, "nvidia-fabricmanager-550": fabric}
    return {name: Installed(name, f"{version}-1", held) for name, version in names.items()}


HEALTHY = Seen(
    kernel=KERNEL,
    next_kernel=KERNEL,
    loaded=VERSION,
    modules=frozenset({"nvidia"}),
    on_disk={KERNEL: Module(f"/lib/modules/{KERNEL}/updates/dkms/nvidia.ko", VERSION, open=True)},
    dkms=f"nvidia/{VERSION}, {KERNEL}, x86_64: installed\n",
    packages=packages(),
    runfile=(),
    gpus=GPUS,
    switches=True,
    secure_boot=None,
    smi=captured("D02_smi_q_fabric_ok.txt"),
    parameters=PARAMETERS,
    fabric_log=None,
    kernel_log=None,
    units={"nvidia-fabricmanager.service": Unit("active", enabled=True)},
)


def codes(seen: Seen, wanted: Wanted = WANTED) -> set[str]:
    return {finding.code for finding in judge.gates(wanted, seen) if finding.verdict != "warn"}


def words(seen: Seen, wanted: Wanted = WANTED) -> str:
    return "; ".join(str(finding) for finding in judge.gates(wanted, seen))


def test_a_host_as_it_should_be_has_every_gate_open() -> None:
    assert judge.gates(WANTED, HEALTHY) == []
    assert judge.obstacles(WANTED, HEALTHY) == []
    assert judge.reboot_reasons(WANTED, HEALTHY) == []


def test_one_branch_and_two_versions_is_a_mismatch() -> None:
    """And an upgrade doesn't mend it: the fabric manager is held."""
    seen = replace(HEALTHY, packages=packages(fabric="550.90.07"), fabric_log=captured("D01_fm_journal.txt"))
    assert codes(seen) == {"DRIVER_SET", "DRIVER_FABRIC_MANAGER"}
    assert "fabric manager 550.90.07 does not go with driver 550.127.05: nvidia-fabricmanager-550 is on hold" in words(
        seen
    )


def test_switches_without_a_fabric_manager_are_named() -> None:
    seen = replace(HEALTHY, packages={"nvidia-dkms-550-open": Installed("nvidia-dkms-550-open", f"{VERSION}-1")})
    assert "no fabric manager is installed" in words(seen)
    assert codes(replace(seen, switches=False)) == set()


def test_a_fabric_in_progress_is_waited_for_and_its_gpu_named() -> None:
    seen = replace(HEALTHY, smi=captured("D02_smi_q_fabric_in_progress.txt"))
    found = judge.gates(WANTED, seen)
    assert [finding.code for finding in found] == ["DRIVER_FABRIC"]
    assert found[0].what.startswith("00000000:AB:00.0")
    assert judge.worth_waiting(found)
    assert not judge.worth_waiting(judge.gates(WANTED, replace(seen, packages=packages(fabric="550.90.07"))))
    assert not judge.worth_waiting([])


def test_a_missing_gpu_is_named_by_its_address_and_what_the_kernel_says_of_it() -> None:
    log = "[   12.3] NVRM: GPU 0000:db:00.0: RmInitAdapter failed! (0x62:0x65:1938)\n"
    seen = replace(HEALTHY, smi=captured("D02_smi_q_seven_gpus.txt"), kernel_log=log)
    assert "7 of 8 GPUs are attached, missing: 0000:db:00.0" in words(seen)
    assert "GPU 0000:db:00.0 did not initialise" in words(seen)


def test_a_host_with_fewer_gpus_on_its_bus_than_it_must_have() -> None:
    seen = replace(HEALTHY, smi=captured("D02_smi_q_seven_gpus.txt"), gpus=GPUS[:7])
    assert "7 of 8 GPUs are attached" in words(seen)
    assert codes(seen, replace(WANTED, gpus=0)) == set()


@pytest.mark.parametrize(("current", "pending"), [("Enabled", "Disabled"), ("Disabled", "Enabled")])
def test_mig_must_be_off_now_and_after_the_next_reset(current: str, pending: str) -> None:
    smi = HEALTHY.smi or ""
    modes = "        Current                           : {}\n        Pending                           : {}\n"
    changed = smi.replace(modes.format("Disabled", "Disabled"), modes.format(current, pending), 1)
    assert changed != smi
    assert codes(replace(HEALTHY, smi=changed)) == {"DRIVER_MIG"}


def test_a_gpu_that_hangs_is_a_finding_with_its_reason() -> None:
    seen = replace(HEALTHY, smi=None, reasons={"nvidia-smi": "no end after 60 s: nvidia-smi -q"})
    assert codes(seen) == {"DRIVER_SMI"}
    assert "no end after 60 s" in words(seen)


@pytest.mark.parametrize("style", ["nvidia/{}, {}, x86_64: installed", "nvidia, {}, {}, x86_64: installed"])
def test_the_module_must_be_there_for_the_kernel_that_boots_next(style: str) -> None:
    """Output of dkms 3 and of dkms 2."""
    seen = replace(
        HEALTHY, next_kernel=LATER, on_disk={**HEALTHY.on_disk, LATER: None}, dkms=style.format(VERSION, KERNEL) + "\n"
    )
    assert codes(seen) == {"DRIVER_MODULE_MISSING", "DRIVER_DKMS"}
    assert f"no nvidia module for kernel {LATER}, which boots next (install linux-headers-{LATER}" in words(seen)
    built = Module(f"/lib/modules/{LATER}/updates/dkms/nvidia.ko", VERSION, open=True)
    both = style.format(VERSION, KERNEL) + "\n" + style.format(VERSION, LATER) + "\n"
    assert codes(replace(seen, on_disk={**HEALTHY.on_disk, LATER: built}, dkms=both)) == set()


def test_dkms_that_is_only_added_is_not_installed() -> None:
    """The captured output has the module for the older kernel and an entry without any."""
    on_disk = {LATER: HEALTHY.on_disk[KERNEL]}
    seen = replace(HEALTHY, kernel=LATER, next_kernel=LATER, on_disk=on_disk, dkms=captured("D12_dkms_status_v3.txt"))
    assert codes(seen) == {"DRIVER_DKMS"}
    assert codes(seen, replace(WANTED, dkms=False)) == set()


def test_nouveau_closes_the_gate_and_asks_for_a_reboot() -> None:
    seen = replace(HEALTHY, modules=frozenset({"nouveau"}), loaded=None, smi=None)
    assert codes(seen) == {"DRIVER_NOT_LOADED", "DRIVER_NOUVEAU"}
    assert judge.reboot_reasons(WANTED, seen) == ["nouveau is loaded and holds the GPUs"]


def test_a_driver_that_is_installed_and_not_loaded_yet_asks_for_a_reboot() -> None:
    newer = "550.144.03"
    on_disk = {KERNEL: Module("/lib/modules/x/updates/dkms/nvidia.ko", newer, open=True)}
    seen = replace(HEALTHY, on_disk=on_disk, packages=packages(newer, newer))
    wanted = replace(WANTED, version=newer)
    assert judge.reboot_reasons(wanted, seen) == [f"driver {VERSION} is loaded, {newer} is installed"]
    assert "DRIVER_SET" in codes(seen, wanted)


def test_options_for_ibgda_take_effect_with_a_reboot() -> None:
    wanted = replace(WANTED, ibgda=True)
    assert judge.reboot_reasons(wanted, HEALTHY) == ["the loaded driver runs without the options for IBGDA"]
    assert codes(HEALTHY, wanted) == {"DRIVER_IBGDA"}
    effective = {"EnableStreamMemOPs": "1", "RegistryDwords": '"PeerMappingOverride=1;"'}
    seen = replace(HEALTHY, parameters=effective)
    assert (judge.reboot_reasons(wanted, seen), codes(seen, wanted)) == ([], set())
    assert judge.reboot_reasons(WANTED, seen) == ["the loaded driver runs with the options for IBGDA"]


def test_peer_memory_by_module_must_be_loaded_and_dma_buf_needs_open_modules() -> None:
    assert codes(HEALTHY, replace(WANTED, peer_memory="peermem")) == {"DRIVER_PEERMEM"}
    closed = {KERNEL: Module("/lib/modules/x/updates/dkms/nvidia.ko", VERSION, open=False)}
    assert codes(replace(HEALTHY, on_disk=closed)) == {"DRIVER_NOT_OPEN", "DRIVER_DMABUF"}


def test_secure_boot_is_refused_before_modules_are_built_that_it_would_reject() -> None:
    seen = replace(HEALTHY, secure_boot=captured("D13_secureboot.txt"))
    found = judge.obstacles(WANTED, seen)
    assert [finding.code for finding in found] == ["DRIVER_SECURE_BOOT"]
    assert "mokutil --import" in str(found[0])
    assert judge.obstacles(replace(WANTED, dkms=False), seen) == []
    enrolled = "SecureBoot enabled\n/var/lib/dkms/mok.pub is already enrolled\n"
    assert judge.obstacles(WANTED, replace(HEALTHY, secure_boot=enrolled)) == []


def test_routes_are_not_mixed_and_a_driver_past_the_package_manager_is_named() -> None:
    wanted = replace(WANTED, foreign=("nvidia-*-server",))
    there = {**packages(), "nvidia-utils-550-server": Installed("nvidia-utils-550-server", "550.54.15-0ubuntu1")}
    seen = replace(HEALTHY, packages=there, runfile=("/usr/bin/nvidia-uninstall",))
    found = judge.obstacles(wanted, seen)
    assert [finding.code for finding in found] == ["DRIVER_ROUTES_MIXED", "DRIVER_RUNFILE"]
    assert "nvidia-utils-550-server" in found[0].what
    assert "nvidia-uninstall" in found[1].fix


def test_a_host_with_switches_isnt_told_that_it_has_none() -> None:
    found = judge.obstacles(replace(WANTED, nvswitch=False), HEALTHY)
    assert [finding.code for finding in found] == ["DRIVER_NVSWITCH"]
