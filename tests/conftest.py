"""The scenario `kernel` runs beside all other tests from the first one on, where its own test is wanted.

Its two guests share nothing with the other tests' hosts, and its minutes are those of one core of two: while tests
that need no host run on the other, it costs no time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .molecule.beside import ScenarioBeside

KERNEL_TEST = "test_kernel"


@pytest.fixture(scope="session", autouse=True)
def kernel_scenario(request: pytest.FixtureRequest) -> Iterator[ScenarioBeside | None]:
    """The scenario's run, started with the first test of the session. Whatever happens, no guest is left."""
    if not any(item.name == KERNEL_TEST for item in request.session.items):
        yield None
        return
    scenario = ScenarioBeside("kernel")
    scenario.start()
    yield scenario
    scenario.end()
