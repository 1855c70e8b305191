"""Units as a set: what is missing is done in one order, and what is there is left alone."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import units
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.units import State, Step, Unit

from .boot_loaders import put
from .runner import Programs, printed

NAME = "moefleet-pci-acs.service"
CONTENT = "[Service]\nType=oneshot\n"
NOW = time.time()
ABSENT = State(loaded=False, active=False, enabled=False, stale_manager=False, since=None)
RUNNING = State(loaded=True, active=True, enabled=True, stale_manager=False, since=NOW - 60)


def verbs(planned: list[Step]) -> list[str]:
    return [step.verb for step in planned]


def as_of(root: Path, path: str, seconds_ago: float) -> str:
    """A file that was written that long ago."""
    file = put(root, path, CONTENT)
    os.utime(file, (NOW - seconds_ago, NOW - seconds_ago))
    return path


def test_states_are_read_in_one_call() -> None:
    started = int((time.monotonic() - 5) * 1e6)
    text = (
        f"Id=a.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\nNeedDaemonReload=no\nActiveEnterTimestampMonotonic={started}\n"
        "\nId=b.service\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\nNeedDaemonReload=no\nActiveEnterTimestampMonotonic=0\n"
    )
    host = Programs({"systemctl show": printed(text)})
    states = units.read(["a.service", "b.service"], host)
    assert (states["a.service"].active, states["a.service"].enabled) == (True, True)
    assert states["a.service"].since == pytest.approx(time.time() - 5, abs=2)
    assert states["b.service"] == ABSENT
    assert len(host.calls) == 1
    assert units.read([], host) == {}


def test_a_host_without_systemd_is_said() -> None:
    with pytest.raises(units.UnitError, match="need a host that runs systemd"):
        units.read(["a.service"], Programs({}))


def test_a_new_unit_is_written_enabled_and_started(tmp_path: Path) -> None:
    unit = Unit(NAME, CONTENT, enabled=True, active=True)
    assert verbs(units.steps(unit, ABSENT, root=tmp_path)) == ["write", "enable", "start"]


def test_as_wanted_is_left_alone(tmp_path: Path) -> None:
    as_of(tmp_path, f"{units.DIRECTORY}/{NAME}", 120)
    unit = Unit(NAME, CONTENT, True, True, (as_of(tmp_path, "/opt/acs.py", 90),))
    assert units.steps(unit, RUNNING, root=tmp_path) == []


@pytest.mark.parametrize("active", [True, None])
def test_a_unit_that_runs_since_before_its_configuration_is_restarted(tmp_path: Path, active: bool | None) -> None:
    """A run that was cut off between the file and the restart is finished by the next one."""
    path = as_of(tmp_path, "/etc/systemd/journald.conf.d/60-moefleet.conf", 30)
    unit = Unit("systemd-journald.service", active=active, configuration=(path,))
    assert [str(step) for step in units.steps(unit, RUNNING, root=tmp_path)] == [
        "restart systemd-journald.service (runs since before 60-moefleet.conf)"
    ]
    stopped = State(True, False, True, False, None)
    assert verbs(units.steps(unit, stopped, root=tmp_path)) == (["start"] if active else [])


def test_check_mode_knows_of_files_that_are_not_written_yet(tmp_path: Path) -> None:
    unit = Unit("systemd-logind.service", configuration=("/etc/systemd/logind.conf.d/60-moefleet.conf",))
    assert verbs(units.steps(unit, RUNNING, unit.configuration, tmp_path)) == ["restart"]
    assert units.steps(unit, RUNNING, ["/etc/other"], tmp_path) == []


def test_a_changed_unit_is_restarted_and_one_that_is_off_comes_back(tmp_path: Path) -> None:
    as_of(tmp_path, f"{units.DIRECTORY}/{NAME}", 120)
    changed = Unit(NAME, CONTENT + "RemainAfterExit=yes\n", True, True)
    disabled = State(True, True, False, False, NOW - 60)
    assert verbs(units.steps(changed, disabled, root=tmp_path)) == ["write", "enable", "restart"]
    assert verbs(units.steps(Unit(NAME, active=False, enabled=False), RUNNING, root=tmp_path)) == ["disable", "stop"]


def test_a_manager_that_has_not_read_the_file_is_told(tmp_path: Path) -> None:
    as_of(tmp_path, f"{units.DIRECTORY}/{NAME}", 120)
    stale = State(True, True, True, True, NOW - 60)
    assert verbs(units.steps(Unit(NAME, CONTENT, True, True), stale, root=tmp_path)) == ["reload"]


def test_what_ends_goes_first_and_the_manager_reads_once(tmp_path: Path) -> None:
    put(tmp_path, f"{units.DIRECTORY}/old.service", CONTENT)
    wanted = {name: Unit(name, CONTENT, True, True) for name in ("a.service", "b.service")}
    planned = units.removal(["old.service", "never.service"], tmp_path)
    for unit in wanted.values():
        planned += units.steps(unit, ABSENT, root=tmp_path)
    host = Programs({"systemctl": Result(0)})
    units.perform(planned, wanted, host, tmp_path)
    assert host.calls == [
        "systemctl disable --now old.service",
        "systemctl daemon-reload",
        "systemctl enable a.service",
        "systemctl enable b.service",
        "systemctl start a.service",
        "systemctl start b.service",
    ]
    assert sorted(path.name for path in (tmp_path / "etc/systemd/system").iterdir()) == ["a.service", "b.service"]


def test_a_unit_that_does_not_start_is_quoted(tmp_path: Path) -> None:
    host = Programs(
        {
            "systemctl": Result(0),
            "systemctl start": Result(1, stderr="Job for a.service failed.\n"),
            "journalctl --unit a.service": printed("refused: 0000:19:00.0 is bound to vfio-pci\n"),
        }
    )
    unit = Unit("a.service", CONTENT, True, True)
    with pytest.raises(units.UnitError, match=r"Job for a.service failed.*its last words: refused: 0000:19:00.0"):
        units.perform(units.steps(unit, ABSENT, root=tmp_path), {"a.service": unit}, host, tmp_path)
