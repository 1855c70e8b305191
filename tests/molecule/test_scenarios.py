"""Every molecule scenario: converge, converge again without a change, verify with testinfra; at the end, destroy.

The hosts are the scenario `default`'s. Molecule makes them for the first scenario and each one finds them there; alone,
`molecule test --scenario-name NAME` makes and destroys them itself.

The scenario `kernel` has two guests with a kernel of their own, which share nothing with those hosts. It runs beside
the other scenarios, into a log of its own; its test comes last, and is how it ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..testinfra import hosts
from ..testinfra.hosts import LAB
from ..testinfra.leftovers import leftovers

REPOSITORY = Path(__file__).resolve().parents[2]
KERNEL = "kernel"
KERNEL_LOG = REPOSITORY / "artifacts" / "molecule" / "kernel.log"
# What the other scenarios stand on comes first.
SCENARIOS = sorted(
    {path.parent.name for path in REPOSITORY.glob("molecule/*/molecule.yml")} - {KERNEL},
    key=lambda name: (name != "default", name),
)
ROLES = {path.name for path in REPOSITORY.glob("roles/*") if path.is_dir()}
# The role behind the scenario `default`, the one that tests/integration drives on the whole lab, and that of `kernel`.
ELSEWHERE = {"lab_hosts", "verify", "host_reboot"}
# A scenario's own hosts, which its last test takes away; what does it where that test was not reached.
OWN_HOSTS = {"hostnet": "molecule/host_network"}
TIME_LIMIT_S = 1200
# Seven minutes in software emulation on a machine that does nothing else.
KERNEL_TIME_LIMIT_S = 2700


def environment() -> dict[str, str]:
    """Molecule's, with this Python's programs first."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "NO_COLOR": "1",
    }


def molecule(*arguments: str) -> None:
    """Run molecule, which has to succeed."""
    done = subprocess.run(
        ["molecule", *arguments],
        cwd=REPOSITORY,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIME_LIMIT_S,
    )
    assert done.returncode == 0, done.stdout[-20000:]


@pytest.fixture(scope="module", autouse=True)
def kernel(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes] | None]:
    """The scenario `kernel`, started before the others where its test is wanted. Whatever happens, no guest is left."""
    if not any(item.name == test_kernel.__name__ for item in request.session.items):
        yield None
        return
    KERNEL_LOG.parent.mkdir(parents=True, exist_ok=True)
    with KERNEL_LOG.open("wb") as log:
        run = subprocess.Popen(
            ["molecule", "test", "--scenario-name", KERNEL],
            cwd=REPOSITORY,
            env=environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that it can be ended with all that it started
        )
    yield run
    if run.poll() is None:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    if leftovers(KERNEL):
        molecule("destroy", "--scenario-name", KERNEL)


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


def test_kernel(kernel: subprocess.Popen[bytes]) -> None:
    """Two guests were made, used and taken away; nothing of them is left but the image for the next time."""
    status = kernel.wait(timeout=KERNEL_TIME_LIMIT_S)
    assert status == 0, KERNEL_LOG.read_text(encoding="utf-8", errors="replace")[-20000:]
    assert not leftovers(KERNEL)
