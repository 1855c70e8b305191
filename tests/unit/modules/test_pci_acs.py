"""The module pci_acs: looks, refuses where ACS is needed or in use, clears, and is silent the second time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.modules import pci_acs

from ..hosts import config_space as pci
from ..hosts.runner import Programs
from .conftest import RunModule

PORT, SWITCH = "0000:15:01.0", "0000:17:00.0"


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Programs:
    """The service doesn't run."""
    host = Programs({"systemctl is-active --quiet": commands.Result(3)})
    monkeypatch.setattr(commands, "run", host)
    return host


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A GPU behind a root port, whose ACS is off, and a switch, whose isn't."""
    pci.add(tmp_path, f"pci0000:15/{PORT}", pci.BRIDGE, pci.with_acs(0))
    pci.add(tmp_path, f"pci0000:15/{PORT}/{SWITCH}", pci.BRIDGE, pci.with_acs(0x1D))
    pci.add(tmp_path, f"pci0000:15/{PORT}/{SWITCH}/0000:18:00.0", pci.GPU, pci.space())
    return tmp_path


def config(root: Path) -> bytes:
    return (root / "sys/bus/pci/devices" / SWITCH / "config").read_bytes()


def test_check_mode_tells_what_the_run_then_does(root: Path, run_module: RunModule) -> None:
    before = config(root)
    foretold = run_module(pci_acs, check=True, root=str(root))
    assert config(root) == before
    done = run_module(pci_acs, root=str(root))
    assert (foretold["changed"], foretold["diff"]) == (done["changed"], done["diff"])
    assert done["bridges"] == {PORT: [], SWITCH: ["SrcValid", "ReqRedir", "CmpltRedir", "UpstreamFwd"]}
    assert done["diff"]["before"] == f"{SWITCH} SrcValid ReqRedir CmpltRedir UpstreamFwd\n"
    again = run_module(pci_acs, root=str(root))
    assert (again["changed"], again["bridges"]) == (False, {PORT: [], SWITCH: []})


@pytest.mark.parametrize("check", [False, True])
def test_under_a_running_service_nothing_is_changed(
    root: Path, service: Programs, check: bool, run_module: RunModule
) -> None:
    service.answers["systemctl is-active --quiet moefleet-vllm.service"] = commands.Result(0)
    before = config(root)
    result = run_module(pci_acs, check=check, root=str(root))
    assert "systemctl stop moefleet-vllm.service" in result["msg"]
    assert SWITCH in result["msg"]
    assert config(root) == before


def test_a_running_service_is_no_obstacle_when_all_is_off(root: Path, service: Programs, run_module: RunModule) -> None:
    run_module(pci_acs, root=str(root))
    service.answers["systemctl is-active --quiet moefleet-vllm.service"] = commands.Result(0)
    assert run_module(pci_acs, root=str(root))["changed"] is False


def test_devices_of_virtual_machines_keep_their_isolation(root: Path, run_module: RunModule) -> None:
    driver = root / "sys/bus/pci/drivers/vfio-pci"
    driver.mkdir(parents=True)
    (driver / "0000:18:00.0").touch()
    result = run_module(pci_acs, root=str(root))
    assert "ACS isolates 0000:18:00.0" in result["msg"]
    assert "host_tuning_acs: leave" in result["msg"]


def test_a_bridge_that_does_not_let_go_fails_by_name(
    root: Path, monkeypatch: pytest.MonkeyPatch, run_module: RunModule
) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 2)
    assert f"{SWITCH}: the bridge keeps" in run_module(pci_acs, root=str(root))["msg"]


def test_what_cannot_be_read_is_told(root: Path, run_module: RunModule) -> None:
    path = root / "sys/bus/pci/devices" / SWITCH / "config"
    path.write_bytes(path.read_bytes()[:64])
    result = run_module(pci_acs, root=str(root))
    assert (result["changed"], list(result["unknown"])) == (False, [SWITCH])
