"""The module host_network: it looks in check mode, arms a change, and settles it; tools in a directory stand in."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import transaction
from ansible_collections.moefleet.serving.plugins.modules import host_network

from ..host_network.conftest import FakeHost, host  # noqa: F401  # pylint: disable=unused-import
from .conftest import RunModule

DATA: dict[str, Any] = {"role": "data", "name": "eth2", "match": {"name": "eth2"}, "addresses": ["192.168.1.10/24"]}
FILE = "etc/systemd/network/05-moefleet-eth2.network"


@pytest.fixture
def machine(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> FakeHost:  # noqa: F811
    """A host of networkd whose commands are the fake's."""
    host.active.add("systemd-networkd.service")
    monkeypatch.setattr(host_network, "run", host.run)
    return host


def call(machine: FakeHost, run_module: RunModule, check: bool = False, **more: Any) -> dict[str, Any]:
    return run_module(host_network, check=check, **{"interfaces": [DATA], "root": str(machine.root), **more})


def apply(machine: FakeHost) -> Path:
    """What the timer's unit does, on a machine whose backend works at once."""
    directory = machine.root / transaction.DIRECTORY.lstrip("/")
    tools = machine.root / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "networkctl").write_text("#!/bin/sh\n", encoding="utf-8")
    (tools / "networkctl").chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
    subprocess.run(["sh", str(directory / "apply.sh")], env=environment, check=True)
    return directory


def holds(machine: FakeHost) -> None:
    """The kernel has what was wanted."""
    machine.network["addresses"] = {"eth2": ["192.168.1.10/24"]}
    machine.network["rules"] = [{"priority": 4101, "src": "192.168.1.10", "table": "4101"}]
    route = {"dst": "192.168.1.0/24", "dev": "eth2", "table": "4101", "prefsrc": "192.168.1.10"}
    machine.network["routes"] = [route]


def test_check_mode_tells_files_and_what_does_not_hold(machine: FakeHost, run_module: RunModule) -> None:
    result = call(machine, run_module, check=True)
    assert (result["changed"], result["backend"], result["files"]) == (True, "networkd", ["/" + FILE])
    headers = [one["after_header"] for one in result["diff"]]
    assert headers == ["/" + FILE, "effective"]
    assert "eth2: address 192.168.1.10/24 present" in result["diff"][1]["after"]
    assert not (machine.root / "var").exists()
    assert not [words for words in machine.asked if words[0] == "systemd-run"]


def test_a_change_is_armed_and_then_settled(machine: FakeHost, run_module: RunModule) -> None:
    foretold = call(machine, run_module, check=True)
    done = call(machine, run_module)
    assert (done["files"], done["differences"]) == (foretold["files"], foretold["differences"])
    assert call(machine, run_module, step="settle")["outcome"] == "waiting"
    apply(machine)
    waiting = call(machine, run_module, step="settle")
    assert (waiting["outcome"], "address 192.168.1.10/24 is absent" in waiting["why"]) == ("waiting", True)
    holds(machine)
    assert call(machine, run_module, step="settle")["outcome"] == "confirmed"
    again = call(machine, run_module)
    assert (again["changed"], again["files"], again["diff"]) == (False, [], [])


def test_a_change_that_does_not_come_into_effect_is_taken_back(machine: FakeHost, run_module: RunModule) -> None:
    call(machine, run_module)
    directory = apply(machine)
    long_ago = time.time() - 60
    os.utime(directory / "outcome", (long_ago, long_ago))
    assert call(machine, run_module, step="settle")["outcome"] == "waiting"
    assert machine.asked[-1] == ("systemctl", "start", "--no-block", "moefleet-network-rollback.service")
    assert "not in effect after 60 s: eth2: address" in (directory / "why").read_text(encoding="utf-8")


def test_a_running_service_is_named_with_the_fix(machine: FakeHost, run_module: RunModule) -> None:
    machine.active.add("moefleet-vllm.service")
    for check in (True, False):
        assert "stop the service first" in call(machine, run_module, check=check)["msg"]
    call_without = {**DATA, "role": "storage"}
    assert call(machine, run_module, check=True, interfaces=[call_without])["changed"]


def test_a_wrong_interface_is_refused(machine: FakeHost, run_module: RunModule) -> None:
    result = call(machine, run_module, interfaces=[{**DATA, "match": {"name": "eth9"}}])
    assert result["failed"]
    assert "there is no such port here. There are: ens1f0np0" in result["msg"]
