"""The module that watches GPUs: what it starts and says, and that it does nothing where there is none."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load import gpu_samples
from ansible_collections.moefleet.serving.plugins.modules import gpu_watch

from .conftest import RunModule

STATES = ("started", "ended")


@pytest.mark.parametrize("state", STATES)
def test_without_gpus_nothing_is_done(run_module: RunModule, monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(gpu_samples, "has_gpus", lambda: False)
    monkeypatch.setattr(gpu_samples, "running", None)
    result = run_module(gpu_watch, state=state)
    assert (result["changed"], result["gpu"]["peaks"]) == (False, [])
    assert set(yaml.safe_load(gpu_watch.RETURN)["gpu"]["contains"]) == set(result["gpu"])


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A host with GPUs and a unit that runs; what is asked of it."""
    asked: list[Any] = []

    def collect(every_s: float, _now: object) -> gpu_samples.Watched:
        asked.append(every_s)
        return gpu_samples.Watched((gpu_samples.Peak(0, 800, 1000),), 9, 8.0, 1.0)

    monkeypatch.setattr(gpu_samples, "has_gpus", lambda: True)
    monkeypatch.setattr(gpu_samples, "running", lambda: True)
    monkeypatch.setattr(gpu_samples, "start", lambda every_s, most_s: asked.append((every_s, most_s)))
    monkeypatch.setattr(gpu_samples, "collect", collect)
    return asked


def test_begin_and_end(run_module: RunModule, asked: list[Any]) -> None:
    begun = run_module(gpu_watch, state="started", interval_s=2, most_s=600)
    assert (begun["changed"], begun["gpu"]["peaks"]) == (True, None)
    ended = run_module(gpu_watch, state="ended", interval_s=2)
    assert (ended["changed"], ended["gpu"]["peaks"]) == (True, [{"index": 0, "used_mib": 800, "total_mib": 1000}])
    assert asked == [(2.0, 600.0), 2.0]


@pytest.mark.parametrize("state", STATES)
def test_check_mode_only_foretells(run_module: RunModule, asked: list[Any], state: str) -> None:
    assert run_module(gpu_watch, check=True, state=state)["changed"] is True
    assert asked == []


def test_where_it_can_not_be_started_that_is_said(
    run_module: RunModule, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(every_s: float, most_s: float) -> None:
        raise ProbeError("no bus")

    monkeypatch.setattr(gpu_samples, "start", broken)
    result = run_module(gpu_watch, state="started")
    assert (result["changed"], result["gpu"]["peaks"], result["gpu"]["reason"]) == (
        False,
        None,
        "the GPUs were not watched: no bus",
    )
    assert asked == []
