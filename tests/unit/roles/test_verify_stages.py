"""What the role verify does to the service, from its variables: the stages, in their order, and what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[3] / "roles" / "verify"
PLAN = {
    "service": {"head": "node-0"},
    "serve": {"node-0": {"argv": ["vllm", "serve", "/m", "--max-model-len", "32768", "--max-num-seqs", "8"]}},
    "workload": {"input_tokens": 1024, "output_tokens": 512},
}


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


def rendered(name: str, **changes: Any) -> Any:
    variables: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        variables.update(trusted(yaml.safe_load((ROLE / part / "main.yml").read_text(encoding="utf-8"))))
    variables.update({"verify_plan": PLAN, "ansible_check_mode": False, **changes})
    return Templar(loader=DataLoader(), variables=variables).template(trusted("{{ " + name + " }}"))


def test_the_reference_documents_stages() -> None:
    stages = rendered("_verify_stages")
    assert [stage["stage"] for stage in stages] == ["latency"] * 4 + ["full_context", "sessions", "soak"]
    assert [stage["requests"] for stage in stages[:4]] == [1000, 200, 200, 200]
    assert [stage["input_tokens"] for stage in stages[:4]] == [512, 2048, 4096, 8192]
    assert not any(stage["at_once"] for stage in stages[:4])
    sessions, soak = stages[-2:]
    assert (sessions["concurrency"], sessions["seconds"], sessions["input_tokens"], sessions["output_tokens"]) == (
        200,
        900,
        1024,
        512,
    )
    assert (soak["rate"], soak["seconds"], soak["timeout_s"]) == (3.33, 3600, 7800)
    assert stages[4]["title"] == "One request that fills the context of 32768 tokens"
    assert rendered("_verify_left_out") == []


def test_quick_leaves_out_and_says_so() -> None:
    stages = rendered("_verify_stages", verify_quick=True)
    assert [stage["stage"] for stage in stages] == ["latency", "sessions"]
    assert stages[-1]["seconds"] == 15
    left = rendered("_verify_left_out", verify_quick=True)
    assert [entry["check"] for entry in left] == [
        "ttft_2048_p95",
        "ttft_4096_p95",
        "ttft_8192_p95",
        "full_context",
        "soak_error_rate",
    ]
    assert all("verify_quick" in entry["left_out"] and "not_applicable" not in entry for entry in left)


def test_what_quick_mode_does_not_leave_out_itself_is_still_missing() -> None:
    """Lengths that nobody asks for are missing in quick mode, too: verify_require_all may fail for them."""
    left = rendered("_verify_left_out", verify_quick=True, verify_input_lengths=[512, 2048])
    by_check = {entry["check"]: entry for entry in left}
    assert "left_out" in by_check["ttft_2048_p95"]
    assert by_check["ttft_4096_p95"]["not_applicable"] == "not among verify_input_lengths"


def test_a_length_beyond_the_context_is_answered_at_once() -> None:
    plan = {**PLAN, "serve": {"node-0": {"argv": ["vllm", "serve", "/m", "--max-model-len", "2048"]}}}
    stages = rendered("_verify_stages", verify_plan=plan)
    assert [stage["at_once"] for stage in stages[:4]] == [False, True, True, True]


@pytest.mark.parametrize("lengths", [[512], [512, 4096]])
def test_lengths_that_are_not_asked_for_are_named(lengths: list[int]) -> None:
    left = {entry["check"] for entry in rendered("_verify_left_out", verify_input_lengths=lengths)}
    assert ("ttft_4096_p95" in left) == (4096 not in lengths)
    assert "ttft_8192_p95" in left
