"""Each check of a host as a test, from the list that verify.yml has too. conftest.py says how to run it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import (
    FAIL,
    NOT_APPLICABLE,
    UNKNOWN,
    WARN,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.host_checks import HOST_CHECKS
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import Check

REACHED = "host_reached"
NAMED = (REACHED, *(entry.id for entry in HOST_CHECKS))


def demand(found: Sequence[Check]) -> None:
    """Fail with what failed or is unknown; warn of warnings; skip what this host can't have."""
    bad = [check.sentence() for check in found if check.verdict in (FAIL, UNKNOWN)]
    if bad:
        pytest.fail("\n".join(bad), pytrace=False)
    for check in found:
        if check.verdict == WARN:
            warnings.warn(check.sentence(), stacklevel=2)
    if found and all(check.verdict == NOT_APPLICABLE for check in found):
        pytest.skip(found[0].reason)


@pytest.mark.parametrize("identifier", NAMED)
def test_host(checks: list[Check], identifier: str) -> None:
    """One check. Of a host that wasn't reached nothing else is known."""
    found = [check for check in checks if check.id == identifier] or [check for check in checks if check.id == REACHED]
    assert found
    demand(found)


def test_ranks(checks: list[Check]) -> None:
    """Every planned rank runs once, and no other."""
    found = [check for check in checks if check.id not in NAMED]
    assert found or any(check.id == REACHED and check.verdict != "pass" for check in checks)
    demand(found or checks)
