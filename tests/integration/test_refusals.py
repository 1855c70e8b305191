"""Inventories that must not be acted on: refused with their actual defect, before any host is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from .playbooks import play

DATA = "tests/data/inventories"

# File → what the refusal has to say.
DEFECTS = {
    "duplicate_host_key.yml": ("gpu-a03", "twice"),
    "hosts_list.yml": ("list",),
    "host_in_two_groups.ini": ("gpu-a01", "node_rank", "vllm_head", "vllm_workers"),
    "dash_group.yml": ("vllm-nodes", "vllm_nodes"),
}


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_defective_inventory_is_refused(name: str, tmp_path: Path) -> None:
    """Only the controller takes part, and the message names the defect."""
    variables = {"moefleet_group": "vllm_nodes", "moefleet_artifacts_dir": str(tmp_path)}
    outcome = play("site.yml", inventory=f"{DATA}/{name}", variables=variables)
    assert outcome.rc != 0, outcome.explain()
    assert outcome.touched <= {"localhost"}, outcome.touched
    said = " ".join(outcome.failures)
    for words in DEFECTS[name]:
        assert words in said, said


def test_unreachable_host_is_refused_by_name(tmp_path: Path) -> None:
    """With hosts away nothing is provisioned, and ranks are not dealt out anew among those that are left."""
    inventory = tmp_path / "hosts.yml"
    # Every address is on this machine's loopback, where nothing listens on port 9.
    hosts = "".join(
        f"    gpu-a0{n}: {{ansible_host: 127.0.0.1, ansible_port: 9, data_address: 192.0.2.{n}}}\n" for n in range(1, 5)
    )
    inventory.write_text(f"vllm_nodes:\n  hosts:\n{hosts}")
    # The lab's own plan stays as it is: this one is complete, and would be written.
    artifacts = str(tmp_path / "artifacts")
    variables = {"moefleet_group": "vllm_nodes", "plan_precision": "fp8", "moefleet_artifacts_dir": artifacts}
    outcome = play("site.yml", inventory=str(inventory), variables=variables)
    assert outcome.rc != 0, outcome.explain()
    said = " ".join(outcome.failures)
    assert all(f"gpu-a0{n}" in said for n in range(1, 5)), said
    assert "Provision" not in outcome.output.split("PLAY RECAP")[0].split("PLAY [")[-1], outcome.explain()
