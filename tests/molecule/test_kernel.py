"""The scenario `kernel`: two guests with a kernel of their own, made, used and taken away; nothing of them is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..testinfra.leftovers import leftovers
from . import test_scenarios
from .test_scenarios import molecule

SCENARIO = "kernel"
# Ten minutes in software emulation on a machine that does nothing else; more than twice that on a busy one.
TIME_LIMIT_S = 2700


@pytest.fixture
def _guests_go() -> Iterator[None]:
    """Whatever happens, no guest is left running."""
    yield
    if leftovers(SCENARIO):
        molecule("destroy", "--scenario-name", SCENARIO)


@pytest.mark.usefixtures("_guests_go")
def test_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario passes, and leaves nothing behind but the image for the next time."""
    monkeypatch.setattr(test_scenarios, "TIME_LIMIT_S", TIME_LIMIT_S)
    molecule("test", "--scenario-name", SCENARIO)
    assert not leftovers(SCENARIO)
