# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a checkpoint is the one that was planned: its architecture, quantisation and size."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from .errors import WeightsError
from .manifest import Manifest

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
# The plan's bytes come from the architecture; a checkpoint also has draft layers (DeepSeek-V3: 2 %) and scales.
# FP8 and BF16 differ by a factor of two.
SIZE_TOLERANCE = 0.1


@dataclass(frozen=True)
class Expected:
    """What the plan says; an empty string or 0 is not compared. `quantisation` is config.json's `quant_method`, or
    `none`.
    """

    architecture: str = ""
    quantisation: str = ""
    bytes: int = 0


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
    method = str((words.get("quantization_config") or {}).get("quant_method") or "none")
    if expected.quantisation and method != expected.quantisation:
        found.append(f"quantisation is {method}, the plan's is {expected.quantisation}")
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


def refuse(manifest: Manifest, config: str, index: str, expected: Expected) -> None:
    """WeightsError where the checkpoint is not the one that was planned."""
    found = problems(manifest, config, index, expected)
    if found:
        raise WeightsError(
            "other-checkpoint",
            f"{manifest.source} at {manifest.revision} is not the plan's model: {'; '.join(found)}",
            "Change the source, or the plan (plan_model, plan_precision).",
        )
