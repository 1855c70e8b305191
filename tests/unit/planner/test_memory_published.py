"""Every published memory figure, through one reading of its row: no row has a constant of its own."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.planner.memory.memory import Memory
from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_memory

GIB = 1 << 30
Published = Callable[[str], list[dict[str, str]]]

POINTS = Path(__file__).resolve().parents[2] / "data" / "published" / "memory_points.csv"
with POINTS.open(encoding="utf-8", newline="") as handle:
    ROWS = {row["id"]: row for row in csv.DictReader(handle)}

# vLLM 0.20.0 had 2.3 % more KV bytes a token than any formula for reasons not known; ROCm pads weights by 2 % and the
# cache by half of one; of AWQ's 0.7.3 log it is not known which temporary buffers its figure has.
UNCERTAIN = {"M06": 0.03, "M08": 0.03, "M22": 0.03}
# The engine of a row that names a document instead of a release.
UNNAMED = "0.19.1"


def first_number(text: str) -> int:
    found = re.match(r"\d+", text)
    return int(found.group()) if found else 0


def request_of(row: dict[str, str]) -> dict[str, Any]:
    """The module's input for a row: one model replica over the row's GPUs unless it says data parallel.

    ``tp`` of an SGLang row counts all GPUs of the replica, so the tensor size is what is left of them. Unknown
    devices are H20-96G; a row without a model is the one that its engine's recipe is for.
    """
    gpus, data, pipeline = int(row["n_gpus"]), int(row["dp"] or 1), int(row["pp"] or 1)
    release = re.search(r"\d+\.\d+(\.\d+)?", row["engine_version"])
    engine: dict[str, Any] = {
        "name": row["engine"].split()[0].lower(),
        "version": release.group() if release else UNNAMED,
        "kv_cache_dtype": "fp8" if row["kv_dtype"].startswith("fp8") else "auto",
    }
    if row["max_model_len"].isdigit():
        engine["max_model_len"] = int(row["max_model_len"])
    if re.fullmatch(r"0\.\d+", row["gpu_memory_utilization"]):
        engine["gpu_memory_utilization"] = float(row["gpu_memory_utilization"])
    redundant = first_number(row["redundant_experts"])
    return {
        "cluster": {
            "hosts": [f"node-{index}" for index in range(-(-gpus // 8))],
            "gpus_per_host": min(gpus, 8),
            "gpu": {"memory_bytes": int(float(row["gpu_mem_gib"] or 95.0) * GIB)},
        },
        "model": row["model"].split("/")[0],
        "precision": row["weights_precision"],
        "parallel": {
            "tensor": gpus // data // pipeline,
            "data": data,
            "pipeline": pipeline,
            "expert": first_number(row["ep"]) > 1,
            "redundant_experts": redundant,
        },
        "engine": engine,
        "workload": {"sessions": 1},
    }


def memory_of(row: dict[str, str]) -> Memory:
    return make_memory(request_of(row))


@pytest.mark.parametrize("identifier", [key for key, row in ROWS.items() if row["weights_gib_per_gpu"]])
def test_logged_weights(identifier: str) -> None:
    row = ROWS[identifier]
    tolerance = UNCERTAIN.get(identifier, 0.01)
    logged = float(row["weights_gib_per_gpu"])
    assert memory_of(row).weights_bytes / GIB == pytest.approx(logged, rel=tolerance)


@pytest.mark.parametrize(
    "identifier", [key for key, row in ROWS.items() if row["measured_kv_bytes_per_token"] and key != "M22"]
)
def test_logged_kv_bytes(identifier: str) -> None:
    row = ROWS[identifier]
    tolerance = UNCERTAIN.get(identifier, 0.0005)
    assert memory_of(row).kv_bytes_per_token == pytest.approx(float(row["measured_kv_bytes_per_token"]), rel=tolerance)


def test_the_limiting_stage_of_two_holds_what_was_logged() -> None:
    """M22 logs one worker's cache and the tokens that the fuller stage allows: 34.3 of the 36.4 GiB."""
    row = ROWS["M22"]
    need = memory_of(row).kv_bytes_per_token * int(row["kv_cache_tokens"]) / GIB
    assert need == pytest.approx(34.3, abs=0.05)
    assert need < float(row["kv_cache_gib_per_gpu"])


