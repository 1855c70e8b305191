# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Typed access to a Hugging Face ``config.json``; a missing or impossible value is an error that names the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..findings import PlannerError
from .components import EMBEDDING, HEAD, NORMS, TENSOR, Component, plain
from .quantisation import Quantisation
from .quantisation_reading import read_quantisation

Config = Mapping[str, Any]

MOST_LAYERS = 10_000


class ConfigReader:
    """One configuration, or the text part of one that also describes an image encoder.

    ``outer`` is the whole configuration; what it says about quantisation holds for the text part too.
    """

    def __init__(self, config: Config, outer: Config | None = None) -> None:
        self._config = config
        self._outer = outer if outer is not None else config

    @property
    def nested(self) -> bool:
        """Whether the language model is one part among others."""
        return self._outer is not self._config

    def section(self, key: str) -> Config:
        """A mapping of the whole configuration, such as ``vision_config``; empty where there is none."""
        found = self._outer.get(key)
        return found if isinstance(found, Mapping) else {}

    def layers(self, key: str, default: int | None = None, minimum: int = 1) -> int:
        """A number of layers, which are counted one by one."""
        found = self.integer(key, default, minimum)
        if found > MOST_LAYERS:
            raise self.wrong(key, f"is {found}, more layers than any model has")
        return found

    def integer(self, key: str, default: int | None = None, minimum: int = 1) -> int:
        """A whole number of at least ``minimum``; nothing and ``null`` are the default."""
        value = self._config.get(key, default)
        if value is None and default is not None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong(key, f"is {value!r}, not a whole number")
        if value < minimum:
            raise self.wrong(key, f"is {value}, which is less than {minimum}")
        return value

    def wrong(self, key: str, message: str) -> PlannerError:
        """The error for a value."""
        return PlannerError("model.config_key", f"model.{key}", message, "give the model's own config.json")

    def optional(self, key: str) -> int | None:
        """A whole number, or ``None`` where there is none."""
        return None if self._config.get(key) is None else self.integer(key)

    def flag(self, key: str, default: bool = False) -> bool:
        """A truth value."""
        value = self._config.get(key)
        return default if value is None else bool(value)

    def text(self, key: str) -> str:
        """Text, empty where there is none."""
        return str(self._config.get(key) or "")

    def items(self, key: str) -> tuple[Any, ...]:
        """A list's items; nothing where there is none."""
        value = self._config.get(key)
        return tuple(value) if isinstance(value, (list, tuple)) else ()

    def indices(self, key: str) -> tuple[int, ...]:
        """The whole numbers of a list."""
        return tuple(item for item in self.items(key) if isinstance(item, int))

    def embedding(self, hidden: int) -> Component:
        """The table of tokens."""
        return plain("embed_tokens", EMBEDDING, self.integer("vocab_size") * hidden, TENSOR)

    def after(self, hidden: int) -> tuple[Component, ...]:
        """What follows the last layer: a norm, and the head unless it is the embedding's own table."""
        norm = plain("final_norm", NORMS, hidden)
        if self.tied():
            return (norm,)
        return (norm, plain("lm_head", HEAD, self.integer("vocab_size") * hidden, TENSOR))

    def tied(self) -> bool:
        """Whether embedding and head are one table."""
        return self.flag("tie_word_embeddings")

    def quantisation(self, layers: list[tuple[Component, ...]]) -> Quantisation:
        """How the checkpoint stores components, given each layer's."""
        raw = self._config.get("quantization_config")
        if raw is None:
            raw = self._outer.get("quantization_config")
        prefix = "language_model.model.layers." if self.nested else "model.layers."
        return read_quantisation(raw, list(enumerate(layers)), prefix)
