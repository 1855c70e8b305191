"""Hosts without a route have all that a bundle brought; one that isn't whole, or doesn't fit, is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import document as documents
from ansible_collections.moefleet.serving.tests.testinfra import hosts

SCENARIO = Path(__file__).resolve().parents[1]
# The part that brings the bundle: what roles take from it was seen by converging twice.
UNBUNDLE = hosts.REPOSITORY / "playbooks" / "unbundle.yml"
INVENTORY = f"--inventory={SCENARIO / 'inventory' / 'hosts.yml'}"
BUNDLE = hosts.LAB_DIRECTORY / "bundle"
ON_HOST = "/var/lib/moefleet/bundle"
ENGINE = "/opt/moefleet/bundled"
MODEL = "/var/lib/moefleet/models/bundled"
WHEEL, LOCK = "wheels/packaging-24.2-py3-none-any.whl", "wheels/small-python3.11.txt"


def install(*arguments: str, **variables: object) -> dict[str, int]:
    """Install from the bundle; how much changed by host."""
    outcome = hosts.played(UNBUNDLE, *arguments, inventory=INVENTORY, variables=variables)
    return {name: outcome.changed(name) for name in hosts.NAMES}


def refusal(**variables: object) -> str:
    """What a bundle that can't be used is refused with."""
    words = hosts.refused(UNBUNDLE, inventory=INVENTORY, variables=variables)
    assert "nothing was changed" in words
    return words


@pytest.fixture(scope="module", autouse=True)
def _hosts_as_before(machines: dict[str, Host]) -> Iterator[None]:
    """Other scenarios on the same hosts get no source of packages from here; the package itself, theirs too, stays."""
    yield
    ours = "/etc/apt/sources.list.d/60-moefleet-bundle.sources /etc/apt/preferences.d/60-moefleet-bundle"
    brought = f"{ON_HOST} {ENGINE} {ENGINE}.src {MODEL} {MODEL}.revisions /var/lib/apt/lists/*moefleet_bundle*"
    for machine in machines.values():
        machine.check_output(f"rm -rf {ours} {brought}")


def test_nothing_leads_out_of_the_hosts(host: Host) -> None:
    assert "default" not in host.check_output("ip route")
    assert host.run("timeout 5 bash -c '</dev/tcp/151.101.2.132/80'").rc != 0
    assert host.run("getent hosts deb.debian.org").rc != 0


def test_a_package_came_from_it_with_what_it_depends_on(host: Host) -> None:
    assert host.run("iperf3 --version").rc == 0
    assert f"file:{ON_HOST}/packages/debian12" in host.check_output("apt-cache policy iperf3")
    assert "990" in host.check_output("apt-cache policy iperf3")


def test_other_sources_are_left_alone(host: Host) -> None:
    assert "deb.debian.org" in host.check_output("cat /etc/apt/sources.list")


def test_the_engine_came_from_it(host: Host) -> None:
    words = "import importlib.metadata as m; print(m.version('packaging'))"
    assert host.check_output(f'{ENGINE}/bin/python -c "{words}"') == "24.2"


def test_the_model_came_from_it_to_every_host(host: Host) -> None:
    host.check_output(f"cd {MODEL} && sha256sum --check --strict --quiet SHA256SUMS")
    assert host.check_output(f"readlink {MODEL}").endswith("/first")


def test_no_host_keeps_the_model_twice(host: Host) -> None:
    assert host.check_output(f"find {ON_HOST} -name '*.safetensors'") == ""


def test_the_bundle_is_checked_by_no_tool_of_ours(controller: Host) -> None:
    controller.check_output(f"cd {BUNDLE} && sha256sum --check --strict --quiet SHA256SUMS")


def test_only_a_whole_bundle_mends_a_host(machines: dict[str, Host]) -> None:
    """A flipped byte is refused before any host gets a file. Then what is missing comes, and what flipped on the host
    itself, though its size and time of change are as before."""
    wheel, second = BUNDLE / WHEEL, machines["mol-1"]
    whole = wheel.read_bytes()
    second.check_output(
        f"cd {ON_HOST}; rm {WHEEL}; echo old > wheels/old.whl; touch -r {LOCK} t;"
        f" printf X | dd of={LOCK} bs=1 seek=9 conv=notrunc status=none; touch -r t {LOCK}; rm t"
    )
    try:
        wheel.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert f"{wheel} has other content than SHA256SUMS says: copy the bundle again" in refusal()
    finally:
        wheel.write_bytes(whole)
    assert install("--check", bundle_check_content=True) == {"mol-0": 0, "mol-1": 1}
    assert not second.file(f"{ON_HOST}/{WHEEL}").exists
    assert install(bundle_check_content=True) == {"mol-0": 0, "mol-1": 1}
    there = {path: (BUNDLE / path).read_bytes() for path in (WHEEL, LOCK)}
    assert {path: second.file(f"{ON_HOST}/{path}").content for path in there} == there
    assert not second.file(f"{ON_HOST}/wheels/old.whl").exists


def other(directory: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """A copy of the bundle's document that says something else; the files stay where they are."""
    document = json.loads((BUNDLE / "BUNDLE.json").read_text(encoding="utf-8"))
    change(document)
    text = documents.to_json(document)
    shutil.copytree(BUNDLE, directory, symlinks=True)
    (directory / "BUNDLE.json").write_text(text, encoding="utf-8")
    digests = documents.read_sums((BUNDLE / "SHA256SUMS").read_text(encoding="utf-8"))
    digests["BUNDLE.json"] = documents.text_digest(text)
    (directory / "SHA256SUMS").write_text(documents.write_sums(digests), encoding="utf-8")
    return str(directory)


def test_a_bundle_that_does_not_fit_is_refused_with_all_reasons(tmp_path: Path) -> None:
    def other_engine(document: dict[str, Any]) -> None:
        document["engines"][0].update(sha256="0" * 64, lock="other.txt")
        document["packages"].remove("iperf3")
        document["weights"]["revision"] = "second"

    words = refusal(bundle=other(tmp_path / "engine", other_engine))
    for host in hosts.NAMES:
        assert f"{host}: its engine is small-python3.11.txt for Python 3.11, the bundle has other.txt" in words
        assert f"{host}: it needs iperf3, which the bundle wasn't gathered for" in words
        assert f"{host}: it wants revision first, the bundle has second" in words


def test_another_distribution_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    directory = other(tmp_path / "system", lambda document: document.update(system="ubuntu22.04"))
    (Path(directory) / WHEEL).unlink()
    words = refusal(bundle=directory)
    assert "mol-1: its system is debian12, the bundle is for ubuntu22.04: gather one on a machine of debian12" in words
    assert f"{directory}/{WHEEL} is missing: copy the bundle again" in words
