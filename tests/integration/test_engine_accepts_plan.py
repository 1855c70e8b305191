"""Every command line that the planner generates, read by the real vLLM.

Its parser, its choice of head or follower, and its engine configuration.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import CATALOGUE

from .playbooks import ROOT, Outcome, on_host, play

INSTALLED = "0.32.0"
STORAGE = Path("/var/lib/moefleet/storage/tests")
SCRIPT = "engine/parse_commands.py"
PYTHON = "/shared/engine/vllm-0.32.0-cpu/bin/python"

PIPELINE = {"serving_layout": "pipeline"}
# Where the CPU build can't take what the GPU hosts get. Nothing else of a command line is changed before it is read.
NOT_ON_CPU = {
    "--enable-eplb": (0, "the CPU platform refuses expert load balancing"),
    "--eplb-config": (1, "redundant experts need expert load balancing"),
}


def without(argv: list[str], left_out: dict[str, tuple[int, str]]) -> list[str]:
    """A command line without some flags, each with so many values."""
    kept, position = [], 0
    while position < len(argv):
        values = left_out.get(argv[position])
        if values is None:
            kept.append(argv[position])
        position += 1 if values is None else 1 + values[0]
    return kept


def plan_of(inventory: str, directory: Path, variables: dict[str, Any]) -> dict[str, Any]:
    """The plan of an inventory, written by the playbook."""
    outcome = play(
        "playbooks/plan.yml", inventory=inventory, variables={"moefleet_artifacts_dir": str(directory), **variables}
    )
    assert outcome.rc == 0, outcome.explain()
    plan: dict[str, Any] = json.loads((directory / "plan.json").read_text())
    return plan


def h20_engine(**changes: Any) -> dict[str, Any]:
    """The reference cluster's engine variables with changes; its stack is for its own engine's release."""
    variables = yaml.safe_load((ROOT / "inventory/h20/group_vars/all/cluster.yml").read_text())
    return {"plan_engine": {**variables["plan_engine"], **changes}, "plan_stack": {}}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Plans by name. The reference cluster's is rendered for its own engine version and for the installed one."""
    directory = tmp_path_factory.mktemp("plans")
    return {
        "lab": plan_of("inventory/lab", directory / "lab", {}),
        "lab-32": plan_of("inventory/lab", directory / "lab-32", {"lab_ranks_per_host": 8}),
        "h20": plan_of("inventory/h20", directory / "h20", {}),
        "h20-installed": plan_of("inventory/h20", directory / "h20-installed", h20_engine(version=INSTALLED)),
        "lab-pipeline": plan_of(
            "inventory/lab", directory / "lab-pipeline", {**PIPELINE, "serving_hosts_per_group": 2}
        ),
        "h20-pipeline": plan_of(
            "inventory/h20", directory / "h20-pipeline", {**PIPELINE, "plan_workload": {"sessions": 64}}
        ),
    }


def wrong_commands(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Command lines that must be refused, made from good ones."""
    head, follower = plan["serve"]["node-0"], plan["serve"]["node-1"]
    return {
        "follower with API servers": {**follower, "argv": [*follower["argv"], "--api-server-count", "1"]},
        "unknown flag": {**head, "argv": [*head["argv"], "--data-parallel-start-rnk", "8"]},
        "start rank that is no number": {
            **follower,
            "argv": [*follower["argv"], "--data-parallel-start-rank", "eight"],
        },
        "unknown all-to-all backend": {**head, "argv": [*head["argv"], "--all2all-backend", "pigeons"]},
        "heads that tensor parallelism can't split": {**head, "argv": [*head["argv"], "--tensor-parallel-size", "3"]},
        "redundant experts without balancing": {
            **head,
            "argv": [*head["argv"], "--eplb-config", '{"num_redundant_experts": 32}'],
        },
    }


@pytest.fixture(scope="module")
def answers(lab: Outcome, plans: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What the installed vLLM made of each case, by name."""
    config = STORAGE / "deepseek-v3" / "config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    released = {
        "architectures": ["DeepseekV3ForCausalLM"],
        "torch_dtype": "bfloat16",
        "n_group": 8,
        "topk_group": 4,
        **CATALOGUE["deepseek-v3"][1],
    }
    del released["quantization_config"]  # the CPU platform has no block FP8; sizes and ranks don't depend on it
    config.write_text(json.dumps(released))
    cases = []
    for name, plan in plans.items():
        for host, serve in plan["serve"].items():
            argv = without(serve["argv"], NOT_ON_CPU)
            argv[2] = "/shared/tests/deepseek-v3" if name.startswith("h20") else argv[2]
            cases.append({"name": f"{name}/{host}", "argv": argv, "env": serve["env"]})
    cases += [{"name": name, **serve} for name, serve in wrong_commands(plans["lab"]).items()]
    (STORAGE / "parse_commands.py").write_text((Path(__file__).parent / SCRIPT).read_text())
    said = on_host(
        "node-0",
        f"cd /tmp && {PYTHON} /shared/tests/parse_commands.py 2>parse.log || (tail -c 1500 parse.log >&2; false)",
        json.dumps(cases),
        600,
    )
    answer = json.loads(said.strip().splitlines()[-1])
    assert answer["version"].startswith(INSTALLED), answer["version"]
    return {entry["name"]: entry for entry in answer["answers"]}


