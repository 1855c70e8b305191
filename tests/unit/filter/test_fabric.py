"""The filters fabric_schedule and fabric_aggregate."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.moefleet.serving.plugins.filter import fabric_aggregate, fabric_schedule

HOSTS = [{"name": name, "address": f"10.0.0.{place}/24"} for place, name in enumerate("abc", 1)]


def test_three_hosts_take_three_rounds_and_one_rests() -> None:
    made = fabric_schedule.fabric_schedule(HOSTS, {"repeats": "2", "traffic_class": None, "seconds": "0.5"})
    assert [len(entry) for entry in made["pairs"]] == [1, 1, 1]
    steps = [step for entry in made["rounds"] for steps in entry.values() for step in steps]
    assert all(step["repeats"] == 2 for step in steps)
    # Nothing was seen of these hosts: every tool is missing, and that is said.
    assert all("isn't installed" in step["missing"] for step in steps)


@pytest.mark.parametrize(
    ("hosts", "settings", "said"),
    [
        ("a", {}, "a list of hosts"),
        ({}, {}, "a list of hosts"),
        ([{"address": "10.0.0.1"}], {}, "no usable 'name'"),
        ([HOSTS[0], HOSTS[0]], {}, "there twice"),
        (HOSTS, {"repeats": "many"}, "many"),
        (HOSTS, {"repeat": 1}, "repeat"),
    ],
)
def test_what_is_no_fabric_is_refused(hosts: Any, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        fabric_schedule.fabric_schedule(hosts, settings)


def test_aggregate() -> None:
    def entry(host: str, peer: str) -> dict[str, Any]:
        runs = [{"evidence": {"values": {"received_bit_s": 10e9}, "verdict": "pass"}}]
        return {"check": "tcp_bandwidth", "host": host, "peer": peer, "runs": runs, "not_applicable": ""}

    made = fabric_aggregate.fabric_aggregate([entry("a", "b"), entry("b", "a")], [[["a", "b"]]])
    assert made["runs"][0]["evidence"]["values"]["aggregate_gbit_s"] == 20.0


@pytest.mark.parametrize(
    ("measurements", "pairs", "said"),
    [
        ({}, [], "a list"),
        ([], "ab", "a list"),
        ([{"check": "tcp_bandwidth"}], [[["a", "b"]]], "'host'"),
        ([], [[["a"]]], "index"),
    ],
)
def test_what_is_no_measurement_is_refused(measurements: Any, pairs: Any, said: str) -> None:
    with pytest.raises(AnsibleFilterError, match=said):
        fabric_aggregate.fabric_aggregate(measurements, pairs)


def test_ansible_finds_them() -> None:
    assert list(fabric_schedule.FilterModule().filters()) == ["fabric_schedule"]
    assert list(fabric_aggregate.FilterModule().filters()) == ["fabric_aggregate"]
