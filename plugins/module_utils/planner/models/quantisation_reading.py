# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads a ``config.json``'s ``quantization_config``: the format, and which modules are left in 16 bit.

Known are ``fp8`` (DeepSeek's blocks, or one scale a tensor), ``fbgemm_fp8``, ``awq``, ``gptq``, ``compressed-tensors``
and ``modelopt``; any other method, and a scheme within one that is not known, is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from ..findings import PlannerError
from .components import LINEAR, Component
from .quantisation import (
    BF16_FORMAT,
    FP8_BLOCK,
    FP8_CHANNEL,
    FP8_TENSOR,
    NVFP4,
    UNQUANTISED,
    Format,
    Quantisation,
)

Config = Mapping[str, Any]

_WHERE = "model.quantization_config"
# The keys under which the methods list modules they leave alone.
_EXCLUSIONS = ("ignore", "modules_to_not_convert", "ignored_layers", "exclude_modules")


def read_quantisation(raw: Any, layers: Iterable[tuple[int, tuple[Component, ...]]], prefix: str) -> Quantisation:
    """The quantisation a configuration describes for a model with these components in its layers, whose modules' names
    begin with ``prefix`` (``model.layers.``). Raises :class:`PlannerError` for methods it does not know.
    """
    if raw is None:
        return UNQUANTISED
    if not isinstance(raw, Mapping):
        raise _refused("is not a mapping", "give the model's own config.json")
    method = str(raw.get("quant_method", "")).lower()
    reader = _METHODS.get(method)
    if reader is None:
        raise _refused(
            f"quantisation '{method}' is not one the planner knows the weights of",
            "use a checkpoint in one of: bf16, " + ", ".join(sorted(_METHODS)),
        )
    found = reader(raw)
    present = [(index, item) for index, components in layers for item in components if item.storage == LINEAR]
    return _without(found, _exclusions(raw), present, prefix)


def _refused(message: str, fix: str) -> PlannerError:
    return PlannerError("model.unknown_quantisation", _WHERE, message, fix)


def _fp8(raw: Config) -> Quantisation:
    block = raw.get("weight_block_size")
    if block is None:
        return Quantisation("fp8", FP8_TENSOR)
    if not isinstance(block, (list, tuple)) or len(block) != 2 or not all(_is_size(size) for size in block):
        raise _refused(f"weight_block_size is {block!r}", "give two sizes, such as [128, 128]")
    return Quantisation("fp8", replace(FP8_BLOCK, rows=block[0], columns=block[1]))


def _fbgemm(_: Config) -> Quantisation:
    return Quantisation("fp8", FP8_CHANNEL)


def _awq(raw: Config) -> Quantisation:
    return Quantisation("awq", _grouped(raw.get("bits"), raw.get("group_size"), zero=bool(raw.get("zero_point", True))))


def _gptq(raw: Config) -> Quantisation:
    # The layout has zero points even where the quantisation is symmetric.
    return Quantisation("gptq", _grouped(raw.get("bits"), raw.get("group_size"), zero=True))


def _grouped(bits: Any, group: Any, *, zero: bool) -> Format:
    """Whole numbers of 4 or 8 bits with a 16 bit scale a group; -1 is one group a row."""
    if isinstance(bits, bool) or bits not in (4, 8):
        raise _refused(f"{bits!r} bits a weight", "use a checkpoint of 4 or 8 bits")
    if group in (None, -1):
        group = 0
    elif not _is_size(group):
        raise _refused(f"group size {group!r}", "give a whole number")
    return Format(bits, 1, group, scale_bytes=2, zero_bits=bits if zero else 0)


def _compressed(raw: Config) -> Quantisation:
    """compressed-tensors: each group has a scheme for its targets, which are classes of layers or patterns of names."""
    groups = raw.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        raise _refused("compressed-tensors without config_groups", "give the model's own config.json")
    schemes = [group for group in groups.values() if isinstance(group, Mapping)]
    if len(schemes) != 1 or list(schemes[0].get("targets") or []) != ["Linear"]:
        raise _refused(
            "compressed-tensors with several schemes, or for other targets than 'Linear'",
            "use a checkpoint with one scheme",
        )
    weights = schemes[0].get("weights")
    if not isinstance(weights, Mapping):
        raise _refused("compressed-tensors without a scheme for weights", "give the model's own config.json")
    return _scheme(weights)


def _scheme(weights: Config) -> Quantisation:
    kind, bits, group = weights.get("type"), weights.get("num_bits"), weights.get("group_size")
    strategy = str(weights.get("strategy") or ("group" if group else "tensor")).lower()
    if kind == "float" and bits == 8 and strategy in _FP8_STRATEGIES:
        return Quantisation("fp8", _FP8_STRATEGIES[strategy])
    if kind == "float" and bits == 4 and group == NVFP4.columns:
        return Quantisation("nvfp4", NVFP4)
    if kind == "int" and strategy in ("group", "channel"):
        found = _grouped(bits, group if strategy == "group" else -1, zero=weights.get("symmetric") is False)
        return Quantisation("int4" if bits == 4 else "int8", found)
    raise _refused(
        f"compressed-tensors weights of type {kind!r}, {bits!r} bits, strategy '{strategy}'",
        "use FP8, NVFP4, or whole numbers of 4 or 8 bits in groups or channels",
    )


_FP8_STRATEGIES = {"channel": FP8_CHANNEL, "tensor": FP8_TENSOR, "block": FP8_BLOCK}


def _modelopt(raw: Config) -> Quantisation:
    inner = raw.get("quantization")
    algorithm = str((inner if isinstance(inner, Mapping) else raw).get("quant_algo", "")).upper()
    if algorithm in ("NVFP4", "W4A16_NVFP4"):
        return Quantisation("nvfp4", NVFP4)
    if algorithm == "FP8":
        return Quantisation("fp8", FP8_TENSOR)
    raise _refused(f"modelopt algorithm '{algorithm}'", "use a checkpoint in NVFP4 or FP8")


_METHODS: dict[str, Callable[[Config], Quantisation]] = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "awq": _awq,
    "gptq": _gptq,
    "compressed-tensors": _compressed,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
}


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _exclusions(raw: Config) -> list[str]:
    inner = raw.get("quantization")
    places = [raw, inner] if isinstance(inner, Mapping) else [raw]
    lists = [place.get(key) for place in places for key in _EXCLUSIONS]
    return [name for found in lists if isinstance(found, (list, tuple)) for name in found if isinstance(name, str)]


