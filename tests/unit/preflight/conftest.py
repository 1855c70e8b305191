"""Groups of hosts, seen without a process for each probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.inspection import observe as observing
from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError

from ..inspection.tree import ASKED, ENGINE, MODEL, Tree, h20

# What the reference cluster's plan expects of a host. The model's size is a toy's: the tests' own disk is measured.
EXPECTED: dict[str, Any] = {
    "platform": "cuda",
    "stack": {"distribution": "ubuntu22.04", "driver": "550.144.03", "python": "3.10", "verdict": "ok"},
    "gpus_per_host": 8,
    "gpu_model": "H20-96G",
    "nic_gbit_s": 25,
    "rdma_mtu_bytes": 4096,
    "data_interface": "eth1",
    "ports": [8000, 13345],
    "hosts": {"node-0": "192.168.1.10", "node-1": "192.168.1.11"},
    "model_path": MODEL,
    "model_bytes": 1000,
    "engine_path": ENGINE,
    "engine_bytes": 1000,
    "shm_bytes": 1000,
}


def in_turn(probes: Mapping[str, Callable[[], Any]], timeout_s: float) -> tuple[dict[str, Any], dict[str, str]]:
    """Probes one after the other in this process."""
    values: dict[str, Any] = {}
    reasons = {}
    for name, probe in probes.items():
        try:
            values[name] = probe()
        except ProbeError as error:
            values[name], reasons[name] = None, str(error)
    return values, reasons


def record(tree: Tree, **more: Any) -> dict[str, Any]:
    """What is seen of a host, and expected of it."""
    seen = observing.observe(tree.look(), ASKED)
    # Every clock is right, and every call took a second.
    seen.update(started_s=1000.4, ended_s=1000.6, controller={"before_s": 1000.0, "after_s": 1001.0})
    return {"seen": seen, "expected": {**EXPECTED, "data_address": f"192.168.1.1{tree.index}", **more}}


@pytest.fixture(scope="session")
def _no_processes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observing, "look_together", in_turn)
        yield


@pytest.fixture(scope="session")
def fit(tmp_path_factory: pytest.TempPathFactory, _no_processes: None) -> dict[str, Any]:
    """The record of node-0, which is fit; nobody changes it."""
    return record(h20(tmp_path_factory.mktemp("node-0"), 0))


@pytest.fixture
def tree(tmp_path: Path, _no_processes: None) -> Tree:
    """The host node-1, which a test makes sick."""
    return h20(tmp_path, 1)
