"""Defects of raw inventories, of every kind that Ansible swallows or only warns about."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner import inventory_sources, inventory_yaml
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory_ini import expand
from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory_sources import scan

Write = Callable[[str, str], str]

GOOD_YAML = """
all:
  children:
    serving:
      hosts:
        node-0: {node_rank: 0, data_address: 10.0.0.1}
        node-1: {node_rank: 1, data_address: 10.0.0.2}
      vars: {data_interface: eth1}
    storage:
      hosts: {nas: }
"""
GOOD_INI = """
# a comment
jump ansible_host=10.9.9.9

[serving]
node-[0:1] ansible_user=root  # the engines
nas:22 data_interface="eth 1"

[storage:children]
serving
[storage:vars]
mount = /data
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file below a directory of its own; returns its path."""

    def to(name: str, text: str) -> str:
        path = tmp_path / "inventory" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return to


def found(path: str, hosts: tuple[str, ...] = ("node-0", "node-1"), group: str = "serving") -> list[Finding]:
    return scan([path], group, hosts)


def codes(path: str, hosts: tuple[str, ...] = ("node-0", "node-1"), group: str = "serving") -> list[str]:
    return [finding.code for finding in found(path, hosts, group)]


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


# --- files that cannot be read


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("hosts.yml", "serving:\n\thosts:", 2),
        ("hosts.yml", "serving: {hosts: {a: b", 1),
        ("hosts.yml", "a: 1\n---\nb: 2", 2),
        ("hosts.yml", "- node-0", None),
        ("hosts.yml", "serving: {hosts: {node-[0:x]: }}", 1),
        ("hosts.yml", "serving: {hosts: {7: }}", 1),
        ("hosts.yml", "serving: {hosts: {a: }}\n2: {hosts: {b: }}", 2),
        ("hosts.yml", "all: {children: {on: {hosts: {a: }}}}", 1),
        ("hosts.json", '{"serving": ', 1),
        ("hosts.ini", "[serving]\nnode-0 node_rank = 0", 2),
        ("hosts.ini", '[serving]\nnode-0 a="b', 2),
        ("hosts.ini", "[serving:hostz]\nnode-0", 1),
        ("hosts.ini", "[serving nodes]\nnode-0", 1),
        ("hosts.ini", "[serving] ; the engines\nnode-0", 1),
        ("hosts.ini", "[serving]\nnode-0\n[all_of:children]\nserving storage", 4),
        ("hosts.ini", "[serving]\nnode-0\n[all_of:children]\nsrving", 4),
        ("hosts.ini", "[serving]\nnode-0\n[srving:vars]\na=1", 3),
        ("hosts.ini", "[serving:vars]\nnothing", 2),
        ("hosts.ini", "serving:\n  hosts:", 1),
        ("hosts.ini", "---\nserving", 1),
        ("hosts.ini", "[serving]\nnode-[3:x]", 2),
        ("hosts.ini", "[serving:children]\nserving", 1),
        ("hosts.ini", "[serving:children]\nb\n[b:children]\nserving", 1),
        ("hosts.yml", "serving: {children: {a: {children: {serving: }}}}", 1),
    ],
)
def test_unparsable(write: Write, name: str, text: str, line: int | None) -> None:
    findings = [finding for finding in found(write(name, text)) if finding.code == "inventory.unparsable"]
    assert findings
    assert line is None or f"{name}:{line}:" in findings[0].message


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "hosts.yml"
    path.write_bytes(b"serving: \xff")
    assert codes(str(path)) == ["inventory.unparsable"]


def test_a_path_that_does_not_exist() -> None:
    assert codes("/nowhere/hosts.yml") == ["inventory.unreadable"]
    assert codes("/etc/ansible/hosts-that-are-not-there,") == []


def test_a_python_without_yaml_is_said_not_passed_over(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_arguments: object) -> None:
        raise inventory_yaml.YamlUnavailableError("No module named 'yaml'")

    monkeypatch.setattr(inventory_sources, "compose", missing)
    path = write("hosts.yml", GOOD_YAML)
    write("group_vars/all.yml", "a: 1")
    assert codes(path) == ["inventory.unread", "inventory.unread"]


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


# --- ranges


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("node-0", ["node-0"]),
        ("node-0:2222", ["node-0"]),
        ("fd42::1", ["fd42::1"]),
        ("[fd42::1]:22", ["fd42::1"]),
        ("[fd42::1]", ["fd42::1"]),
        ("[serving]", None),
        ("n[0:2]", ["n0", "n1", "n2"]),
        ("n[08:10]", ["n08", "n09", "n10"]),
        ("n[0:4:2]x", ["n0x", "n2x", "n4x"]),
        ("n[a:c]", ["na", "nb", "nc"]),
        ("r[1:2]n[0:1]", ["r1n0", "r1n1", "r2n0", "r2n1"]),
        ("n[:1]", ["n0", "n1"]),
        ("n[0:]", None),
        ("n[08:1]", None),
        ("n[1:0]", None),
        ("n[0:1:0]", None),
        ("n[0:99999]", None),
        ("n[0:900]x[0:900]", None),
        ("n[a:9]", None),
    ],
)
def test_ranges(pattern: str, names: list[str] | None) -> None:
    assert expand(pattern) == names


# --- anything at all

FRAGMENTS = st.sampled_from(
    [
        "serving",
        "hosts",
        "children",
        "vars",
        "node-0",
        ":",
        "=",
        "[",
        "]",
        "{",
        "}",
        "\n",
        "  ",
        "- ",
        "&a",
        "*a",
        "<<",
        "!x",
        "'",
        '"',
        "#",
        ";",
        "\t",
        "0",
        "node_rank",
        "[0:3]",
        "%",
        "---",
        "...",
        "? ",
        "| ",
        "null",
        "\ufeff",
        "\x00",
        "é",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(), st.lists(FRAGMENTS).map("".join)), st.sampled_from(["yml", "ini", "json", ""]))
def test_no_text_makes_it_raise(tmp_path: Path, text: str, extension: str) -> None:
    path = tmp_path / f"hosts.{extension}".rstrip(".")
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    scan([str(path)], "serving", [])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_no_bytes_make_it_raise(tmp_path: Path, content: bytes) -> None:
    for name in ("hosts.yml", "hosts.ini", "hosts"):
        path = tmp_path / name
        path.write_bytes(content)
        scan([str(path)], "serving", ["a"])
