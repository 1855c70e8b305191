"""One release of the toolkit, held, beside others, never with a driver; refused where it can't be right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

ENVIRONMENT = "/etc/moefleet/cuda.env"
KEY = "/etc/apt/keyrings/moefleet-cuda.asc"
SOURCE = "/etc/apt/sources.list.d/60-moefleet-cuda.list"
FIRST, SECOND = hosts.NAMES


def installed(host: Host) -> dict[str, str]:
    """Versions of the packages that are CUDA's by name, those that bring a driver too."""
    listing = host.check_output("dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n'")
    rows = [line.split() for line in listing.splitlines() if line.startswith("installed")]
    return {name: version for _, name, version in rows if name.startswith("cuda-")}


@pytest.fixture(scope="module", autouse=True)
def _left_as_found(converge: Path, machines: dict[str, Host]) -> Iterator[None]:
    """The scenarios after this one find no toolkit and no source, whatever became of the tests."""
    yield
    if any(installed(machine) for machine in machines.values()):
        hosts.play(converge.parent / "remove.yml", variables={"releases": ["12.4", "12.5", "12.8"]})
    for machine in machines.values():
        machine.check_output("rm -f %s %s && apt-get --quiet update", SOURCE, KEY)


def test_the_toolkit_is_there_held_and_alone(host: Host) -> None:
    assert installed(host) == {
        "cuda-toolkit-12-4": "12.4.1-1",
        "cuda-nvcc-12-4": "12.4.131-1",
        "cuda-toolkit-12-4-config-common": "12.4.131-1",
    }
    assert set(host.check_output("apt-mark showhold").split()) == set(installed(host))
    assert "release 12.4," in host.check_output("/usr/local/cuda-12.4/bin/nvcc --version")


def test_builds_get_their_environment_and_nobody_else_does(host: Host) -> None:
    read = f"set -a; . {ENVIRONMENT}; echo $CUDA_HOME $TORCH_CUDA_ARCH_LIST; command -v nvcc"
    assert host.check_output(read).split() == ["/usr/local/cuda-12.4", "9.0", "/usr/local/cuda-12.4/bin/nvcc"]
    assert host.run("su - -c 'command -v nvcc'").rc != 0
    unit = host.check_output("systemd-run --quiet --pipe --wait -p EnvironmentFile=%s env", ENVIRONMENT)
    assert "CUDA_HOME=/usr/local/cuda-12.4" in unit


def test_the_source_is_trusted_by_its_own_key(host: Host) -> None:
    assert host.file(SOURCE).content_string == f"deb [signed-by={KEY}] file:/scratch/cuda_toolkit/nvidia /\n"
    assert host.check_output("find /etc/apt/trusted.gpg.d -newer /etc/hostname -name '*cuda*'") == ""


def test_drift_is_foretold_and_mended(converge: Path, machines: dict[str, Host]) -> None:
    machine = machines[FIRST]
    machine.check_output("apt-mark unhold cuda-nvcc-12-4")
    machine.check_output("echo PATH=/bin > %s", ENVIRONMENT)

    foretold = hosts.played(converge, "--check", "--diff")
    assert (foretold.changed(FIRST), foretold.changed(SECOND)) == (2, 0)
    assert "-PATH=/bin" in foretold.output
    assert "cuda-nvcc-12-4" not in machine.check_output("apt-mark showhold").split()

    mended = hosts.played(converge)
    assert (mended.changed(FIRST), mended.changed(SECOND)) == (2, 0)
    assert "cuda-nvcc-12-4" in machine.check_output("apt-mark showhold").split()
    assert machine.file(ENVIRONMENT).contains("CUDA_HOME=/usr/local/cuda-12.4")


def test_another_release_comes_beside_it(converge: Path, machines: dict[str, Host]) -> None:
    hosts.played(converge, f"--limit={FIRST}", variables={"cuda_toolkit_version": "12.8"})
    machine = machines[FIRST]
    assert {"cuda-toolkit-12-4", "cuda-toolkit-12-8"} <= set(installed(machine))
    assert machine.file(ENVIRONMENT).contains("CUDA_HOME=/usr/local/cuda-12.8")

    back = hosts.played(converge, f"--limit={FIRST}")
    assert back.changed(FIRST) == 1
    assert machine.file(ENVIRONMENT).contains("CUDA_HOME=/usr/local/cuda-12.4")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"cuda_toolkit_packages": [{"name": "cuda-12-4"}], "cuda_toolkit_wheel_cuda": "13.0"},
            ["cuda-12-4 brings a driver", "Take a toolkit 13.x, or a wheel of CUDA 12"],
        ),
        ({"cuda_toolkit_update": "12.4.9"}, ["no source has cuda-toolkit-12-4 12.4.9", "12.4.1-1"]),
        ({"cuda_toolkit_version": "12.6"}, ["would change cuda-drivers, libnvidia-compute-550, nvidia-driver-550"]),
        ({"cuda_toolkit_key_fingerprints": ["00" * 20]}, [f"trusted is {'00' * 20}", "Nothing was written"]),
    ],
    ids=["meta package and wheel", "vanished update", "driver touched", "another key"],
)
def test_what_cannot_be_right_is_refused(
    converge: Path, machines: dict[str, Host], asked: dict[str, object], words: list[str]
) -> None:
    before = installed(machines[FIRST])
    said = hosts.refused(converge, f"--limit={FIRST}", variables=asked)
    assert [word for word in words if word not in said] == [], said
    assert installed(machines[FIRST]) == before


def test_a_compiler_of_another_release_is_no_proof(converge: Path) -> None:
    said = hosts.refused(converge, f"--limit={FIRST}", variables={"cuda_toolkit_version": "12.5"})
    assert "/usr/local/cuda-12.5/bin/nvcc says that it is release 12.4, asked for is 12.5" in said


def test_removed_it_leaves_nothing_but_the_source(converge: Path, machines: dict[str, Host]) -> None:
    hosts.played(converge.parent / "remove.yml", variables={"releases": ["12.4", "12.5", "12.8"]})
    for machine in machines.values():
        assert installed(machine) == {}
        assert not machine.file("/usr/local/cuda-12.4").exists
        assert not machine.file(ENVIRONMENT).exists
        assert machine.check_output("ls /etc/apt/preferences.d") == ""
        assert machine.file(SOURCE).exists


def test_a_bare_host_is_told_what_cannot_be_known_yet(converge: Path, machines: dict[str, Host]) -> None:
    machines[FIRST].check_output("rm -f %s %s && apt-get --quiet update", SOURCE, KEY)
    outcome = hosts.played(converge, f"--limit={FIRST}", "--check")
    assert "no source has a package cuda-toolkit-12-4" in " ".join(outcome.output.split())
    assert not machines[FIRST].file(SOURCE).exists
