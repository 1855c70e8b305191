"""The role around the module: the same settings in every place, for every distribution."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from ansible_collections.moefleet.serving.plugins.filter.system_name import SUPPORTED
from ansible_collections.moefleet.serving.plugins.module_utils.roce.desired import Desired, from_mapping
from ansible_collections.moefleet.serving.plugins.modules import roce_qos

REPOSITORY = Path(__file__).resolve().parents[3]
ROLE = REPOSITORY / "roles" / "roce"


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text(encoding="utf-8"))


def rendered(name: str, **choices: Any) -> str:
    """A template of the role, from its defaults and choices."""
    variables = {**load("defaults/main.yml"), **load("vars/main.yml"), "roce_interface": "eth1", **choices}
    text = trust_as_template((ROLE / "templates" / name).read_text(encoding="utf-8"))
    return str(Templar(DataLoader(), variables=variables).template(text))


@pytest.mark.parametrize("system", SUPPORTED)
def test_every_distribution_has_the_tools(system: str) -> None:
    packages = load(f"vars/{system}.yml")["_roce_packages"]
    iproute, verbs = ("iproute", "libibverbs-utils") if system == "rhel9" else ("iproute2", "ibverbs-utils")
    assert packages == ["ethtool", iproute, verbs]


def test_the_hosts_file_holds_all_settings() -> None:
    assert {*load("vars/main.yml")["_roce_settings"]} == {entry.name for entry in fields(Desired)}


def test_the_hosts_file_is_what_the_program_reads() -> None:
    choices = {"data_interface": "eth1", "data_address": "192.168.1.10", "roce_dscp_priorities": {"26": 3}}
    defaults = {**load("defaults/main.yml"), "roce_subnet": "192.168.1.10"}
    settings = {
        name: defaults.get(f"roce_{name}") for name in load("vars/main.yml")["_roce_settings"] if name != "interface"
    }
    text = rendered("roce.json.j2", _roce_settings={**settings, "interface": "eth1"}, **choices)
    assert text.endswith("}\n")
    assert from_mapping(json.loads(text)) == Desired("eth1", subnet="192.168.1.10")


def test_the_module_is_told_all_settings() -> None:
    task = next(task for task in load("tasks/present.yml") if "moefleet.serving.roce_qos" in task)
    told = task["moefleet.serving.roce_qos"]
    assert {*told} == {*roce_qos.argument_spec()} - {"state"}
    names = {entry.name for entry in fields(Desired)}
    assert all(told[name] == f"{{{{ _roce_settings['{name}'] }}}}" for name in names)


def test_defaults_are_the_modules() -> None:
    defaults = load("defaults/main.yml")
    for name, option in roce_qos.argument_spec().items():
        if name not in ("interface", "subnet", "traffic_class"):
            assert defaults[f"roce_{name}"] == option["default"], name


def test_the_hosts_program_has_all_modules() -> None:
    own = {path.name for path in (REPOSITORY / "plugins/module_utils/roce").glob("*.py")}
    listed = load("vars/main.yml")["_roce_modules"]
    assert {name.partition("/")[2] for name in listed if name.startswith("roce/")} == own


def test_the_unit_comes_after_the_driver_and_before_the_service() -> None:
    unit = rendered("moefleet-roce.service.j2")
    lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))
    assert {"openibd.service", "network.target", "systemd-modules-load.service"} <= set(lines["After"].split())
    assert lines["Before"] == "moefleet-vllm.service"
    assert lines["WantedBy"].split() == ["multi-user.target", "moefleet-vllm.service"]
    assert lines["ExecStart"] == "/usr/local/sbin/moefleet-roce --wait 60 --settings /etc/moefleet/roce.json"
    assert lines["TimeoutStartSec"] == "120"
    assert "RemainAfterExit" not in lines


def test_the_unit_of_an_image_has_its_root() -> None:
    assert "--root /srv/image\n" in rendered("moefleet-roce.service.j2", roce_root="/srv/image")


def test_the_host_looks_by_itself_when_it_is_told_to() -> None:
    timer = rendered("moefleet-roce-check.timer.j2", roce_check_calendar="hourly")
    assert "OnCalendar=hourly\n" in timer
    unit = rendered("moefleet-roce-check.service.j2", roce_root="/srv/image")
    assert (
        "ExecStart=/usr/local/sbin/moefleet-roce --check --settings /etc/moefleet/roce.json --root /srv/image\n" in unit
    )
    assert "After=moefleet-roce.service\n" in unit


def test_the_udev_rule_is_for_the_interface_and_for_rdma_devices() -> None:
    rules = [line for line in rendered("moefleet-roce.rules.j2").splitlines() if not line.startswith("#")]
    assert len(rules) == 2
    assert all('ACTION=="add"' in rule and 'ENV{SYSTEMD_WANTS}+="moefleet-roce.service"' in rule for rule in rules)
    assert 'ENV{INTERFACE}=="eth1"' in rules[0]
    assert 'SUBSYSTEM=="infiniband"' in rules[1]
