"""What parts of an input must have to do with one another, version by version."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.checks import check_argument
from ansible_collections.moefleet.serving.plugins.module_utils.planner.engine.flags import ALL2ALL_BACKENDS, FLAGS
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request

Reference = Callable[..., dict[str, Any]]


def errors(raw: dict[str, Any]) -> list[Finding]:
    return make_plan(raw).errors


def error_codes(raw: dict[str, Any]) -> list[str]:
    return [finding.code for finding in errors(raw)]


def warning_codes(raw: dict[str, Any]) -> list[str]:
    return [finding.code for finding in make_plan(raw).findings if finding.severity == "warning"]


# Right answers for V10_eplb_table.csv: no error, or the code and what its fix offers.
EPLB = {
    "a": None,
    "b": None,
    "c": ("parallel.redundant_experts", "0 or 32"),
    "d": ("parallel.redundant_experts", "8"),
    "e": None,
    "f": ("parallel.redundant_without_eplb", "eplb"),
    "g": ("input.out_of_range", "0 to 65536"),
}


def test_eplb_table(reference: Reference, data_dir: Path) -> None:
    with (data_dir / "planner" / "V10_eplb_table.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["case"] for row in rows} == set(EPLB)
    for row in rows:
        ranks = int(row["ep_size"])
        found = errors(
            reference(
                {
                    "cluster.gpus_per_host": ranks // 4,
                    "workload.sessions": 100,
                    "parallel": {
                        "data": ranks,
                        "redundant_experts": int(row["redundant"]),
                        "eplb": row["enable_eplb"] == "true",
                    },
                }
            )
        )
        expected = EPLB[row["case"]]
        assert [finding.code for finding in found] == ([] if expected is None else [expected[0]]), row
        assert expected is None or expected[1] in found[0].fix


def test_without_eplb_uneven_shares_are_allowed_and_the_fullest_counts(reference: Reference) -> None:
    raw = reference({"cluster.gpus_per_host": 6, "parallel": {"data": 24}, "workload.sessions": 100})
    plan = make_plan(raw)
    assert plan.errors == []
    assert plan.memory is not None
    assert plan.memory.experts_per_layer == 11


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"parallel": {"tensor": 3, "data": 8}}, "parallel.heads"),
        ({"parallel": {"data": 4, "pipeline": 8}, "model": "tiny"}, "parallel.stages"),
        ({"parallel.expert": False}, "parallel.eplb_without_experts"),
        ({"engine.platform": "cpu", "engine.version": "0.32.0"}, "engine.eplb_platform"),
        ({"engine.version": "0.9.1"}, "engine.eplb_version"),
        ({"engine.version": "0.8.5", "parallel.redundant_experts": 0}, "engine.no_multi_node"),
        ({"engine.max_model_len": 163841}, "engine.max_model_len"),
        ({"engine.all2all_backend": "pplxx"}, "engine.all2all_backend"),
        ({"engine.all2all_backend": "deepep_v2"}, "engine.all2all_backend"),
        ({"engine.all2all_backend": "mori", "engine.version": "0.23.0"}, "engine.all2all_backend"),
        ({"engine.kv_cache_dtype": "fp4"}, "engine.kv_cache_dtype"),
        ({"engine.kv_cache_dtype": "bfloat16", "engine.version": "0.10.2"}, "engine.kv_cache_dtype"),
        ({"engine.host": "0.0.0.o"}, "address.hostname"),
        ({"engine.kv_cache_memory_bytes": 1 << 34, "engine.version": "0.9.2"}, "engine.flag_not_in_version"),
        ({"engine.eplb_config": {"use_async": True}, "engine.version": "0.11.2"}, "engine.eplb_setting"),
        ({"engine.eplb_config": {"windowsize": 9}}, "engine.eplb_setting"),
        ({"engine.eplb_config": {"num_redundant_experts": 9}}, "engine.eplb_setting"),
        (
            {"engine.eplb_config": {"window_size": 9}, "parallel.redundant_experts": 0},
            "parallel.eplb_config_without_eplb",
        ),
        ({"engine.arguments": {"swap-space": 4}}, "engine.flag_not_in_version"),
        ({"engine.arguments": {"device-ids": "0"}}, "engine.flag_not_in_version"),
        ({"engine.arguments": {"headless": True}}, "engine.argument_owned"),
        ({"engine.arguments": {"no_enable_eplb": True}}, "engine.argument_owned"),
        ({"engine.arguments": {"eplb-config.window_size": 3}}, "engine.argument_owned"),
        ({"engine.arguments": {"chat-template": "--x"}}, "engine.argument_value"),
        ({"engine.environment": {"VLLM_HOST_IP": "10.0.0.1"}}, "engine.variable_owned"),
    ],
)
def test_refused(reference: Reference, changes: dict[str, Any], code: str) -> None:
    if changes.get("model") == "tiny":
        changes = {**changes, "model": {**_tiny(), "num_hidden_layers": 3}}
    assert code in error_codes(reference(changes))


def _tiny() -> dict[str, Any]:
    return {
        "model_type": "deepseek_v3",
        "hidden_size": 256,
        "intermediate_size": 512,
        "moe_intermediate_size": 128,
        "num_hidden_layers": 3,
        "first_k_dense_replace": 1,
        "n_routed_experts": 32,
        "n_shared_experts": 1,
        "num_experts_per_tok": 4,
        "q_lora_rank": 128,
        "kv_lora_rank": 512,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
        "num_attention_heads": 4,
        "vocab_size": 512,
        "max_position_embeddings": 4096,
    }


def test_a_dense_model_has_no_experts_to_divide(reference: Reference) -> None:
    dense = {
        "model_type": "llama",
        "hidden_size": 8192,
        "intermediate_size": 28672,
        "num_hidden_layers": 80,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
    }
    raw = {"model": dense, "precision": "bf16", "parallel": {"tensor": 8, "data": 4}, "workload.sessions": 8}
    assert error_codes(reference(raw)) == []
    assert "--enable-expert-parallel" not in make_plan(reference(raw)).serve["node-0"].argv
    wrong = {**raw, "parallel": {"tensor": 8, "data": 4, "expert": True}}
    assert error_codes(reference(wrong)) == ["parallel.no_experts"]


def test_eplb_needs_another_rank(reference: Reference) -> None:
    raw = reference({"model": _tiny(), "precision": "bf16", "engine.max_model_len": 1024, "parallel": {"eplb": True}})
    raw["cluster"].update(hosts=[{"name": "a", "data_address": "10.0.0.1"}], gpus_per_host=1)
    assert error_codes(raw) == ["parallel.eplb_one_rank"]


@pytest.mark.parametrize(
    ("backend", "release", "falls_back"),
    [
        ("pplx", "0.16.0", False),
        ("pplx", "0.17.0", True),
        ("naive", "0.18.0", False),
        ("naive", "0.19.1", True),
        ("allgather_reducescatter", "0.33.0", False),
    ],
)
def test_backends_that_fall_back_are_a_warning(
    reference: Reference, backend: str, release: str, falls_back: bool
) -> None:
    raw = reference({"engine.all2all_backend": backend, "engine.version": release})
    assert error_codes(raw) == []
    assert ("engine.all2all_fallback" in warning_codes(raw)) == falls_back


def test_a_renamed_backend_is_offered(reference: Reference) -> None:
    [finding] = errors(reference({"engine.all2all_backend": "mori", "engine.version": "0.24.0"}))
    assert "mori_high_throughput" in finding.fix
    assert set(ALL2ALL_BACKENDS) >= {"mori", "mori_high_throughput"}


def test_a_variable_the_version_no_longer_reads_is_a_warning(reference: Reference) -> None:
    raw = reference({"engine.environment": {"VLLM_USE_V1": "1", "NCCL_DEBUG": "WARN"}})
    assert error_codes(raw) == []
    assert "engine.variable_unread" in warning_codes(raw)


def test_a_misspelt_argument_is_a_warning_and_real_flags_are_none(reference: Reference, data_dir: Path) -> None:
    assert "engine.argument_unknown" in warning_codes(reference({"engine.arguments": {"enfore-eager": True}}))
    engine = read_request(reference(), []).engine
    assert engine is not None
    for path in sorted((data_dir / "vllm").glob("flags-*.txt")):
        for flag in path.read_text(encoding="utf-8").split():
            if flag not in FLAGS:
                assert [found.code for found in check_argument(flag, True, engine)] == [], flag
