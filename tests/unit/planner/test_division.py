"""Layouts of several instances: who is with whom, what each is sized for, and where it answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.layout import place
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_memory, make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request import (
    PIPELINE,
    REPLICAS,
    Division,
    Host,
    Parallel,
)

Reference = Callable[..., dict[str, Any]]
TENSOR = {"tensor": 8, "pipeline": 1, "expert": True}


def replicas(reference: Reference, **changes: Any) -> dict[str, Any]:
    """The plan of four hosts as replicas of TP8, with devices that have room for one."""
    raw = reference()
    raw["cluster"]["gpu"] = "H20-141G"
    raw.update({"layout": "replicas", "parallel": TENSOR, "workload": {"sessions": 4}, **changes})
    return make_plan(raw).as_dict()


def codes(plan: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in plan["findings"] if finding["severity"] == "error"]


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 8), st.booleans())
def test_every_rank_is_in_one_instance_and_all_are_alike(groups: int, each: int, gpus: int, moe: bool) -> None:
    hosts = [Host(f"node-{number}") for number in range(groups * each)]
    findings: list[Finding] = []
    layout = place(hosts, gpus, Parallel(), moe=moe, findings=findings, division=Division(REPLICAS, each))
    assert layout is not None
    assert findings == []
    assert [len(instance) for instance in layout.instances] == [each] * groups
    assert [rank for host in layout.hosts for rank in host.ranks] == list(range(groups * each * gpus))
    assert layout.data_parallel_size == layout.expert_parallel_size == each * gpus
    for instance in layout.instances:
        assert [host.role for host in instance] == ["head", *["follower"] * (each - 1)]
        assert [host.start_rank for host in instance] == [number * gpus for number in range(each)]
    # What fails together is an instance's where its ranks take part in one another's collectives.
    ranks = [tuple(rank for host in instance for rank in host.ranks) for instance in layout.instances]
    assert layout.groups == (tuple(ranks) if moe else tuple((rank,) for group in ranks for rank in group))


@pytest.mark.parametrize(
    ("hosts", "each", "data", "said"),
    [
        (4, 3, None, "4 hosts do not divide into groups of layout.hosts_per_group 3"),
        (4, 5, None, "4 hosts do not divide into groups of layout.hosts_per_group 5"),
        (4, 1, 30, "parallel.data 30 does not divide over 4 groups of ranks"),
    ],
)
def test_uneven_groups_are_refused(hosts: int, each: int, data: int | None, said: str) -> None:
    findings: list[Finding] = []
    known = [Host(f"node-{number}") for number in range(hosts)]
    layout = place(known, 8, Parallel(data=data), moe=True, findings=findings, division=Division(REPLICAS, each))
    assert layout is None
    assert [(finding.code, finding.message) for finding in findings] == [("layout.uneven_groups", said)]


def test_each_instance_has_its_own_api_behind_the_address_of_the_service(reference: Reference) -> None:
    plan = replicas(reference)
    assert codes(plan) == []
    assert plan["serving"]["layout"] == "replicas"
    assert plan["serving"]["balanced"]
    assert [
        (instance["head"], instance["address"], instance["port"], instance["engines"], instance["first_rank"])
        for instance in plan["serving"]["instances"]
    ] == [(f"node-{number}", f"192.168.1.{10 + number}", 8001, 1, number) for number in range(4)]
    assert (plan["service"]["port"], plan["service"]["engines"]) == (8000, 4)
    for name, serve in plan["serve"].items():
        line = " ".join(serve["argv"])
        assert "--headless" not in line, name
        assert "--port 8001" in line


def test_hosts_of_a_group_start_as_one_and_name_their_own_head(reference: Reference) -> None:
    raw = reference()
    raw.update({"layout": {"kind": "replicas", "hosts_per_group": 2}, "workload": {"sessions": 4}})
    raw["parallel"] = {"tensor": 1, "expert": True}
    plan = make_plan(raw).as_dict()
    assert codes(plan) == []
    assert [instance["hosts"] for instance in plan["serving"]["instances"]] == [
        ["node-0", "node-1"],
        ["node-2", "node-3"],
    ]
    line = " ".join(plan["serve"]["node-3"]["argv"])
    assert "--headless" in line
    assert "--data-parallel-size 16 --data-parallel-size-local 8 --data-parallel-start-rank 8" in line
    assert "--data-parallel-address 192.168.1.12" in line


def test_memory_and_traffic_are_those_of_one_instance(reference: Reference) -> None:
    """All experts are on each host: more weights a device, and no expert behind the ports."""
    wide, several = make_plan(reference()).as_dict(), replicas(reference)
    assert several["memory"]["per_rank"]["weights_bytes"] > wide["memory"]["per_rank"]["weights_bytes"]
    assert wide["network"]["bound_tokens_s"]
    assert several["network"]["bound_tokens_s"] == {}
    assert several["performance"]["replicas"] == 4


def test_the_reference_cluster_does_not_hold_the_whole_load_as_replicas(reference: Reference) -> None:
    """Said with the arithmetic, and nothing is rounded away."""
    raw = reference()
    raw["layout"] = "replicas"
    raw["parallel"] = TENSOR
    assert codes(make_plan(raw).as_dict()) == ["memory.does_not_fit"]


def test_what_makes_it_fit_is_said_in_the_inputs_own_numbers(reference: Reference) -> None:
    """Each remedy, put into the input, is one: sessions and ranks count those of all groups."""
    raw = reference()
    raw.update({"layout": "replicas", "parallel": {"tensor": 1, "expert": True}, "workload": {"sessions": 4}})
    remedies = {item["field"]: item["value"] for item in make_plan(raw).as_dict()["memory"]["per_rank"]["remedies"]}
    assert remedies["layout.hosts_per_group"] == 2
    raw["layout"] = {"kind": "replicas", "hosts_per_group": 2}
    assert codes(make_plan(raw).as_dict()) == []
    raw["workload"] = {"sessions": 4000}
    fewer = make_plan(raw).as_dict()["memory"]["per_rank"]["remedies"]
    (most,) = [item["value"] for item in fewer if item["field"] == "workload.sessions"]
    raw["workload"] = {"sessions": most}
    assert codes(make_plan(raw).as_dict()) == []
    raw["workload"] = {"sessions": most + 32}
    assert codes(make_plan(raw).as_dict()) == ["memory.does_not_fit"]


def test_a_budget_alone_is_that_of_one_group(reference: Reference) -> None:
    raw = reference()
    raw.update({"layout": {"kind": "replicas", "hosts_per_group": 2}, "parallel": {"tensor": 1, "expert": True}})
    assert make_memory(raw).as_dict() == make_plan(raw).as_dict()["memory"]["per_rank"]


def test_a_lost_group_leaves_the_others(reference: Reference) -> None:
    (lost,) = replicas(reference)["contingencies"]
    assert (lost["name"], lost["gpus"]) == ("one group lost", 24)


def test_the_requested_layout_is_itself_among_the_alternatives(reference: Reference) -> None:
    (asked,) = [item for item in replicas(reference)["alternatives"] if item["requested"]]
    assert asked["replicas"] == 4
    assert asked["layout"].startswith("4 x (DP1 TP8")


@pytest.mark.parametrize(
    ("ports", "said"),
    [({"port": 9000, "rpc_port": 9001}, "is engine.rpc_port, too"), ({"port": 65535}, "is no port")],
)
def test_the_groups_need_a_port_of_their_own(reference: Reference, ports: dict[str, int], said: str) -> None:
    plan = replicas(reference, engine={**reference()["engine"], **ports})
    assert codes(plan) == ["engine.port_conflict"]
    assert said in next(item["message"] for item in plan["findings"] if item["code"] == "engine.port_conflict")
    wide = make_plan({**reference(), "engine": {**reference()["engine"], **ports}}).as_dict()
    assert "engine.port_conflict" not in codes(wide)


def test_an_unknown_layout_is_refused(reference: Reference) -> None:
    plan = make_plan({**reference(), "layout": "wide-ep"}).as_dict()
    assert codes(plan) == ["layout.unknown"]
    (found,) = [finding for finding in plan["findings"] if finding["code"] == "layout.unknown"]
    assert found["fix"] == "did you mean 'wide_ep'?"


def test_one_group_over_all_hosts_is_the_default(reference: Reference) -> None:
    plan = make_plan(reference()).as_dict()
    assert plan["serving"] == {
        "layout": "wide_ep",
        "balanced": False,
        "instances": [
            {
                "head": "node-0",
                "hosts": ["node-0", "node-1", "node-2", "node-3"],
                "address": "192.168.1.10",
                "port": 8000,
                "engines": 32,
                "first_rank": 0,
            }
        ],
    }


def pipeline(reference: Reference, **changes: Any) -> dict[str, Any]:
    """The plan of four hosts as the stages of a pipeline, for as many sessions as it has room for."""
    raw = reference()
    raw.update({"layout": "pipeline", "workload": {"sessions": 64}, **changes})
    raw["engine"]["eplb_config"] = {"log_balancedness": True}
    return make_plan(raw).as_dict()


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 8))
def test_every_host_of_a_pipeline_is_a_stage_of_its_groups_one_rank(groups: int, each: int, gpus: int) -> None:
    hosts = [Host(f"node-{number}") for number in range(groups * each)]
    division = Division(PIPELINE, each, len(hosts))
    findings: list[Finding] = []
    parallel = division.divide(Parallel(redundant_experts=32, eplb=True), gpus)
    layout = place(hosts, gpus, parallel, moe=True, findings=findings, division=division)
    assert layout is not None
    assert findings == []
    assert (layout.tensor_parallel_size, layout.pipeline_parallel_size) == (gpus, each)
    assert (layout.data_parallel_size, layout.expert_parallel_size) == (1, gpus)
    assert layout.groups == tuple((number,) for number in range(groups))
    for number, instance in enumerate(layout.instances):
        assert [host.stage for host in instance] == list(range(each))
        assert [host.local_ranks for host in instance] == [1, *[0] * (each - 1)]
        assert {host.ranks for host in instance} == {(number,)}
    assert division.balanced is (groups > 1)


def test_the_stages_of_a_pipeline_meet_at_their_head(reference: Reference) -> None:
    plan = pipeline(reference)
    assert codes(plan) == []
    assert (plan["service"]["engines"], plan["service"]["port"]) == (1, 8000)
    assert not plan["serving"]["balanced"]
    assert [(item["hosts"], item["engines"], item["port"]) for item in plan["serving"]["instances"]] == [
        (["node-0", "node-1", "node-2", "node-3"], 1, 8000)
    ]
    for stage, (name, serve) in enumerate(plan["serve"].items()):
        line = " ".join(serve["argv"])
        assert ("--headless" in line) is (name != "node-0")
        assert "--tensor-parallel-size 8 --pipeline-parallel-size 4" in line
        assert f"--nnodes 4 --node-rank {stage} --master-addr 192.168.1.10 --master-port 13345" in line
        assert "--distributed-executor-backend mp" in line
        assert "--enable-expert-parallel" in line
        assert "data-parallel" not in line
        assert "eplb" not in line


def test_pipelines_of_some_hosts_stand_behind_a_balancer(reference: Reference) -> None:
    plan = pipeline(reference, layout={"kind": "pipeline", "hosts_per_group": 2})
    assert plan["serving"]["balanced"]
    assert [(item["head"], item["port"], item["first_rank"]) for item in plan["serving"]["instances"]] == [
        ("node-0", 8001, 0),
        ("node-2", 8001, 1),
    ]
    line = " ".join(plan["serve"]["node-3"]["argv"])
    assert "--nnodes 2 --node-rank 1 --master-addr 192.168.1.12" in line


def test_what_the_user_says_of_the_executor_is_not_said_twice(reference: Reference) -> None:
    raw = reference()
    raw.update({"layout": "pipeline", "workload": {"sessions": 64}})
    raw["engine"]["arguments"] = {"distributed_executor_backend": "mp"}
    assert make_plan(raw).as_dict()["serve"]["node-1"]["argv"].count("--distributed-executor-backend") == 1


def test_an_engine_without_ranks_over_hosts_is_refused(reference: Reference) -> None:
    raw = reference()
    raw.update({"layout": "pipeline", "workload": {"sessions": 64}})
    raw["engine"]["version"] = "0.11.0"
    assert "engine.flag_not_in_version" in codes(make_plan(raw).as_dict())


def test_all_kinds_stand_side_by_side_whichever_is_chosen(reference: Reference) -> None:
    """The same three rows, each with what its name alone would launch."""
    wide, staged = make_plan(reference()).as_dict()["layouts"], pipeline(reference)["layouts"]
    assert [item["kind"] for item in wide] == [item["kind"] for item in staged] == ["wide_ep", "replicas", "pipeline"]
    assert [item["chosen"] for item in wide] == [True, False, False]
    assert [item["chosen"] for item in staged] == [False, False, True]
    assert [(item["layout"], item["fits"]) for item in wide] == [
        ("DP32 TP1 EP32 +32 experts fp8", True),
        ("4 x (DP8 TP1 EP8 +32 experts) fp8", False),
        ("PP4 x DP1 TP8 EP8 fp8", False),
    ]
    assert staged[2]["fits"]
    assert staged[0]["layout"] == wide[0]["layout"]


def test_a_kind_that_cannot_be_made_says_why(reference: Reference) -> None:
    raw = reference()
    raw["parallel"]["data"] = 30
    rows = {item["kind"]: item for item in make_plan(raw).as_dict()["layouts"]}
    assert rows["replicas"]["reason"] == "30 ranks on 4 hosts do not divide over groups of 1"
    assert "layout" not in rows["replicas"]
