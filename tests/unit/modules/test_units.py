"""The module units: foretold truly, done once, and a failure in systemd's words."""

from __future__ import annotations

import functools
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import units as systemd
from ansible_collections.moefleet.serving.plugins.modules import units

from ..hosts.boot_loaders import put
from ..hosts.runner import Programs, printed
from .conftest import RunModule

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a unit's file belongs to root")

NAME = "moefleet-pci-acs.service"
WANTED: dict[str, Any] = {"name": NAME, "content": "[Service]\nType=oneshot\n", "enabled": True, "active": True}


class Manager(Programs):
    """systemd with one unit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.enabled = False
        self.started = 0.0
        super().__init__({"systemctl": self.systemctl})

    def systemctl(self, argv: list[str]) -> commands.Result:
        verb = argv[1]
        if verb == "show":
            there = (self.root / "etc/systemd/system" / NAME).exists()
            return printed(
                f"Id={NAME}\nLoadState={'loaded' if there else 'not-found'}\n"
                f"ActiveState={'active' if self.started else 'inactive'}\nNeedDaemonReload=no\n"
                f"UnitFileState={'enabled' if self.enabled else ''}\n"
                f"ActiveEnterTimestampMonotonic={int(self.started * 1e6)}\n"
            )
        self.enabled = self.enabled or verb == "enable"
        if verb in ("start", "restart"):
            self.started = time.monotonic() + 1  # after the files that were written in the same instant
        return commands.Result(0)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Manager:
    host = Manager(tmp_path)
    monkeypatch.setattr(commands, "run", host)
    for name in ("removal", "steps", "perform"):
        monkeypatch.setattr(systemd, name, functools.partial(getattr(systemd, name), root=tmp_path))
    return host


def test_check_mode_tells_what_the_run_then_does(tmp_path: Path, manager: Manager, run_module: RunModule) -> None:
    foretold = run_module(units, check=True, units=[WANTED])
    assert all(call.startswith("systemctl show") for call in manager.calls)
    done = run_module(units, units=[WANTED])
    assert {**foretold, "invocation": None} == {**done, "invocation": None}
    assert done["steps"] == [f"write {NAME}", f"enable {NAME}", f"start {NAME}"]
    assert done["diff"]["after"].splitlines() == done["steps"]
    again = run_module(units, units=[WANTED])
    assert (again["changed"], again["steps"], again["diff"]) == (False, [], {})


def test_a_file_that_this_run_writes_restarts_its_unit(manager: Manager, run_module: RunModule) -> None:
    run_module(units, units=[WANTED])
    wanted = {**WANTED, "configuration": ["/opt/acs.py"]}
    assert run_module(units, check=True, units=[wanted], written=["/opt/acs.py"])["steps"] == [
        f"restart {NAME} (runs since before acs.py)"
    ]
    assert run_module(units, units=[wanted])["steps"] == []


def test_a_unit_that_is_no_longer_wanted_goes(tmp_path: Path, manager: Manager, run_module: RunModule) -> None:
    put(tmp_path, f"/etc/systemd/system/{NAME}", "")
    gone = run_module(units, units=[], absent=[NAME])
    assert gone["steps"] == [f"remove {NAME}"]
    assert run_module(units, units=[], absent=[NAME])["changed"] is False


def test_systemds_words_are_quoted(manager: Manager, run_module: RunModule) -> None:
    manager.answers["systemctl enable"] = commands.Result(1, stderr="Failed to enable unit: Unit is masked.\n")
    assert "Unit is masked" in run_module(units, units=[WANTED])["msg"]