@pytest.mark.parametrize(
    "identifier",
    [
        key
        for key, row in ROWS.items()
        if row["kv_cache_gib_per_gpu"] and row["gpu_memory_utilization"] and key != "M20"
    ],
)
def test_the_overhead_covers_what_logs_leave_over(identifier: str) -> None:
    """M20 ran 32,000 tokens a step, which its row has no column for; see the overhead's own test."""
    row = ROWS[identifier]
    share = float(row["gpu_memory_utilization"]) * float(row["gpu_mem_gib"])
    left = share - float(row["weights_gib_per_gpu"]) - float(row["kv_cache_gib_per_gpu"])
    spans = memory_of(row).overhead_range_bytes
    assert spans["low"] / GIB < left < spans["high"] / GIB


def test_what_was_seen_to_start_fits() -> None:
    """M39: R1 in FP8 on one host of H20-96G at 0.95 of the device, 4,096 tokens, without CUDA graphs."""
    request = request_of(ROWS["M39"])
    assert make_memory(request).fits
    request["engine"]["enforce_eager"] = True
    assert make_memory(request).fits


@pytest.mark.parametrize("identifier", ["M40", "M41"])
def test_what_was_seen_to_fail_or_is_ruled_out_does_not_fit(identifier: str) -> None:
    """M40: V3.2 at the engine's defaults. M41: a recipe that asks for 805 GB, of which 8 x H20-96G have 768."""
    assert not memory_of(ROWS[identifier]).fits


# The same kinds of figures from other places: bytes of a rank in GiB, its KV bytes a token, both at one replica of
# tensor parallel ranks. The first two are logs, the others follow from published sizes of checkpoints or parameters.
OTHERS: list[tuple[str, str, tuple[int, str], float, int]] = [
    ("qwen3-30b-a3b", "bf16", (4, "0.11.2"), 14.2474, 48 * 512),
    ("llama-4-maverick", "bf16", (8, "0.11.2"), 93.79, 48 * 512),
    ("deepseek-r1", "fp8", (8, "0.8.2"), 79.74, 70_272),
    ("deepseek-v3.1", "auto", (8, "0.10.2"), 79.74, 70_272),
    ("glm-4.5", "bf16", (8, "0.11.0"), 352_797_829_024 * 2 / 8 / GIB, 92 * 512),
    ("llama-3.1-70b", "bf16", (4, "0.11.0"), 70_553_706_496 * 2 / 4 / GIB, 80 * 1024),
]


@pytest.mark.parametrize(("model", "precision", "ran", "weights", "kv"), OTHERS)
def test_other_figures(model: str, precision: str, ran: tuple[int, str], weights: float, kv: int) -> None:
    tensor, release = ran
    memory = make_memory(
        {
            "cluster": {"hosts": ["a"], "gpus_per_host": tensor, "gpu": "H200-141G"},
            "model": model,
            "precision": precision,
            "parallel": {"tensor": tensor, "data": 1, "expert": False},
            "engine": {"version": release, "max_model_len": 8192},
            "workload": {"sessions": 1},
        }
    )
    assert memory.weights_bytes / GIB == pytest.approx(weights, rel=0.01)
    assert memory.kv_bytes_per_token == kv


def test_the_tables_rows_are_all_there(published: Published) -> None:
    """A row that disappeared from the data would make the tests above pass for nothing."""
    assert len(published("memory_points")) == len(ROWS) == 16
    assert {"M12", "M18", "M20", "M22", "M33", "M36", "M39", "M40", "M41"} <= set(ROWS)
