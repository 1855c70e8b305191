# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a model's shape from its Hugging Face ``config.json``, one reader a family; any other architecture is refused
by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..findings import PlannerError
from .architectures_grouped import grouped_query
from .architectures_latent import latent_moe
from .architectures_llama4 import llama4
from .config_reader import Config, ConfigReader
from .model import Model

_READERS: dict[str, Callable[[ConfigReader, str, str, str | None], Model]] = {
    "deepseek_v2": latent_moe,
    "deepseek_v3": latent_moe,
    "deepseek_v32": latent_moe,
    "kimi_k2": latent_moe,
    "kimi_k25": latent_moe,
    "glm_moe_dsa": latent_moe,
    "qwen3_moe": grouped_query,
    "glm4_moe": grouped_query,
    "minimax_m2": grouped_query,
    "qwen3": grouped_query,
    "qwen2": grouped_query,
    "llama": grouped_query,
    "mistral": grouped_query,
    "llama4": llama4,
    "llama4_text": llama4,
}

# Whose language model is described in a part of its own. Kimi-K2.5's image encoder (0.4B) is not counted.
_NESTED = ("llama4", "kimi_k25")
# The same architecture by another name.
_SAME = {"llama4_text": "llama4"}


def model_types(kind: str) -> list[str]:
    """The ``model_type`` of configurations that describe an architecture: its own name, and others for the same."""
    return [kind, *(name for name, same in _SAME.items() if same == kind)]


def read_model(config: Config, name: str, repository: str | None = None) -> Model:
    """The model that a ``config.json`` describes. Raises :class:`PlannerError` for architectures and values it does not
    know.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str) or not kind:
        raise PlannerError(
            "model.no_model_type", "model", "the configuration has no model_type", "give the model's own config.json"
        )
    reader = _READERS.get(kind)
    if reader is None:
        raise PlannerError(
            "model.unknown_architecture",
            "model",
            f"architecture '{kind}' is not one the planner knows the weights of",
            "use one of: " + ", ".join(sorted(_READERS)),
        )
    text = config.get("text_config")
    inner = ConfigReader(text, config) if kind in _NESTED and isinstance(text, Mapping) else ConfigReader(config)
    return reader(inner, _SAME.get(kind, kind), name, repository)
