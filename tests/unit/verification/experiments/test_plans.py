"""Each experiment is a change that the planner takes, or refuses for a reason, on the reference cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES

VARIABLES = Path(__file__).resolve().parents[4] / "roles" / "verify" / "vars" / "experiments.yml"
EXPERIMENTS: dict[str, Any] = yaml.safe_load(VARIABLES.read_text(encoding="utf-8"))["_verify_experiments"]
SIDES = ("before", "after")
PARALLEL = {"data": 32, "redundant_experts": 32}
ENGINE = {"version": "0.19.1", "gpu_memory_utilization": 0.9, "max_model_len": 32768, "kv_cache_dtype": "auto"}
# On a fabric without DeepEP.
REFUSED = {("dbo", "after"): {"engine.dbo_backend"}}


def planned(change: dict[str, Any]) -> Any:
    """The plan with a change, as the role combines it; what the inventory gives is a number here."""
    engine = {**ENGINE, **change.get("engine", {})}
    if "max_num_batched_tokens" in engine:
        assert "verify_experiment_chunk_tokens" in engine["max_num_batched_tokens"]
        engine["max_num_batched_tokens"] = 16384
    hosts = [{"name": f"node-{i}", "data_address": f"192.168.1.{10 + i}", "data_interface": "eth1"} for i in range(4)]
    return make_plan(
        {
            "cluster": {"hosts": hosts, "gpus_per_host": 8, "gpu": "H20-96G", "nic_gbit_s": 25},
            "model": "deepseek-v3",
            "parallel": {**PARALLEL, **change.get("parallel", {})},
            "engine": engine,
            "workload": {"sessions": 200, "input_tokens": 512},
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
