"""The action host_network: it comes back by a new connection, or says how the host went back."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure

from ansible_collections.moefleet.serving.plugins.action import host_network

CHANGE = {"changed": True, "backend": "networkd", "files": ["f"], "differences": ["d"], "diff": []}


class Stage:
    """The connection, the clock and the host's answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.resets = 0
        self.steps: list[tuple[str, str]] = []
        self.change: dict[str, Any] = dict(CHANGE)
        self.answer: Callable[[float], dict[str, Any]] = lambda _now: {"outcome": "confirmed"}
        self.options = {"ssh_extra_args": "-o X=y"}
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep)
        monkeypatch.setattr(host_network, "time", clock)

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def reset(self) -> None:
        """The connection is made anew."""
        self.resets += 1

    def execute(self, module_args: dict[str, Any], **_more: Any) -> dict[str, Any]:
        """The module on the host."""
        self.steps.append((module_args["step"], module_args.get("backend", "auto")))
        return self.change if module_args["step"] == "change" else self.answer(self.now)

    def act(self, check_mode: bool = False) -> dict[str, Any]:
        """One run of the task."""
        task = SimpleNamespace(
            args={"interfaces": [], "rollback_s": 20}, check_mode=check_mode, async_val=0, action="host_network"
        )
        connection = SimpleNamespace(
            _shell=SimpleNamespace(tmpdir=None),
            reset=self.reset,
            get_option=self.options.get,
            set_option=self.options.__setitem__,
        )
        action = host_network.ActionModule(task, connection, None, None, None)
        action._execute_module = self.execute
        result: dict[str, Any] = action.run(task_vars={"inventory_hostname": "node-0"})
        return result


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A host whose change is confirmed at once."""
    return Stage(monkeypatch)


def test_a_change_is_confirmed_by_a_new_connection(stage: Stage) -> None:
    assert stage.act() == CHANGE
    assert stage.steps == [("change", "auto"), ("settle", "networkd")]
    assert stage.resets == 1
    assert stage.now >= 1.5, "the host's own second has passed, so that the new connection meets the new network"


def test_a_dead_connection_is_noticed(stage: Stage) -> None:
    stage.act()
    stage.act()
    assert stage.options["ssh_extra_args"] == f"-o X=y {host_network.KEEPALIVE}"


@pytest.mark.parametrize("change", [{"changed": False}, {"failed": True, "msg": "no such port"}])
def test_without_a_change_nothing_is_settled(stage: Stage, change: dict[str, Any]) -> None:
    stage.change = change
    assert stage.act() == change
    assert (stage.steps, stage.resets) == ([("change", "auto")], 0)


def test_check_mode_only_looks(stage: Stage) -> None:
    assert stage.act(check_mode=True)["changed"]
    assert stage.steps == [("change", "auto")]


def test_it_waits_while_the_change_comes_into_effect(stage: Stage) -> None:
    stage.answer = lambda now: {"outcome": "waiting" if now < 5 else "confirmed", "why": "mtu"}
    assert not stage.act().get("failed")
    assert stage.now >= 5


def cut(now: float) -> dict[str, Any]:
    """A host that can't be reached until it has gone back."""
    if now < 22:
        raise AnsibleConnectionFailure("no route to host")
    return {"outcome": "rolled-back", "why": ""}


def test_a_host_that_went_back_is_a_failure_with_what_happened(stage: Stage) -> None:
    stage.answer = cut
    result = stage.act()
    assert (result["failed"], result["changed"]) == (True, False)
    assert "node-0: the change was taken back: the controller could not come back within 20 s" in result["msg"]
    assert result["differences"] == ["d"]
    assert stage.resets > 2, "every attempt is a new connection"


def test_why_a_change_was_taken_back_is_said(stage: Stage) -> None:
    stage.answer = lambda _now: {"outcome": "rolled-back", "why": "failed: netplan generate: bad indent"}
    assert "taken back: failed: netplan generate: bad indent" in stage.act()["msg"]


def test_a_host_that_never_answers_is_said_to_be_one(stage: Stage) -> None:
    def never(_now: float) -> dict[str, Any]:
        raise AnsibleConnectionFailure("timed out")

    stage.answer = never
    result = stage.act()
    assert (result["failed"], result["changed"]) == (True, True)
    assert "node-0: does not answer" in result["msg"]
    assert "/var/lib/moefleet/host_network" in result["msg"]
    assert 80 <= stage.now < 90


def test_a_settling_that_fails_is_not_taken_for_a_success(stage: Stage) -> None:
    stage.answer = lambda _now: {"failed": True, "msg": "no python"}
    assert "did not come to an end (None): no python" in stage.act()["msg"]
