"""The module lab_network: what check mode says is what the run does, and gone means gone."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import network
from ansible_collections.moefleet.serving.plugins.modules import lab_network

from ..lab.kernel import Kernel
from .conftest import RunModule

LAB: dict[str, Any] = {
    "lab": "small",
    "networks": [{"name": "data", "mtu": 4200, "gateway": "192.168.1.1/24"}],
    "hosts": [
        {"name": name, "interfaces": [{"name": "eth1", "network": "data", "address": f"192.168.1.{number}/24"}]}
        for name, number in (("a", 10), ("b", 11))
    ],
}


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A machine with another lab on it."""
    made = Kernel()
    made.run(["ip", "netns", "add", "moefleet-other-fabric"])
    made.log.clear()
    monkeypatch.setattr(network, "run", made.run)
    monkeypatch.setattr(lab_network, "run", made.run)
    return made


def test_check_mode_tells_what_the_run_then_does(kernel: Kernel, run_module: RunModule) -> None:
    planned = run_module(lab_network, check=True, **LAB)
    assert kernel.log == []
    done = run_module(lab_network, **LAB)
    assert kernel.log == planned["commands"] == done["commands"]
    assert planned["diff"]["after"] == "".join(f"{command}\n" for command in kernel.log)
    again = run_module(lab_network, **LAB)
    assert (again["changed"], again["commands"]) == (False, [])


def test_a_host_that_is_no_longer_listed_is_taken_away(kernel: Kernel, run_module: RunModule) -> None:
    run_module(lab_network, **LAB)
    result = run_module(lab_network, **{**LAB, "hosts": LAB["hosts"][1:]})
    assert result["namespaces"] == ["moefleet-small-fabric", "moefleet-small-b"]
    assert set(kernel.namespaces) == {*result["namespaces"], "moefleet-other-fabric"}


def test_absent_ends_what_runs_there_and_leaves_other_labs(
    kernel: Kernel, run_module: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_module(lab_network, **LAB)
    with subprocess.Popen(["sleep", "60"]) as inside:

        def run(argv: list[str]) -> str:
            return f"{inside.pid}\n" if argv[1:] == ["netns", "pids", "moefleet-small-a"] else kernel.run(argv)

        monkeypatch.setattr(lab_network, "run", run)
        planned = run_module(lab_network, check=True, lab="small", state="absent")
        assert inside.poll() is None
        gone = run_module(lab_network, lab="small", state="absent")
        assert planned["commands"] == gone["commands"]
        assert inside.wait(timeout=10) < 0
    assert set(kernel.namespaces) == {"moefleet-other-fabric"}
    assert run_module(lab_network, lab="small", state="absent")["changed"] is False


@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_name_that_owns_another_labs_is_refused(kernel: Kernel, run_module: RunModule, state: str) -> None:
    result = run_module(lab_network, **{**LAB, "lab": "other-fab", "state": state})
    assert "LAB_NAME_UNFIT" in result["msg"]
    assert kernel.log == []
