"""The module nvidia_state: it waits for a fabric and for nothing else, and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.nvidia import look
from ansible_collections.moefleet.serving.plugins.module_utils.nvidia.model import Seen
from ansible_collections.moefleet.serving.plugins.modules import nvidia_state

from ..nvidia.test_judge import HEALTHY, VERSION, captured, packages
from .conftest import RunModule

JOINING = replace(HEALTHY, smi=captured("D02_smi_q_fabric_in_progress.txt"))


class Clock:
    """A time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(nvidia_state, "time", clock)
    return clock


def show(monkeypatch: pytest.MonkeyPatch, *states: Seen) -> None:
    """The host goes through states, and stays in the last."""
    left = list(states)

    class Host:
        def __init__(self, *_: Any) -> None:
            pass

        def see(self) -> Seen:
            return left.pop(0) if len(left) > 1 else left[0]

    monkeypatch.setattr(look, "Host", Host)


def test_a_fabric_is_waited_for(monkeypatch: pytest.MonkeyPatch, clock: Clock, run_module: RunModule) -> None:
    show(monkeypatch, JOINING, JOINING, HEALTHY)
    result = run_module(nvidia_state, version=VERSION, gpus=8, wait_s=60)
    assert (result["gates"], result["changed"], clock.now) == ([], False, 2 * nvidia_state.POLL_S)


def test_waiting_ends_and_names_the_gpu(monkeypatch: pytest.MonkeyPatch, clock: Clock, run_module: RunModule) -> None:
    show(monkeypatch, JOINING)
    result = run_module(nvidia_state, version=VERSION, gpus=8, wait_s=60)
    assert [(gate["code"], gate["what"][:19]) for gate in result["gates"]] == [("DRIVER_FABRIC", "00000000:AB:00.0: f")]
    assert 60 <= clock.now <= 60 + nvidia_state.POLL_S


def test_what_time_cant_mend_isnt_waited_for(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, run_module: RunModule
) -> None:
    show(monkeypatch, replace(JOINING, packages=packages(fabric="550.90.07")))
    result = run_module(nvidia_state, version=VERSION, gpus=8, wait_s=60)
    assert {gate["code"] for gate in result["gates"]} == {"DRIVER_FABRIC", "DRIVER_SET"}
    assert clock.now == 0


def test_a_host_is_described(monkeypatch: pytest.MonkeyPatch, run_module: RunModule) -> None:
    show(monkeypatch, HEALTHY)
    result = run_module(nvidia_state, check=True, version=VERSION)
    assert (result["loaded"], result["installed"], result["nvswitch"]) == (VERSION, VERSION, True)
    assert result["units"] == {"nvidia-fabricmanager.service": {"active": "active", "enabled": True}}
    assert (result["obstacles"], result["reboot_reasons"]) == ([], [])
