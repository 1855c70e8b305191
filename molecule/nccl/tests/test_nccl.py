"""A unit sees exactly the variables that were planned."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

PLANNED = {
    "NCCL_SOCKET_IFNAME": "=eth1",
    "NCCL_IB_GID_INDEX": "3",
    "NCCL_DEBUG_FILE": '/tmp/nccl "%h" $HOME it\'s \\n',
    "GLOO_SOCKET_IFNAME": "eth1",
}
FILE = "/etc/moefleet/nccl.env"
ENGINE = "/opt/moefleet/engine/lib/python3.11/site-packages/nvidia/nccl"
# In make's place: builds nothing, and says what it was given and whether header and library are where a compiler looks.
MAKE = """#!/bin/sh
cd "${1#--directory=}" || exit 2
printf '%s\\n' "$@" > arguments
test -f Makefile && test -f nccl/include/nccl.h && test -f nccl/lib/libnccl.so || exit 2
mkdir build && echo built > build/all_reduce_perf
"""


@pytest.fixture
def host(machines: dict[str, Host]) -> Host:
    """The scenario's one host."""
    return machines[hosts.NAMES[0]]


def seen_by_a_unit(host: Host) -> dict[str, str]:
    """What a process gets of the file, through systemd as the service does."""
    words = host.check_output(f"systemd-run --quiet --pipe --wait --property=EnvironmentFile={FILE} /usr/bin/env")
    pairs = dict(line.split("=", 1) for line in words.splitlines() if "=" in line)
    return {name: value for name, value in pairs.items() if name.startswith(("NCCL_", "GLOO_"))}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A release of nccl-tests, as far as the role looks into it."""
    path = tmp_path / "nccl-tests-2.17.1.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo("nccl-tests-2.17.1/Makefile")
        tar.addfile(entry, io.BytesIO(b""))
    return path


@pytest.fixture
def builder(host: Host) -> Iterator[Host]:
    """A host with an engine's NCCL and a make."""
    host.check_output(f"mkdir -p {ENGINE}/lib {ENGINE}/include")
    host.check_output(f"touch {ENGINE}/lib/libnccl.so.2 {ENGINE}/include/nccl.h")
    host.check_output("printf '%%s' %s > /usr/local/bin/make", MAKE)
    host.check_output("chmod +x /usr/local/bin/make")
    yield host
    host.check_output("rm -rf /usr/local/bin/make /opt/moefleet/engine /opt/moefleet/nccl-tests")


def test_a_unit_gets_every_value_as_planned(host: Host) -> None:
    assert seen_by_a_unit(host) == PLANNED


def test_only_root_changes_it(host: Host) -> None:
    file = host.file(FILE)
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (
            {"NCCL_IB_GID_INDEX": "", "NCCL_IB_TC": "  ", "NCCL_DEBUG": "WARN", "NCCL_NET": 0},
            ["no value for NCCL_IB_GID_INDEX, NCCL_IB_TC."],
        ),
        # NCCL itself would use TCP, and start.
        (
            {"NCCL_SOCKET_IFNAME": "=eth7", "NCCL_IB_HCA": "=mlx5_0"},
            [
                "NCCL_IB_HCA==mlx5_0: this host has no RDMA device. NCCL would use TCP",
                "NCCL_SOCKET_IFNAME==eth7 selects no interface that is up; there are eth0, eth1, eth2",
            ],
        ),
    ],
    ids=["empty values", "a name that selects nothing"],
)
def test_what_cannot_be_right_is_refused_before_it_is_written(
    converge: Path, host: Host, environment: dict[str, object], words: list[str]
) -> None:
    said = hosts.refused(converge, variables={"nccl_environment": environment})
    assert [word for word in words if word not in said] == [], said
    assert seen_by_a_unit(host) == PLANNED


def test_a_variable_that_is_not_planned_goes_and_programs_are_built_with_the_engines_own_nccl(
    converge: Path, builder: Host, archive: Path
) -> None:
    """From a trusted source. Both are foretold, and another run finds nothing to do."""
    asked = {
        "nccl_tests_archive": str(archive),
        "nccl_tests_manage_packages": False,
        "nccl_tests_engine_path": "/opt/moefleet/engine",
    }
    words = hosts.refused(converge, variables=asked)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert f"its SHA-256 is {digest}, nccl_tests_archive_sha256 is not given" in words

    builder.check_output(f"echo NCCL_IB_DISABLE=1 >> {FILE}")
    trusted = {**asked, "nccl_tests_archive_sha256": digest}
    foretold = hosts.played(converge, "--check", "--diff", variables=trusted)
    assert foretold.changed("mol-0") > 1
    assert "-NCCL_IB_DISABLE=1" in foretold.output
    assert "NCCL_IB_DISABLE" in seen_by_a_unit(builder)
    assert not builder.file("/opt/moefleet/nccl-tests").exists

    hosts.played(converge, variables=trusted)
    assert seen_by_a_unit(builder) == PLANNED
    given = builder.file("/opt/moefleet/nccl-tests/arguments").content_string.split("\n")
    assert "CUDA_HOME=/usr/local/cuda-12.4" in given
    assert "NCCL_HOME=/opt/moefleet/nccl-tests/nccl" in given
    assert "MPI=0" in given
    assert builder.file("/opt/moefleet/nccl-tests/build/all_reduce_perf").exists
    assert hosts.played(converge, variables=trusted).changed("mol-0") == 0
