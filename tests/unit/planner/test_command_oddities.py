"""Whatever is pasted, the audit answers: no crash, and only what has no reason against it starts."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.commands.audit import audit_commands
from ansible_collections.moefleet.serving.plugins.module_utils.planner.commands.layout import spans
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request

VALUES = [
    "",
    "0",
    "-1",
    "1",
    "8",
    "32",
    "3",
    "1k",
    "9" * 5000,
    "999999999999",
    "x",
    "[1]",
    "null",
    "[" * 5000,
    "a=b",
    "$X",
]
ODD_FLAGS = [
    "--data-parallel-size",
    "--data-parallel-size-local",
    "--data-parallel-start-rank",
    "--data-parallel-rank",
    "--data-parallel-address",
    "--data-parallel-rpc-port",
    "--tensor-parallel-size",
    "-pp",
    "--decode-context-parallel-size",
    "--nnodes",
    "--node-rank",
    "--eplb-config",
    "--eplb-config.num_redundant_experts",
    "--speculative-config",
    "--gpu-memory-utilization",
    "--max-num-seqs",
    "--enable-eplb",
    "--enable-expert-parallel",
    "--headless",
    "--all2all-backend",
    "--no-such",
    "-O",
    "--",
]


@given(st.lists(st.lists(st.tuples(st.sampled_from(ODD_FLAGS), st.sampled_from(VALUES)), max_size=5), max_size=3))
def test_no_command_is_too_odd(commands: list[list[tuple[str, str]]]) -> None:
    engine = read_request({"engine": {"version": "0.19.1"}}, []).engine
    assert engine is not None
    raw = {
        f"n{index}": ["vllm", "serve", "m", *(word for pair in pairs for word in pair)]
        for index, pairs in enumerate(commands)
    }
    findings: list[Finding] = []
    audit = audit_commands(raw, engine, [], gpus_per_host=8, model=None, findings=findings)
    assert (audit is None) == (not raw)
    if audit is not None:
        json.dumps(audit.as_dict(), allow_nan=False)
        assert (audit.outcome == "starts") == (not audit.reasons)


def test_spans() -> None:
    assert spans([16, 17, 18, 23, 25, 26]) == "16-18, 23, 25-26"
