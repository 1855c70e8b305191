"""Driver, toolkit, wheel, Python and distribution: asserted together, refused with a reason, unknown where unknown."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.hardware import find_gpu
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request import Engine
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request
from ansible_collections.moefleet.serving.plugins.module_utils.planner.stack.facts import (
    DISTRIBUTIONS,
    WHEELS,
    at_least,
    dotted,
    find_distribution,
    find_wheel,
    native_cuda,
    numbers,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.stack.reading import read_stack
from ansible_collections.moefleet.serving.plugins.module_utils.planner.stack.stack import Stack, check_stack
from ansible_collections.moefleet.serving.plugins.module_utils.planner.versions import version

SOUND_12 = {"profile": "cuda12_4", "driver": "550.127.05", "distribution": "ubuntu22.04"}
SOUND_13 = {"profile": "cuda13", "driver": "580.95.05", "distribution": "ubuntu24.04"}


def engine_of(release: str, **changes: Any) -> Engine:
    engine = read_request({"engine": {"version": release, **changes}}, []).engine
    assert engine is not None
    return engine


def judged(
    raw: dict[str, Any], release: str = "0.19.1", gpu: str = "H20-96G", **changes: Any
) -> tuple[Stack, list[str]]:
    """The stack, and its findings as ``severity code``."""
    findings: list[Finding] = []
    given = read_stack(raw, findings)
    assert given is not None, findings
    stack = check_stack(given, engine_of(release, **changes), find_gpu(gpu, []), findings)
    return stack, [f"{finding.severity} {finding.code}" for finding in findings]


# Right answers of V23_cuda_matrix.csv: verdict, and whether it goes by minor version compatibility.
MATRIX = {
    "a": ("ok", False),
    "b": ("ok", True),
    "c": ("ok", True),
    "d": ("refused", False),
    "e": ("ok", False),
    "f": ("ok", True),
    "g": ("refused", False),
}


def test_driver_matrix(data_dir: Path) -> None:
    with (data_dir / "planner" / "V23_cuda_matrix.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["case"] for row in rows} == set(MATRIX)
    for row in rows:
        stack, codes = judged({"driver": row["driver_version"], "wheel_cuda": row["wheel_tag"]}, gpu="H100-80G")
        [check] = [check for check in stack.checks if check.what.startswith("driver")]
        assert (check.verdict, "warning stack.driver_minor" in codes) == MATRIX[row["case"]], row
        assert ("error stack.driver" in codes) == (check.verdict == "refused"), row
        assert dotted(native_cuda(numbers(row["driver_version"]) or ()) or ()) == row["smi_cuda"]


@pytest.mark.parametrize(("raw", "release"), [(SOUND_12, "0.19.1"), (SOUND_13, "0.33.0"), (SOUND_13, "0.21.0")])
def test_stacks_that_go_together(raw: dict[str, Any], release: str) -> None:
    stack, codes = judged(raw, release)
    assert stack.verdict == "ok"
    assert not [code for code in codes if code.startswith("error")]
    shown = stack.as_dict()
    assert shown["reasons"] == []
    assert shown["toolkit"] == ("12.4" if raw is SOUND_12 else "13.0")


@pytest.mark.parametrize(
    ("raw", "release", "code"),
    [
        # CUDA 13 wheels need driver 580.65.06.
        ({**SOUND_13, "driver": "575.57.08"}, "0.33.0", "driver"),
        ({**SOUND_13, "driver": "580.65.05"}, "0.33.0", "driver"),
        # torch builds extensions with its own CUDA major version only.
        ({**SOUND_13, "profile": None, "cuda_toolkit": "12.4"}, "0.33.0", "toolkit"),
        ({**SOUND_12, "profile": None, "cuda_toolkit": 13.0}, "0.19.1", "toolkit"),
        # A profile is for releases of one CUDA major version; 12.4 itself was built into 0.8.5 alone.
        (SOUND_12, "0.33.0", "profile"),
        (SOUND_13, "0.19.1", "profile"),
        (SOUND_12, "0.8.5", "profile"),
        # 0.20's wheel is manylinux_2_35, RHEL 9 has 2.34.
        ({**SOUND_13, "distribution": "Rocky Linux 9.4", "python": "3.12"}, "0.20.1", "glibc"),
        # 0.32 and newer need Python 3.11.
        ({**SOUND_13, "distribution": "ubuntu22.04"}, "0.32.0", "python"),
        ({**SOUND_12, "distribution": "rhel9"}, "0.19.1", "python"),
        ({**SOUND_12, "python": "3.14"}, "0.19.1", "python"),
        ({**SOUND_12, "fabric_manager": "550.90.07"}, "0.19.1", "fabric_manager"),
        ({**SOUND_12, "ofed": "mlnx_ofed 25.01"}, "0.19.1", "ofed"),
    ],
)
def test_refusals(raw: dict[str, Any], release: str, code: str) -> None:
    stack, codes = judged(raw, release)
    assert stack.verdict == "refused"
    assert f"error stack.{code}" in codes
    assert any(reason.startswith(f"{code}: ") for reason in stack.as_dict()["reasons"])


@pytest.mark.parametrize(
    ("raw", "release", "changes"),
    [
        ({}, "0.19.1", {}),
        ({**SOUND_12, "driver": None}, "0.19.1", {}),
        ({**SOUND_12, "driver": "525"}, "0.19.1", {}),
        ({**SOUND_12, "distribution": "slackware 15"}, "0.19.1", {}),
        ({**SOUND_12, "profile": None}, "0.10.1", {}),
        ({**SOUND_12, "distribution": "ubuntu24.04"}, "0.19.1", {}),
        ({**SOUND_12, "driver": "535.183.06"}, "0.19.1", {}),
        ({**SOUND_13, "ofed": "doca", "distribution": "debian13"}, "0.33.0", {}),
        ({**SOUND_12, "profile": None}, "0.19.1", {"all2all_backend": "deepep_low_latency"}),
        (SOUND_12, "0.32.0", {"platform": "cpu"}),
    ],
)
def test_what_is_not_known_is_said_to_be(raw: dict[str, Any], release: str, changes: dict[str, Any]) -> None:
    stack, codes = judged(raw, release, **changes)
    assert stack.verdict == "unknown"
    assert "warning stack.unknown" in codes
    assert stack.as_dict()["reasons"]


def test_every_part_is_checked_when_all_are_given() -> None:
    stack, _codes = judged({**SOUND_12, "ofed": "inbox", "fabric_manager": "550.127.05"})
    assert {check.what for check in stack.checks} >= {"profile", "driver_minor", "toolkit", "python", "glibc"}
    assert (stack.torch, stack.nccl, stack.wheel_cuda) == ("2.10.0", "2.27.5", "12.8")
    assert (stack.python, stack.glibc) == ("3.10", "2.35")


def test_forward_compatibility_is_for_some_branches_only() -> None:
    asked: dict[str, Any] = {"environment": {"VLLM_ENABLE_CUDA_COMPATIBILITY": "1"}}
    raw = {**SOUND_13, "driver": "570.172.08"}
    assert judged(raw, "0.33.0")[0].verdict == "refused"
    stack, codes = judged(raw, "0.33.0", **asked)
    assert stack.verdict == "ok"
    assert "warning stack.driver_forward" in codes
    assert judged({**SOUND_13, "driver": "550.127.05"}, "0.33.0", **asked)[0].verdict == "refused"


def test_installed_packages(data_dir: Path) -> None:
    text = (data_dir / "planner" / "V25_h20_pip_list.txt").read_text(encoding="utf-8")
    stack, codes = judged({**SOUND_12, "packages": text})
    assert "error stack.cublas" in codes
    assert codes.count("error stack.package") == 2
    assert any("SIGFPE" in reason for reason in stack.as_dict()["reasons"])
    assert "error stack.cublas" not in judged({**SOUND_12, "packages": text}, gpu="H100-80G")[1]
    good = {"torch": "2.10.0+cu128", "vllm": "0.19.1", "nvidia_cublas_cu12": "12.8.4.1"}
    assert judged({**SOUND_12, "packages": good})[0].verdict == "ok"


def test_reservations() -> None:
    assert "warning stack.ofed_secure_boot" in judged({**SOUND_12, "ofed": "doca 3.3.0", "secure_boot": True})[1]
    assert "warning stack.ofed_secure_boot" not in judged({**SOUND_12, "ofed": "doca 3.1.0", "secure_boot": True})[1]
    assert "warning stack.ofed" in judged({**SOUND_12, "ofed": "mlnx_ofed 24.10"})[1]
    assert "warning stack.python_source" in judged({**SOUND_12, "python": "3.12"})[1]
    assert "warning stack.nccl" in judged(SOUND_13, "0.24.0", all2all_backend="deepep_v2")[1]
    assert "warning stack.nccl" not in judged(SOUND_13, "0.33.0", all2all_backend="deepep_v2")[1]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ({"profile": "cuda12"}, "stack.profile"),
        ({"kernel": "6.1"}, "input.unknown_key"),
        ({"driver": "newest"}, "input.not_a_version"),
        ({"python": 3.1}, "stack.python"),
        ({"ofed": "opa"}, "stack.ofed"),
        ({"ofed": " "}, "stack.ofed"),
        ({"driver": "9" * 5000}, "input.not_a_version"),
        ({"wheel_cuda": "cu²³⁴"}, "input.not_a_version"),
        ({"packages": ["torch"]}, "input.not_a_mapping"),
        ("cuda13", "input.not_a_mapping"),
    ],
)
def test_wrong_input_is_refused(raw: Any, code: str) -> None:
    findings: list[Finding] = []
    assert read_stack(raw, findings) is None
    assert [finding.code for finding in findings] == [code]


def test_no_stack_is_none() -> None:
    assert read_stack(None, []) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ubuntu 22.04", "ubuntu22.04"),
        ("ubuntu2404", "ubuntu24.04"),
        ("ubuntu24.04.1", "ubuntu24.04"),
        ("jammy", "ubuntu22.04"),
        ("Debian-12", "debian12"),
        ("debian12.5", "debian12"),
        ("RHEL 9", "rhel9"),
        ("Red Hat Enterprise Linux 9.4", "rhel9"),
        ("Rocky Linux 9", "rocky9"),
        ("trixie", "debian13"),
        ("arch", None),
        ("debian11", None),
    ],
)
def test_distributions_by_name(text: str, name: str | None) -> None:
    found = find_distribution(text)
    assert (found.name if found else None) == name
    assert name is None or name in DISTRIBUTIONS


def test_versions_compare_as_far_as_they_are_given() -> None:
    assert at_least((580, 65, 6), (580, 65, 6))
    assert at_least((580, 65, 5), (580, 65, 6)) is False
    assert at_least((580,), (580, 65, 6)) is None
    assert at_least((590,), (580, 65, 6))
    assert at_least((12, 4), (12, 4, 0))
    assert dotted((580, 65, 6)) == "580.65.06"
    assert numbers("580.65.06") == (580, 65, 6)
    assert numbers("cu124") is None


def test_wheels_are_in_order_and_leave_what_was_not_examined_out() -> None:
    for wheel, following in zip(WHEELS, WHEELS[1:]):
        assert wheel.first <= wheel.last < following.first
    assert find_wheel(version("0.10.1")) is None
    assert find_wheel(version("0.34.0")) is None
    newest = find_wheel(version("0.33.0"))
    assert newest is not None
    assert newest.cuda_major == 13
