"""Formats of other versions and states: nvidia-smi, MIG, packages, dkms, modinfo, Secure Boot."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import driver_packages, registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, WARN

QUERY = """
==============NVSMI LOG==============

Driver Version                            : 580.95.05
CUDA Version                              : 13.0

Attached GPUs                             : {count}
{gpus}"""
GPU = """GPU 00000000:{bus}:00.0
    Product Name                          : NVIDIA H20
    MIG Mode
        Current                           : {mig}
        Pending                           : {mig}
    GPU Power Readings
        Average Power Draw                : {average}
        Instantaneous Power Draw          : {instant}
        Current Power Limit               : {limit}
    GPU Memory Power Readings
        Average Power Draw                : 50.00 W
    Module Power Readings
        Average Power Draw                : N/A
        Current Power Limit               : N/A
    Fabric
        State                             : {state}
        Status                            : {status}
        CliqueId                          : 0
        Health
            Bandwidth                     : {health}
    Processes
        GPU instance ID                   : N/A
        Process ID                        : 1234
            Type                          : C
        GPU instance ID                   : N/A
        Process ID                        : 1235
            Type                          : C
"""
OLD_POWER = """Driver Version : 525.147.05
Attached GPUs : 1
GPU 00000000:18:00.0
    Power Readings
        Power Management                  : Supported
        Power Draw                        : 71,35 W
        Power Limit                       : 350,00 W
