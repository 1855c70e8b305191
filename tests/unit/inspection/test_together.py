"""Probes side by side: each has its time, and none can hold up the others or the module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError, run_command
from ansible_collections.moefleet.serving.plugins.module_utils.inspection.together import look_together


def fails(error: BaseException) -> Callable[[], Any]:
    def probe() -> Any:
        raise error

    return probe


def hangs(pid_file: Path) -> Callable[[], Any]:
    """A probe that no signal but the last ends."""

    def probe() -> Any:
        pid_file.write_text(str(os.getpid()), encoding="utf-8")
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)

    return probe


def test_values_of_any_size_come_back() -> None:
    values, reasons = look_together(
        {"small": lambda: {"a": 1}, "large": lambda: "x" * 300_000, "none": lambda: None}, 10
    )
    assert values == {"small": {"a": 1}, "large": "x" * 300_000, "none": None}
    assert reasons == {}


def test_a_probe_that_hangs_is_left_behind_with_a_reason(tmp_path: Path) -> None:
    values, reasons = look_together({"sick": hangs(tmp_path / "pid"), "well": lambda: 8}, 0.5)
    assert values == {"sick": None, "well": 8}
    assert reasons == {"sick": "no answer within 0.5 s"}
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    for _ in range(100):
        try:
            os.waitpid(pid, os.WNOHANG)
            os.kill(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return
        time.sleep(0.02)
    pytest.fail("the probe still runs")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ProbeError("no EFI variable"), "no EFI variable"),
        (PermissionError(13, "Permission denied"), "Permission denied"),
        (KeyError("ifname"), "'ifname'"),
        (SystemExit(3), "the probe ended without an answer"),
    ],
)
def test_a_probe_that_fails_says_why(error: BaseException, reason: str) -> None:
    values, reasons = look_together({"bad": fails(error)}, 10)
    assert values == {"bad": None}
    assert reason in reasons["bad"]


def test_a_probe_writes_nothing_where_the_module_answers(capfd: pytest.CaptureFixture[str]) -> None:
    look_together({"loud": lambda: os.write(1, b"noise")}, 10)
    assert capfd.readouterr().out == ""


def test_a_command_has_its_time_and_its_reason() -> None:
    with pytest.raises(ProbeError, match=r"`sleep` gave no answer within 0\.1 s"):
        run_command(["sleep", "30"], 0.1)
    with pytest.raises(ProbeError, match="cannot run `no-such-program`"):
        run_command(["no-such-program"])
    assert run_command(["printenv", "LC_ALL"]).output == "C\n"
