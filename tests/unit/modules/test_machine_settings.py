"""The module machine_settings: set once, foretold truly, and neutral where the kernel has nothing to set."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.modules import machine_settings

from ..hosts.boot_loaders import put
from .conftest import RunModule

NUMA, THP = "/proc/sys/kernel/numa_balancing", "/sys/kernel/mm/transparent_hugepage/enabled"
GOVERNOR = "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor"
SETTINGS = [f"{NUMA}=0", f"{THP}=madvise", f"{GOVERNOR}=performance"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A virtual machine: no frequency scaling."""
    put(tmp_path, NUMA, "1\n")
    put(tmp_path, THP, "always [madvise] never\n")
    return tmp_path


def test_check_mode_tells_what_the_run_then_does(root: Path, run_module: RunModule) -> None:
    foretold = run_module(machine_settings, check=True, settings=SETTINGS, root=str(root))
    assert (root / NUMA[1:]).read_text(encoding="utf-8") == "1\n"
    done = run_module(machine_settings, settings=SETTINGS, root=str(root))
    assert {**foretold, "invocation": None} == {**done, "invocation": None}
    assert (done["changed"], done["before"]) == (True, {NUMA: "1"})
    assert done["left"] == {GOVERNOR: "this kernel has no such setting"}
    assert done["diff"]["after"] == f"{NUMA} = 0\n"
    again = run_module(machine_settings, settings=SETTINGS, root=str(root))
    assert (again["changed"], again["before"], again["diff"]) == (False, {}, {})


def test_what_the_kernel_refuses_fails_by_name(root: Path, run_module: RunModule) -> None:
    (root / NUMA[1:]).unlink()
    (root / NUMA[1:]).symlink_to("/dev/null")
    result = run_module(machine_settings, settings=SETTINGS, root=str(root))
    assert f"{NUMA} = 0: the kernel keeps" in result["msg"]


@pytest.mark.parametrize("check", [False, True])
def test_words_that_are_no_setting_are_refused(root: Path, check: bool, run_module: RunModule) -> None:
    result = run_module(machine_settings, check=check, settings=["/etc/passwd=x"], root=str(root))
    assert "'/etc/passwd=x' is not PATH=VALUE" in result["msg"]
