"""The module host_network_mount: a unit, enabled, and the file system where the kernel has it."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.files import Wanted
from ansible_collections.moefleet.serving.plugins.modules import host_network_mount

from .conftest import RunModule

UNIT = "etc/systemd/system/srv-models.mount"
NFS = {"source": "172.16.1.1:/models", "path": "/srv/models", "fstype": "nfs4", "options": "ro"}


class Systemd:
    """systemd's part: it mounts what the unit says, unless `broken`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.enabled = False
        self.broken = False
        self.asked: list[tuple[str, ...]] = []
        (root / "proc/self").mkdir(parents=True)
        self.mounted("")

    def mounted(self, row: str) -> None:
        """What the kernel has mounted."""
        (self.root / "proc/self/mountinfo").write_text(row, encoding="utf-8")

    def run(self, argv: Sequence[str], **_how: float) -> Result:
        """Do what systemctl would."""
        self.asked.append(tuple(argv[1:]))
        verb = argv[1]
        if verb == "is-enabled":
            return Result(0, "enabled\n") if self.enabled else Result(1, "disabled\n")
        if verb == "enable":
            self.enabled = True
        if verb == "disable":
            self.enabled = False
            self.mounted("")
        if verb == "restart" and not self.broken:
            self.mounted("40 1 0:9 / /srv/models ro - nfs4 172.16.1.1:/models ro\n")
        return Result(0, "")

    @property
    def changes(self) -> list[str]:
        """What was more than looking."""
        return [words[0] for words in self.asked if words[0] != "is-enabled"]


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    """A host without the mount."""
    made = Systemd(tmp_path)
    monkeypatch.setattr(host_network_mount, "run", made.run)
    # Whoever runs the tests owns the files.
    owner, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    monkeypatch.setattr(
        "ansible_collections.moefleet.serving.plugins.modules.host_network_mount.files.Wanted",
        lambda path, content, mode, *_: Wanted(path, content, mode, owner, group),
    )
    return made


def call(systemd: Systemd, run_module: RunModule, check: bool = False, **more: Any) -> dict[str, Any]:
    return run_module(host_network_mount, check=check, **{**NFS, "root": str(systemd.root), **more})


def test_check_mode_tells_what_the_run_then_does(systemd: Systemd, run_module: RunModule) -> None:
    foretold = call(systemd, run_module, check=True)
    assert (foretold["changed"], systemd.changes, (systemd.root / UNIT).exists()) == (True, [], False)
    done = call(systemd, run_module)
    assert done["diff"] == foretold["diff"]
    assert "# mounted: nothing" in done["diff"]["before"]
    assert systemd.changes == ["daemon-reload", "enable", "restart"]
    assert not call(systemd, run_module)["changed"]
    assert len(systemd.changes) == 3


def test_a_file_system_that_went_away_is_mounted_again(systemd: Systemd, run_module: RunModule) -> None:
    call(systemd, run_module)
    systemd.mounted("")
    systemd.asked.clear()
    assert call(systemd, run_module)["changed"]
    assert systemd.changes == ["restart"]


def test_a_unit_that_is_not_enabled_is_a_difference(systemd: Systemd, run_module: RunModule) -> None:
    call(systemd, run_module)
    systemd.enabled = False
    assert call(systemd, run_module)["changed"]
    assert systemd.enabled


def test_what_started_and_is_not_mounted_fails(systemd: Systemd, run_module: RunModule) -> None:
    systemd.broken = True
    assert "172.16.1.1:/models is not mounted on /srv/models" in call(systemd, run_module)["msg"]


def test_something_else_on_the_path_is_refused(systemd: Systemd, run_module: RunModule) -> None:
    systemd.mounted("40 1 0:9 / /srv/models rw - xfs /dev/md0 rw\n")
    assert "/dev/md0 (xfs) is mounted on /srv/models, not 172.16.1.1:/models" in call(systemd, run_module)["msg"]
    assert systemd.changes == []


def test_a_path_of_fstab_is_refused(systemd: Systemd, run_module: RunModule) -> None:
    (systemd.root / "etc").mkdir()
    (systemd.root / "etc/fstab").write_text("172.16.1.1:/models /srv/models nfs4 ro 0 0\n", encoding="utf-8")
    assert "/etc/fstab mounts /srv/models too" in call(systemd, run_module)["msg"]


def test_given_up_it_is_gone(systemd: Systemd, run_module: RunModule) -> None:
    assert not call(systemd, run_module, state="absent")["changed"]
    call(systemd, run_module)
    assert call(systemd, run_module, check=True, state="absent")["changed"]
    assert (systemd.root / UNIT).exists()
    assert call(systemd, run_module, state="absent")["changed"]
    assert (systemd.enabled, (systemd.root / UNIT).exists()) == (False, False)
