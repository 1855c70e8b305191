"""The module rdma_stack: thin, changes nothing, and says what the judging says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.modules import rdma_stack

from ..modules.conftest import RunModule, run_module
from .test_look import EL9, Commands, text, write

__all__ = ["run_module"]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with the kernel's own modules, an adapter, and ofed_info that claims otherwise."""
    answers: dict[str, str | Result] = {
        f"modinfo --set-version {EL9} mlx5_ib": text("O09_modinfo_inbox.txt"),
        "ofed_info -s": "OFED-internal-24.10-1.1.4:\n",
        "systemctl show --property=ActiveState --value moefleet-vllm.service": "active\n",
    }
    monkeypatch.setattr(rdma_stack, "run", Commands(answers))
    write(tmp_path, {"sys/bus/pci/devices/0000:17:00.0/vendor": "0x15b3\n", "sys/class/net/ens1f0np0/mtu": "9000\n"})
    return tmp_path


@pytest.mark.parametrize("check", [False, True])
def test_it_looks_and_judges(host: Path, check: bool, run_module: RunModule) -> None:
    result = run_module(rdma_stack, check=check, kind="doca", version="2.9.5-0.1.8", interface="ens1f0", root=str(host))
    assert not result["changed"]
    assert result["kernel"] == EL9
    assert result["modules"]["mlx5_ib"]["origin"] == "inbox"
    assert [finding["code"] for finding in result["obstacles"]] == ["OFED_SERVICE_ACTIVE"]
    codes = [finding["code"] for finding in result["findings"]]
    assert "OFED_INBOX" in codes
    assert "OFED_INTERFACE_RENAMED" in codes
    assert "OFED_MODULE_ABSENT" in codes
    assert result["peer_memory"]["verdict"] == "unknown"
    assert result["reboot_reasons"] == ["mlx5_ib isn't loaded, though there is an adapter at 0000:17:00.0"]
    assert (result["ofed_info"], result["interfaces"]) == ("24.10-1.1.4", ["ens1f0np0"])
