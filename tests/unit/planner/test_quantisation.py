"""What a precision stores in which format, by name and as checkpoints describe themselves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import PlannerError
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import CATALOGUE, find_model
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.components import (
    ATTENTION,
    TENSOR,
    Component,
    matrix,
    plain,
)
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.model import Model
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.quantisation import (
    FP8_BLOCK,
    PLAIN,
    PRECISIONS,
    known_precision,
)

SQUARE = matrix("o_proj", ATTENTION, 1024, 2048, TENSOR)
# Bytes of a 1024 x 2048 matrix in each precision.
SIZES = {
    "bf16": 2 * 1024 * 2048,
    "fp8": 1024 * 2048 + 4 * 8 * 16,
    "int8": 1024 * 2048 + 4 * 1024,
    "int4": 1024 * 2048 // 2 + 1024 * 16 * 5 // 2,
    "awq": 1024 * 2048 // 2 + 1024 * 16 * 5 // 2,
    "gptq": 1024 * 2048 // 2 + 1024 * 16 * 5 // 2,
    "nvfp4": 1024 * 2048 // 2 + 1024 * 128 + 8,
}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bytes_of_a_matrix(precision: str) -> None:
    assert PLAIN[precision].bytes(SQUARE) == SIZES[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_norms_embeddings_and_router_stay_as_they_are(precision: str) -> None:
    assert PLAIN[precision].bytes(plain("final_norm", "norms", 7168)) == 2 * 7168
    assert PLAIN[precision].bytes(plain("router_bias", "router", 256, storage="fp32")) == 4 * 256


def test_blocks_at_the_edge_count_whole() -> None:
    """kv_a_proj_with_mqa of DeepSeek-V3: 576 x 7168 has 5 x 56 blocks of 128 x 128."""
    narrow = matrix("kv_a_proj_with_mqa", ATTENTION, 576, 7168, TENSOR)
    assert FP8_BLOCK.bytes(narrow) == 576 * 7168 + 4 * 5 * 56


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("BF16", "bf16"), ("bfloat16", "bf16"), ("fp8_e4m3", "fp8"), ("fp4", "nvfp4"), ("AWQ int4 g128", "awq")],
)
def test_spellings(spelling: str, name: str) -> None:
    assert known_precision(spelling) == name


@pytest.mark.parametrize("name", ["int3", "mxfp4", "fp8 or so", ""])
def test_other_names_are_not_guessed(name: str) -> None:
    assert known_precision(name) is None


def model(name: str, **changes: Any) -> Model:
    return find_model({**CATALOGUE[name][1], **changes})[0]


def covered(found: Model, precision: str | None = None) -> set[str]:
    stored = found.stored_as(precision or found.checkpoint_precision)
    every = {*found.attention, *found.dense_ffn, *found.moe_ffn, *([found.expert] if found.expert else [])}
    return {item.name for item in every if item.storage == "linear" and stored.covers(item.name)}


MLPS = {"routed_experts", "shared_experts", "dense_mlp"}
LATENT = {"q_a_proj", "q_b_proj", "kv_a_proj_with_mqa", "kv_b_proj"}


@pytest.mark.parametrize(
    ("name", "precision", "components"),
    [
        ("deepseek-v3", "fp8", MLPS | LATENT | {"o_proj"}),
        ("deepseek-v3-awq", "awq", MLPS | LATENT | {"o_proj"}),
        ("deepseek-v3.2", "fp8", MLPS | LATENT | {"o_proj", "indexer_wq_b", "indexer_wk"}),
        ("deepseek-v3.2-nvfp4", "nvfp4", MLPS | {"o_proj"}),
        ("kimi-k2", "fp8", MLPS | LATENT | {"o_proj"}),
        ("kimi-k2-thinking", "int4", {"routed_experts"}),
        ("llama-4-maverick-fp8", "fp8", {"routed_experts"}),
        ("llama-4-maverick", "bf16", set()),
        ("glm-4.5-fp8", "fp8", MLPS | {"q_proj", "kv_proj", "o_proj"}),
        ("minimax-m2", "fp8", {"routed_experts", "q_proj", "kv_proj", "o_proj"}),
        ("qwen3-235b-a22b-fp8", "fp8", {"routed_experts", "q_proj", "kv_proj", "o_proj"}),
    ],
)
def test_what_the_catalogues_checkpoints_cover(name: str, precision: str, components: set[str]) -> None:
    found = find_model(name)[0]
    assert found.checkpoint_precision == precision
    assert covered(found) == components


@pytest.mark.parametrize(
    ("name", "precision", "like"),
    [
        ("llama-4-maverick", "fp8", "llama-4-maverick-fp8"),
        ("kimi-k2", "int4", "kimi-k2-thinking"),
        ("deepseek-v3.2", "nvfp4", "deepseek-v3.2-nvfp4"),
        ("glm-4.5", "fp8", "glm-4.5-fp8"),
    ],
)
def test_a_precisions_name_means_what_the_architectures_checkpoints_are(name: str, precision: str, like: str) -> None:
    assert find_model(name)[0].checkpoint_bytes(precision) == find_model(like)[0].checkpoint_bytes(precision)


# Sizes of published checkpoints, without their multi-token prediction layer: the repositories' own totals.
@pytest.mark.parametrize(("name", "gigabytes"), [("kimi-k2-thinking", 594), ("deepseek-v3-awq", 352)])
def test_published_sizes_of_checkpoints(name: str, gigabytes: int) -> None:
    found = find_model(name)[0]
    assert found.checkpoint_bytes(found.checkpoint_precision) / 1e9 == pytest.approx(gigabytes, rel=0.005)


SCHEME = {"type": "float", "num_bits": 8, "strategy": "channel"}


def compressed(ignore: list[str] | None = None, **weights: Any) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": {**SCHEME, **weights}}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": group}, "ignore": ignore or ["lm_head"]}


@pytest.mark.parametrize(
    ("given_", "name", "size"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8", SIZES["fp8"]),
        ({"quant_method": "fp8"}, "fp8", 1024 * 2048 + 4),
        ({"quant_method": "fbgemm_fp8"}, "fp8", 1024 * 2048 + 4 * 1024),
        ({"quant_method": "AWQ", "bits": 4, "group_size": 128, "zero_point": True}, "awq", SIZES["awq"]),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "gptq", 1024 * 2048 + 3 * 1024),
        (compressed(), "fp8", 1024 * 2048 + 4 * 1024),
        (compressed(strategy="tensor"), "fp8", 1024 * 2048 + 4),
        (compressed(strategy="block"), "fp8", SIZES["fp8"]),
        (compressed(type="float", num_bits=4, strategy="tensor_group", group_size=16), "nvfp4", SIZES["nvfp4"]),
        (
            compressed(type="int", num_bits=4, strategy="group", group_size=32, symmetric=True),
            "int4",
            1024 * 2048 // 2 + 2 * 1024 * 64,
        ),
        (compressed(type="int", num_bits=8, strategy="channel"), "int8", 1024 * 2048 + 2 * 1024),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", SIZES["nvfp4"]),
        ({"quant_method": "modelopt", "quantization": {"quant_algo": "FP8"}}, "fp8", 1024 * 2048 + 4),
    ],
)
def test_configurations(given_: dict[str, Any], name: str, size: int) -> None:
    found = model("deepseek-v3", quantization_config=given_)
    assert found.checkpoint_precision == name
    assert found.quantisation.bytes(SQUARE) == size


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "bitsandbytes"}, "bitsandbytes"),
        ({}, "''"),
        ("fp8", "mapping"),
        ({"quant_method": "awq", "bits": 3, "group_size": 128}, "3 bits"),
        ({"quant_method": "awq", "bits": 4, "group_size": "many"}, "many"),
        ({"quant_method": "fp8", "weight_block_size": [128]}, "weight_block_size"),
        ({"quant_method": "compressed-tensors"}, "config_groups"),
        (compressed(type="int", num_bits=4, strategy="random"), "random"),
        (compressed(type="float", num_bits=6), "6 bits"),
        (compressed(["re:*("]), "re:*("),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {"targets": ["re:.*mlp.*"]}}}, "targets"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "MIXED_PRECISION"),
    ],
)
def test_others_are_refused_by_name(given_: Any, said: str) -> None:
    with pytest.raises(PlannerError) as caught:
        model("deepseek-v3", quantization_config=given_)
    assert caught.value.code == "model.unknown_quantisation"
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        (["lm_head", "re:.*self_attn.*"], LATENT | {"o_proj"}),
        (["self_attn.o_proj"], {"o_proj"}),
        (["gate"], set()),
        (["*.mlp.shared_experts*"], {"shared_experts"}),
        (["model.layers.*.self_attn*"], LATENT | {"o_proj"}),
        (["re:.*mlp\\.(gate|up|gate_up|down)_proj.*"], {"dense_mlp"}),
        ([f"model.layers.{layer}.self_attn.o_proj" for layer in range(62)], {"o_proj"}),
    ],
)
def test_exclusions(ignore: list[str], left: set[str]) -> None:
    found = model("deepseek-v3", quantization_config=compressed(ignore))
    assert covered(found) == (MLPS | LATENT | {"o_proj"}) - left


def test_a_module_excluded_in_some_layers_is_in_16_bit_there() -> None:
    """The multi-token prediction layer, say, or the first and last layers of Llama-3.1-405B-FP8."""
    excluded = {
        "quant_method": "fbgemm_fp8",
        "modules_to_not_convert": ["model.layers.0.mlp.gate_proj", "model.layers.31.mlp.gate_proj"],
    }
    whole = model("llama-3.1-8b", quantization_config={"quant_method": "fbgemm_fp8"})
    found = model("llama-3.1-8b", quantization_config=excluded)
    mlp = 3 * 4096 * 14336
    assert found.checkpoint_bytes("fp8") - whole.checkpoint_bytes("fp8") == 2 * (mlp - 3 * 4 * 14336)


@given(
    st.sampled_from(PRECISIONS),
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.integers(1, 4),
)
def test_bytes_are_between_the_bits_and_sixteen_with_scales(
    precision: str, rows: int, columns: int, count: int
) -> None:
    component = Component("o_proj", ATTENTION, rows, columns, count, TENSOR, "linear")
    size, stored = PLAIN[precision].bytes(component), PLAIN[precision].format_of(component)
    assert component.parameters * stored.bits / 8 <= size
    assert size <= component.parameters * 2 + count * (rows * (columns // 16 + 1) * 4 + 8)
