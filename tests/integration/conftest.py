"""The lab for the tests that need it: made by site.yml, and taken away again unless it was there before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .playbooks import LAB, Outcome, play


@pytest.fixture(scope="package")
def lab() -> Iterator[Outcome]:
    """The first site.yml. Tests that disturb the lab put it right again before they end."""
    there_before = (LAB / "ssh_config").exists()
    outcome = play("site.yml")
    assert outcome.rc == 0, outcome.explain()
    yield outcome
    if not there_before:
        gone = play("playbooks/lab_down.yml")
        assert gone.rc == 0, gone.explain()
