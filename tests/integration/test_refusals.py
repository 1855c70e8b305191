"""Inventories that must not be acted on: refused with their actual defect, before any host is touched."""

from __future__ import annotations

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
def test_defective_inventory_is_refused(name: str) -> None:
    """Only the controller takes part, and the message names the defect."""
    outcome = play("site.yml", inventory=f"{DATA}/{name}", variables={"moefleet_group": "vllm_nodes"})
    assert outcome.rc != 0, outcome.explain()
    assert outcome.touched <= {"localhost"}, outcome.touched
    said = " ".join(outcome.failures)
    for words in DEFECTS[name]:
        assert words in said, said


def test_unreachable_host_is_refused_by_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With hosts away nothing is provisioned, and ranks are not dealt out anew among those that are left."""
    inventory = tmp_path_factory.mktemp("inventory") / "hosts.yml"
    # Every address is on this machine's loopback, where nothing listens on port 9.
    hosts = "".join(
        f"    gpu-a0{n}: {{ansible_host: 127.0.0.1, ansible_port: 9, data_address: 192.0.2.{n}}}\n" for n in range(1, 5)
    )
    inventory.write_text(f"vllm_nodes:\n  hosts:\n{hosts}")
    outcome = play(
        "site.yml", inventory=str(inventory), variables={"moefleet_group": "vllm_nodes", "plan_precision": "fp8"}
    )
    assert outcome.rc != 0, outcome.explain()
    said = " ".join(outcome.failures)
    assert all(f"gpu-a0{n}" in said for n in range(1, 5)), said
    assert "Provision" not in outcome.output.split("PLAY RECAP")[0].split("PLAY [")[-1], outcome.explain()
