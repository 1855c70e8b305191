"""Each experiment is a change that the planner takes, or refuses for a reason, on the reference cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES

ROOT = Path(__file__).resolve().parents[4]
VARIABLES = ROOT / "roles" / "verify" / "vars" / "experiments.yml"
EXPERIMENTS: dict[str, Any] = yaml.safe_load(VARIABLES.read_text(encoding="utf-8"))["_verify_experiments"]
CLUSTER = yaml.safe_load((ROOT / "inventory/h20/group_vars/all/cluster.yml").read_text(encoding="utf-8"))
SIDES = ("before", "after")
# On a fabric without DeepEP.
REFUSED = {("dbo", "after"): {"engine.dbo_backend"}}


def planned(change: dict[str, Any]) -> Any:
    """The reference inventory's plan with a change, as the role combines it; what the user gives is a number here."""
    base, given = CLUSTER["plan_engine"], change.get("engine", {})
    engine = {**base, **given, "arguments": {**base.get("arguments", {}), **given.get("arguments", {})}}
    if "max_num_batched_tokens" in given:
        assert "verify_experiment_chunk_tokens" in given["max_num_batched_tokens"]
        engine["max_num_batched_tokens"] = 16384
    hosts = [{"name": f"node-{i}", "data_address": f"192.168.1.{10 + i}", "data_interface": "eth1"} for i in range(4)]
    return make_plan(
        {
            "cluster": {"hosts": hosts, "gpus_per_host": 8, "gpu": "H20-96G", "nic_gbit_s": 25},
            "model": CLUSTER["plan_model"],
            "parallel": {**CLUSTER["plan_parallel"], **change.get("parallel", {})},
            "engine": engine,
            "workload": CLUSTER["plan_workload"],
            "search": {"enabled": False},
        }
    )


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_side_can_be_planned(name: str, side: str) -> None:
    plan = planned(EXPERIMENTS[name][side])
    assert {error.code for error in plan.errors} == REFUSED.get((name, side), set())


@pytest.mark.parametrize("name", sorted(set(EXPERIMENTS) - {"dbo"}))
def test_the_sides_are_other_commands(name: str) -> None:
    first, last = (planned(EXPERIMENTS[name][side]).as_dict()["serve"]["node-0"] for side in SIDES)
    assert first["argv"] != last["argv"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_its_figures_are_the_catalogues(name: str) -> None:
    known = {entry.id for entry in ACCEPTANCES}
    assert set(EXPERIMENTS[name]["figures"]) <= known


def test_every_gain_of_the_catalogue_has_an_experiment() -> None:
    gains = {entry.id for entry in ACCEPTANCES if entry.id.startswith("experiment_") or entry.id.endswith("_gain")}
    assert {check for entry in EXPERIMENTS.values() for check in entry["figures"]} == gains
