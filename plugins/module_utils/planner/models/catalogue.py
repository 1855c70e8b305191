# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Models known by name, and how a model is found by name, by path or by its configuration.

Where each configuration is from is said in ``catalogue_configs``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..fields import describe, suggestion
from ..findings import PlannerError
from . import catalogue_configs as configs
from .architectures import read_model
from .model import Model


def _with(config: dict[str, Any], quantisation: dict[str, Any] | None) -> dict[str, Any]:
    return dict(config, quantization_config=quantisation)


CATALOGUE: dict[str, tuple[str, dict[str, Any]]] = {
    "deepseek-v3": ("deepseek-ai/DeepSeek-V3", configs.DEEPSEEK_V3),
    "deepseek-v3-0324": ("deepseek-ai/DeepSeek-V3-0324", configs.DEEPSEEK_V3),
    "deepseek-v3.1": ("deepseek-ai/DeepSeek-V3.1", configs.DEEPSEEK_V3),
    "deepseek-v3.1-terminus": ("deepseek-ai/DeepSeek-V3.1-Terminus", configs.DEEPSEEK_V3),
    "deepseek-v3.2": ("deepseek-ai/DeepSeek-V3.2", configs.DEEPSEEK_V32),
    "deepseek-v3.2-exp": ("deepseek-ai/DeepSeek-V3.2-Exp", configs.DEEPSEEK_V32),
    "deepseek-v3.2-nvfp4": ("nvidia/DeepSeek-V3.2-NVFP4", _with(configs.DEEPSEEK_V32, configs.NVFP4_LATENT)),
    "deepseek-v3-awq": ("cognitivecomputations/DeepSeek-V3-AWQ", _with(configs.DEEPSEEK_V3, configs.AWQ)),
    "deepseek-r1": ("deepseek-ai/DeepSeek-R1", configs.DEEPSEEK_V3),
    "deepseek-r1-0528": ("deepseek-ai/DeepSeek-R1-0528", configs.DEEPSEEK_V3),
    "deepseek-r1-awq": ("cognitivecomputations/DeepSeek-R1-AWQ", _with(configs.DEEPSEEK_V3, configs.AWQ)),
    "deepseek-v2": ("deepseek-ai/DeepSeek-V2", configs.DEEPSEEK_V2),
    "deepseek-v2-lite": ("deepseek-ai/DeepSeek-V2-Lite", configs.DEEPSEEK_V2_LITE),
    "deepseek-coder-v2-lite": ("deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct", configs.DEEPSEEK_V2_LITE),
    "kimi-k2": ("moonshotai/Kimi-K2-Instruct", configs.KIMI_K2),
    "kimi-k2-thinking": ("moonshotai/Kimi-K2-Thinking", configs.KIMI_K2_THINKING),
    "kimi-k2.5": ("moonshotai/Kimi-K2.5", configs.KIMI_K2_THINKING),
    "glm-4.5": ("zai-org/GLM-4.5", configs.GLM_45),
    "glm-4.5-fp8": ("zai-org/GLM-4.5-FP8", _with(configs.GLM_45, configs.FP8_CHANNEL)),
    "glm-4.5-air": ("zai-org/GLM-4.5-Air", configs.GLM_45_AIR),
    "glm-4.6": ("zai-org/GLM-4.6", configs.GLM_46),
    "glm-4.6-fp8": ("zai-org/GLM-4.6-FP8", _with(configs.GLM_46, configs.FP8_CHANNEL)),
    "glm-5": ("zai-org/GLM-5", configs.GLM_5),
    "glm-5.1": ("zai-org/GLM-5.1", configs.GLM_5),
    "minimax-m2": ("MiniMaxAI/MiniMax-M2", configs.MINIMAX_M2),
    "qwen3-235b-a22b": ("Qwen/Qwen3-235B-A22B", configs.QWEN3_235B),
    "qwen3-235b-a22b-fp8": ("Qwen/Qwen3-235B-A22B-FP8", _with(configs.QWEN3_235B, configs.FP8)),
    "qwen3-235b-a22b-instruct-2507": (
        "Qwen/Qwen3-235B-A22B-Instruct-2507",
        dict(configs.QWEN3_235B, max_position_embeddings=262144),
    ),
    "qwen3-235b-a22b-instruct-2507-fp8": (
        "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8",
        dict(configs.QWEN3_235B, max_position_embeddings=262144, quantization_config=configs.FP8),
    ),
    "qwen3-30b-a3b": ("Qwen/Qwen3-30B-A3B", configs.QWEN3_30B),
    "qwen3-30b-a3b-fp8": ("Qwen/Qwen3-30B-A3B-FP8", _with(configs.QWEN3_30B, configs.FP8)),
    "qwen3-30b-a3b-instruct-2507": (
        "Qwen/Qwen3-30B-A3B-Instruct-2507",
        dict(configs.QWEN3_30B, max_position_embeddings=262144),
    ),
    "qwen3-coder-480b-a35b": ("Qwen/Qwen3-Coder-480B-A35B-Instruct", configs.QWEN3_480B),
    "qwen3-coder-480b-a35b-fp8": (
        "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8",
        _with(configs.QWEN3_480B, configs.FP8),
    ),
    "llama-4-maverick": ("meta-llama/Llama-4-Maverick-17B-128E-Instruct", configs.LLAMA_4_MAVERICK),
    "llama-4-maverick-fp8": (
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
        _with(configs.LLAMA_4_MAVERICK, configs.FP8_LLAMA4),
    ),
    "llama-4-scout": ("meta-llama/Llama-4-Scout-17B-16E-Instruct", configs.LLAMA_4_SCOUT),
    "llama-3.1-8b": ("meta-llama/Llama-3.1-8B-Instruct", configs.LLAMA_31_8B),
    "llama-3.1-70b": ("meta-llama/Llama-3.1-70B-Instruct", configs.LLAMA_31_70B),
    "llama-3.3-70b": ("meta-llama/Llama-3.3-70B-Instruct", configs.LLAMA_31_70B),
    "llama-3.1-405b": ("meta-llama/Llama-3.1-405B-Instruct", configs.LLAMA_31_405B),
    "qwen2.5-72b": ("Qwen/Qwen2.5-72B-Instruct", configs.QWEN25_72B),
}


