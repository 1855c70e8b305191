"""One run at a time changes a lab: the second is told who holds it, and looking takes nothing."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.action import lab_lock
from ansible_collections.moefleet.serving.plugins.module_utils.lab.lock import acquire


def act(state_dir: Path, check_mode: bool = False) -> Any:
    """The action in a worker of this run."""
    task = SimpleNamespace(args={"state_dir": str(state_dir)}, check_mode=check_mode, async_val=0, action="lab_lock")
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    return lab_lock.ActionModule(task, connection, None, None, None).run(task_vars={})


def test_the_run_and_not_its_worker_holds_the_lock(tmp_path: Path) -> None:
    for _ in range(2):  # every play of a run may take it again
        assert act(tmp_path / "lab") == {"changed": False, "owner": os.getppid()}


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_second_run_is_told_who_holds_it(tmp_path: Path, check_mode: bool) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        # The kernel tells a new program's arguments a moment after it has begun.
        while not Path(f"/proc/{other.pid}/cmdline").read_bytes():
            time.sleep(0.01)
        acquire(tmp_path / "lock", other.pid)
        result = act(tmp_path, check_mode)
        other.kill()
    assert result["failed"]
    assert f"process {other.pid} (sleep 60)" in result["msg"]
    assert act(tmp_path, check_mode)["owner"] == os.getppid()


def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    assert act(tmp_path / "lab", check_mode=True)["changed"] is False
    assert not (tmp_path / "lab").exists()


def test_a_place_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = act(tmp_path / "file" / "lab")
    assert result["failed"]
    assert "LAB_LOCK_NOT_WRITABLE" in result["msg"]
