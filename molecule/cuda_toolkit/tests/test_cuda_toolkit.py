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
FIRST = hosts.NAMES[0]


@pytest.fixture(scope="module")
def host(machines: dict[str, Host]) -> Host:
    """The scenario's one host."""
    return machines[FIRST]


def installed(host: Host) -> dict[str, str]:
    """Versions of the packages that are CUDA's by name, those that bring a driver too."""
    listing = host.check_output("dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\\n'")
    rows = [line.split() for line in listing.splitlines() if line.startswith("installed")]
    return {name: version for _, name, version in rows if name.startswith("cuda-")}


@pytest.fixture(scope="module", autouse=True)
def _left_as_found(host: Host) -> Iterator[None]:
    """The scenarios after this one find no toolkit and no source, whatever became of the tests."""
    yield
    left = " ".join(installed(host))
    if left:
        host.check_output(f"apt-mark unhold {left} && dpkg --purge --force-depends {left}")
    host.check_output("rm -f %s %s && apt-get --quiet update", SOURCE, KEY)


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


def test_another_release_comes_beside_it_and_the_way_back_mends_drift(converge: Path, host: Host) -> None:
    """What is foretold of the way back is what it changes: the environment, and a package that is held no more."""
    hosts.played(converge, variables={"cuda_toolkit_version": "12.8"})
    assert {"cuda-toolkit-12-4", "cuda-toolkit-12-8"} <= set(installed(host))
    assert host.file(ENVIRONMENT).contains("CUDA_HOME=/usr/local/cuda-12.8")
    host.check_output("apt-mark unhold cuda-nvcc-12-4")

    foretold = hosts.played(converge, "--check", "--diff")
    assert foretold.changed(FIRST) == 2
    assert "-CUDA_HOME=/usr/local/cuda-12.8" in foretold.output
    assert "cuda-nvcc-12-4" not in host.check_output("apt-mark showhold").split()

    assert hosts.played(converge).changed(FIRST) == 2
    assert "cuda-nvcc-12-4" in host.check_output("apt-mark showhold").split()
    assert host.file(ENVIRONMENT).contains("CUDA_HOME=/usr/local/cuda-12.4")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"cuda_toolkit_packages": [{"name": "cuda-12-4"}], "cuda_toolkit_wheel_cuda": "13.0"},
            ["cuda-12-4 brings a driver", "Take a toolkit 13.x, or a wheel of CUDA 12"],
        ),
        ({"cuda_toolkit_version": "12.6"}, ["would change cuda-drivers, libnvidia-compute-550, nvidia-driver-550"]),
        ({"cuda_toolkit_key_fingerprints": ["00" * 20]}, [f"trusted is {'00' * 20}", "Nothing was written"]),
    ],
    ids=["meta package and wheel", "driver touched", "another key"],
)
def test_what_cannot_be_right_is_refused(
    converge: Path, host: Host, asked: dict[str, object], words: list[str]
) -> None:
    before = installed(host)
    said = hosts.refused(converge, variables=asked)
    assert [word for word in words if word not in said] == [], said
    assert installed(host) == before


def test_a_compiler_of_another_release_is_no_proof(converge: Path) -> None:
    said = hosts.refused(converge, variables={"cuda_toolkit_version": "12.5"})
    assert "/usr/local/cuda-12.5/bin/nvcc says that it is release 12.4, asked for is 12.5" in said


def test_removed_it_leaves_nothing_but_the_source(converge: Path, host: Host) -> None:
    hosts.played(converge.parent / "remove.yml", variables={"releases": ["12.4", "12.5", "12.8"]})
    assert installed(host) == {}
    assert not host.file("/usr/local/cuda-12.4").exists
    assert not host.file(ENVIRONMENT).exists
    assert host.check_output("ls /etc/apt/preferences.d") == ""
    assert host.file(SOURCE).exists


def test_a_bare_host_is_told_what_cannot_be_known_yet(converge: Path, host: Host) -> None:
    host.check_output("rm -f %s %s && apt-get --quiet update", SOURCE, KEY)
    outcome = hosts.played(converge, "--check")
    assert "no source has a package cuda-toolkit-12-4" in " ".join(outcome.output.split())
    assert not host.file(SOURCE).exists