def _names(known: str, repository: str) -> tuple[str, ...]:
    """What a model is called: its name here, its repository, and the repository's last part with and without the word
    for its tuning.
    """
    last = repository.lower().rsplit("/", 1)[-1]
    return known, repository.lower(), last, last.replace("-instruct", "")


# An earlier entry keeps a name that a later one would have too.
_BY_NAME = {name: known for known in reversed(CATALOGUE) for name in reversed(_names(known, CATALOGUE[known][0]))}


@cache
def _known(name: str) -> Model:
    repository, config = CATALOGUE[name]
    return read_model(config, name, repository)


def find_model(given: Any) -> tuple[Model, str]:
    """The model meant by a catalogue name, a path to a ``config.json`` or its directory, or the configuration itself;
    and what serves it.

    The second value is what ``vllm serve`` gets when nothing else is said: the repository's name, the directory of the
    ``config.json``, or the name the configuration carries. Raises :class:`PlannerError`.
    """
    if isinstance(given, Mapping):
        name = str(given.get("_name_or_path") or given.get("name") or given.get("model_type") or "model")
        return read_model(given, name), name
    if not isinstance(given, str) or not given.strip():
        raise PlannerError(
            "model.missing",
            "model",
            f"is {describe(given)}",
            "give a catalogue name, the path of a config.json or its content",
        )
    name = given.strip()
    known = _BY_NAME.get(name.lower())
    if known is not None:
        return _known(known), CATALOGUE[known][0]
    if os.sep in name or name.endswith(".json"):
        return _from_file(name)
    raise PlannerError(
        "model.unknown", "model", f"'{name}' is neither in the catalogue nor a path", suggestion(name, CATALOGUE)
    )


def _from_file(given: str) -> tuple[Model, str]:
    path = Path(given)
    if path.is_dir():
        path /= "config.json"
    correct = "give the model's own config.json, on the controller"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise PlannerError("model.unreadable", "model", f"{path}: {problem.strerror}", correct) from problem
    except ValueError as problem:
        raise PlannerError("model.unreadable", "model", f"{path} is no JSON: {problem}", correct) from problem
    if not isinstance(config, Mapping):
        raise PlannerError("model.unreadable", "model", f"{path} holds {describe(config)}, not a mapping", correct)
    directory = path.absolute().parent
    return read_model(config, directory.name or "model", str(directory)), str(directory)
