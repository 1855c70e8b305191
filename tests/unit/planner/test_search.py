"""Better layouts of the same hosts, fewer and more hosts, and what change would do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import find_model
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request import Parallel
from ansible_collections.moefleet.serving.plugins.module_utils.planner.search.candidates import candidates

Reference = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def plan(reference: Reference) -> dict[str, Any]:
    """The reference cluster's plan."""
    return make_plan(reference()).as_dict()


def test_candidates_use_every_device_and_divide_the_heads() -> None:
    model, _served = find_model("deepseek-v3")
    found = list(candidates(model, 4, 8, Parallel(), ("fp8",)))
    assert len(found) == len(set(found)) > 40
    for item in found:
        assert item.gpus * item.replicas == 32
        assert model.heads % item.parallel.tensor == 0
        assert item.parallel.tensor <= 8
        if item.parallel.eplb:
            assert (256 + item.parallel.redundant_experts) % item.parallel.expert_parallel_size(item.data) == 0


def test_experts_kept_inside_a_host_beat_ep32_over_25g(plan: dict[str, Any]) -> None:
    """By how much, and from which port speed upwards EP=32 is as fast, is said."""
    best, asked = plan["alternatives"][0], next(item for item in plan["alternatives"] if item["requested"])
    assert asked["layout"].startswith("DP32 TP1 EP32")
    assert asked["limited_by"] == "NIC"
    assert best["fits"]
    assert best["tensor"] * best["data"] <= 8
    assert best["decode_tokens_s"]["likely"] > 1.5 * asked["decode_tokens_s"]["likely"]
    assert 50 < plan["wins_from_nic_gbit_s"] < 800
    [said] = [finding for finding in plan["findings"] if finding["code"] == "search.better_layout"]
    assert best["layout"] in said["message"]
    assert f"{plan['wins_from_nic_gbit_s']:g} Gb/s" in said["message"]


def test_the_curves_cross_where_it_is_said(plan: dict[str, Any]) -> None:
    curves = plan["by_port_rate"]
    best, asked = plan["alternatives"][0]["layout"], next(a["layout"] for a in plan["alternatives"] if a["requested"])
    for wide, inside in zip(curves[asked], curves[best]):
        wins = wide["decode_tokens_s"] >= inside["decode_tokens_s"]
        assert wins == (wide["nic_gbit_s"] >= plan["wins_from_nic_gbit_s"])


def test_what_is_dropped_says_why(plan: dict[str, Any]) -> None:
    dropped = [item for item in plan["alternatives"] if not item["fits"] or item["launchable"] == "no"]
    assert dropped
    assert all(item["reason"] for item in dropped)
    # One host does not hold the model: 95.8 GiB of weights a rank.
    assert not [item for item in plan["alternatives"] if item["fits"] and item["replicas"] == 4]
    order = [item["decode_tokens_s"]["likely"] for item in plan["alternatives"] if item not in dropped]
    assert order == sorted(order, reverse=True)


def test_only_released_precisions_unless_allowed(reference: Reference, plan: dict[str, Any]) -> None:
    assert {item["precision"] for item in plan["alternatives"]} == {"fp8"}
    allowed = make_plan(reference({"search": {"precisions": ["bf16"], "most": 100}})).as_dict()["alternatives"]
    assert {item["precision"] for item in allowed} == {"fp8", "bf16"}


def test_141_gb_devices_serve_from_each_host_alone(reference: Reference) -> None:
    changes = {"cluster.gpu": "H20-141G", "engine.max_model_len": 8192}
    best = make_plan(reference(changes)).as_dict()["alternatives"][0]
    assert best["replicas"] == 4
    assert best["launchable"] == "yes"


def test_the_front_holds_the_best_and_only_what_fits(plan: dict[str, Any]) -> None:
    by_name = {item["layout"]: item for item in plan["alternatives"]}
    assert plan["alternatives"][0]["layout"] in plan["pareto"]
    assert all(by_name[name]["fits"] for name in plan["pareto"])


@pytest.mark.parametrize(
    ("search", "code"),
    [
        ({"precisions": ["fp3"]}, "search.precisions"),
        ({"precisions": 3}, "search.precisions"),
        ({"fast": True}, "input.unknown_key"),
        ({"most": 0}, "input.out_of_range"),
        ("all", "input.not_a_mapping"),
    ],
)
def test_a_wrong_search_is_named(reference: Reference, search: Any, code: str) -> None:
    assert code in [finding.code for finding in make_plan(reference({"search": search})).errors]


def test_a_host_lost(plan: dict[str, Any]) -> None:
    lost = {item["name"]: item for item in plan["contingencies"]}
    eplb, uneven = lost["one host lost, EPLB"], lost["one host lost, no EPLB"]
    assert eplb["layout"].startswith("DP24 TP1 EP24 +8 experts")
    assert eplb["experts_per_rank"] == uneven["experts_per_rank"] == 11
    assert lost["one device lost, EPLB"]["layout"].startswith("DP31 TP1 EP31 +23 experts")
    assert lost["grown to 64 devices"]["experts_per_rank"] == 4
    assert lost["grown to 128 devices"]["gpus"] == 128


def test_brought_up_in_stages(plan: dict[str, Any]) -> None:
    stages = {item["gpus"]: item for item in plan["bring_up"]}
    assert list(stages) == [1, 8, 16, 32]
    assert not stages[1]["fits"]
    assert "of 61 layers" in stages[1]["note"]
    assert not stages[8]["fits"]
    assert stages[32]["fits"]


def test_the_port_is_what_matters_on_the_reference_cluster(plan: dict[str, Any]) -> None:
    rows = {row["input"]: row["decode_tokens_s"] for row in plan["sensitivity"]}
    assert max(rows, key=lambda name: abs(rows[name]["+10%"])) == "NIC rate"
    assert rows["NIC rate"]["-10%"] < 0 < rows["NIC rate"]["+10%"]
    assert "acceptance of drafts" not in rows


def test_mixed_devices_are_refused_or_planned_on_the_weakest(reference: Reference) -> None:
    hosts = reference()["cluster"]["hosts"]
    hosts[2]["gpu"] = "L20-48G"
    [refused] = make_plan(reference({"cluster.hosts": hosts})).errors
    assert refused.code == "hardware.mixed_gpus"
    assert "node-2 has L20-48G" in refused.message
    weak = make_plan(reference({"cluster.hosts": hosts, "cluster.mixed_gpus": "weakest"}))
    assert weak.memory is not None
    assert weak.memory.usable_bytes < 48 << 30
    assert "memory.does_not_fit" in [finding.code for finding in weak.errors]


def test_every_number_is_explained(plan: dict[str, Any]) -> None:
    rows = plan["explain"]
    assert {row["provenance"] for row in rows} >= {"published", "measured", "derived", "assumed"}
    assert all(row["arithmetic"] for row in rows)
    by_name = {row["quantity"]: row["value"] for row in rows}
    assert by_name["parameters"] == 671_026_419_200
    assert by_name["headroom"] == plan["memory"]["per_rank"]["headroom_bytes"]
    assert plan["not_modelled"]
