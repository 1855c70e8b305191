"""Every molecule scenario: converge, converge again without a change, verify with testinfra; at the end, destroy.

The hosts are the scenario `default`'s. Molecule makes them for the first scenario and each one finds them there; alone,
`molecule test --scenario-name NAME` makes and destroys them itself.

The scenario `kernel` has two guests with a kernel of their own. It runs beside all other tests (tests/conftest.py); its
test comes last, and is how it ended.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..testinfra import hosts
from ..testinfra.hosts import LAB
from ..testinfra.leftovers import leftovers
from .beside import REPOSITORY, ScenarioBeside, molecule

KERNEL = "kernel"
# What the other scenarios stand on comes first.
SCENARIOS = sorted(
    {path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml")} - {KERNEL},
    key=lambda name: (name != "default", name),
)
ROLES = {path.name for path in REPOSITORY.glob("roles/*") if path.is_dir()}
# The role behind the scenario `default`, the one that tests/integration drives on the whole lab, that of `kernel`,
# and one that is rendered only: there is no mirror here.
ELSEWHERE = {"lab_hosts", "verify", "host_reboot", "mirrors"}
# A scenario's own hosts, which its last test takes away; what does it where that test was not reached.
OWN_HOSTS = {"hostnet": "molecule/host_network"}
# From when everything else is done: seven minutes in software emulation on a machine that does nothing else.
KERNEL_TIME_LIMIT_S = 2700


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


def test_kernel(kernel_scenario: ScenarioBeside | None) -> None:
    """Two guests were made, used and taken away; nothing of them is left but the image for the next time."""
    assert kernel_scenario is not None
    kernel_scenario.assert_passed(KERNEL_TIME_LIMIT_S)
