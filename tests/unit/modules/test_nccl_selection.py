"""The module nccl_selection: changes nothing, and fails where NCCL would go on over TCP."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.moefleet.serving.plugins.modules import nccl_selection

from ..nccl.test_selection import host
from .conftest import RunModule


def test_says_what_is_taken(tmp_path: Path, run_module: RunModule) -> None:
    asked = {"NCCL_IB_HCA": "=mlx5_0", "NCCL_SOCKET_IFNAME": "=eth1", "NCCL_IB_TC": 106}
    result = run_module(nccl_selection, check=True, environment=asked, root=str(host(tmp_path)))
    assert (result["changed"], result["ports"], result["interfaces"]) == (False, ["mlx5_0:1"], ["eth1"])


def test_fails_with_everything_that_selects_nothing(tmp_path: Path, run_module: RunModule) -> None:
    asked = {"NCCL_IB_HCA": "=mlx5_7", "NCCL_SOCKET_IFNAME": "=eth7"}
    result = run_module(nccl_selection, environment=asked, root=str(host(tmp_path)))
    assert result["failed"]
    assert "NCCL_IB_HCA==mlx5_7" in result["msg"]
    assert "NCCL_SOCKET_IFNAME==eth7" in result["msg"]
