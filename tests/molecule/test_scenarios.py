"""Every molecule scenario: create, converge, converge again without a change, verify with testinfra, destroy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SCENARIOS = sorted(path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml"))
ROLES = {path.name for path in REPOSITORY.glob("roles/*") if path.is_dir()}
# These run on the controller, or are the lab itself: tests/integration drives them.
WITHOUT_SCENARIO = {"lab_hosts", "plan", "preflight", "verify"}
TIME_LIMIT_S = 1200


def test_every_role_that_changes_a_host_has_a_scenario() -> None:
    assert set(SCENARIOS) >= ROLES - WITHOUT_SCENARIO


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str) -> None:
    programs = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)])}
    # Molecule writes a configuration of its own from the scenario's; the clone's must not replace it.
    environment.pop("ANSIBLE_CONFIG", None)
    done = subprocess.run(
        ["molecule", "--no-color", "test", "--scenario-name", scenario],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout[-20000:]
