"""Models: exact parameter counts against the published architecture, and refusal of what is not known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import PlannerError
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.architectures import read_model
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.catalogue import CATALOGUE, find_model
from ansible_collections.moefleet.serving.plugins.module_utils.planner.models.model import Model, pipeline_stages

Published = Callable[[str], list[dict[str, str]]]

# The catalogue's name of each row of model_configs.csv that the planner knows.
ROWS = {
    "DeepSeek-V3 / R1 / R1-0528": "deepseek-v3",
    "DeepSeek-V3.1": "deepseek-v3.1",
    "DeepSeek-V3.2": "deepseek-v3.2",
    "DeepSeek-V2 (236B)": "deepseek-v2",
    "DeepSeek-V2-Lite (16B)": "deepseek-v2-lite",
    "Kimi-K2 / K2-Thinking / K2.5 (text)": "kimi-k2",
    "Qwen3-235B-A22B": "qwen3-235b-a22b",
    "Qwen3-30B-A3B": "qwen3-30b-a3b",
    "GLM-4.5 / 4.6": "glm-4.5",
}
# Components of param_count_dsv3.csv by ours.
COMPONENTS = {
    "embed_tokens": "embed_tokens",
    "lm_head": "lm_head",
    "final_norm": "final_norm",
    "q_a_proj": "q_a_proj",
    "q_a_layernorm": "q_a_layernorm",
    "q_b_proj": "q_b_proj",
    "kv_a_proj_with_mqa": "kv_a_proj_with_mqa",
    "kv_a_layernorm": "kv_a_layernorm",
    "kv_b_proj": "kv_b_proj",
    "o_proj": "o_proj",
    "layer_norms": "input+post_attn layernorm",
    "dense_mlp": "dense MLP (layers 0-2)",
    "router_gate": "router gate",
    "router_bias": "e_score_correction_bias",
    "shared_experts": "shared expert",
    "routed_experts": "routed experts",
}


def model(name: str) -> Model:
    return find_model(name)[0]


def config(name: str = "deepseek-v3", **changes: Any) -> dict[str, Any]:
    return {**CATALOGUE[name][1], **changes}


def code_of(given: Any) -> str:
    with pytest.raises(PlannerError) as caught:
        find_model(given)
    return caught.value.code


def test_deepseek_v3_main_parameters_are_exact() -> None:
    assert model("deepseek-v3").parameters() == 671_026_419_200


def test_deepseek_v3_by_component(published: Published) -> None:
    expected = {
        row["component"]: int(row["params_total"]) for row in published("param_count_dsv3") if row["params_total"]
    }
    assert {COMPONENTS[name]: count for name, count in model("deepseek-v3").parameters_by_component().items()} == {
        name: expected[name] for name in COMPONENTS.values()
    }


def test_the_released_checkpoint_closes() -> None:
    """Main model as derived, plus the multi-token-prediction layer with its own embedding and head, is the published
    size.
    """
    main = model("deepseek-v3")
    assert main.checkpoint_precision == "fp8"
    stored = main.quantisation
    assert main.expert is not None
    layer = sum(stored.bytes(item) for item in (*main.prediction, *main.layer("moe")))
    prediction = layer + main.experts * stored.bytes(main.expert) + 2 * 2 * 129280 * 7168
    assert (
        main.checkpoint_bytes("fp8") + prediction == 688_574_839_360
    )  # 11.9 MB of safetensors headers below 688,586,727,753


def test_the_prediction_layer_is_exact() -> None:
    """DeepSeek-V3's without its copies of embedding and head; GLM-5.1's with the main model is the published total."""
    assert model("deepseek-v3").prediction_parameters() == 11_610_068_224
    found = model("glm-5.1")
    assert found.parameters() + found.prediction_parameters() == 753_864_139_008
    assert model("kimi-k2").prediction_parameters() == 0


@pytest.mark.parametrize("row", sorted(ROWS))
def test_published_totals(row: str, published: Published) -> None:
    expected = next(line for line in published("model_configs") if line["model"] == row)
    found = model(ROWS[row])
    assert found.parameters() == int(expected["params_total_computed"])
    assert found.active_parameters() == int(expected["params_active_computed"])
    per_token = found.kv.bytes_per_token_and_layer(2, 1) - found.kv.fixed_bytes
    assert per_token * len(found.layers) == int(expected["kv_bytes_per_token_bf16_whole_model"])


def test_v32_caches_its_indexer_beside_the_latent() -> None:
    found = model("deepseek-v3.2")
    assert len(found.layers) * found.kv.bytes_per_token_and_layer(2, 8) == 78_324  # M09's log has 78,325.9
    assert len(found.layers) * found.kv.bytes_per_token_and_layer(1, 8) == 43_188  # M12's log has 43,189.7


def test_grouped_query_heads_divide_until_one_is_left() -> None:
    kv = model("qwen3-235b-a22b").kv
    assert [kv.bytes_per_token_and_layer(2, tensor) for tensor in (1, 2, 4, 8)] == [2048, 1024, 512, 512]


def test_dense_model_with_tied_embeddings() -> None:
    """Qwen2.5-0.5B: 494,032,768 parameters as published, embedding counted once."""
    found = read_model(
        {
            "model_type": "qwen2",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
            "tie_word_embeddings": True,
        },
        "qwen2.5-0.5b",
    )
    assert found.parameters() == 494_032_768
    assert found.experts == 0
    assert found.active_parameters() == found.parameters()


def test_a_config_file_its_directory_and_its_content_are_one_model(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config()), encoding="utf-8")
    by_file, served = find_model(str(path))
    by_directory, _served = find_model(str(tmp_path))
    by_content, _name = find_model(config())
    assert served == str(tmp_path)
    assert by_file == by_directory
    assert by_file.parameters() == by_content.parameters() == 671_026_419_200


def test_the_repository_is_a_name_too() -> None:
    assert find_model("deepseek-ai/DeepSeek-V3") == find_model("DeepSeek-V3")
    assert find_model("deepseek-v3")[1] == "deepseek-ai/DeepSeek-V3"


def test_unknown_architecture_is_refused_by_name() -> None:
    with pytest.raises(PlannerError) as caught:
        find_model(config(model_type="mamba3"))
    assert caught.value.code == "model.unknown_architecture"
    assert "mamba3" in caught.value.message
    assert "deepseek_v3" in caught.value.fix


def test_unknown_name_suggests_the_near_one() -> None:
    with pytest.raises(PlannerError) as caught:
        find_model("deepseek-v33")
    assert caught.value.code == "model.unknown"
    assert "deepseek-v3" in caught.value.fix


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (config(kv_lora_rank=None), "model.config_key"),
        (config(hidden_size="7168"), "model.config_key"),
        (config(num_hidden_layers=0), "model.config_key"),
        (config(n_routed_experts=True), "model.config_key"),
        (config(num_hidden_layers=10**9), "model.config_key"),
        (config("glm-5", indexer_types=["full", "shared"]), "model.config_key"),
        (config("llama-4-maverick", text_config={"hidden_size": 5120}), "model.config_key"),
        (config(quantization_config={"quant_method": "awq"}), "model.unknown_quantisation"),
        ({}, "model.no_model_type"),
        (None, "model.missing"),
        ("", "model.missing"),
        (7, "model.missing"),
        ("/nowhere/config.json", "model.unreadable"),
    ],
)
def test_wrong_models(given: Any, code: str) -> None:
    assert code_of(given) == code


@pytest.mark.parametrize("content", ["{", "[]", "3"])
def test_a_file_that_is_no_configuration(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    assert code_of(str(path)) == "model.unreadable"


# Scalars of the whole model as its publisher or a quoted list of its tensors has them.
TOTALS = {
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "qwen2.5-72b": 72_706_203_648,
    "glm-5.1": 743_911_218_432,
}


@pytest.mark.parametrize("name", sorted(TOTALS))
def test_exact_totals(name: str) -> None:
    assert model(name).parameters() == TOTALS[name]


@pytest.mark.parametrize(
    ("name", "billions", "active"),
    [
        ("llama-4-maverick", 400, 17),
        ("llama-4-scout", 109, 17),
        ("minimax-m2", 230, 10),
        ("glm-4.5", 355, 32),
        ("glm-4.5-air", 106, 12),
        ("qwen3-coder-480b-a35b", 480, 35),
        ("kimi-k2", 1026, 32),
        ("glm-5", 744, 40),
    ],
)
def test_totals_are_what_publishers_call_them(name: str, billions: int, active: int) -> None:
    found = model(name)
    assert found.parameters() / 1e9 == pytest.approx(billions, rel=0.012)
    assert found.active_parameters() / 1e9 == pytest.approx(active, rel=0.12)


def test_llama_4_has_routed_layers_among_dense_ones_and_looks_back_in_chunks(published: Published) -> None:
    found = model("llama-4-maverick")
    assert found.layers[:4] == ("dense", "moe", "dense", "moe")
    assert found.moe_layers == 24
    assert (found.attention_cost.reach, found.attention_cost.reach_layers) == (8192, 36)
    expected = next(line for line in published("model_configs") if line["model"] == "Llama-4-Maverick-17B-128E")
    assert found.parameters() - 5120 == int(expected["params_total_computed"])  # which leaves the last norm out
    assert found.vision[0].parameters == pytest.approx(0.87e9, rel=0.02)
    assert model("llama-4-scout").moe_layers == 48


def test_the_text_part_of_a_larger_configuration() -> None:
    """Kimi-K2.5: its own quantisation is in the text part, its image encoder is not counted."""
    text = config("kimi-k2-thinking")
    found = find_model({"model_type": "kimi_k25", "text_config": text, "vision_config": {"vt_hidden_size": 1152}})[0]
    assert found.parameters() == model("kimi-k2.5").parameters()
    assert found.checkpoint_bytes("int4") == model("kimi-k2.5").checkpoint_bytes("int4")


@pytest.mark.parametrize(
    ("spoken", "name"),
    [
        ("DeepSeek-V3-AWQ", "deepseek-v3-awq"),
        ("Qwen3-235B-A22B-Instruct-2507", "qwen3-235b-a22b-instruct-2507"),
        ("Llama-4-Maverick-17B-128E-FP8", "llama-4-maverick-fp8"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b"),
        ("Qwen3-Coder-480B-A35B-Instruct-FP8", "qwen3-coder-480b-a35b-fp8"),
    ],
)
def test_names_in_common_use(spoken: str, name: str) -> None:
    assert model(spoken) == model(name)


def test_every_model_knows_its_attention_and_routing() -> None:
    for name in CATALOGUE:
        found = model(name)
        assert found.attention_cost.decode_per_context_token > 0
        assert found.routing.per_token == found.experts_per_token
        assert found.experts % found.routing.groups == 0
        assert found.rotary_bytes() > 0


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.one_of(st.integers(-1, 99), st.text(max_size=3)), max_size=3),
    st.dictionaries(
        st.sampled_from(["quant_method", "bits", "ignore", "config_groups", "hidden_size", "weight_block_size"]),
        st.one_of(st.sampled_from(["fp8", "awq", "gptq", "compressed-tensors", "modelopt"]), st.integers(-1, 9)),
    ),
)


@given(st.sampled_from(sorted(CATALOGUE)), st.data())
def test_any_configuration_is_a_model_or_a_reason(name: str, data: st.DataObject) -> None:
    given_ = config(name)
    inner = data.draw(st.booleans()) and isinstance(given_.get("text_config"), dict)
    part = dict(given_["text_config"]) if inner else given_
    keys = data.draw(st.lists(st.sampled_from(sorted(part)), max_size=3))
    part.update({key: data.draw(JUNK) for key in keys})
    try:
        found = find_model({**given_, "text_config": part} if inner else part)[0]
    except PlannerError as problem:
        said = problem.finding()
    else:
        assert found.parameters() > 0
        assert found.checkpoint_bytes(found.checkpoint_precision) > 0
        return
    assert said.code.startswith("model.")
    assert said.fix


def test_pipeline_stages_are_vllms() -> None:
    assert pipeline_stages(61, 4) == [15, 15, 16, 15]
    assert pipeline_stages(62, 4) == [15, 16, 16, 15]
    assert pipeline_stages(63, 4) == [16, 16, 16, 15]
    assert pipeline_stages(61, 2, rest_last=True) == [30, 31]  # as releases before 0.8 did


@given(st.integers(1, 200), st.integers(1, 16))
def test_pipeline_stages_cover_every_layer(layers: int, stages: int) -> None:
    sizes = pipeline_stages(layers, stages)
    assert sum(sizes) == layers
    assert len(sizes) == stages
    assert max(sizes) - min(sizes) <= 1
