"""Plans to judge under: the reference cluster's, and the lab's."""

from __future__ import annotations

import copy
import functools
from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

HOSTS = tuple(f"node-{index}" for index in range(4))


@functools.lru_cache(maxsize=1)
def _made() -> dict[str, Any]:
    return make_plan(
        {
            "cluster": {"hosts": list(HOSTS), "gpus_per_host": 8, "gpu": "H20-96G", "nic_gbit_s": 25},
            "model": "deepseek-v3",
            "parallel": {"data": 32, "redundant_experts": 32},
            "engine": {"version": "0.19.1", "gpu_memory_utilization": 0.9, "max_model_len": 32768},
            "workload": {"sessions": 200, "input_tokens": 512},
            "search": {"enabled": False},
        }
    ).as_dict()


def reference_plan() -> dict[str, Any]:
    """The plan of 4 hosts with 8 H20 each on 25 Gb/s."""
    return copy.deepcopy(_made())


def lab_plan() -> dict[str, Any]:
    """As much as is judged by of the plan of the same hosts without GPUs."""
    return {
        "engine": {"platform": "cpu"},
        "layout": {"hosts": [{"name": name, "ranks": [2 * i, 2 * i + 1]} for i, name in enumerate(HOSTS)]},
        "network": {"line_bytes_s": 3125000000.0, "goodput_fraction": 0.98},
        "performance": None,
    }


def run(value: Any, path: str = "value", verdict: str = "pass", reason: str = "") -> dict[str, Any]:
    """One run whose figure is at a dotted path."""
    values: Any = value
    for name in reversed(path.split(".")):
        values = {name: values}
    return {"evidence": {"values": values, "verdict": verdict, "reasons": [reason] if reason else []}}


def measurement(check: str, *runs: dict[str, Any], host: str = "", peer: str = "", **more: Any) -> dict[str, Any]:
    """What a module hands out."""
    return {"check": check, "host": host, "peer": peer, "runs": list(runs), "argv": ["tool", "-s", "1 2"], **more}
