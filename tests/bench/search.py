"""How long the planner takes for a whole plan with its search, for 4 and for 128 hosts of 8.

usage: python -m tests.bench.search [--repeat N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "collections"))

from ansible_collections.moefleet.serving.plugins.module_utils.planner.plan import make_plan

SIZES = {4: 1.0, 128: 10.0}  # hosts, and the seconds aimed at


def request(hosts: int) -> dict[str, Any]:
    """The reference workload and devices on so many hosts."""
    return {
        "cluster": {
            "hosts": [
                {
                    "name": f"node-{index}",
                    "data_address": f"10.1.{index // 200}.{index % 200 + 1}",
                    "data_interface": "eth1",
                }
                for index in range(hosts)
            ],
            "gpus_per_host": 8,
            "gpu": "H20-96G",
            "nic_gbit_s": 25,
        },
        "model": "deepseek-v3",
        "parallel": {"tensor": 1, "data": hosts * 8 if hosts <= 32 else 256},
        "engine": {"version": "0.19.1", "gpu_memory_utilization": 0.9, "max_model_len": 32768},
        "workload": {"sessions": 200 * hosts // 4},
    }


def once(hosts: int) -> None:
    """Plan, and print the seconds; in a process of its own, so that nothing is remembered."""
    started = time.perf_counter()
    plan = make_plan(request(hosts))
    assert plan.outlook is not None
    assert plan.outlook.alternatives
    print(time.perf_counter() - started)


def main() -> None:
    """Measure and print medians."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.search")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--once", type=int, help="hosts; used by this script itself")
    given = parser.parse_args()
    if given.once:
        once(given.once)
        return
    for hosts, aim in SIZES.items():
        command = [sys.executable, "-m", "tests.bench.search", "--once", str(hosts)]
        seconds = [
            float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for _ in range(given.repeat)
        ]
        median = statistics.median(seconds)
        print(f"plan and search, {hosts:3} x 8: median {median:.2f} s of {given.repeat} (aim < {aim:g})")


if __name__ == "__main__":
    main()
