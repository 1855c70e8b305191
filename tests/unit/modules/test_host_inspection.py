"""The module host_inspection: one look, nothing changed, whatever can't be seen."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.moefleet.serving.plugins.modules import host_inspection

from ..inspection.tree import BUSES, h20
from .conftest import RunModule


def test_a_tree_is_looked_at_as_a_host(tmp_path: Path, run_module: RunModule) -> None:
    h20(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    result = run_module(host_inspection, root=str(tmp_path), hardware=True, names=["node-1"], paths=["/srv/x"])
    assert result["changed"] is False
    seen = result["seen"]
    assert len(seen["gpus"]) == len(BUSES)
    assert seen["peers"] == {"node-1": ["192.168.1.11"]}
    assert seen["paths"]["/srv/x"]["measured_at"] == "/"
    assert set(seen["reasons"]) == {"addresses", "kernel_log"}
    assert sorted(tmp_path.rglob("*")) == before


def test_check_mode_sees_the_same(tmp_path: Path, run_module: RunModule) -> None:
    h20(tmp_path)
    looks = [run_module(host_inspection, check=check, root=str(tmp_path))["seen"] for check in (True, False)]
    for seen in looks:
        seen.pop("started_s")
        seen.pop("ended_s")
    assert looks[0] == looks[1]


def test_this_machine_is_seen_whatever_it_is(run_module: RunModule) -> None:
    seen = run_module(host_inspection, hardware=True, ports=[1], python="3.11")["seen"]
    assert seen["system"]["kernel"]
    assert all(seen[name] is None for name in seen["reasons"])
