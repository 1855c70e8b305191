"""The verdict over all checks, the report, and the inputs it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.verification import report
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import (
    Demands,
    Planned,
    VerificationError,
)

from .reference import measurement, run


def test_a_healthy_report(service: Any) -> None:
    document = service.document()
    assert document["verdict"] == "pass"
    assert document["schema"] == report.SCHEMA
    assert document["counts"]["pass"] == len(document["checks"]) > 80
    assert report.headline(document) == f"All {len(document['checks'])} checks passed."
    assert [host["verdict"] for host in document["hosts"]] == ["pass"] * 4
    assert document["benchmark"]["ttft_ms"]["p99"] == 405.0
    assert json.loads(json.dumps(document)) == document


def test_one_unknown_is_not_a_pass(service: Any) -> None:
    service.results["node-3"] = {"unreachable": True, "msg": "no route"}
    document = service.document()
    assert document["verdict"] == "unknown"
    assert [host["verdict"] for host in document["hosts"]] == ["pass", "pass", "pass", "unknown"]
    assert document["hosts"][3]["reached"] is False
    assert "1 unknown" in report.headline(document)


def test_a_failure_outranks_an_unknown_and_comes_first(service: Any) -> None:
    service.results["node-0"] = {}
    service.state("node-3")["ranks"] = []
    assert service.document()["verdict"] == "fail"
    assert [check.id for check in report.trouble(service.checks())] == ["rank_running", "rank_running", "host_reached"]


def test_what_hosts_have_in_common_is_one_line(service: Any) -> None:
    for host in ("node-1", "node-3"):
        service.state(host)["engine"]["version"] = "0.31.0"
    service.state("node-2")["engine"]["version"] = "0.30.0"
    one, other = report.sentences(report.trouble(service.checks()))
    assert one.startswith("FAIL  node-1, node-3: the installed engine is 0.31.0")
    assert other.startswith("FAIL  node-2: the installed engine is 0.30.0")


def test_nothing_judged_is_unknown() -> None:
    assert report.verdict_of([]) == "unknown"


def test_what_does_not_apply_does_not_count(service: Any) -> None:
    checks = service.checks()
    absent = replace(checks[0], verdict="not applicable")
    assert report.verdict_of([absent]) == "unknown"
    assert report.verdict_of([absent, *checks]) == "pass"
    service.measurements = [measurement("rdma_latency_64b", not_applicable="no RDMA device")]
    document = service.document()
    assert (document["verdict"], document["counts"]["not applicable"]) == ("pass", 1)
    assert report.headline(document) == (f"All {len(document['checks']) - 1} checks passed. 1 is not applicable here.")


def test_measurements_are_judged_and_kept(service: Any) -> None:
    service.measurements = [measurement("sessions_error_rate", run(3.0)), measurement("tcp_bandwidth", host="node-0")]
    document = service.document()
    assert document["verdict"] == "fail"
    assert document["measurements"] == service.measurements
    judged = {check["id"]: check["verdict"] for check in document["checks"]}
    assert (judged["sessions_error_rate"], judged["tcp_bandwidth"]) == ("fail", "unknown")


def test_a_host_is_as_good_as_its_measurements(service: Any) -> None:
    service.measurements = [measurement("gpu_memory_share", run(95.0), host="node-2")] + [
        measurement("gpu_memory_share", not_applicable="no GPU", host=host) for host in ("node-0", "node-1", "node-3")
    ]
    assert [host["verdict"] for host in service.document()["hosts"]] == ["pass", "pass", "fail", "pass"]


def test_predictions_stand_beside_measurements(service: Any) -> None:
    service.plan["memory"] = {"per_rank": {"kv_capacity_range_tokens": {"low": 900, "likely": 1000, "high": 1100}}}
    service.measurements = [measurement("kv_cache_tokens", run(1050, "kv_cache_tokens"))]
    assert [(row["likely"], row["measured"], row["inside"]) for row in service.document()["predictions"]] == [
        (1000, 1050, True)
    ]


@pytest.mark.parametrize("missing", ["layout", "serve", "service", "engine"])
def test_half_a_plan_is_refused(service: Any, missing: str) -> None:
    service.plan[missing] = None
    with pytest.raises(VerificationError) as error:
        service.checks()
    assert error.value.code == "bad-plan"
    assert error.value.fix


SETTINGS: dict[str, Any] = {
    "unit": "u",
    "user": "m",
    "sysctl": {"a.b": 1},
    "memlock": "infinity",
    "nofile": 10,
    "hardening": {},
}


def test_demands() -> None:
    demands = Demands.from_settings(SETTINGS, "here")
    assert (demands.sysctl, demands.nofile) == ({"a.b": "1"}, 10)


@pytest.mark.parametrize("change", [{"memlock": "much"}, {"nofile": None}, {"sysctl": None}, {"hardening": []}])
def test_demands_that_cannot_be_read(change: dict[str, Any]) -> None:
    with pytest.raises(VerificationError) as error:
        Demands.from_settings({**SETTINGS, **change}, "here")
    assert error.value.place == "here"


def test_the_planner_makes_what_verification_reads() -> None:
    plan = make_plan(
        {
            "cluster": {
                "hosts": [{"name": f"node-{index}", "data_address": f"192.168.1.1{index}"} for index in range(4)],
                "gpus_per_host": 8,
                "gpu": "H20-96G",
                "nic_gbit_s": 25,
                "nics_per_host": 1,
            },
            "model": "deepseek-v3",
            "precision": "fp8",
            "parallel": {"tensor": 1, "data": 32, "pipeline": 1, "expert": True, "redundant_experts": 32},
            "engine": {"name": "vllm", "version": "0.19.1", "gpu_memory_utilization": 0.9, "max_model_len": 32768},
            "workload": {"sessions": 200},
        }
    ).as_dict()
    planned = Planned.from_plan(plan)
    assert (planned.engines, planned.head, planned.host_of(17)) == (32, "node-0", "node-2")
    assert [host.address for host in planned.hosts] == [f"192.168.1.1{index}" for index in range(4)]
