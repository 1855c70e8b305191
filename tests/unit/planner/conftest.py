"""What the planner's tests share: the reference cluster's input, and the published figures."""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DATA = Path(__file__).resolve().parents[2] / "data"

REFERENCE: dict[str, Any] = {
    "cluster": {
        "hosts": [
            {"name": f"node-{index}", "data_address": f"192.168.1.{10 + index}", "data_interface": "eth1"}
            for index in range(4)
        ],
        "gpus_per_host": 8,
        "gpu": "H20-96G",
        "nic_gbit_s": 25,
        "nics_per_host": 1,
    },
    "model": "deepseek-v3",
    "precision": "fp8",
    "parallel": {"tensor": 1, "data": 32, "pipeline": 1, "expert": True, "redundant_experts": 32},
    "engine": {
        "name": "vllm",
        "version": "0.19.1",
        "gpu_memory_utilization": 0.9,
        "kv_cache_dtype": "auto",
        "max_model_len": 32768,
    },
    "workload": {"sessions": 200},
}

Reference = Callable[..., dict[str, Any]]


def changed(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with ``{"engine.version": "0.9.2"}`` applied; a value of ``...`` takes the key away."""
    result = copy.deepcopy(base)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = result
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is ...:
            place.pop(last, None)
        else:
            place[last] = value
    return result


@pytest.fixture(scope="session")
def reference() -> Reference:
    """The reference cluster's input, with changes by dotted path."""

    def make(changes: dict[str, Any] | None = None) -> dict[str, Any]:
        return changed(REFERENCE, changes or {})

    return make


@pytest.fixture(scope="session")
def published() -> Callable[[str], list[dict[str, str]]]:
    """A table of published or derived figures, by the name of its file."""

    def read(name: str) -> list[dict[str, str]]:
        with (DATA / "published" / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    return read


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The directory of the tests' data."""
    return DATA


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Writes a file below a directory of its own; returns its path."""

    def to(name: str, text: str) -> str:
        path = tmp_path / "inventory" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return to
