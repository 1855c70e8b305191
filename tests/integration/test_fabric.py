"""The fabric of the lab, measured for real: every ordered pair, and the one slow link is the one that is named.

The lab's service keeps running: it is told of under a name that no unit has, so that the gate finds none.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import pytest

from .playbooks import ROOT, Outcome, main_pids, play

HOSTS = ("node-0", "node-1", "node-2", "node-3")
REPORT = ROOT / "artifacts/verify/fabric/report.json"
# One short run of each command, without the collectives' largest buffers.
QUICK = {
    "verify_unit": "nothing-of-that-name.service",
    "verify_fabric_repeats": 1,
    "verify_fabric_pings": 20,
    "verify_fabric_group_bytes": [1024, 1048576],
}
# 200 Mbit/s towards node-2's data address alone: far below the others, and enough for the answers of the other way.
LIMIT = """set -e
tc qdisc add dev eth1 root handle 1: htb default 10
tc class add dev eth1 parent 1: classid 1:10 htb rate 100gbit
tc class add dev eth1 parent 1: classid 1:20 htb rate 200mbit burst 64kb
tc filter add dev eth1 parent 1: protocol ip u32 match ip dst 192.168.1.12/32 flowid 1:20
"""


def checks(name: str) -> list[dict[str, Any]]:
    """The report's checks of a figure."""
    content: dict[str, Any] = json.loads(REPORT.read_text(encoding="utf-8"))
    return [check for check in content["checks"] if check["id"] == name]


def in_network_of(host: str, script: str) -> None:
    """Run a script as this machine's root in the network of a lab host, whose own root may not limit its interfaces."""
    command = ["ip", "netns", "exec", f"moefleet-lab-{host}", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def slow_link() -> Iterator[None]:
    """Node-1 sends to node-2 slowly."""
    in_network_of("node-1", LIMIT)
    try:
        yield
    finally:
        in_network_of("node-1", "tc qdisc del dev eth1 root")


def test_the_first_run_measured_every_ordered_pair(lab: Outcome) -> None:
    """The gate of site.yml: what the lab has is measured, and what it can't have says so."""
    assert "Measure the links between the hosts" in lab.output
    for name in ("ip_round_trip", "ip_loss", "tcp_bandwidth"):
        seen = {(check["host"], check["peer"]): check for check in checks(name)}
        assert set(seen) == set(permutations(HOSTS, 2))
        assert {check["verdict"] for check in seen.values()} <= {"pass", "warn"}
        assert all(check["value"] is not None and check["command"] for check in seen.values())
    assert {check["verdict"] for check in checks("rdma_bandwidth_1mb")} == {"not applicable"}
    assert [check["observed"] for check in checks("collective_transport")] == ["tcp"]


def test_beside_a_running_service_nothing_is_measured(lab: Outcome) -> None:
    """Said, and skipped."""
    before, written = main_pids(), REPORT.stat().st_mtime
    outcome = play("playbooks/fabric.yml")
    assert outcome.rc == 0, outcome.explain()
    assert "The fabric is not measured: moefleet-vllm.service runs on node-0, node-1, node-2, node-3" in " ".join(
        outcome.output.split()
    )
    assert sum(outcome.changed.values()) == 0
    assert (main_pids(), REPORT.stat().st_mtime) == (before, written)


def test_a_slow_link_is_named_and_no_other(lab: Outcome, slow_link: None) -> None:
    """One direction of one pair: that pair fails, the play ends with it, and no other pair is blamed."""
    outcome = play("playbooks/fabric.yml", variables=QUICK)
    assert outcome.rc != 0, outcome.explain()
    bad = [check for check in checks("tcp_bandwidth") if check["verdict"] == "fail"]
    assert [(check["host"], check["peer"]) for check in bad] == [("node-1", "node-2")]
    assert bad[0]["value"] < 0.25
    assert any("node-1 -> node-2" in failure and "tc qdisc show" in failure for failure in outcome.failures)
    assert "node-1" in bad[0]["fix"]
