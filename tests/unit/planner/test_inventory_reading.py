"""Raw inventories that cannot be read, ranges of hosts, and anything at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory import sources as inventory_sources
from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory import yaml as inventory_yaml
from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory.ini import expand
from ansible_collections.moefleet.serving.plugins.module_utils.planner.inventory.sources import scan

from .inventory_texts import GOOD_YAML, Write, codes, found

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
