"""The role's check of right answers, with its report, under a true reference and under false ones.

The engines are a stand-in that answers rightly. What is false is the file that `verify_reference` names.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers.model import SCHEMA
from ansible_collections.moefleet.serving.tests.testinfra.hosts import environment

from ..verification.answers.engines import WORDS, serving
from ..verification.reference import reference_plan

HERE = Path(__file__).resolve().parent
SUMS = "00  model.safetensors\n"
TRUE: dict[str, Any] = {
    "schema": SCHEMA,
    "checkpoint": hashlib.sha256(SUMS.encode()).hexdigest(),
    "kind": "computed",
    "made_by": "another program",
    "answers": [{"prompt": [1, 2], "tokens": [{"id": name, "logprob": value} for name, value in WORDS.values()]}],
}


FAILED = "FAIL  service: Answers and log-probabilities are the reference's"
UNKNOWN = FAILED.replace("FAIL", "UNKNOWN")
# A token of the first answer is altered; the second has a log-probability as other weights give it.
FALSE: dict[str, Any] = {**TRUE, "answers": [copy.deepcopy(TRUE["answers"][0]) for _ in range(2)]}
FALSE["answers"][0]["tokens"][1]["id"] = 99
FALSE["answers"][1]["tokens"][0]["logprob"] = -2.5
REFERENCES = {"true": TRUE, "false": FALSE, "other_checkpoint": {**TRUE, "checkpoint": "f00d" * 16}}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the play said under each reference; nothing where it passed."""
    place = tmp_path_factory.mktemp("answers")
    (place / "model").mkdir()
    (place / "model" / "SHA256SUMS").write_text(SUMS, encoding="utf-8")
    for name, document in REFERENCES.items():
        (place / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    with serving(set(), set()) as port:
        plan = reference_plan()
        service = {"address": "127.0.0.1", "port": port, "engines": 2, "served_model_name": "m", "head": "node-0"}
        plan["service"] = {**plan["service"], **service}
        variables = {
            "verify_plan": plan,
            "verify_parts": [],
            "verify_report_dir": str(place / "report"),
            "verify_model_path": str(place / "model"),
            "verify_reference": f"{place}/{{{{ reference.key }}}}.json",
            "verify_answers_tokens": len(WORDS),
            "references": dict.fromkeys(REFERENCES, ""),
            "said_path": str(place / "said.json"),
        }
        (place / "variables.json").write_text(json.dumps(variables), encoding="utf-8")
        command = ["ansible-playbook", "--inventory=node-0,", "--connection=local", f"-e@{place}/variables.json"]
        done = subprocess.run(
            [*command, str(HERE / "verify_answers.yml")],
            env={**environment(), "ANSIBLE_HOME": str(place / "home"), "HOME": os.environ.get("HOME", "/root")},
            cwd=HERE.parents[2],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=300,
        )
    assert done.returncode == 0, done.stdout
    texts = json.loads((place / "said.json").read_text(encoding="utf-8"))
    return {name: text if isinstance(text, str) else "\n".join(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("false", [FAILED, "engine 0, prompt 1: token 2 is 6, the reference has 99"]),
        ("false", [FAILED, "engine 1, prompt 2: token 1 has the log-probability -0.500, the reference -2.5"]),
        ("other_checkpoint", [UNKNOWN, "other_checkpoint.json is of another checkpoint"]),
    ],
)
def test_a_false_reference_makes_the_run_fail_and_is_named(
    said: dict[str, str], reference: str, words: list[str]
) -> None:
    assert [word for word in words if word not in said[reference]] == [], said[reference]


def test_the_true_one_passes(said: dict[str, str]) -> None:
    assert said["true"] == ""
