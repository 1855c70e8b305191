"""Formats of other versions and states: kernel log, OFED, apt, dnf."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, WARN

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
