"""What a load did to the hosts: restarts and crashes are named, what wasn't seen is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.filter.load_effects import load_effects
from ansible_collections.moefleet.serving.plugins.module_utils.verification.load import hosts


def state(restarts: str = "0", pid: str = "455", **more: Any) -> dict[str, Any]:
    """A registered result of host_state."""
    return {"state": {"unit": {"NRestarts": restarts, "MainPID": pid}, "oom_kills": 0, "reasons": {}, **more}}


BEFORE = {"node-0": state(), "node-1": state()}
LOG = {"vllm": {"kv_cache_tokens": 9696}, "eplb": {"values": {}, "reasons": ["no line of EPLB"]}}


def judged(after: dict[str, Any]) -> tuple[str, Any, list[str]]:
    evidence = hosts.steadiness(BEFORE, after)["runs"][0]["evidence"]
    return evidence["verdict"], evidence["values"]["value"], evidence["reasons"]


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (state(), ("pass", 0, [])),
        (state("2", "900"), ("fail", 2, ["node-1: systemd restarted the unit 2 times"])),
        (state("0", "900"), ("fail", 1, ["node-1: the main process is another one than before"])),
        (
            state(oom_kills=3),
            ("fail", 3, ["node-1: the kernel killed 3 of its processes because memory ran out"]),
        ),
        ({}, ("unknown", None, ["node-1: its unit was not read before and after the load"])),
    ],
)
def test_steadiness(second: dict[str, Any], expected: tuple[str, Any, list[str]]) -> None:
    assert judged({"node-0": state(), "node-1": second}) == expected


def gpus(*used: float, **more: Any) -> dict[str, Any]:
    """A registered result of gpu_watch."""
    peaks = [{"index": index, "used_mib": mib, "total_mib": 100} for index, mib in enumerate(used)]
    return {"gpu": {"peaks": peaks, "samples": 60, **more}}


def left(*used: float) -> list[dict[str, Any]]:
    """What host_state saw in use after the load."""
    return [{"used_mib": mib, "total_mib": 100} for mib in used]


def test_gpu_memory_of_each_host_is_that_of_its_peak() -> None:
    after = {
        "node-0": state(gpu_memory=left(80, 81)),
        "node-1": state(gpu_memory=[]),
        "node-2": state(gpu_memory=left(80, 81)),
        "node-3": state(gpu_memory=left(93)),
        "node-4": state(gpu_memory=left(93)),
    }
    watched = {
        "node-0": gpus(82, 91.5),
        "node-1": gpus(),
        "node-2": {"gpu": {"peaks": None, "reason": "nvidia-smi gave no answer for 40 s while the load ran"}},
        "node-3": gpus(60),
    }
    entries = hosts.gpu_memory(after, watched)
    assert [entry["host"] for entry in entries] == list(after)
    evidence = [entry["runs"][0]["evidence"] if entry["runs"] else {} for entry in entries]
    assert evidence[0]["values"]["value"] == 91.5
    assert entries[0]["conditions"]["after_percent"] == 81
    assert entries[1]["not_applicable"] == "no GPU"
    assert (evidence[2]["verdict"], evidence[2]["reasons"]) == ("unknown", [watched["node-2"]["gpu"]["reason"]])
    assert evidence[3]["values"]["value"] == 93, "more than ever was seen is in use now"
    # What is in use afterwards is no proof of what was in use at the peak.
    assert (evidence[4]["verdict"], evidence[4]["values"]["value"]) == ("unknown", None)


def test_kv_cache_is_the_smallest_and_every_hosts_is_needed() -> None:
    small = {"vllm": {"kv_cache_tokens": 5000}}
    found = hosts.kv_cache({"node-0": state(engine_log=LOG), "node-1": state(engine_log=small)}, 4096)
    evidence = found["runs"][0]["evidence"]
    assert (evidence["verdict"], evidence["values"]["kv_cache_tokens"]) == ("pass", 5000)
    found = hosts.kv_cache({"node-0": state(engine_log=LOG), "node-1": state(engine_log=None)}, 4096)
    assert found["runs"][0]["evidence"]["verdict"] == "unknown"
    assert found["runs"][0]["evidence"]["reasons"][0].startswith("node-1: ")


def test_experts_without_and_with_eplb() -> None:
    assert {entry["not_applicable"] for entry in hosts.experts(state(), ["serve"])} == {"EPLB is off in the plan"}
    values = {"balancedness_mean": 0.8, "rebalances_per_1000_steps": 1.5, "rebalance_ms": 90.0}
    head = state(engine_log={"eplb": {"values": values, "reasons": []}})
    figures = {
        entry["check"]: entry["runs"][0]["evidence"]["values"]["value"]
        for entry in hosts.experts(head, ["--enable-eplb"])
    }
    assert figures == {"expert_balancedness": 0.8, "eplb_rebalance_rate": 1.5, "eplb_rebalance_cost": 90.0}
    unknown = hosts.experts(state(engine_log=LOG), ["--enable-eplb"])[0]["runs"][0]["evidence"]
    assert (unknown["verdict"], unknown["reasons"]) == ("unknown", ["no line of EPLB"])


def test_the_filter_returns_all_of_it() -> None:
    plan = {
        "service": {"head": "node-0"},
        "serve": {"node-0": {"argv": ["vllm", "serve"]}},
        "memory": {"per_rank": {"kv_cache_tokens": 2048}},
    }
    after = {name: state(engine_log=LOG, gpu_memory=[]) for name in BEFORE}
    found = load_effects(after, BEFORE, plan, {name: gpus() for name in BEFORE})
    assert {entry["not_applicable"] for entry in found if entry["check"] == "gpu_memory_share"} == {"no GPU"}
    assert [entry["check"] for entry in found] == [
        "soak_restarts",
        "gpu_memory_share",
        "gpu_memory_share",
        "kv_cache_tokens",
        "expert_balancedness",
        "eplb_rebalance_rate",
        "eplb_rebalance_cost",
    ]
