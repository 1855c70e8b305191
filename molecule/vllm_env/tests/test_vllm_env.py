"""An environment holds what its lock says and no more; what does not match is refused; what changed is made anew."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

PATH = "/opt/moefleet/small"
FILES = Path(__file__).resolve().parents[1] / "files"
WHEELS = hosts.LAB_DIRECTORY / "scratch" / "wheels"
METADATA = "Metadata-Version: 2.1\nName: kernels\nVersion: 1.0\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
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
    assert (
        host.check_output(f"{PATH}/bin/python -c 'import packaging.version as v; print(v.Version(\"1.10\"))'") == "1.10"
    )


def test_bytecode_is_there_for_users_who_may_not_write(host: Host) -> None:
    found = f"ls {PATH}/lib/python3*/site-packages/packaging/__pycache__/version.*.pyc"
    assert len(host.check_output(found).splitlines()) == 1


def test_hosts_took_it_from_the_wheelhouse(host: Host) -> None:
    """No route leads out of the lab, so the controller filled the wheelhouse and the hosts installed from it."""
    assert (WHEELS / FIRST).exists()
    assert "default" not in host.check_output("ip route")


def test_a_tampered_wheel_is_refused_by_the_host_and_replaced_by_the_controller(
    converge: Path, machines: dict[str, Host], tampered: Path
) -> None:
    first, second = hosts.NAMES
    machines[first].check_output(f"rm {PATH}/moefleet.lock")  # as after a run that was cut off

    words = hosts.refused(converge, variables={"vllm_env_wheelhouse_on_controller": ""})
    assert "DO NOT MATCH THE HASHES" in words
    assert "[mol-1]: FAILED" not in words
    assert not finished(machines[first])
    assert machines[first].run(f"{PATH}/bin/python -c 'import packaging'").rc != 0

    size = tampered.stat().st_size
    made = hosts.played(converge)
    assert tampered.stat().st_size == size - 1
    assert finished(machines[first])
    assert version(machines[first], "packaging") == "24.2"
    assert made.changed(second) == 0


def test_a_wrong_hash_in_the_lock_is_refused(converge: Path, machines: dict[str, Host]) -> None:
    asked = {"vllm_env_path": "/opt/moefleet/refused", "vllm_env_lock": str(FILES / "wrong.txt")}
    words = hosts.refused(converge, "--limit=mol-0", variables=asked)
    assert "DO NOT MATCH THE HASHES" in words
    assert not finished(machines["mol-0"], "/opt/moefleet/refused")


def test_on_shared_storage_the_first_host_installs_for_all_and_anew_for_another_lock(
    converge: Path, machines: dict[str, Host]
) -> None:
    first, second = hosts.NAMES
    shared = "/scratch/small"
    asked = {"vllm_env_path": shared, "vllm_env_shared": True}
    made = hosts.played(converge, variables=asked)
    assert made.changed(first) > 0
    assert made.changed(second) == 0
    assert {version(machines[name], "packaging", shared) for name in hosts.NAMES} == {"24.2"}

    machines[second].check_output(f"touch {shared}/stray")
    other = {**asked, "vllm_env_lock": str(FILES / "second.txt")}
    hosts.played(converge, variables=other)
    assert (WHEELS / SECOND).exists()
    assert {version(machines[name], "packaging", shared) for name in hosts.NAMES} == {"25.0"}
    assert not machines[first].file(f"{shared}/stray").exists


def test_an_upgrade_is_a_switch_and_the_way_back_installs_nothing(converge: Path, machines: dict[str, Host]) -> None:
    """Two whole environments side by side; more than are to be kept are removed, the oldest first."""
    host = machines["mol-0"]
    new, old = "/opt/moefleet/releases/new", "/opt/moefleet/releases/old"
    upgrade = {"vllm_env_path": new, "vllm_env_lock": str(FILES / "second.txt")}
    hosts.played(converge, "--limit=mol-0", variables=upgrade)
    assert hosts.played(converge, "--limit=mol-0").changed("mol-0") == 0
    assert (version(host, "packaging"), version(host, "packaging", new)) == ("24.2", "25.0")

    # What a finished environment is known by, of a year ago; and a directory that isn't one.
    host.check_output(f"mkdir -p {old} {old}.src {new}.notes && touch -d '1 year ago' {old}/moefleet.lock")
    between, kept = "/opt/moefleet/releases/between", {**upgrade, "vllm_env_keep": 1}
    host.check_output(f"mkdir {between} && touch {between}/moefleet.lock")
    assert hosts.played(converge, "--limit=mol-0", "--check", variables=kept).changed("mol-0") == 1
    assert host.file(old).exists
    assert hosts.played(converge, "--limit=mol-0", variables=kept).changed("mol-0") == 1
    there = {path: host.file(path).exists for path in (new, between, f"{new}.notes", old, f"{old}.src")}
    assert [path for path, exists in there.items() if exists] == [new, between, f"{new}.notes"]
    host.check_output("rm -r /opt/moefleet/releases")


def test_a_wheel_from_elsewhere_is_installed_by_its_digest_only(converge: Path, machines: dict[str, Host]) -> None:
    """Such as a DeepEP that was built once: here another release of what the lock has."""
    host, wheel = machines["mol-0"], WHEELS / SECOND
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    asked = {"vllm_env_path": "/opt/moefleet/built"}
    built = [{"path": str(wheel), "sha256": digest, "module": "packaging"}]

    words = hosts.refused(
        converge, "--limit=mol-0", variables={**asked, "vllm_env_wheels": [{**built[0], "sha256": "0" * 64}]}
    )
    assert f"its SHA-256 is {digest}" in words
    assert not finished(host, asked["vllm_env_path"])

    hosts.played(converge, "--limit=mol-0", variables={**asked, "vllm_env_wheels": built})
    assert version(host, "packaging", asked["vllm_env_path"]) == "25.0"
    host.check_output("rm -r /opt/moefleet/built /opt/moefleet/built.src")


def test_two_copies_of_nvshmem_are_refused(converge: Path, machines: dict[str, Host], tmp_path: Path) -> None:
    """A wheel that brings one of its own beside the lock's: host and device library would not match."""
    wheel = tmp_path / "kernels-1.0-py3-none-any.whl"
    copies = [f"{place}/libnvshmem_host.so.3" for place in ("kernels", "nvidia/nvshmem/lib")]
    files = {
        **dict.fromkeys(copies, ""),
        "kernels-1.0.dist-info/METADATA": METADATA,
        "kernels-1.0.dist-info/WHEEL": WHEEL,
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in {
            **files,
            "kernels-1.0.dist-info/RECORD": "".join(f"{name},,\n" for name in files),
        }.items():
            archive.writestr(name, content)
    built = [{"path": str(wheel), "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}]
    asked = {"vllm_env_path": "/opt/moefleet/kernels", "vllm_env_wheels": built}
    words = hosts.refused(converge, "--limit=mol-0", variables=asked)
    assert "/opt/moefleet/kernels has several copies of NVSHMEM" in words
    assert not finished(machines["mol-0"], "/opt/moefleet/kernels")
    machines["mol-0"].check_output("rm -r /opt/moefleet/kernels /opt/moefleet/kernels.src")


def test_placeholders_of_the_index_are_refused_before_anything_is_touched(
    converge: Path, machines: dict[str, Host], tmp_path: Path
) -> None:
    lock = tmp_path / "engine.txt"
    lock.write_text(f"deep-ep==1.0.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    asked = {"vllm_env_path": "/opt/moefleet/placeholder", "vllm_env_lock": str(lock)}
    words = hosts.refused(converge, variables=asked)
    assert "mol-0: engine.txt: deep-ep on the index is a placeholder" in words
    assert "mol-1: engine.txt: deep-ep on the index is a placeholder" in words
    assert not machines["mol-0"].file("/opt/moefleet/placeholder.src").exists
