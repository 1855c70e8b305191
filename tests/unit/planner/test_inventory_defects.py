"""Defects of raw inventories that Ansible swallows or only warns about: doubles, wrong kinds, conflicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from .inventory_texts import GOOD_YAML, Write, codes, found

# --- duplicate keys


@pytest.mark.parametrize(
    "text",
    [
        "serving: {hosts: {node-0: {node_rank: 0, node_rank: 1}, node-1: }}",
        "serving: {hosts: {node-0: }}\nserving: {hosts: {node-1: }}",
        "serving:\n  hosts: {node-0: }\n  hosts: {node-1: }",
        "serving: {hosts: {node-0: , node-1: }, vars: {a: 1, a: 2}}",
        "serving: {hosts: {node-0: {deep: [{a: 1, a: 2}]}, node-1: }}",
    ],
)
def test_duplicate_keys_anywhere_in_yaml(write: Write, text: str) -> None:
    assert codes(write("hosts.yml", text)) == ["inventory.duplicate_key"]


def test_duplicate_keys_in_json_are_found(write: Write) -> None:
    text = '{"serving": {"hosts": {"node-0": {}, "node-1": {"node_rank": 0, "node_rank": 1}}}}'
    assert codes(write("hosts.json", text)) == ["inventory.duplicate_key"]


@pytest.mark.parametrize("folder", ["group_vars/all.yml", "group_vars/serving/net.yaml", "host_vars/node-0.yml"])
def test_duplicate_keys_in_variable_files(write: Write, folder: str) -> None:
    path = write("hosts.yml", GOOD_YAML)
    write(folder, "a: 1\nb: 2\na: 3\n")
    [finding] = found(path)
    assert finding.code == "inventory.duplicate_key"
    assert folder.rsplit("/", 1)[-1] in finding.message


def test_duplicates_in_ini(write: Write) -> None:
    assert codes(write("a.ini", "[serving]\nnode-0 node_rank=0 node_rank=1\nnode-1")) == ["inventory.duplicate_key"]
    assert codes(write("b.ini", "[serving]\nnode-0\nnode-1\n[serving:vars]\na=1\na=2")) == ["inventory.duplicate_key"]


def test_merge_keys_and_anchors_are_no_duplicates(write: Write) -> None:
    text = "serving:\n  hosts:\n    node-0: &x {ansible_user: root}\n    node-1: {<<: *x, node_rank: 1}\n"
    assert found(write("hosts.yml", text)) == []


# --- hosts, groups and sections of the wrong kind


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("serving: {hosts: [node-0, node-1]}", "node-0, node-1"),
        ("serving: {hosts: {node-0: , node-1: }, children: [x]}", "'children'"),
        ("serving: {hosts: {node-0: , node-1: }, vars: [x]}", "'vars'"),
        ("serving: [node-0]", "group 'serving'"),
        ("serving: node-0", "group 'serving'"),
        ("all: {children: {serving: [node-0]}}", "group 'serving'"),
        ("serving: {hosts: {node-0: up, node-1: }}", "host 'node-0'"),
    ],
)
def test_lists_and_text_where_mappings_belong(write: Write, text: str, said: str) -> None:
    first = found(write("hosts.yml", text))[0]
    assert first.code == "inventory.not_a_mapping"
    assert said in first.message


def test_a_single_host_may_be_text(write: Write) -> None:
    assert found(write("hosts.yml", "serving: {hosts: node-0}"), ("node-0",)) == []


@pytest.mark.parametrize(
    ("key", "near"),
    [("host", "hosts"), ("childrens", "children"), ("var", "vars"), ("Hosts", "hosts"), ("zzz", "hosts")],
)
def test_unexpected_keys_of_a_group(write: Write, key: str, near: str) -> None:
    [finding] = found(write("hosts.yml", f"serving: {{hosts: {{node-0: , node-1: }}, {key}: {{x: }}}}"))
    assert finding.code == "inventory.unexpected_key"
    assert f"'{key}'" in finding.message
    assert near in finding.fix


# --- one host, two values


def test_two_values_in_two_yaml_groups(write: Write) -> None:
    text = "head: {hosts: {node-0: {node_rank: 0}}}\nserving: {hosts: {node-0: {node_rank: 1}, node-1: }}"
    [finding] = found(write("hosts.yml", text))
    assert finding.code == "inventory.conflicting_variable"
    assert "0 in group 'head'" in finding.message
    assert "1 in group 'serving'" in finding.message


@pytest.mark.parametrize("variable", ["node_rank", "data_address", "data_interface", "ansible_host"])
def test_two_values_in_inventory_and_host_vars(write: Write, variable: str) -> None:
    path = write("hosts.ini", f"[serving]\nnode-0 {variable}=a\nnode-1")
    write("host_vars/node-0.yml", f"{variable}: b\n")
    [finding] = found(path)
    assert finding.code == "inventory.conflicting_variable"
    assert variable in finding.message


@pytest.mark.parametrize(
    "text",
    [
        "[head]\nnode-0\n[serving]\nnode-0\nnode-1\n[head:vars]\nnode_rank=0\n[serving:vars]\nnode_rank=1",
        "[head]\nnode-0\n[serving]\nnode-0\nnode-1\n[head:vars]\nansible_host = a\n[serving:vars]\nansible_host = b",
    ],
)
def test_two_values_from_two_groups_variables(write: Write, text: str) -> None:
    [finding] = found(write("hosts.ini", text))
    assert finding.code == "inventory.conflicting_variable"
    assert "node-0" in finding.message
    assert "group 'head'" in finding.message
    assert "group 'serving'" in finding.message


def test_two_values_from_two_groups_files(write: Write) -> None:
    path = write("hosts.yml", "head: {hosts: {node-0: }, vars: {node_rank: 0}}\nserving: {hosts: {node-0: , node-1: }}")
    write("group_vars/serving.yml", "node_rank: 1\n")
    assert codes(path) == ["inventory.conflicting_variable"]


def test_a_group_may_override_its_parent_and_a_host_its_groups(write: Write) -> None:
    text = (
        "all: {vars: {data_interface: eth0}, children: {serving: {vars: {data_interface: eth1}, children:"
        " {head: {vars: {data_interface: eth2}, hosts: {node-0: }}},"
        " hosts: {node-0: , node-1: {data_interface: eth3}}}}}"
    )
    assert found(write("hosts.yml", text)) == []


def test_two_values_in_two_files_of_a_directory(write: Write) -> None:
    directory = Path(write("10-hosts.ini", "[serving]\nnode-0 node_rank=0\nnode-1 node_rank=1")).parent
    write("20-more.yml", "spare: {hosts: {node-1: {node_rank: 0}}}")
    [finding] = found(str(directory))
    assert finding.code == "inventory.conflicting_variable"
    assert "node-1" in finding.message


def test_the_same_value_twice_is_no_conflict(write: Write) -> None:
    text = "[head]\nnode-0 node_rank=0\n[serving]\nnode-0 node_rank=0\nnode-1 node_rank=1"
    assert found(write("hosts.ini", text)) == []


def test_a_host_twice_in_one_group(write: Write) -> None:
    assert codes(write("hosts.ini", "[serving]\nnode-0\nnode-1\nnode-1")) == ["inventory.duplicate_host"]


def test_a_range_with_one_hosts_variables_is_no_duplicate(write: Write) -> None:
    assert found(write("hosts.ini", "[serving]\nnode-[0:1]\nnode-0 node_rank=0")) == []


@pytest.mark.parametrize(
    ("name", "near"), [("node_rnak", "node_rank"), ("data_adress", "data_address"), ("data-address", "data_address")]
)
def test_a_misspelt_variable(write: Write, name: str, near: str) -> None:
    [finding] = found(write("hosts.ini", f"[serving]\nnode-0 {name}=1\nnode-1"))
    assert finding.code == "inventory.variable_typo"
    assert f"'{name}'" in finding.message
    assert near in finding.fix
