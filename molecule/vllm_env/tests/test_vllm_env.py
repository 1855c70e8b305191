"""An environment holds what its lock says and nothing else; what doesn't match is refused; what changed is made anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.moefleet.serving.tests.testinfra import hosts
from testinfra.host import Host

PATH = "/opt/moefleet/small"
FILES = Path(__file__).resolve().parents[1] / "files"
WHEELS = hosts.LAB_DIRECTORY / "scratch" / "wheels"
FIRST, SECOND = "packaging-24.2-py3-none-any.whl", "packaging-25.0-py3-none-any.whl"


def version(host: Host, distribution: str, path: str = PATH) -> str:
    """The version that the environment's own Python finds."""
    words = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    return str(host.check_output("%s -c %s", f"{path}/bin/python", words))


def finished(host: Host, path: str = PATH) -> bool:
    """Whether an environment says that it is whole."""
    return bool(host.file(f"{path}/moefleet.lock").exists)


@pytest.fixture
def tampered() -> Iterator[Path]:
    """The first lock's wheel with a byte more."""
    wheel = WHEELS / FIRST
    whole = wheel.read_bytes()
    wheel.write_bytes(whole + b"\0")
    yield wheel
    wheel.write_bytes(whole)


def test_it_holds_what_the_lock_says(host: Host) -> None:
    assert version(host, "packaging") == "24.2"
    assert host.check_output(f"{PATH}/bin/python -c 'import packaging.version as v; print(v.Version(\"1.10\"))'") == "1.10"


def test_bytecode_is_there_for_users_who_may_not_write(host: Host) -> None:
    assert host.check_output(f"find {PATH}/lib/ -path '*packaging/__pycache__/version.*.pyc' | wc -l") == "1"


def test_hosts_took_it_from_the_wheelhouse(host: Host) -> None:
    """No route leads out of the lab, so the controller filled the wheelhouse and the hosts installed from it."""
    assert (WHEELS / FIRST).exists()
    assert "default" not in host.check_output("ip route")


def test_a_host_that_lost_its_environment_gets_it_again(converge: Path, machines: dict[str, Host]) -> None:
    first, second = hosts.NAMES
    machines[first].check_output(f"rm {PATH}/moefleet.lock")

    foretold = hosts.played(converge, "--check")
    assert foretold.changed(first) > 0
    assert foretold.changed(second) == 0
    assert not finished(machines[first])

    made = hosts.played(converge)
    assert made.changed(second) == 0
    assert finished(machines[first])
    assert version(machines[first], "packaging") == "24.2"


def test_a_changed_lock_makes_it_anew(converge: Path, machines: dict[str, Host]) -> None:
    host = machines["mol-0"]
    host.check_output(f"touch {PATH}/stray")
    hosts.played(converge, "--limit=mol-0", variables={"vllm_env_lock": str(FILES / "second.txt")})
    assert (WHEELS / SECOND).exists()
    assert version(host, "packaging") == "25.0"
    assert not host.file(f"{PATH}/stray").exists
    assert version(machines["mol-1"], "packaging") == "24.2"


@pytest.mark.usefixtures("tampered")
def test_a_tampered_wheel_is_refused_by_the_host(converge: Path, machines: dict[str, Host]) -> None:
    asked = {"vllm_env_path": "/opt/moefleet/refused", "vllm_env_wheelhouse_on_controller": ""}
    words = hosts.refused(converge, "--limit=mol-0", variables=asked)
    assert "DO NOT MATCH THE HASHES" in words
    assert not finished(machines["mol-0"], "/opt/moefleet/refused")
    assert machines["mol-0"].run("/opt/moefleet/refused/bin/python -c 'import packaging'").rc != 0


def test_a_tampered_wheel_is_replaced_by_the_controller(
    converge: Path, machines: dict[str, Host], tampered: Path
) -> None:
    size = tampered.stat().st_size
    hosts.played(converge, "--limit=mol-0", variables={"vllm_env_path": "/opt/moefleet/healed"})
    assert tampered.stat().st_size == size - 1
    assert version(machines["mol-0"], "packaging", "/opt/moefleet/healed") == "24.2"


def test_a_wrong_hash_in_the_lock_is_refused(converge: Path, machines: dict[str, Host]) -> None:
    asked = {"vllm_env_path": "/opt/moefleet/refused", "vllm_env_lock": str(FILES / "wrong.txt")}
    words = hosts.refused(converge, "--limit=mol-0", variables=asked)
    assert "DO NOT MATCH THE HASHES" in words
    assert not finished(machines["mol-0"], "/opt/moefleet/refused")


def test_on_shared_storage_the_first_host_installs_for_all(converge: Path, machines: dict[str, Host]) -> None:
    shared = "/scratch/small"
    asked = {"vllm_env_path": shared, "vllm_env_shared": True}
    made = hosts.played(converge, variables=asked)
    first, second = hosts.NAMES
    assert made.changed(first) > 0
    assert made.changed(second) == 0
    assert {version(machines[name], "packaging", shared) for name in hosts.NAMES} == {"24.2"}
    again = hosts.played(converge, variables=asked)
    assert (again.changed(first), again.changed(second)) == (0, 0)
