"""What is expected, what is skipped and lowered, and how findings read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.hardware import GPUS as PLANNED
from ansible_collections.moefleet.serving.plugins.module_utils.preflight import judge as judging
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.expectation import (
    Expectation,
    read_expectation,
)
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.findings import SEVERITIES, Finding, table
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.judge import judge, refused, report
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.pci_ids import GPUS, gpu_name, nic_name
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.rules_gpu import route_of

from ..inspection.tree import Tree
from .conftest import record

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "preflight.md"


def test_an_empty_expectation_judges_what_is_wrong_on_any_host(fit: dict[str, Any], tree: Tree) -> None:
    tree.write("etc/hosts", "127.0.1.1 node-1\n")
    tree.write("var/lib/dpkg/updates/0001")
    tree.write("sys/class/net/eth1/mtu", "1500\n")
    tree.remove("sys/bus/pci/devices/0000:18:00.0")
    records = {"node-0": {**fit, "expected": {}}, "node-1": {**record(tree), "expected": {}}}
    assert [(one.host, one.code) for one in judge(records)] == [("node-1", "packages.broken"), ("node-1", "names.own")]


@pytest.mark.parametrize(
    ("addresses", "codes"),
    [
        (["192.168.1.10"], []),
        (["192.168.1.10", "10.0.1.10", "fe80::1%eth1"], []),  # nss-myhostname tells them all
        (["fe80::1%eth1"], ["names.own"]),
        (["127.0.1.1"], ["names.own"]),
        (["::1", "192.168.1.10"], ["names.own"]),
        (["127.0.0.2", "203.0.113.9"], ["names.own"]),
        (["203.0.113.9", "fe80::1"], ["names.own_elsewhere"]),
        (["203.0.113.9", "192.168.1.10"], []),
        ([], ["names.own"]),
    ],
)
def test_a_hosts_own_name_leads_others_to_it(fit: dict[str, Any], addresses: list[str], codes: list[str]) -> None:
    seen = {**fit["seen"], "own_name": {"name": "node-0", "addresses": addresses}}
    assert [one.code for one in judge({"node-0": {**fit, "seen": seen}})] == codes


def test_a_probe_that_saw_nothing_is_told_once_with_all_that_it_prevents(fit: dict[str, Any]) -> None:
    seen = {**fit["seen"], "gpus": None, "reasons": {"gpus": "no answer within 4 s"}}
    found = judge({"node-0": {**fit, "seen": seen}})
    assert [(one.code, one.severity) for one in found] == [("unseen.gpus", "unknown")]
    assert "no answer within 4 s" in found[0].message
    assert "gpu.count, gpu.idle, gpu.model, gpu.nvswitch" in found[0].message
    assert refused(found)


def test_an_unknown_that_is_allowed_is_shown_and_does_not_refuse(fit: dict[str, Any]) -> None:
    records = {"node-0": {**fit, "seen": {**fit["seen"], "secure_boot": None}}}
    found = judge(records, allow_unknown=["unseen.secure_boot"])
    assert [(one.code, one.severity) for one in found] == [("unseen.secure_boot", "warning")]
    assert not refused(found)


def test_what_is_allowed_to_be_unknown_is_not_allowed_to_be_wrong(fit: dict[str, Any]) -> None:
    records = {"node-0": {**fit, "expected": {**fit["expected"], "gpus_per_host": 9}}}
    assert refused(judge(records, allow_unknown=["gpu.count"]))


def test_what_is_skipped_is_not_missed_either(fit: dict[str, Any]) -> None:
    records = {"node-0": {**fit, "seen": {**fit["seen"], "secure_boot": None, "kernel_log": None}}}
    assert judge(records, skip=["secure_boot.on", "gpu.*"]) == []


def test_what_is_mended_later_is_a_warning(fit: dict[str, Any], tree: Tree) -> None:
    tree.write("sys/module/nouveau/refcnt", "1\n")
    found = judge({"node-0": fit, "node-1": record(tree)}, mended_later=["driver.nouveau"])
    assert [(one.code, one.severity) for one in found] == [("driver.nouveau", "warning")]


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ("eth1", "it is str, not a dictionary"),
        ({"mtu_byte": 1500}, "there is no mtu_byte; is mtu_bytes meant?"),
        ({"gpus_per_host": "eight"}, "gpus_per_host is 'eight', not a number"),
        ({"gpus_per_host": -8}, "gpus_per_host is -8"),
        ({"gpus_per_host": True}, "gpus_per_host is True"),
        ({"mtu_bytes": 4200.5}, "mtu_bytes is 4200.5"),
        ({"ports": ["http"]}, "not a list of TCP ports"),
        ({"ports": [70000]}, "not a list of TCP ports"),
        ({"platform": "rocm"}, "platform is 'rocm', not one of cuda, cpu"),
        ({"data_address": "node-0.example"}, "data_address is 'node-0.example', not an address"),
        ({"hosts": ["node-0"]}, "hosts is not a dictionary"),
        ({"kernels": 5}, "kernels is not a list"),
        ({"stack": "cuda12_4"}, "stack is str, not a dictionary"),
    ],
)
def test_an_expectation_that_can_not_be_meant_is_told(given_: Any, words: str) -> None:
    _expected, wrong = read_expectation(given_)
    assert len(wrong) == 1
    assert words in wrong[0]


def test_the_plans_own_values_are_taken_as_they_are() -> None:
    stack: dict[str, Any] = {
        "distribution": "ubuntu22.04",
        "python": "3.10",
        "ofed": None,
        "checks": [],
        "verdict": "ok",
    }
    given_ = {
        "platform": "cuda",
        "stack": stack,
        "nic_gbit_s": 25.0,
        "mtu_bytes": "4200",
        "model_path": "",
        "ports": 8000,
    }
    expected, wrong = read_expectation(given_)
    assert wrong == []
    assert expected == Expectation(
        platform="cuda", distribution="ubuntu22.04", python="3.10", nic_gbit_s=25.0, mtu_bytes=4200, ports=(8000,)
    )


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["platform", "ports", "mtu_bytes", "hosts", "stack", "x"]), inner)))  # fmt: skip # noqa: E501
def test_any_expectation_is_read_or_refused_in_words(given_: Any) -> None:
    _expected, wrong = read_expectation(given_)
    assert all(isinstance(line, str) and line for line in wrong)


def test_the_table_has_the_worst_first_and_says_once_what_hosts_share() -> None:
    findings = [
        Finding("node-0", "ports.ephemeral", "warning", "port 40000", "another"),
        Finding("node-0", "nic.mtu", "error", "eth1 has 1500", "ip link"),
        Finding("node-2", "nic.mtu", "error", "eth1 has 1500", "ip link"),
        Finding("node-1", "unseen.gpus", "unknown", "gpus", "look"),
    ]
    assert table(findings) == [
        "error    nic.mtu          node-0, node-2",
        "         eth1 has 1500",
        "         fix: ip link",
        "unknown  unseen.gpus      node-1",
        "         gpus",
        "         fix: look",
        "warning  ports.ephemeral  node-0",
        "         port 40000",
        "         fix: another",
    ]
    assert table([]) == []
    assert report(findings, 4)["summary"] == "3 of 4 hosts are unfit (2 errors, 1 unknown, 1 warning)"
    assert report([], 4)["refused"] is False


@pytest.mark.parametrize(
    ("name", "version", "route"),
    [
        ("nvidia-driver-550-server", "550.144.03-0ubuntu0.22.04.1", "distribution"),
        ("linux-modules-nvidia-550-server-open-5.15.0-119-generic", "5.15.0-119.129", "distribution"),
        ("nvidia-driver", "535.183.01-1~deb12u1", "distribution"),
        ("nvidia-driver-550-open", "550.144.03-0ubuntu1", "nvidia"),
        ("nvidia-kernel-open-dkms", "550.144.03-1", "nvidia"),
        ("kmod-nvidia-open-dkms", "3:550.144.03-1.el9", "nvidia"),
        ("nvidia-container-toolkit", "1.17.4-1", None),
        ("cuda-toolkit-12-4", "12.4.1-1", None),
        ("nvidia-prime", "0.8.17.1", None),
    ],
)
def test_a_driver_package_tells_its_maker(name: str, version: str, route: str | None) -> None:
    assert route_of(name, version) == route


def test_the_planners_gpus_are_known_on_the_bus() -> None:
    assert {board.name for board in GPUS.values()} >= set(PLANNED)
    assert (gpu_name(0x2329), gpu_name(0x2FFF)) == ("H20-96G", "10de:2fff")
    assert (nic_name(0x15B3, 0x101F), nic_name(0x8086, 0x158B), nic_name(None, None)) == (
        "ConnectX-6 Lx",
        "8086:158b",
        None,
    )


def severities() -> dict[str, str]:
    """Every rule's severity by its code."""
    own = {rule.code: rule.severity for rule in judging.RULES}
    return {**own, **{rule.code: rule.severity for rule in judging.GROUP_RULES}}


def test_codes_are_one_each_and_severities_are_known() -> None:
    assert len(set(judging.CODES)) == len(judging.CODES)
    assert set(severities().values()) <= set(SEVERITIES)


def test_the_document_has_every_code_with_its_severity() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+\.[a-z_]+)` \| (\w+) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {**severities(), judging.EXPECTATION: "error"}


def test_the_document_has_every_key_of_an_expectation() -> None:
    section = DOCUMENT.read_text(encoding="utf-8").split("## What can be expected")[1].split("\n## ")[0]
    keys = re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)
    assert sorted(keys) == sorted([*Expectation.__dataclass_fields__, "stack"])