def _without(
    found: Quantisation, exclusions: list[str], present: list[tuple[int, Component]], prefix: str
) -> Quantisation:
    """With components that are excluded everywhere in 16 bit, and the others' excluded layers exempt."""
    if not exclusions:
        return found
    excluded = _matcher(exclusions)
    kept: dict[str, set[int]] = {}
    everywhere: dict[str, int] = {}
    for index, item in present:
        everywhere[item.name] = everywhere.get(item.name, 0) + 1
        if excluded(f"{prefix}{index}.{item.module}"):
            kept.setdefault(item.name, set()).add(index)
    whole = {name: BF16_FORMAT for name, indices in kept.items() if len(indices) == everywhere[name]}
    some = frozenset((name, index) for name, indices in kept.items() if name not in whole for index in indices)
    return replace(found, formats=whole, exempt=some)


def _matcher(patterns: list[str]) -> Callable[[str], bool]:
    """Whether one of the patterns means a module: ``re:`` an expression, ``*`` a glob, else a run of its parts."""
    expressions: list[re.Pattern[str]] = []
    for pattern in patterns:
        try:
            if pattern.startswith("re:"):
                expressions.append(re.compile(pattern[3:]))
        except re.error as problem:
            raise _refused(f"exclusion '{pattern}' is no expression: {problem}", "correct it") from problem
    globs = [pattern for pattern in patterns if "*" in pattern and not pattern.startswith("re:")]
    runs = [f".{pattern.strip('.')}." for pattern in patterns if "*" not in pattern and not pattern.startswith("re:")]

    def excluded(name: str) -> bool:
        return (
            any(expression.match(name) for expression in expressions)
            or any(fnmatchcase(name, glob) or fnmatchcase(name, f"*.{glob}") for glob in globs)
            or any(run in f".{name}." for run in runs)
        )

    return excluded