@pytest.mark.parametrize("name", ["lab", "lab-32", "h20", "h20-installed"])
def test_every_host_comes_out_as_planned(
    name: str, plans: dict[str, dict[str, Any]], answers: dict[str, dict[str, Any]]
) -> None:
    """Start rank, local size, address, ports and the split into head and followers."""
    plan = plans[name]
    for host in plan["layout"]["hosts"]:
        answer = answers[f"{name}/{host['name']}"]
        assert answer["ok"], f"{name}/{host['name']} was refused: {answer}"
        head = host["role"] == "head"
        assert answer["way"] == ("head" if head else "headless")
        assert answer["start_rank"] == (None if head else host["start_rank"])
        assert answer["rank"] == host["start_rank"]
        assert answer["local"] == host["local_ranks"]
        assert answer["size"] == plan["layout"]["data_parallel_size"] == plan["service"]["engines"]
        assert answer["address"] == plan["service"]["address"]
        assert answer["rpc_port"] == plan["service"]["rpc_port"]
        assert answer["expert"]
        assert not answer["hybrid"]
        assert not answer["external"]
        assert answer["backend"] == "allgather_reducescatter"


@pytest.mark.parametrize(("name", "stages", "workers"), [("lab-pipeline", 2, 2), ("h20-pipeline", 4, 8)])
def test_every_host_of_a_pipeline_comes_out_as_its_stage(
    name: str, stages: int, workers: int, plans: dict[str, dict[str, Any]], answers: dict[str, dict[str, Any]]
) -> None:
    """One engine without data parallelism, whose workers are a stage a host."""
    plan = plans[name]
    heads = {host: instance["address"] for instance in plan["serving"]["instances"] for host in instance["hosts"]}
    for host in plan["layout"]["hosts"]:
        answer = answers[f"{name}/{host['name']}"]
        assert answer["ok"], f"{name}/{host['name']} was refused: {answer}"
        assert answer["way"] == ("headless" if host["stage"] else "head")
        assert (answer["size"], answer["stages"], answer["hosts"], answer["stage"]) == (
            1,
            stages,
            stages,
            host["stage"],
        )
        assert (answer["tensor"], answer["workers"]) == (workers, workers)
        assert answer["meeting"] == [heads[host["name"]], plan["service"]["rpc_port"]]
        assert answer["expert"]


def test_hosts_of_a_plan_agree_on_what_they_share(
    plans: dict[str, dict[str, Any]], answers: dict[str, dict[str, Any]]
) -> None:
    """Collectives hang when hosts disagree on sizes."""
    for name, plan in plans.items():
        shared = {
            tuple(
                answers[f"{name}/{host}"][key]
                for key in ("size", "tensor", "stages", "backend", "max_model_len", "max_num_seqs")
            )
            for host in plan["serve"]
        }
        assert len(shared) == 1, f"{name}: {shared}"


def test_wrong_commands_are_refused(plans: dict[str, dict[str, Any]], answers: dict[str, dict[str, Any]]) -> None:
    """The engine's own refusals, so that a parser that takes anything would be noticed."""
    for name in wrong_commands(plans["lab"]):
        assert not answers[name]["ok"], f"{name} was accepted: {answers[name]}"


def test_a_start_rank_on_the_head_would_change_its_mode(plans: dict[str, dict[str, Any]]) -> None:
    """vLLM takes it as hybrid load balancing, in which the head refuses its followers; so no plan has it."""
    for plan in plans.values():
        for host in plan["layout"]["hosts"]:
            argv = plan["serve"][host["name"]]["argv"]
            follows = host["role"] == "follower" and "stage" not in host
            assert ("--data-parallel-start-rank" in argv) == follows
            assert ("--headless" in argv) == (host["role"] == "follower")
