"""What must be the same on every host, and what must not; and clocks, as far as one can tell."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.preflight.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.judge import judge
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.rules_group import clock_offset
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.rules_network import rdma_mtu

Records = dict[str, dict[str, Any]]


@pytest.fixture
def four(fit: dict[str, Any]) -> Records:
    """Four hosts of which each is fit and none is another."""
    records: Records = {}
    for index in range(4):
        record = copy.deepcopy(fit)
        seen = record["seen"]
        seen["system"].update(hostname=f"node-{index}", machine_id=f"{index:032x}")
        seen["addresses"] = {"lo": ["127.0.0.1"], "eth1": [f"192.168.1.1{index}"], "docker0": ["172.17.0.1"]}
        seen["own_name"] = {"name": f"node-{index}", "addresses": [f"192.168.1.1{index}"]}
        for nic in seen["interfaces"]:
            nic["mac"] = f"{nic['mac'][:-2]}{index:02x}"
        record["expected"]["data_address"] = f"192.168.1.1{index}"
        records[f"node-{index}"] = record
    return records


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.code, one.host) for one in found]


def test_four_fit_hosts_are_a_group(four: Records) -> None:
    assert judge(four) == []


def test_what_two_hosts_share_is_told_of_both(four: Records) -> None:
    one, other = four["node-1"]["seen"], four["node-2"]["seen"]
    other["system"].update(hostname="node-1", machine_id=one["system"]["machine_id"])
    other["interfaces"][1]["mac"] = one["interfaces"][1]["mac"]
    other["addresses"]["eth2"] = ["192.168.1.11"]
    pairs = [(code, f"node-{n}") for code in ("addresses", "macs", "names", "machine_ids") for n in (1, 2)]
    found = judge(four)
    assert told(found) == [(f"group.{code}", host) for code, host in pairs]
    assert "the address 192.168.1.11 is also that of node-2" in found[0].message


def test_the_odd_one_is_told_and_not_the_others(four: Records) -> None:
    system = four["node-3"]["seen"]["system"]
    system.update(distribution="debian12", kernel="6.1.0-25-amd64")
    for record in four.values():
        record["expected"].pop("stack")
    assert told(judge(four)) == [("group.distribution", "node-3"), ("group.kernel", "node-3")]
    assert [one.severity for one in judge(four)] == ["error", "warning"]


def test_as_many_gpus_as_the_others_where_no_number_is_planned(four: Records) -> None:
    four["node-2"]["seen"]["gpus"].pop()
    for record in four.values():
        record["expected"].pop("gpus_per_host")
    assert told(judge(four)) == [("group.gpus", "node-2")]


def test_mtus_that_are_all_large_enough_must_be_the_same(four: Records) -> None:
    for nic in four["node-1"]["seen"]["interfaces"]:
        nic["mtu"] = 9000
    found = judge(four)
    assert told(found) == [("group.mtu", "node-1")]
    assert "9000 (RDMA 4096), elsewhere 4200 (RDMA 4096)" in found[0].message


@pytest.mark.parametrize(
    ("mtu", "rdma"), [(9000, 4096), (4200, 4096), (4192, 4096), (4191, 2048), (1500, 1024), (1400, 1024), (351, 0)]
)
def test_rdmas_mtu_is_the_power_of_two_below_what_headers_leave(mtu: int, rdma: int) -> None:
    assert rdma_mtu(mtu) == rdma


@pytest.mark.parametrize(
    ("ahead", "words"), [(5.0, "4.2 s or more ahead of node-"), (-30.0, "29.2 s or more behind node-")]
)
def test_a_clock_that_is_off_is_off_by_what_is_certain(four: Records, ahead: float, words: str) -> None:
    """A call took a second, of which the host looked for 0.2: 0.4 s on either side of each can't be told."""
    seen = four["node-2"]["seen"]
    seen["started_s"] += ahead
    seen["ended_s"] += ahead
    found = judge(four)
    assert told(found) == [("group.clock", "node-2")]
    assert words in found[0].message


def test_a_slow_way_proves_nothing(four: Records) -> None:
    four["node-2"]["seen"].update(started_s=1004.0, ended_s=1004.2, controller={"before_s": 1000.0, "after_s": 1009.0})
    assert judge(four) == []


def test_of_two_clocks_the_one_farther_from_the_controllers_is_told(four: Records) -> None:
    two = {name: four[name] for name in ("node-0", "node-1")}
    two["node-0"]["seen"]["started_s"] += 60
    two["node-0"]["seen"]["ended_s"] += 60
    assert told(judge(two)) == [("group.clock", "node-0")]


@given(
    st.floats(-1e5, 1e5), st.floats(0, 10), st.floats(0, 10), st.floats(0, 10)
)  # fmt: skip
def test_the_true_offset_lies_between_what_is_told(offset: float, way: float, look: float, back: float) -> None:
    started = 1e6 + way + offset
    seen = {
        "started_s": started,
        "ended_s": started + look,
        "controller": {"before_s": 1e6, "after_s": 1e6 + way + look + back},
    }
    bounds = clock_offset(seen)
    assert bounds is not None
    assert bounds[0] - 1e-6 <= offset <= bounds[1] + 1e-6


def test_a_host_that_could_not_be_looked_at_is_unknown_and_the_others_are_judged(four: Records) -> None:
    four["node-1"] = {"seen": None, "why": "no python3", "expected": four["node-1"]["expected"]}
    four["node-2"]["seen"]["gpus"].pop()
    assert told(judge(four)) == [("unseen.host", "node-1"), ("gpu.count", "node-2")]
    assert "no python3" in judge(four)[0].message
