"""The module weights_checkpoint: a directory's files against the plan's model, without reading weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.modules import weights_checkpoint

from .conftest import RunModule

PLANNED = {"model_types": ["deepseek_v3"], "quantisation": "quantised", "bytes": 1_000_000}
CONFIG = {"model_type": "deepseek_v3", "quantization_config": {"quant_method": "fp8"}}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Two shards with the index that names them."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    weights = {"a": "model-1.safetensors", "b": "model-2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    for name in weights.values():
        (tmp_path / name).write_bytes(bytes(500_000))
    return tmp_path


@pytest.mark.parametrize("check", [False, True])
def test_the_planned_one_passes(checkpoint: Path, check: bool, run_module: RunModule) -> None:
    result = run_module(weights_checkpoint, check=check, path=str(checkpoint), expected=PLANNED)
    assert (result["changed"], result["compared"]) == (False, True)


def test_draft_layers_and_headers_are_no_difference(checkpoint: Path, run_module: RunModule) -> None:
    assert run_module(weights_checkpoint, path=str(checkpoint), expected={**PLANNED, "bytes": 970_000})["compared"]


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"model_types": ["qwen3_moe", "qwen3"]}, "model_type is deepseek_v3, the plan's is qwen3_moe or qwen3"),
        ({"quantisation": "none"}, "quantisation is fp8, the plan's is none"),
        ({"quantisation": "awq"}, "quantisation is fp8, the plan's is awq"),
        ({"bytes": 2_000_000}, "its weights have 1000000 bytes, the plan's model has 2000000"),
    ],
)
def test_another_one_is_refused(checkpoint: Path, expected: dict[str, Any], words: str, run_module: RunModule) -> None:
    result = run_module(weights_checkpoint, path=str(checkpoint), expected={**PLANNED, **expected})
    assert words in result["msg"]
    assert "[other-checkpoint]" in result["msg"]


def test_one_without_quantisation_is_none_of_a_quantised_plan(checkpoint: Path, run_module: RunModule) -> None:
    (checkpoint / "config.json").write_text('{"model_type": "deepseek_v3"}')
    result = run_module(weights_checkpoint, path=str(checkpoint), expected=PLANNED)
    assert "quantisation is none, the plan's is quantised" in result["msg"]


def test_a_shard_that_is_missing_is_named(checkpoint: Path, run_module: RunModule) -> None:
    (checkpoint / "model-2.safetensors").unlink()
    result = run_module(weights_checkpoint, path=str(checkpoint), expected={})
    assert "names files that are not there: model-2.safetensors" in result["msg"]


def test_what_is_not_there_yet_fails_but_in_check_mode(tmp_path: Path, run_module: RunModule) -> None:
    absent = str(tmp_path / "model")
    assert run_module(weights_checkpoint, check=True, path=absent)["compared"] is False
    assert "No such file" in run_module(weights_checkpoint, path=absent)["msg"]


@pytest.mark.parametrize("expected", [{"bytes": "many"}, {"size": 1}])
def test_what_is_no_expectation_is_said(checkpoint: Path, expected: dict[str, Any], run_module: RunModule) -> None:
    assert run_module(weights_checkpoint, path=str(checkpoint), expected=expected)["msg"].startswith("expected: ")
