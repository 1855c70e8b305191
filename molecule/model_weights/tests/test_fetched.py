"""A checkpoint comes to every host once, whole, and a revision is a directory that a link names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

MODEL = "/var/lib/moefleet/models/fetched"
DISK = "/var/lib/moefleet/disk"
FETCHED = Path(__file__).resolve().parents[1] / "fetched.yml"
SHARD = "model-00001-of-00001.safetensors"
BOTH, NONE = dict.fromkeys(hosts.NAMES, 1), dict.fromkeys(hosts.NAMES, 0)


def played(*arguments: str, **variables: object) -> dict[str, int]:
    """Run it; how much changed by host."""
    outcome = hosts.played(FETCHED, *arguments, variables=variables)
    return {name: outcome.changed(name) for name in hosts.NAMES}


def assert_whole(machines: dict[str, Host]) -> None:
    """Every byte on every host."""
    for machine in machines.values():
        machine.check_output(f"cd {MODEL} && sha256sum --check --strict --quiet SHA256SUMS")
        assert machine.check_output(f"ls -A {MODEL}.revisions/*/ | grep -c part$ || true") == "0"


@pytest.fixture(scope="module", autouse=True)
def _disk(machines: dict[str, Host]) -> Iterator[None]:
    """A folder on the first host alone."""
    first = machines["mol-0"]
    first.check_output(
        f"mkdir -p {DISK} && cd {DISK} && head -c 30000000 /dev/urandom > {SHARD}"
        ' && echo \'{"architectures": ["MadeUp"]}\' > config.json'
    )
    yield
    for machine in machines.values():
        machine.check_output(f"rm -rf {DISK} {DISK}.away {MODEL} {MODEL}.revisions")


def test_it_comes_to_every_host_and_stays(machines: dict[str, Host]) -> None:
    assert played("--check") == BOTH
    assert played() == BOTH
    assert_whole(machines)
    assert played() == NONE
    assert played("--check", read_content=True) == NONE


def test_a_flipped_byte_is_mended_from_the_other_host_and_nothing_else_is_touched(machines: dict[str, Host]) -> None:
    """The disk was taken home."""
    first, second = machines["mol-0"], machines["mol-1"]
    first.check_output(f"mv {DISK} {DISK}.away")
    try:
        shard = f"{MODEL}/{SHARD}"
        second.check_output(f"printf '\\377\\0' | dd of=$(readlink -f {shard}) bs=1 seek=1000 conv=notrunc status=none")
        assert played(read_content=True) == {"mol-0": 0, "mol-1": 1}
        assert_whole(machines)
    finally:
        first.check_output(f"mv {DISK}.away {DISK}")


def test_the_way_back_is_the_earlier_revision_and_fetches_nothing(machines: dict[str, Host]) -> None:
    first = machines["mol-0"]
    first.check_output(f"cd {DISK} && head -c 20000000 /dev/urandom > {SHARD}")
    assert played(revision="second") == BOTH
    assert_whole(machines)
    assert {machine.check_output(f"readlink {MODEL}").split("/")[-1] for machine in machines.values()} == {"second"}
    first.check_output(f"mv {DISK} {DISK}.away")
    try:
        assert played(revision="first") == BOTH
        assert_whole(machines)
    finally:
        first.check_output(f"mv {DISK}.away {DISK}")


def test_a_moving_name_is_no_revision() -> None:
    assert "revision-moves" in hosts.refused(FETCHED, variables={"revision": "main"})
