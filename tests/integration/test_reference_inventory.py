"""The reference cluster's inventory gives every role what it takes; what is expected of its hosts can be meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.preflight.expectation import read_expectation

from .playbooks import play

PLAYBOOK = "tests/integration/inventory_choices.yml"
HOSTS = [f"node-{index}" for index in range(4)]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """By host, what its roles are given. The run fails where a role does not take it."""
    directory = tmp_path_factory.mktemp("choices")
    outcome = play(PLAYBOOK, inventory="inventory/h20", variables={"moefleet_artifacts_dir": str(directory)})
    assert outcome.rc == 0, outcome.explain()
    return {host: json.loads((directory / f"{host}.json").read_text(encoding="utf-8")) for host in HOSTS}


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_expected_of_a_host_can_be_meant(given: dict[str, dict[str, Any]], host: str) -> None:
    expected, wrong = read_expectation(given[host]["expect"])
    assert wrong == []
    assert (expected.gpus_per_host, expected.gpu_model, expected.mtu_bytes) == (8, "H20-96G", 9000)
    assert expected.data_address == f"192.168.1.{10 + HOSTS.index(host)}"


def test_ports_are_the_heads_alone(given: dict[str, dict[str, Any]]) -> None:
    assert [bool(given[host]["expect"]["ports"]) for host in HOSTS] == [True, False, False, False]


def test_what_later_roles_mend_is_no_reason_to_refuse(given: dict[str, dict[str, Any]]) -> None:
    assert {"nic.mtu", "names.own", "bus.acs", "bus.iommu", "driver.nouveau"} <= set(given["node-0"]["mended"])


def test_collectives_use_the_lossless_class_of_the_roce_role(given: dict[str, dict[str, Any]]) -> None:
    assert given["node-3"]["nccl"] == {
        "GLOO_SOCKET_IFNAME": "eth1",
        "NCCL_DEBUG": "WARN",
        "NCCL_IB_HCA": "=mlx5_0",
        "NCCL_IB_TC": "106",
        "NCCL_SOCKET_IFNAME": "=eth1",
    }
