"""Every molecule scenario: converge, converge again without a change, verify with testinfra; at the end, destroy.

The hosts are the scenario `default`'s. Molecule makes them for the first scenario and each one finds them there; alone,
`molecule test --scenario-name NAME` makes and destroys them itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..testinfra import hosts
from ..testinfra.hosts import LAB
from ..testinfra.leftovers import leftovers

REPOSITORY = Path(__file__).resolve().parents[2]
# It has guests of its own and a test of its own.
APART = {"kernel"}
# What the other scenarios stand on comes first.
SCENARIOS = sorted(
    {path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml")} - APART,
    key=lambda name: (name != "default", name),
)
ROLES = {path.name for path in REPOSITORY.glob("roles/*") if path.is_dir()}
# The role behind the scenario `default`, the one that tests/integration drives on the whole lab, and that of `kernel`.
ELSEWHERE = {"lab_hosts", "verify", "host_reboot"}
# A scenario's own hosts, which its last test takes away; what does it where that test was not reached.
OWN_HOSTS = {"hostnet": "molecule/host_network"}
TIME_LIMIT_S = 1200


def molecule(*arguments: str) -> None:
    """Run molecule, which has to succeed."""
    programs = str(Path(sys.executable).parent)
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        ["molecule", *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout[-20000:]


@pytest.fixture(scope="module")
def _hosts() -> Iterator[None]:
    """No hosts of an earlier run before, none of this one after."""
    molecule("destroy", "--scenario-name", "default")
    yield
    if leftovers(LAB):
        molecule("destroy", "--scenario-name", "default")
    for lab, scenario in OWN_HOSTS.items():
        if leftovers(lab):
            inventory = f"--inventory={REPOSITORY / scenario / 'inventory' / 'hosts.yml'}"
            hosts.played(REPOSITORY / scenario / "remove.yml", inventory=inventory)


def test_every_role_has_a_scenario() -> None:
    assert set(SCENARIOS) >= (ROLES - ELSEWHERE) | {"default"}


@pytest.mark.usefixtures("_hosts")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scenario(scenario: str) -> None:
    molecule("test", "--scenario-name", scenario, "--destroy=never")


@pytest.mark.usefixtures("_hosts")
def test_destroying_leaves_nothing() -> None:
    assert leftovers(LAB)
    molecule("destroy", "--scenario-name", "default")
    assert not leftovers(LAB)
