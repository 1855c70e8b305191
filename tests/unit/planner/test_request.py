"""The input: everything wrong is said at once, nothing unknown is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request

Reference = Callable[..., dict[str, Any]]


def read(raw: Any) -> list[Finding]:
    findings: list[Finding] = []
    read_request(raw, findings)
    return findings


def codes(raw: Any) -> list[str]:
    return [finding.code for finding in read(raw)]


def test_the_reference_is_sound(reference: Reference) -> None:
    assert read(reference()) == []


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("modle", "model"),
        ("cluster.gpu_per_host", "gpus_per_host"),
        ("cluster.nic_gbits", "nic_gbit_s"),
        ("parallel.redundant_expert", "redundant_experts"),
        ("parallel.tensor_parallel", "tensor"),
        ("engine.gpu-memory-utilization", "gpu_memory_utilization"),
        ("engine.max_model_length", "max_model_len"),
        ("workload.session", "sessions"),
        ("inventory.source", "sources"),
    ],
)
def test_a_misspelt_key_is_refused_with_the_right_one(reference: Reference, path: str, near: str) -> None:
    [finding] = read(reference({path: 1}))
    assert finding.code == "input.unknown_key"
    assert f"'{path.rsplit('.', maxsplit=1)[-1]}'" in finding.message
    assert near in finding.fix


def test_a_misspelt_host_key_is_refused(reference: Reference) -> None:
    raw = reference()
    raw["cluster"]["hosts"][1]["data_adress"] = raw["cluster"]["hosts"][1].pop("data_address")
    [finding] = [finding for finding in make_plan(raw).findings if finding.code == "input.unknown_key"]
    assert "cluster.hosts[1]" in finding.message
    assert "data_address" in finding.fix


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"parallel.redundant_experts": -32}, "input.out_of_range"),
        ({"parallel.tensor": 0}, "input.out_of_range"),
        ({"parallel.data": -1}, "input.out_of_range"),
        ({"parallel.data": "many"}, "input.not_a_number"),
        ({"parallel.tensor": True}, "input.not_a_number"),
        ({"parallel.tensor": 1.5}, "input.not_a_number"),
        ({"parallel.expert": "perhaps"}, "input.not_a_boolean"),
        ({"cluster.gpus_per_host": 0}, "input.out_of_range"),
        ({"cluster.gpus_per_host": ...}, "input.missing"),
        ({"cluster.nic_gbit_s": 0}, "input.out_of_range"),
        ({"cluster.nic_gbit_s": "fast"}, "input.not_a_number"),
        ({"cluster.hosts": "node-0"}, "input.not_a_list"),
        ({"cluster.hosts": []}, "cluster.no_hosts"),
        ({"cluster.hosts": [{"data_address": "10.0.0.1"}]}, "input.missing"),
        ({"cluster.hosts": [3]}, "input.not_a_mapping"),
        ({"cluster.gpu": "H2O-96G"}, "hardware.unknown_gpu"),
        ({"cluster.gpu": None}, "hardware.unknown_gpu"),
        ({"cluster.gpu": {"name": "X"}}, "input.missing"),
        ({"cluster.gpu": {"memory_bytes": 1, "memory": 2}}, "input.unknown_key"),
        ({"cluster": 3}, "input.not_a_mapping"),
        ({"model": "gpt-5"}, "model.unknown"),
        ({"precision": "int3"}, "model.unknown_precision"),
        ({"engine.name": "tgi"}, "engine.unknown"),
        ({"engine.platform": "tpu"}, "engine.unknown_platform"),
        ({"engine.version": "latest"}, "engine.no_version"),
        ({"engine.version": ...}, "engine.no_version"),
        ({"engine.gpu_memory_utilization": 90}, "input.out_of_range"),
        ({"engine.gpu_memory_utilization": 0}, "input.out_of_range"),
        ({"engine.gpu_memory_utilization": "nan"}, "input.not_a_number"),
        ({"engine.port": 65536}, "input.out_of_range"),
        ({"engine.port": 0}, "input.out_of_range"),
        ({"engine.rpc_port": 8000}, "engine.port_conflict"),
        ({"engine.arguments": ["--x"]}, "input.not_a_mapping"),
        ({"engine.environment": {"A": True}}, "input.not_text"),
        ({"engine.environment": {"A": None}}, "input.not_text"),
        ({"engine.served_model_name": ["a"]}, "input.not_text"),
        ({"workload.sessions": 0}, "input.out_of_range"),
        ({"workload": {}}, "input.missing"),
        ({"inventory.sources": 3}, "input.not_a_list"),
    ],
)
def test_refused(reference: Reference, changes: dict[str, Any], code: str) -> None:
    assert code in codes(reference(changes))


def test_everything_wrong_is_said_at_once(reference: Reference) -> None:
    raw = reference(
        {
            "cluster.gpu": "H21",
            "model": "deepseek-v9",
            "precision": "int3",
            "parallel.tensor": 0,
            "engine.version": "x",
            "workload.sessions": -1,
        }
    )
    assert len(make_plan(raw).errors) == 6


def test_numbers_as_text_are_numbers(reference: Reference) -> None:
    """Extra variables and templates give text."""
    raw = reference({"parallel.data": "32", "cluster.gpus_per_host": "8", "engine.gpu_memory_utilization": "0.9"})
    assert make_plan(raw).as_dict() == make_plan(reference()).as_dict()


def test_precision_auto_is_the_checkpoints(reference: Reference) -> None:
    assert read_request(reference({"precision": "auto"}), []).precision == "fp8"
    assert read_request(reference({"precision": ...}), []).precision == "fp8"
    assert read_request(reference({"precision": "bfloat16"}), []).precision == "bf16"
    assert read_request(reference({"precision": "auto", "model": "qwen3-30b-a3b"}), []).precision == "bf16"


def test_data_defaults_to_every_gpu(reference: Reference) -> None:
    layout = make_plan(reference({"parallel.data": ...})).layout
    assert layout is not None
    assert layout.data_parallel_size == 32


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 300), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=12,
)
PLACES = st.sampled_from(
    [
        "cluster",
        "cluster.hosts",
        "cluster.gpu",
        "model",
        "precision",
        "parallel",
        "parallel.data",
        "parallel.pipeline",
        "engine",
        "engine.version",
        "engine.arguments",
        "engine.environment",
        "engine.eplb_config",
        "engine.all2all_backend",
        "engine.max_model_len",
        "engine.kv_cache_dtype",
        "workload",
        "workload.sessions",
        "inventory",
    ]
)


@given(PLACES, JSON)
def test_no_input_makes_it_raise(place: str, value: Any) -> None:
    raw: dict[str, Any] = {
        "cluster": {"hosts": [{"name": "a", "data_address": "10.0.0.1"}], "gpus_per_host": 8, "gpu": "H200-141G"},
        "model": "deepseek-v3",
        "precision": "fp8",
        "parallel": {"tensor": 8},
        "engine": {"version": "0.19.1", "max_model_len": 4096},
        "workload": {"sessions": 4},
    }
    *parents, last = place.split(".")
    inner = raw
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    plan = make_plan(raw)
    assert plan.errors or plan.serve
    plan.as_dict()


@given(JSON)
def test_anything_at_all_is_answered_with_findings(raw: Any) -> None:
    assert make_plan(raw).errors


@pytest.mark.parametrize(
    "name", ["max_model_len", "kv_cache_memory_bytes", "max_num_seqs", "max_num_batched_tokens", "api_server_count"]
)
def test_a_number_beyond_any_service_is_refused(reference: Callable[..., dict[str, Any]], name: str) -> None:
    """Also where no floating-point number could hold what follows from it."""
    raw = reference()
    raw["engine"][name] = 10**400
    assert any(f"engine.{name} is" in finding.message for finding in make_plan(raw).errors)
