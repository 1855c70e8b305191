"""Formats of other versions and states: nvidia-smi, MIG, packages, dkms, modinfo, Secure Boot, kernel log, OFED."""

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


CALM = "[    0.000000] Linux version 6.1.0\n"


@pytest.mark.parametrize(
    ("text", "context", "verdict", "values"),
    [
        (CALM, {}, PASS, {"xids": []}),
        ("[    9.100000][   T42] Linux version 6.12.0\n", {}, PASS, {}),
        (
            CALM + "[  99.1] NVRM: Xid (PCI:0000:db:00): 79, pid='<unknown>', GPU has fallen off the bus.\n",
            {},
            FAIL,
            {"missing_gpus": ["0000:db:00"]},
        ),
        (CALM + "[  99.1] NVRM: Xid (PCI:0000:18:00): 31, pid=1, Ch 8, MMU Fault\n", {}, WARN, {"missing_gpus": []}),
        (CALM + "[  99.1] NVRM: Xid (PCI:0000:18:00): 48, DBE\n", {"ignore_xids": [48]}, PASS, {}),
        (
            CALM + "Mar  3 host kernel: NVRM: GPU 0000:db:00.0: RmInitAdapter failed! (0x62:0xffff:2477)\n",
            {},
            FAIL,
            {"missing_gpus": ["0000:db:00.0"]},
        ),
        (
            CALM
            + "[ 9.1] NVRM: Xid (PCI:0000:18:00): 119, Timeout after 6s of waiting for RPC response from GPU0 GSP!\n",
            {},
            FAIL,
            {"gsp_failed": True},
        ),
        (
            CALM
            + "[ 9.1] NVRM: API mismatch: the client has the version 550.127.05, but this kernel module has the version"
            " 550.90.07.\n",
            {},
            FAIL,
            {"version_mismatch": {"library": "550.127.05", "module": "550.90.07"}},
        ),
        (CALM + "[ 9.1] nv_peer_mem: disagrees about version of symbol ib_register_peer_memory_client\n", {}, FAIL, {}),
        ("dmesg: read kernel buffer failed: Operation not permitted\n", {}, UNKNOWN, {"xids": []}),
        ("[Di Mär  3 09:31:20 2026] Linux version\n", {}, PASS, {}),
    ],
)
def test_kernel_log(text: str, context: dict[str, Any], verdict: str, values: dict[str, Any]) -> None:
    evidence = registry.parse("kernel_log", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    assert {name: evidence.values[name] for name in values} == values


@pytest.mark.parametrize(
    ("text", "context", "verdict", "version"),
    [
        ("MLNX_OFED_LINUX-24.10-0.7.0.1:\n", {"version": "24.10"}, PASS, "24.10-0.7.0.1"),
        ("OFED-internal-25.04-0.6.1:\n", {}, PASS, "25.04-0.6.1"),
        ("MLNX_OFED_LINUX-24.10-0.7.0.1 (OFED-24.10-0.7.0):\nclusterkit:\n", {}, PASS, "24.10-0.7.0.1"),
        ("MLNX_OFED_LINUX-24.10-0.7.0.1:\n", {"version": "24.1"}, FAIL, "24.10-0.7.0.1"),
        ("bash: ofed_info: command not found\n", {"version": "24.10"}, UNKNOWN, None),
    ],
)
def test_ofed_info(text: str, context: dict[str, Any], verdict: str, version: str | None) -> None:
    evidence = registry.parse("ofed_info", text, context)
    assert (evidence.verdict, evidence.values["version"]) == (verdict, version), evidence.reasons


HISTORY = """
Start-Date: 2026-03-02  06:25:11
Commandline: {command}
Upgrade: {changes}
End-Date: 2026-03-02  06:26:11
"""
DRIVER_UP = "nvidia-driver-550-server:amd64 (550.90.07-0ubuntu1, 550.127.05-0ubuntu0.22.04.1), curl:amd64 (1, 2)"
MANAGER_UP = ", nvidia-fabricmanager-550:amd64 (550.90.07-1, 550.127.05-1)"


@pytest.mark.parametrize(
    ("text", "verdict", "driver", "manager"),
    [
        (HISTORY.format(command="/usr/bin/unattended-upgrade", changes=DRIVER_UP), FAIL, "550.127.05", None),
        (HISTORY.format(command="apt-get upgrade", changes=DRIVER_UP), PASS, "550.127.05", None),
        (HISTORY.format(command="apt-get upgrade", changes=DRIVER_UP + MANAGER_UP), PASS, "550.127.05", "550.127.05"),
        (
            HISTORY.format(command="apt", changes="nvidia-fabricmanager-550:amd64 (550.54.15-1, 550.90.07-1)")
            + HISTORY.format(command="apt", changes=DRIVER_UP),
            FAIL,
            "550.127.05",
            "550.90.07",
        ),
        (HISTORY.format(command="apt", changes="curl:amd64 (1, 2)"), PASS, None, None),
        (HISTORY.format(command="apt", changes=DRIVER_UP).replace("End-Date", "End"), UNKNOWN, "550.127.05", None),
        (
            HISTORY.format(command="apt", changes=DRIVER_UP).replace(
                "End-Date", "Error: Sub-process /usr/bin/dpkg returned an error code (1)\nEnd-Date"
            ),
            FAIL,
            "550.127.05",
            None,
        ),
    ],
)
def test_apt_history(text: str, verdict: str, driver: str | None, manager: str | None) -> None:
    evidence = registry.parse("apt_history", text)
    seen = (evidence.verdict, evidence.values["driver_version"], evidence.values["fabric_manager_version"])
    assert seen == (verdict, driver, manager), evidence.reasons


def test_apt_candidates_of_policy_and_of_a_set() -> None:
    policy = """nvidia-driver-570:
  Installed: (none)
  Candidate: 570.124.06-10
  Version table:
     570.124.06-10 500
        500 https://mirror.example.net  Packages
 *** 570.86.10-1 100
        100 /var/lib/dpkg/status
nvidia-fabricmanager-570:
  Installed: (none)
  Candidate: 570.86.10-1
  Version table:
     570.86.10-1 500
        500 https://mirror.example.net  Packages
"""
    evidence = registry.parse("apt_candidates", policy, {"version": "570.124.06-1"})
    assert (evidence.verdict, evidence.values["matches"]) == (FAIL, [])
    assert evidence.values["common"] == ["570.86.10"]
    assert registry.parse("apt_candidates", policy, {"version": "570.86.10"}).verdict == PASS
    assert registry.parse("apt_candidates", policy, {"packages": "libnvidia-nscq-570"}).verdict == UNKNOWN
    assert registry.parse("apt_candidates", "E: Unable to locate package nvidia-x\n").verdict == FAIL


MODULES = """Last metadata expiration check: 0:01:02 ago.
cuda-rhel9-x86_64
Name          Stream          Profiles                          Summary
nvidia-driver 570-dkms        default [d], fm, ks               Nvidia driver for 570-dkms branch
nvidia-driver 580-open [e]    default [d] [i], fm [i], src      Nvidia driver for 580-open branch
nvidia-driver open-dkms [d]   default [d], fm, ks, src          Nvidia driver for open-dkms branch

Hint: [d]efault, [e]nabled, [x]disabled, [i]nstalled
"""


@pytest.mark.parametrize(
    ("text", "context", "verdict"),
    [
        (MODULES, {"stream": "580-open"}, PASS),
        (MODULES, {}, PASS),
        (MODULES, {"stream": "570-dkms"}, FAIL),
        (MODULES, {"stream": "550"}, FAIL),
        (
            MODULES.replace("Hint: [d]efault, [e]nabled", "Tipp: [d] Standard, [e] aktiviert"),
            {"stream": "580-open"},
            PASS,
        ),
        (MODULES.replace("580-open [e]", "580-open"), {"stream": "580-open"}, WARN),
        (MODULES.replace("580-open [e]", "580-open [x]"), {}, FAIL),
        (MODULES[: MODULES.index("Hint")], {}, UNKNOWN),
        ("Error: No matching Modules to list\n", {}, FAIL),
    ],
)
def test_dnf_modules(text: str, context: dict[str, Any], verdict: str) -> None:
    evidence = registry.parse("dnf_modules", text, context)
    assert evidence.verdict == verdict, evidence.reasons
    if text is MODULES:
        assert evidence.values["installed"] == ["default", "fm"]
        assert (evidence.values["enabled"], evidence.values["default"]) == ("580-open", "open-dkms")
