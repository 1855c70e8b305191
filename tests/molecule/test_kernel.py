"""The scenario `kernel`: two guests with a kernel of their own, made, used and taken away; nothing of them is left."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..testinfra.leftovers import leftovers
from .test_scenarios import molecule

SCENARIO = "kernel"


@pytest.fixture
def _guests_go() -> Iterator[None]:
    """Whatever happens, no guest is left running."""
    yield
    if leftovers(SCENARIO):
        molecule("destroy", "--scenario-name", SCENARIO)


@pytest.mark.usefixtures("_guests_go")
def test_kernel() -> None:
    """Within TIME_LIMIT_S of test_scenarios: 5 minutes in software emulation, an image to be made included."""
    molecule("test", "--scenario-name", SCENARIO)
    assert not leftovers(SCENARIO)
