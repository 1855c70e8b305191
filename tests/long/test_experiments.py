"""An experiment on the lab: measured, changed, measured again, and put back as it was."""

from __future__ import annotations

import json
import math

from ansible_collections.moefleet.serving.tests.integration.playbooks import ROOT, Outcome, main_pids, on_host, play

COMMAND = "systemctl cat moefleet-vllm.service | grep ^ExecStart="
# One that the lab can have, and one that it can't.
ASKED = {"verify_experiments": ["chunk_size", "cuda_graphs"]}


def test_an_experiment_is_measured_and_put_back(lab: Outcome) -> None:
    command, before = on_host("node-0", COMMAND), main_pids()
    outcome = play("playbooks/experiments.yml", "--tags", "experiments", variables=ASKED)
    assert outcome.rc == 0, outcome.explain()
    measured = json.loads((ROOT / "artifacts/experiments/measurements.json").read_text(encoding="utf-8"))
    found = {entry["check"]: entry for entry in measured}
    assert "no CUDA graphs" in found["experiment_cuda_graphs"]["not_applicable"]
    (run,) = found["experiment_chunk_size"]["runs"]
    assert run["evidence"]["verdict"] == "pass", run
    values = run["evidence"]["values"]
    assert math.isfinite(values["change_percent"])
    assert values["within_noise"] or abs(values["change_percent"]) > values["spread_percent"]
    assert "spread" in outcome.output

    # The service was started anew, with what it had before.
    assert on_host("node-0", COMMAND) == command
    assert set(main_pids().values()).isdisjoint(set(before.values()))
    again = play("site.yml", variables={"fabric_gate": False})
    assert again.rc == 0, again.explain()
    assert {host: number for host, number in again.changed.items() if number} == {}, again.explain()


def test_one_that_can_not_be_planned_is_put_back_too(lab: Outcome) -> None:
    """The planner refuses it once for all hosts, and all of them go on."""
    before = main_pids()
    short = {"verify_experiment_s": 5, "verify_experiment_repeats": 1}
    asked = {"verify_experiments": ["chunk_size"], "verify_experiment_chunk_tokens": 0, **short}
    outcome = play("playbooks/experiments.yml", "--tags", "experiments", variables=asked)
    assert outcome.rc == 0, outcome.explain()
    (found,) = json.loads((ROOT / "artifacts/experiments/measurements.json").read_text(encoding="utf-8"))
    assert "max_num_batched_tokens" in found["not_applicable"]
    assert "The ranks of all hosts, as one" in outcome.output
    assert main_pids() == before


def test_without_its_tag_nothing_happens(lab: Outcome) -> None:
    before = main_pids()
    outcome = play("playbooks/experiments.yml")
    assert outcome.rc == 0, outcome.explain()
    assert main_pids() == before
