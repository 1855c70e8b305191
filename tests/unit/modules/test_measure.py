"""The modules that measure: what they return, what they refuse, and that check mode runs nothing."""

from __future__ import annotations

from pathlib import Path

import yaml

from ansible_collections.moefleet.serving.plugins.modules import fabric_facts, measure

from .conftest import RunModule

PING = """PING b (b) from a : 56(84) bytes of data.

--- b ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time 10ms
rtt min/avg/max/mdev = 0.060/0.071/0.152/0.019 ms
"""


def step(tmp_path: Path, **changes: object) -> dict[str, object]:
    (tmp_path / "ping").write_text(PING, encoding="utf-8")
    reads = [{"check": "ip_round_trip", "tool": "ping"}]
    return {
        "argv": ["cat", str(tmp_path / "ping")],
        "host": "a",
        "peer": "b",
        "reads": reads,
        "repeats": 2,
        "warmup": 1,
        **changes,
    }


def test_measurements_come_back(run_module: RunModule, tmp_path: Path) -> None:
    result = run_module(measure, steps=[step(tmp_path)])
    (entry,) = result["measurements"]
    assert result["changed"] is False
    assert (entry["check"], entry["host"], entry["peer"], entry["asked"]) == ("ip_round_trip", "a", "b", 2)
    assert [run["evidence"]["values"]["round_trip_us"] for run in entry["runs"]] == [71.0, 71.0]
    returned = yaml.safe_load(measure.RETURN)["measurements"]["contains"]
    assert set(returned) == set(entry)


def test_check_mode_runs_nothing_and_says_what_would(run_module: RunModule, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    result = run_module(measure, check=True, steps=[step(tmp_path, argv=["touch", str(mark)])])
    assert result["would_run"] == [f"touch {mark}"]
    assert result["measurements"] == []
    assert not mark.exists()


def test_what_can_not_be_measured_is_no_failure_of_the_module(run_module: RunModule, tmp_path: Path) -> None:
    result = run_module(measure, steps=[step(tmp_path, argv=["/no/such/tool"])])
    assert result["measurements"][0]["runs"][0]["evidence"]["verdict"] == "unknown"


def test_a_step_that_is_none_is_refused(run_module: RunModule, tmp_path: Path) -> None:
    assert "no argv" in run_module(measure, steps=[step(tmp_path, argv=[])])["msg"]
    wrong = step(tmp_path, reads=[{"check": "x", "tool": "crystal_ball"}])
    assert "crystal_ball" in run_module(measure, steps=[wrong])["msg"]


def test_the_options_of_a_step_are_documented() -> None:
    documented = yaml.safe_load(measure.DOCUMENTATION)["options"]["steps"]["suboptions"]
    assert set(documented) == set(measure.STEP_SPEC)
    for name, option in measure.STEP_SPEC.items():
        assert documented[name]["default"] == option["default"], name


def test_facts_of_a_bare_host(run_module: RunModule, tmp_path: Path) -> None:
    fabric = run_module(fabric_facts, interface="eth1", root=str(tmp_path))["fabric"]
    assert (fabric["tools"], fabric["gpus"], fabric["rdma"], fabric["service"]) == ({}, 0, None, None)
    assert set(yaml.safe_load(fabric_facts.RETURN)["fabric"]["contains"]) == set(fabric)
