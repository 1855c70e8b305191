"""The module lab_forward: the relay is there when it listens, and a port that is taken is said."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import processes
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError
from ansible_collections.moefleet.serving.plugins.modules import lab_forward

from .conftest import RunModule

LISTENS = """import socket, sys, time
time.sleep(float(sys.argv[2]))
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)
"""


@pytest.fixture
def port() -> int:
    """A port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
    return found


@pytest.fixture(autouse=True)
def _no_relay_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    processes.stop(tmp_path / "forward.pid")


def relay(port: int, delay_s: float) -> list[str]:
    """A program that listens after a while."""
    return [sys.executable, "-c", LISTENS, str(port), str(delay_s)]


def test_it_is_started_when_it_listens(tmp_path: Path, port: int) -> None:
    """On a busy machine a program takes its time; the summary that names the address must not come before."""
    lab_forward.start(relay(port, 0.5), port, tmp_path / "log", tmp_path / "forward.pid")
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


def test_one_that_ends_says_why(tmp_path: Path, port: int) -> None:
    dies = [sys.executable, "-c", "import sys; sys.exit('no such option: fork')"]
    with pytest.raises(LabError, match="the relay does not listen: no such option: fork"):
        lab_forward.start(dies, port, tmp_path / "log", tmp_path / "forward.pid")
    assert not (tmp_path / "forward.pid").exists()


def test_one_that_never_listens_is_ended(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_forward, "START_TIMEOUT_S", 0.2)
    with pytest.raises(LabError, match="LAB_FORWARD_NOT_UP"):
        lab_forward.start(["sleep", "60"], port, tmp_path / "log", tmp_path / "forward.pid")
    assert processes.recorded_pid(tmp_path / "forward.pid") is None


@pytest.fixture
def module(tmp_path: Path, port: int, run_module: RunModule, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Arguments of the module; the relay it starts is the program above."""
    monkeypatch.setattr(processes, "spawn", lambda _argv, *files, spawn=processes.spawn: spawn(relay(port, 0), *files))
    return {"lab": "lab", "state_dir": str(tmp_path), "port": port, "to_address": "192.168.1.10", "to_port": 8000}


def test_check_mode_starts_nothing_and_the_run_starts_it_once(
    tmp_path: Path, module: dict[str, Any], run_module: RunModule
) -> None:
    planned = run_module(lab_forward, check=True, **module)
    assert planned["changed"]
    assert list(tmp_path.iterdir()) == []
    assert run_module(lab_forward, **module)["diff"] == planned["diff"]
    pid = processes.recorded_pid(tmp_path / "forward.pid")
    again = run_module(lab_forward, **module)
    assert (again["changed"], again["address"]) == (False, f"127.0.0.1:{module['port']}")
    assert processes.recorded_pid(tmp_path / "forward.pid") == pid
    assert "moefleet-lab-fabric" in json.loads((tmp_path / "forward.json").read_text(encoding="utf-8"))[2]


def test_another_target_and_a_dead_relay_start_it_anew(
    tmp_path: Path, module: dict[str, Any], run_module: RunModule
) -> None:
    run_module(lab_forward, **module)
    pid = processes.recorded_pid(tmp_path / "forward.pid")
    assert run_module(lab_forward, **{**module, "to_port": 8001})["changed"]
    second = processes.recorded_pid(tmp_path / "forward.pid")
    assert second not in (None, pid)
    processes.end(second or 0)
    assert run_module(lab_forward, **{**module, "to_port": 8001})["changed"]


def test_a_port_of_another_program_is_refused(module: dict[str, Any], run_module: RunModule) -> None:
    with socket.create_server(("127.0.0.1", module["port"])):
        result = run_module(lab_forward, **module)
    assert f"LAB_PORT_TAKEN at 127.0.0.1:{module['port']}" in result["msg"]


def test_absent_ends_it_and_forgets_it(tmp_path: Path, module: dict[str, Any], run_module: RunModule) -> None:
    run_module(lab_forward, **module)
    pid = processes.recorded_pid(tmp_path / "forward.pid")
    assert run_module(lab_forward, lab="lab", state_dir=str(tmp_path), state="absent")["changed"]
    assert processes.start_ticks(pid or 0) is None
    assert not (tmp_path / "forward.json").exists()
    assert run_module(lab_forward, lab="lab", state_dir=str(tmp_path), state="absent")["changed"] is False
