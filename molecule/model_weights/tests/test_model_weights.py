"""A model that isn't whole is refused, by the name of the host and of the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

MODEL = "/var/lib/moefleet/models/made-up"
SHARD = f"{MODEL}/model-00002-of-00002.safetensors"
# Only the role: the model stays as the test left it.
ONLY_ROLE = "--skip-tags=made_up"


@pytest.fixture
def second(machines: dict[str, Host]) -> Iterator[Host]:
    """The second host, whose model is as before after the test."""
    host = machines["mol-1"]
    host.check_output(f"cp -a {MODEL} {MODEL}.kept")
    yield host
    host.check_output(f"rm -r {MODEL} && mv {MODEL}.kept {MODEL}")


def listing(host: Host) -> str:
    """Name, size, time and inode of every file."""
    return str(host.check_output(f"stat --format='%n %s %Y %i' {MODEL}/*"))


def test_a_whole_model_passes_and_is_left_alone(converge: Path, machines: dict[str, Host]) -> None:
    before = {name: listing(machine) for name, machine in machines.items()}
    assert {len(words.splitlines()) for words in before.values()} == {4}
    outcome = hosts.played(converge, ONLY_ROLE)
    assert {name: outcome.changed(name) for name in hosts.NAMES} == dict.fromkeys(hosts.NAMES, 0)
    assert {name: listing(machine) for name, machine in machines.items()} == before


def test_a_flipped_byte_and_a_missing_file_are_refused(converge: Path, second: Host) -> None:
    second.check_output(f"printf W | dd of={SHARD} bs=1 seek=100 conv=notrunc status=none; rm {MODEL}/config.json")
    words = hosts.refused(converge, ONLY_ROLE)
    assert "model-00002-of-00002.safetensors: FAILED" in words
    assert "config.json: FAILED open or read" in words
    assert "model-00001-of-00002.safetensors: FAILED" not in words
    assert "[mol-1]: FAILED" in words
    assert "[mol-0]: FAILED" not in words
    # Without reading the content, which takes long for real models, a file that is missing is seen, a byte is not.
    assert f"{MODEL}/config.json" in hosts.refused(converge, ONLY_ROLE, variables={"read_content": False})
    second.check_output(f"cp -a {MODEL}.kept/config.json {MODEL}/config.json")
    hosts.played(converge, ONLY_ROLE, variables={"read_content": False})


def test_another_model_than_the_plans_is_refused_unless_the_inventory_says_otherwise(converge: Path) -> None:
    planned = {"model_types": ["deepseek_v3"], "quantisation": "none", "bytes": 1_000_000}
    words = hosts.refused(converge, ONLY_ROLE, variables={"model_weights_planned": planned})
    assert "model_type is made_up, the plan's is deepseek_v3" in words
    assert "its weights have 21000 bytes, the plan's model has 1000000" in words
    own = {"model_types": [], "bytes": 21_500}
    outcome = hosts.played(
        converge, ONLY_ROLE, variables={"model_weights_planned": planned, "model_weights_expected": own}
    )
    assert {name: outcome.changed(name) for name in hosts.NAMES} == dict.fromkeys(hosts.NAMES, 0)


def test_a_check_run_reads_too(converge: Path, second: Host) -> None:
    second.check_output(f"printf W | dd of={SHARD} bs=1 seek=100 conv=notrunc status=none")
    assert "model-00002-of-00002.safetensors: FAILED" in hosts.refused(converge, ONLY_ROLE, "--check")


def test_a_missing_list_is_refused_with_what_to_do(converge: Path, second: Host) -> None:
    second.check_output(f"rm {MODEL}/SHA256SUMS")
    words = hosts.refused(converge, ONLY_ROLE, variables={"read_content": False})
    assert f"mol-1: {MODEL}/SHA256SUMS is missing" in words
    assert "sha256sum" in words
