"""The lock belongs to a living process: exactly one of many gets it, and a dead one never keeps it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import lock as lock_module
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError
from ansible_collections.moefleet.serving.plugins.module_utils.lab.lock import acquire, refuse_others
from ansible_collections.moefleet.serving.plugins.module_utils.lab.processes import recorded_pid

RIVALS = 8


@pytest.fixture
def owners() -> Iterator[list[int]]:
    """Pids of living processes."""
    with ExitStack() as stack:
        sleepers = [stack.enter_context(subprocess.Popen(["sleep", "61"])) for _ in range(RIVALS)]
        yield [sleeper.pid for sleeper in sleepers]
        for sleeper in sleepers:
            sleeper.kill()


def test_who_has_it_is_named_to_who_wants_it(tmp_path: Path, owners: list[int]) -> None:
    lock = tmp_path / "labs" / "lab" / "lock"
    assert acquire(lock, owners[0]) is True
    assert acquire(lock, owners[0]) is False, "the same run takes it in each of its plays"
    for refused in (acquire, refuse_others):
        with pytest.raises(LabError) as caught:
            refused(lock, owners[1])
        assert caught.value.code == "LAB_BUSY"
        assert f"process {owners[0]} (sleep 61)" in str(caught.value)
    assert refuse_others(lock, owners[0]) is True


def test_a_dead_holder_is_succeeded(tmp_path: Path, owners: list[int]) -> None:
    with subprocess.Popen(["sleep", "60"]) as crashed:
        acquire(tmp_path / "lock", crashed.pid)
        crashed.kill()
    assert refuse_others(tmp_path / "lock", owners[0]) is False
    assert acquire(tmp_path / "lock", owners[0]) is True


def test_a_lock_cut_off_by_a_crash_is_free(tmp_path: Path, owners: list[int]) -> None:
    (tmp_path / "lock").write_text('{"pid": ', encoding="utf-8")
    assert acquire(tmp_path / "lock", owners[0]) is True


@pytest.fixture
def slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes between looking and taking, so that rivals meet there on a fast machine too."""

    def look(path: Path) -> int | None:
        holder = recorded_pid(path)
        time.sleep(0.02)
        return holder

    monkeypatch.setattr(lock_module, "recorded_pid", look)


@pytest.mark.usefixtures("slowly")
def test_of_many_threads_one_gets_it(tmp_path: Path, owners: list[int]) -> None:
    start = threading.Barrier(RIVALS)
    won: list[int] = []

    def compete(owner: int) -> None:
        start.wait()
        try:
            acquire(tmp_path / "lock", owner)
        except LabError:
            return
        won.append(owner)

    threads = [threading.Thread(target=compete, args=(owner,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert refuse_others(tmp_path / "lock", won[0]) is True


def compete_and_stay(lock: Path, start: Barrier, end: Barrier) -> None:
    """What a run does: take the lock for itself, and live until all have tried."""
    start.wait()
    try:
        acquire(lock, os.getpid())
        won = True
    except LabError:
        won = False
    end.wait()
    os._exit(0 if won else 3)


@pytest.mark.usefixtures("slowly")
def test_of_many_processes_one_gets_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barriers = context.Barrier(RIVALS), context.Barrier(RIVALS)
    runs = [context.Process(target=compete_and_stay, args=(tmp_path / "lock", *barriers)) for _ in range(RIVALS)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert sorted(run.exitcode or 0 for run in runs) == [0] + [3] * (RIVALS - 1)
