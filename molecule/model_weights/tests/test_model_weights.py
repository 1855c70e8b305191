"""A model that isn't whole is refused, by the name of the host and of the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

MODEL = "/var/lib/moefleet/models/made-up"
SHARD = f"{MODEL}/model-00002-of-00002.safetensors"
# Only the role: the model stays as the test left it.
ONLY_ROLE = "--skip-tags=made_up"


@pytest.fixture
def second(machines: dict[str, Host], converge: Path) -> Any:
    """The second host, whose model is mended after the test."""
    yield machines["mol-1"]
    hosts.played(converge)
    machines["mol-1"].check_output(f"cd {MODEL} && sha256sum --check --quiet SHA256SUMS")


def test_a_whole_model_passes_and_nothing_is_changed(converge: Path, host: Host) -> None:
    before = host.check_output(f"stat --format='%n %s %Y %i' {MODEL}/*")
    assert len(before.splitlines()) == 4
    outcome = hosts.played(converge, ONLY_ROLE)
    assert {name: outcome.changed(name) for name in hosts.NAMES} == dict.fromkeys(hosts.NAMES, 0)
    assert host.check_output(f"stat --format='%n %s %Y %i' {MODEL}/*") == before


def test_a_flipped_byte_is_refused(converge: Path, second: Host) -> None:
    second.check_output(f"printf W | dd of={SHARD} bs=1 seek=100 conv=notrunc status=none")
    words = hosts.refused(converge, ONLY_ROLE)
    assert "model-00002-of-00002.safetensors: FAILED" in words
    assert "[mol-1]: FAILED" in words
    assert "[mol-0]: FAILED" not in words
    # Without reading the content, which takes long for real models, the list alone is asked for.
    hosts.played(converge, ONLY_ROLE, variables={"read_content": False})


def test_a_check_run_reads_too(converge: Path, second: Host) -> None:
    second.check_output(f"printf W | dd of={SHARD} bs=1 seek=100 conv=notrunc status=none")
    assert "model-00002-of-00002.safetensors: FAILED" in hosts.refused(converge, ONLY_ROLE, "--check")


def test_a_missing_file_is_refused(converge: Path, second: Host) -> None:
    second.check_output(f"rm {SHARD}")
    words = hosts.refused(converge, ONLY_ROLE)
    assert "model-00002-of-00002.safetensors" in words
    assert "[mol-1]: FAILED" in words


@pytest.mark.parametrize("read_content", [True, False])
def test_a_missing_list_is_refused_with_what_to_do(converge: Path, second: Host, read_content: bool) -> None:
    second.check_output(f"rm {MODEL}/SHA256SUMS")
    words = hosts.refused(converge, ONLY_ROLE, variables={"read_content": read_content})
    assert f"mol-1: {MODEL}/SHA256SUMS is missing" in words
    assert "sha256sum" in words
