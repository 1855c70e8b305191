"""Raw inventories that are sound, the published defects, what is left to Ansible, and the group."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory.sources import scan

from .inventory_texts import GOOD_INI, GOOD_YAML, Write, codes, found


@pytest.mark.parametrize("name", ["hosts.yml", "hosts.yaml", "hosts"])
def test_a_good_yaml_inventory_has_no_findings(write: Write, name: str) -> None:
    assert found(write(name, GOOD_YAML)) == []


@pytest.mark.parametrize("name", ["hosts.ini", "hosts", "hosts.inventory"])
def test_a_good_ini_inventory_has_no_findings(write: Write, name: str) -> None:
    assert found(write(name, GOOD_INI), ("node-0", "node-1", "nas")) == []


def test_a_good_json_inventory_has_no_findings(write: Write) -> None:
    text = '{\n\t"serving": {\n\t\t"hosts": {"node-0": {"node_rank": 0}, "node-1": null}\n\t}\n}'
    assert found(write("hosts.json", text)) == []


@pytest.mark.parametrize("inventory", ["h20", "lab"])
def test_the_collections_own_inventories_are_clean(inventory: str) -> None:
    directory = Path(__file__).resolve().parents[3] / "inventory" / inventory
    assert scan([str(directory)], "serving", [f"node-{index}" for index in range(4)]) == []


# --- the published cases: what each must name


@pytest.mark.parametrize(
    ("name", "hosts", "code", "said"),
    [
        ("duplicate_host_key.yml", ("gpu-a01", "gpu-a02", "gpu-a03"), "inventory.duplicate_key", "'gpu-a03'"),
        ("hosts_list.yml", (), "inventory.not_a_mapping", "gpu-a01, gpu-a02"),
        ("host_in_two_groups.ini", ("gpu-a01", "gpu-a02"), "inventory.conflicting_variable", "gpu-a01"),
        ("dash_group.yml", (), "inventory.group_missing", "'vllm-nodes' has 2"),
    ],
)
def test_the_cases(data_dir: Path, name: str, hosts: tuple[str, ...], code: str, said: str) -> None:
    first = found(str(data_dir / "inventories" / name), hosts, "vllm_nodes")[0]
    assert first.code == code
    assert said in first.message


def test_a_duplicate_key_is_named_with_both_lines(data_dir: Path) -> None:
    [finding] = found(str(data_dir / "inventories" / "duplicate_host_key.yml"), ("gpu-a01",), "vllm_nodes")
    assert "duplicate_host_key.yml:8" in finding.message
    assert "first in line 7" in finding.message
    assert "all.children.vllm_nodes.hosts" in finding.message


# --- what is left to Ansible


def test_programs_plugins_vaults_and_ignored_files_are_left_alone(write: Write) -> None:
    directory = Path(write("hosts.ini", "[serving]\nnode-0\nnode-1")).parent
    os.chmod(write("dynamic.yml", "#!/bin/sh\necho '{'"), 0o755)  # noqa: PTH101 - a mode is what is meant
    write("aws.yml", "plugin: amazon.aws.aws_ec2\nregions: [a]\n")
    write("notes.md", "serving: [")
    write(".hidden.yml", "serving: [")
    write("hosts.yml.bak", "serving: [")
    write("group_vars/all/vault.yml", "$ANSIBLE_VAULT;1.1;AES256\n6162\n")
    write("group_vars/all/notes.txt", "a: [")
    write("empty.yml", "# nothing yet\n")
    assert found(str(directory)) == []


def test_tags_of_ansible_are_not_resolved(write: Write) -> None:
    text = "serving: {hosts: {node-0: {a: !vault x, b: !unsafe y}, node-1: }}"
    assert found(write("hosts.yml", text)) == []


def test_an_alias_of_itself_ends(write: Write) -> None:
    codes(write("hosts.yml", "serving: &a {hosts: {node-0: , node-1: }, children: {serving: *a}}"))


def test_deep_nesting_ends(write: Write) -> None:
    codes(write("hosts.yml", "[" * 5000))
    codes(write("deep.yml", "{a: " * 3000 + "}" * 3000))


# --- the group


@pytest.mark.parametrize("name", ["vllm-nodes", "VLLM_nodes", "vllmnodes", "vllm_node"])
def test_a_group_of_almost_that_name(write: Write, name: str) -> None:
    [finding] = found(write("hosts.ini", f"[{name}]\ngpu-1\ngpu-2"), (), "vllm_nodes")
    assert finding.code == "inventory.group_missing"
    assert f"'{name}' has 2 (gpu-1, gpu-2)" in finding.message
    assert name in finding.fix


def test_an_empty_group_and_an_absent_one(write: Write) -> None:
    [empty] = found(write("hosts.ini", "[serving]\n[storage]\nnas"), ())
    assert re.search(r"'serving' is empty \(.*hosts.ini:1\)", empty.message)
    [absent] = found(write("other.ini", "[storage]\nnas"), ())
    assert "in none of the inventory's files" in absent.message
    assert "storage" in absent.fix


def test_an_empty_group_beside_a_full_one_of_almost_its_name(write: Write) -> None:
    [finding] = found(write("hosts.yml", "serving: {hosts: }\nServing: {hosts: {a: , b: }}"), ())
    assert "'Serving' has 2" in finding.message


def test_hosts_left_behind_in_a_group_of_almost_that_name(write: Write) -> None:
    text = "vllm_nodes: {hosts: {a: , b: }}\nvllm-nodes: {hosts: {b: , c: }}"
    [finding] = found(write("hosts.yml", text), ("a", "b"), "vllm_nodes")
    assert finding.code == "inventory.similar_group"
    assert " c," in finding.message


def test_hosts_of_children_belong_to_the_group(write: Write) -> None:
    text = "vllm-nodes: {children: {head: {hosts: {a: }}, workers: {hosts: {b: }}}}"
    [finding] = found(write("hosts.yml", text), (), "vllm_nodes")
    assert "has 2 (a, b)" in finding.message