"""


def query(*gpus: dict[str, str], count: int | None = None) -> str:
    fields = {
        "mig": "Disabled",
        "average": "100.00 W",
        "instant": "110.50 W",
        "limit": "500.00 W",
        "state": "Completed",
        "status": "Success",
        "health": "Full",
    }
    blocks = "".join(GPU.format(**{**fields, "bus": f"{place:02X}", **gpu}) for place, gpu in enumerate(gpus, start=16))
    return QUERY.format(count=len(gpus) if count is None else count, gpus=blocks)


@pytest.mark.parametrize(
    ("text", "context", "verdict", "values"),
    [
        (query({}, {}), {}, PASS, {"power_w": 221.0, "power_limit_w": 1000.0, "fabric_ready": True}),
        (query({}, {"instant": "N/A", "average": "N/A"}), {}, PASS, {"power_w": None, "power_limit_w": 1000.0}),
        (query({}, {"health": "Degraded"}), {}, WARN, {"fabric_ready": True}),
        (query({}, {"state": "N/A", "status": "N/A"}), {}, FAIL, {"not_ready": ["00000000:11:00.0"]}),
        (query({"state": "N/A", "status": "N/A"}), {}, PASS, {"fabric_ready": None}),
        (query({"state": "N/A", "status": "N/A"}), {"fabric_required": True}, FAIL, {"fabric_ready": None}),
        (query({"status": "Insufficient Resources"}), {}, FAIL, {"fabric_ready": False}),
        (query({}, {}, count=3), {}, UNKNOWN, {"gpus": 3}),
        (query({}), {"driver_version": "580.95.05", "expected_gpus": "1"}, PASS, {"driver_version": "580.95.05"}),
        (query({}), {"driver_version": "580.95.5"}, FAIL, {}),
        (query({"mig": "Enabled"}), {}, PASS, {"mig_not_off": ["00000000:10:00.0"]}),
        (query({}), {"expected_gpus": ["10:00.0", "0000:11:00.0"]}, FAIL, {"missing": ["0000:11:00.0"]}),
        (OLD_POWER, {}, PASS, {"power_w": 71.35, "power_limit_w": 350.0}),
        (OLD_POWER, {"fabric_required": True}, UNKNOWN, {}),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", {}, FAIL, {"gpus": None}),
        ("Failed to initialize NVML: Driver/library version mismatch\n", {}, FAIL, {"gpus": None}),
        (
            "Unable to determine the device handle for GPU0000:CB:00.0: Unknown Error\n" + query({}),
            {},
            FAIL,
            {"gpus": 1},
        ),
    ],
)
def test_nvidia_smi(text: str, context: dict[str, Any], verdict: str, values: dict[str, Any]) -> None:
    evidence = registry.parse("nvidia_smi", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert {name: evidence.values[name] for name in values} == values


@pytest.mark.parametrize(
    ("text", "context", "verdict", "values"),
    [
        (
            "index, mig.mode.current, mig.mode.pending\n0, Disabled, Disabled\n1, Enabled, Enabled\n",
            {},
            FAIL,
            {"not_off": [1]},
        ),
        (
            "pci.bus_id, name, mig.mode.pending, mig.mode.current\n00000000:18:00.0, NVIDIA H20, Disabled, Disabled\n",
            {},
            PASS,
            {},
        ),
        ("0, N/A, N/A\n1, [Not Supported], [Not Supported]\n", {}, PASS, {"unsupported": [0, 1]}),
        ("0, Disabled, Disabled\n", {"expected_gpus": 2}, FAIL, {"gpus": 1}),
        ("0, Disabled, Disabled\n1, Disabled\n", {}, UNKNOWN, {}),
        ("0, Disabled, Disabled\n1, Disabled, Disab\n", {}, UNKNOWN, {}),
        ("0, [Unknown Error], [Unknown Error]\n", {}, UNKNOWN, {}),
        (query({"mig": "Enabled"}, {}), {}, FAIL, {"not_off": ["00000000:10:00.0"]}),
    ],
)
def test_nvidia_mig(text: str, context: dict[str, Any], verdict: str, values: dict[str, Any]) -> None:
    evidence = registry.parse("nvidia_mig", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert {name: evidence.values[name] for name in values} == values


RPM = (
    "kmod-nvidia-open-dkms-580.95.05-1.el9.x86_64\nnvidia-driver-cuda-580.95.05-1.el9.x86_64\n"
    "nvidia-fabricmanager-580.95.05-1.x86_64\n"
)
DEB_SET = "nvidia-open\t580.95.05-1\nnvidia-dkms-open\t580.95.05-1\nnvidia-fabricmanager\t580.95.05-1\n"


@pytest.mark.parametrize(
    ("text", "context", "verdict", "values"),
    [
        (RPM, {"driver_version": "580.95.05"}, PASS, {"match": True, "driver_version": "580.95.05"}),
        (RPM, {"driver_version": "580.65.06"}, FAIL, {"match": False}),
        (RPM, {"fabric_manager": False}, FAIL, {}),
        (DEB_SET, {}, PASS, {"match": True, "fabric_manager_version": "580.95.05"}),
        (
            "nvidia-driver.x86_64   3:570.124.06-1.el9  @cuda\nnvidia-fabric-manager.x86_64 570.124.06-10 @cuda\n",
            {},
            PASS,
            {"match": True},
        ),
        ("nvidia-driver-570  570.124.06-1\nnvidia-fabricmanager-570  570.124.061-1\n", {}, FAIL, {"match": False}),
        ("nvidia-driver-570  570.124.06-1\n", {"fabric_manager": True}, FAIL, {"fabric_manager_version": None}),
        ("nvidia-driver-570  570.124.06-1\n", {"fabric_manager": False}, PASS, {}),
        ("nvidia-driver-570  570.124.06-1\n", {}, UNKNOWN, {}),
        ("nvidia-driver-570  570.124.06-1\nnvidia-utils-570  570.86.10-1\n", {"fabric_manager": False}, FAIL, {}),
        ("iF  nvidia-dkms-570 570.124.06-1 amd64 x\n", {"fabric_manager": False}, FAIL, {}),
        ("rc  nvidia-driver-535 535.183.06-1 amd64 x\n" + DEB_SET, {}, PASS, {"driver_version": "580.95.05"}),
        ("nvidia-driver-pinning-580  580-1\nnvidia-modprobe 580.1-1\nbash 5.1\n", {}, UNKNOWN, {}),
    ],
)
def test_driver_packages(text: str, context: dict[str, Any], verdict: str, values: dict[str, Any]) -> None:
    evidence = registry.parse("driver_packages", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert {name: evidence.values[name] for name in values} == values


@pytest.mark.parametrize(
    ("version", "plain"),
    [
        ("550.127.05-0ubuntu0.22.04.1", "550.127.05"),
        ("3:550.127.05-1.el9", "550.127.05"),
        ("580.95.05", "580.95.05"),
        ("5.15.0-122", None),
        ("580-1", None),
    ],
)
def test_a_packages_version_is_the_drivers(version: str, plain: str | None) -> None:
    assert driver_packages.upstream(version) == plain


STARTING = "Mar 03 09:14:02 gpu systemd[1]: Starting NVIDIA fabric manager service...\n"
STARTED = "Mar 03 09:14:09 gpu systemd[1]: Started NVIDIA fabric manager service.\n"
FAILED = "Mar 03 09:14:03 gpu systemd[1]: nvidia-fabricmanager.service: Failed with result 'exit-code'.\n"


@pytest.mark.parametrize(
    ("text", "context", "verdict", "started"),
    [
        (STARTING + STARTED, {}, PASS, True),
        (STARTING + FAILED + STARTING + STARTED, {}, PASS, True),
        (STARTING + STARTED + STARTING + FAILED, {}, FAIL, False),
        (STARTING, {}, UNKNOWN, None),
        (STARTING + "Fabric Manager version is : 550.90.07\n" + STARTED, {"driver_version": "550.127.05"}, FAIL, True),
        (STARTING + "request to query NVSwitch device information from NVSwitch driver failed\n", {}, FAIL, False),
    ],
)
def test_fabric_manager_log(text: str, context: dict[str, Any], verdict: str, started: bool | None) -> None:
    evidence = registry.parse("fabric_manager_log", text, context)
    assert (evidence.verdict, evidence.values["started"]) == (verdict, started), evidence.reasons


@pytest.mark.parametrize(
    ("text", "context", "verdict", "missing"),
    [
        ("nvidia, 550.127.05, 5.15.0-119-generic, x86_64: installed\n", {"kernel": "5.15.0-119-generic"}, PASS, []),
        ("nvidia, 550.127.05, 5.15.0-119-generic, x86_64: built\n", {"kernel": "5.15.0-119-generic"}, FAIL, ["nvidia"]),
        (
            "nvidia/580.95.05, 5.14.0-427.el9.x86_64, x86_64: installed-weak from 5.14.0-362.el9.x86_64\n",
            {"kernel": "5.14.0-427.el9.x86_64"},
            PASS,
            [],
        ),
        (
            "nvidia/550.54.14: broken\nError! nvidia/550.54.14: Missing the module source directory\n",
            {},
            FAIL,
            ["nvidia"],
        ),
        ("nvidia/550.127.05: added\n", {}, FAIL, ["nvidia"]),
        ("nvidia/1.0, 5.15.0-1-generic, x86_64: installed (original_module exists)\n5.15.0-1-generic\n", {}, PASS, []),
        ("nvidia/1.0, 5.15.0-1-generic, x86_64: installed\n", {}, UNKNOWN, []),
        ("nvidia/1.0, 5.15.0-1-generic, x86_64: inst", {"kernel": "5.15.0-1-generic"}, UNKNOWN, []),
        ("nvidia/1.0, 5.15.0-1-generic, x86_64: installed (WARN", {"kernel": "5.15.0-1-generic"}, UNKNOWN, []),
        (
            "nvidia/1.0, 5.15.0-1-generic, x86_64: installed\nnvidia/2.0: added\n",
            {"kernel": "5.15.0-1-generic", "versions": {"nvidia": "2.0"}},
            FAIL,
            ["nvidia"],
        ),
        (
            "nvidia/1.0, 5.15.0-1-generic, x86_64: installed\n",
            {"kernel": "5.15.0-1-generic", "modules": ["nvidia", "iser"]},
            FAIL,
            ["iser"],
        ),
    ],
)
def test_dkms(text: str, context: dict[str, Any], verdict: str, missing: list[str]) -> None:
    evidence = registry.parse("dkms_status", text, context)
    assert (evidence.verdict, evidence.values["missing"]) == (verdict, missing), evidence.reasons


MODINFO = "filename:       {file}\nlicense:        {license}\nvermagic:       {kernel} SMP mod_unload\n"


@pytest.mark.parametrize(
    ("file", "kernel", "context", "verdict", "origin"),
    [
        ("/lib/modules/6.1.0-9-amd64/updates/dkms/nvidia.ko", "6.1.0-9-amd64", {"ofed": True}, PASS, "out_of_tree"),
        (
            "/lib/modules/6.1.0-9-amd64/extra/mlnx-ofa_kernel/mlx5_ib.ko.xz",
            "6.1.0-9-amd64",
            {"ofed": True},
            PASS,
            "out_of_tree",
        ),
        ("/lib/modules/6.1.0-9-amd64/kernel/drivers/nvidia.ko", "6.1.0-9-amd64", {"ofed": True}, FAIL, "inbox"),
        ("/lib/modules/6.1.0-9-amd64/updates/dkms/nvidia.ko", "6.1.0-8-amd64", {}, FAIL, "out_of_tree"),
        ("/lib/modules/6.1.0-9-amd64/weak-updates/nvidia.ko", "6.1.0-8-amd64", {}, WARN, "out_of_tree"),
        (
            "/lib/modules/6.1.0-9-amd64/updates/nvidia.ko",
            "6.1.0-9-amd64",
            {"kernel": "6.1.0-10-amd64"},
            FAIL,
            "out_of_tree",
        ),
        ("(builtin)", "6.1.0-9-amd64", {"ofed": True}, FAIL, "inbox"),
    ],
)
def test_module_info(file: str, kernel: str, context: dict[str, Any], verdict: str, origin: str) -> None:
    text = MODINFO.format(file=file, kernel=kernel, license="Dual MIT/GPL")
    evidence = registry.parse("module_info", text, context)
    assert (evidence.verdict, evidence.values["origin"]) == (verdict, origin), evidence.reasons


def test_a_module_says_whether_it_is_the_open_one_and_of_which_version() -> None:
    file = "/lib/modules/6.1.0-9-amd64/updates/dkms/nvidia.ko"
    text = MODINFO.format(file=file, kernel="6.1.0-9-amd64", license="NVIDIA") + "version: 550.127.05\n"
    evidence = registry.parse("module_info", text, {"version": "550.127.05"})
    assert (evidence.verdict, evidence.values["open"]) == (PASS, False)
    assert registry.parse("module_info", text, {"version": "550.127.0"}).verdict == FAIL
    assert registry.parse("module_info", text.replace("NVIDIA", "Dual MIT/GPL")).values["open"] is True
    assert registry.parse("module_info", "modinfo: ERROR: Module nvidia not found.\n").verdict == FAIL


@pytest.mark.parametrize(
    ("text", "context", "verdict", "enabled"),
    [
        ("SecureBoot enabled\n", {}, WARN, True),
        ("SecureBoot enabled\n", {"unsigned_modules": True}, FAIL, True),
        ("SecureBoot enabled\n/var/lib/dkms/mok.pub is already enrolled\n", {"unsigned_modules": True}, PASS, True),
        ("SecureBoot enabled\n/var/lib/dkms/mok.pub is not enrolled\n", {}, FAIL, True),
        ("SecureBoot disabled\nPlatform is in Setup Mode\n", {"unsigned_modules": True}, PASS, False),
        ("This system doesn't support Secure Boot\n", {}, PASS, False),
        ("EFI variables are not supported on this system\n", {}, PASS, False),
        ("  Secure Boot: enabled (user)\n", {}, WARN, True),
        ("modprobe: ERROR: could not insert 'nvidia': Required key not available\n", {}, FAIL, None),
    ],
)
def test_secure_boot(text: str, context: dict[str, Any], verdict: str, enabled: bool | None) -> None:
    evidence = registry.parse("secure_boot", text, context)
    assert (evidence.verdict, evidence.values["enabled"]) == (verdict, enabled), evidence.reasons
