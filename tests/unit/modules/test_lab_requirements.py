"""The module lab_requirements: everything that is missing in one refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import requirements
from ansible_collections.moefleet.serving.plugins.module_utils.lab.requirements import Need, Problem
from ansible_collections.moefleet.serving.plugins.module_utils.lab.swap import GIB
from ansible_collections.moefleet.serving.plugins.modules import lab_requirements

from .conftest import RunModule


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the module asks of the machine, and what that says."""
    seen: dict[str, Any] = {"problems": []}

    def problems(need: Need, port_is_ours: bool) -> list[Problem]:
        seen.update(need=need, ours=port_is_ours)
        found: list[Problem] = seen["problems"]
        return found

    monkeypatch.setattr(requirements, "problems", problems)
    monkeypatch.setattr(requirements, "missing_packages", lambda: ["socat"])
    return seen


def test_all_problems_are_in_the_message_and_in_the_result(
    tmp_path: Path, asked: dict[str, Any], run_module: RunModule
) -> None:
    asked["problems"] = [
        Problem("LAB_NOT_ROOT", "takes root", "use sudo"),
        Problem("LAB_DISK_SHORT", "no room", "make it"),
    ]
    result = run_module(lab_requirements, state_dir=str(tmp_path), memory_bytes=1, disk_bytes=2, port=8000)
    assert "LAB_NOT_ROOT: takes root (use sudo); LAB_DISK_SHORT: no room (make it)" in result["msg"]
    assert [problem["code"] for problem in result["problems"]] == ["LAB_NOT_ROOT", "LAB_DISK_SHORT"]


def test_a_fit_machine_is_told_what_is_going_to_be_installed_and_made(
    tmp_path: Path, asked: dict[str, Any], run_module: RunModule
) -> None:
    with (tmp_path / "swapfile").open("wb") as file:
        file.truncate(3 * GIB)
    arguments = {"state_dir": str(tmp_path), "memory_bytes": 1 << 50, "disk_bytes": 2, "port": 8000}
    result = run_module(lab_requirements, **arguments)
    assert result["packages"] == ["socat"]
    assert (1 << 50) - (1 << 46) < result["swap_bytes"] <= (1 << 50) + GIB
    assert asked["need"] == Need(1 << 50, GIB, 2, str(tmp_path), 8000, swap_file_bytes=3 * GIB)
    assert asked["ours"] is False
    assert run_module(lab_requirements, **{**arguments, "memory_bytes": 0})["swap_bytes"] == 0
