"""The module lab_machines: who is made, who is made anew, who goes, who is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import cgroups, machines
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError
from ansible_collections.moefleet.serving.plugins.module_utils.lab.machines import Machine
from ansible_collections.moefleet.serving.plugins.modules import lab_machines

from .conftest import RunModule


class Containers:
    """What would run: names of hosts by their fingerprint, and what was done to them in which order."""

    def __init__(self) -> None:
        self.up: dict[str, str] = {}
        self.done: list[str] = []
        self.boots: Callable[[str], bool] = lambda _: True

    def begin(self, machine: Machine) -> None:
        assert machine.name not in self.up, "started twice"
        machine.directory.mkdir(parents=True, exist_ok=True)
        machine.group.mkdir(parents=True, exist_ok=True)
        self.up[machine.name] = machine.fingerprint()
        self.done.append(f"begin {machine.name}")

    def await_boot(self, machine: Machine) -> str:
        self.done.append(f"await {machine.name}")
        if not self.boots(machine.name):
            raise LabError("LAB_HOST_NOT_UP", machine.name, "its console says: no init found", "read it")
        return "running"

    def halt(self, machine: Machine) -> bool:
        self.done.append(f"halt {machine.name}")
        return self.up.pop(machine.name, None) is not None

    def as_wanted(self, machine: Machine) -> bool:
        return self.up.get(machine.name) == machine.fingerprint()


@pytest.fixture
def containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Containers:
    """No container runs; `bury` is the real one."""
    made = Containers()
    for name in ("begin", "await_boot", "halt", "as_wanted"):
        monkeypatch.setattr(machines, name, getattr(made, name))
    (tmp_path / "cgroup" / "moefleet-other-a").mkdir(parents=True)
    monkeypatch.setattr(cgroups, "root", lambda: tmp_path / "cgroup")
    return made


@pytest.fixture
def lab(tmp_path: Path) -> dict[str, Any]:
    """Two hosts."""
    hosts = [{"name": name, "files": {"/etc/hostname": name}} for name in ("a", "b")]
    return {"lab": "small", "state_dir": str(tmp_path / "small"), "rootfs": "/rootfs", "hosts": hosts}


def test_hosts_are_started_together_and_then_awaited(
    containers: Containers, lab: dict[str, Any], run_module: RunModule
) -> None:
    planned = run_module(lab_machines, check=True, **lab)
    assert containers.done == []
    made = run_module(lab_machines, **lab)
    assert containers.done == ["begin a", "begin b", "await a", "await b"]
    assert (
        (planned["diff"], planned["made"])
        == (made["diff"], made["made"])
        == ({"before": "", "after": "a\nb\n"}, ["a", "b"])
    )
    again = run_module(lab_machines, **lab)
    assert (again["changed"], again["made"], again["removed"], again["diff"]) == (False, [], [], {})


def test_one_that_is_described_differently_is_made_anew_alone(
    containers: Containers, lab: dict[str, Any], run_module: RunModule
) -> None:
    run_module(lab_machines, **lab)
    containers.done.clear()
    lab["hosts"][1]["binds"] = {"/shared": "/srv"}
    result = run_module(lab_machines, **lab)
    assert (result["made"], result["removed"]) == (["b"], [])
    assert containers.done == ["halt b", "begin b", "await b"]


def test_one_that_is_no_longer_listed_goes_with_its_files(
    tmp_path: Path, containers: Containers, lab: dict[str, Any], run_module: RunModule
) -> None:
    run_module(lab_machines, **lab)
    result = run_module(lab_machines, **{**lab, "hosts": lab["hosts"][:1]})
    assert (result["made"], result["removed"]) == ([], ["b"])
    assert not (tmp_path / "small" / "hosts" / "b").exists()
    assert (tmp_path / "small" / "hosts" / "a").exists()
    assert set(containers.up) == {"a"}


def test_what_a_crash_left_is_cleared_before_a_host_is_made(
    tmp_path: Path, containers: Containers, lab: dict[str, Any], run_module: RunModule
) -> None:
    """A directory without a host, and a control group without a directory."""
    (tmp_path / "small" / "hosts" / "a" / "upper").mkdir(parents=True)
    (tmp_path / "cgroup" / "moefleet-small-lost").mkdir()
    result = run_module(lab_machines, **lab)
    assert (result["made"], result["removed"]) == (["a", "b"], ["lost"])
    assert not (tmp_path / "small" / "hosts" / "a" / "upper").exists()
    assert not (tmp_path / "cgroup" / "moefleet-small-lost").exists()


def test_one_that_does_not_boot_fails_with_its_console(
    containers: Containers, lab: dict[str, Any], run_module: RunModule
) -> None:
    containers.boots = lambda name: name != "b"
    assert "LAB_HOST_NOT_UP at b: its console says: no init found" in run_module(lab_machines, **lab)["msg"]


def test_absent_takes_all_of_this_lab_and_nothing_of_another(
    tmp_path: Path, containers: Containers, lab: dict[str, Any], run_module: RunModule
) -> None:
    run_module(lab_machines, **lab)
    containers.done.clear()
    gone = {"lab": "small", "state_dir": lab["state_dir"], "state": "absent"}
    assert run_module(lab_machines, check=True, **gone)["removed"] == ["a", "b"]
    assert containers.done == []
    assert run_module(lab_machines, **gone)["removed"] == ["a", "b"]
    assert containers.done == ["halt a", "halt b"], "they go down together"
    assert [path.name for path in (tmp_path / "cgroup").iterdir()] == ["moefleet-other-a"]
    assert run_module(lab_machines, **gone)["changed"] is False


def test_a_name_that_owns_another_labs_is_refused(
    containers: Containers, lab: dict[str, Any], run_module: RunModule
) -> None:
    assert "LAB_NAME_UNFIT" in run_module(lab_machines, **{**lab, "lab": "small-2"})["msg"]
    assert containers.done == []
