"""The controller's clock stands around the look that a host answers."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.action import host_inspection

NAME = "moefleet.serving.host_inspection"


def act(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The action's result, and what it asked the module for."""
    asked: dict[str, Any] = {}

    def execute(_self: Any, **arguments: Any) -> dict[str, Any]:
        asked.update(arguments)
        return answer

    monkeypatch.setattr(host_inspection.ActionModule, "_execute_module", execute)
    task = SimpleNamespace(args={"ports": [8000]}, check_mode=False, async_val=0, action=NAME)
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    return host_inspection.ActionModule(task, connection, None, None, None).run(task_vars={}), asked


def test_a_look_is_between_two_times_of_the_controller(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.time()
    result, asked = act(monkeypatch, {"changed": False, "seen": {"system": None}})
    clock = result["seen"]["controller"]
    assert before <= clock["before_s"] <= clock["after_s"] <= time.time()
    assert (asked["module_name"], asked["module_args"]) == (NAME, {"ports": [8000]})
    assert result["changed"] is False


def test_a_look_that_failed_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert act(monkeypatch, {"failed": True, "msg": "no python3"})[0]["failed"]
