"""A process is known by pid and start time: real processes, and every way to mistake one for another."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import processes


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing for a minute."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_recorded_process_is_found_until_it_ends(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    processes.record(tmp_path / "pid", sleeper.pid)
    assert processes.recorded_pid(tmp_path / "pid") == sleeper.pid
    sleeper.kill()
    sleeper.wait()
    assert processes.recorded_pid(tmp_path / "pid") is None


def test_a_zombie_is_gone(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    processes.record(tmp_path / "pid", sleeper.pid)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has reaped it
    assert Path(f"/proc/{sleeper.pid}/stat").exists()
    assert processes.start_ticks(sleeper.pid) is None
    assert processes.recorded_pid(tmp_path / "pid") is None


def test_a_pid_that_was_given_to_another_process_is_not_ours(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    ticks = processes.start_ticks(sleeper.pid)
    assert ticks is not None
    (tmp_path / "pid").write_text(json.dumps({"pid": sleeper.pid, "start_ticks": ticks - 1}), encoding="utf-8")
    assert processes.recorded_pid(tmp_path / "pid") is None
    assert processes.stop(tmp_path / "pid") is False
    assert sleeper.poll() is None, "another's process was ended"
    assert not (tmp_path / "pid").exists()


def test_a_command_name_may_look_like_a_state(tmp_path: Path) -> None:
    odd = tmp_path / "a) Z 1 (b"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", odd)
    with subprocess.Popen([str(odd), "60"]) as process:
        uptime_s = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
        ticks = processes.start_ticks(process.pid)
        process.kill()
    assert ticks is not None
    assert abs(ticks / os.sysconf("SC_CLK_TCK") - uptime_s) < 60


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"pid": 1}', '{"pid": 1, "start_ticks": null}', '{"pid": "x", "start_ticks": 1}']
)
def test_a_record_cut_off_by_a_crash_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text, encoding="utf-8")
    assert processes.recorded_pid(tmp_path / "pid") is None
    assert processes.recorded_pid(tmp_path / "none") is None


def test_what_is_spawned_outlives_its_session_and_says_what_it_says(tmp_path: Path) -> None:
    log, record = tmp_path / "log", tmp_path / "pid"
    pid = processes.spawn(["sh", "-c", "echo to you; echo to all >&2; exec sleep 60"], log, record)
    try:
        assert processes.recorded_pid(record) == pid
        assert os.getsid(pid) == pid, "it would end with the terminal that started it"
        deadline = time.monotonic() + 20
        while len(log.read_text(encoding="utf-8").split()) < 4 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert log.read_text(encoding="utf-8") == "to you\nto all\n"
    finally:
        assert processes.stop(record) is True
    assert processes.start_ticks(pid) is None
    assert not record.exists()
    assert processes.stop(record) is False


def test_one_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    stubborn = f"trap '' TERM; touch {ready}; while :; do sleep 0.05; done"
    with subprocess.Popen(["sh", "-c", stubborn]) as process:
        deadline = time.monotonic() + 20
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert processes.wait_gone(process.pid, 0.1) is False
        os.kill(process.pid, signal.SIGTERM)
        assert processes.wait_gone(process.pid, 0.2) is False
        processes.end(process.pid, timeout_s=0.3)
        assert processes.start_ticks(process.pid) is None
    processes.end(process.pid)  # and once more, when it is long gone
