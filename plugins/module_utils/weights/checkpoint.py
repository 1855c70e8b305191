# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a checkpoint is the one that was planned: its architecture, quantisation and size."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import WeightsError
from .manifest import File, Manifest

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
# The plan's bytes come from the architecture; a checkpoint also has draft layers (DeepSeek-V3: 2 %) and scales.
# FP8 and BF16 differ by a factor of two.
SIZE_TOLERANCE = 0.1
NONE, QUANTISED = "none", "quantised"


@dataclass(frozen=True)
class Expected:
    """What the plan says; what is empty or 0 is not compared.

    `model_types` are those of config.json that mean the plan's architecture. `quantisation` is its `quant_method`,
    `none`, or `quantised` for any method.
    """

    architecture: str = ""
    quantisation: str = ""
    bytes: int = 0
    model_types: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Expected:
        """From a module's argument; TypeError or ValueError where that is none."""
        types = tuple(str(name) for name in given.get("model_types") or ())
        return cls(**{**given, "bytes": int(given.get("bytes") or 0), "model_types": types})


def _read(name: str, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise WeightsError("checkpoint-unreadable", f"{name} is no JSON: {error}", "Take another source.") from error
    if not isinstance(content, dict):
        raise WeightsError("checkpoint-unreadable", f"{name} is no JSON object", "Take another source.")
    return content


def weight_bytes(manifest: Manifest) -> int:
    """Bytes of all files of weights."""
    return sum(file.size for file in manifest.files if file.path.endswith((".safetensors", ".bin", ".pt")))


def problems(manifest: Manifest, config: str, index: str, expected: Expected) -> list[str]:
    """How the checkpoint differs from what was planned and from itself; `index` may be empty."""
    found = []
    words = _read(CONFIG, config)
    architectures = [str(name) for name in words.get("architectures") or []]
    if expected.architecture and expected.architecture not in architectures:
        found.append(
            f"architecture is {', '.join(architectures) or 'not named'}, the plan's is {expected.architecture}"
        )
    kind = str(words.get("model_type") or "not named")
    if expected.model_types and kind not in expected.model_types:
        found.append(f"model_type is {kind}, the plan's is {' or '.join(expected.model_types)}")
    method = str((words.get("quantization_config") or {}).get("quant_method") or "none")
    wanted = method if expected.quantisation == QUANTISED and method != NONE else expected.quantisation
    if wanted and method != wanted:
        found.append(f"quantisation is {method}, the plan's is {wanted}")
    have = weight_bytes(manifest)
    if expected.bytes and abs(have - expected.bytes) > SIZE_TOLERANCE * expected.bytes:
        found.append(f"its weights have {have} bytes, the plan's model has {expected.bytes}")
    if index:
        listed = _read(INDEX, index)
        shards = set((listed.get("weight_map") or {}).values())
        absent = sorted(shards - {file.path for file in manifest.files})
        if absent:
            found.append(f"{INDEX} names files that are not there: {', '.join(absent)}")
        total = int((listed.get("metadata") or {}).get("total_size") or 0)
        if total > have:
            found.append(f"{INDEX} says {total} bytes of weights, the files have {have}")
    return found


def look_at(directory: Path, expected: Expected) -> list[str]:
    """How the files of a directory differ from what was planned. OSError where they can't be read."""
    files = [File(path.name, path.stat().st_size) for path in sorted(directory.iterdir()) if path.is_file()]
    index = directory / INDEX
    text = index.read_text(encoding="utf-8") if index.exists() else ""
    manifest = Manifest(str(directory), "present", tuple(files))
    return problems(manifest, (directory / CONFIG).read_text(encoding="utf-8"), text, expected)


def refuse(manifest: Manifest, config: str, index: str, expected: Expected) -> None:
    """WeightsError where the checkpoint is not the one that was planned."""
    found = problems(manifest, config, index, expected)
    if found:
        raise WeightsError(
            "other-checkpoint",
            f"{manifest.source} at {manifest.revision} is not the plan's model: {'; '.join(found)}",
            "Change the source, or the plan (plan_model, plan_precision).",
        )
