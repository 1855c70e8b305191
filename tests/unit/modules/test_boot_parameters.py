"""The module boot_parameters: what check mode says is what the run does, and the reboot is read from what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import boot_parameters as boot
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.modules import boot_parameters

from ..hosts.boot_loaders import GrubbyHost, GrubHost, put
from .conftest import RunModule

WORDS = ["intel_iommu=on", "iommu=pt"]


@pytest.fixture
def grub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GrubHost:
    host = GrubHost(tmp_path)
    monkeypatch.setattr(commands, "run", host)
    return host


def outcome(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "invocation"}


def test_check_mode_tells_what_the_run_then_does(tmp_path: Path, grub: GrubHost, run_module: RunModule) -> None:
    asked = {"parameters": WORDS, "root": str(tmp_path)}
    foretold = run_module(boot_parameters, check=True, **asked)
    assert grub.calls == []
    assert not (tmp_path / boot.GRUB_FILE.lstrip("/")).exists()
    done = run_module(boot_parameters, **asked)
    assert outcome(foretold) == outcome(done)
    assert (done["changed"], done["loader"], done["reboot_required"]) == (True, "grub", True)
    assert done["diff"]["after"].endswith(
        'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX intel_iommu=on iommu=pt"\nnext boot: intel_iommu=on iommu=pt\n'
    )
    assert done["diff"]["before"] == "next boot: \n"
    again = run_module(boot_parameters, **asked)
    assert (again["changed"], again["diff"], again["reboot_required"]) == (False, {}, True)
    grub.reboot()
    booted = run_module(boot_parameters, **asked)
    assert (booted["changed"], booted["reboot_required"], booted["reboot_reasons"]) == (False, False, [])


def test_drift_in_the_loader_alone_is_seen_and_mended(tmp_path: Path, grub: GrubHost, run_module: RunModule) -> None:
    asked = {"parameters": WORDS, "root": str(tmp_path)}
    run_module(boot_parameters, **asked)
    cfg = tmp_path / boot.GRUB_CFG.lstrip("/")
    put(tmp_path, boot.GRUB_CFG, cfg.read_text(encoding="utf-8").replace(" iommu=pt", ""))
    foretold = run_module(boot_parameters, check=True, **asked)
    assert foretold["changed"]
    before, after = (foretold["diff"][name].splitlines()[-1] for name in ("before", "after"))
    assert (before, after) == ("next boot: intel_iommu=on", "next boot: intel_iommu=on iommu=pt")
    assert run_module(boot_parameters, **asked)["changed"]
    assert cfg.read_text(encoding="utf-8").count(" iommu=pt") == 3


def test_removed_with_an_empty_list(tmp_path: Path, grub: GrubHost, run_module: RunModule) -> None:
    run_module(boot_parameters, parameters=WORDS, root=str(tmp_path))
    gone = run_module(boot_parameters, parameters=[], root=str(tmp_path))
    assert (gone["changed"], gone["reboot_required"]) == (True, False)
    assert gone["diff"]["after"] == "next boot: \n"
    assert not run_module(boot_parameters, parameters=[], root=str(tmp_path))["changed"]


def test_with_grubby(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_module: RunModule) -> None:
    host = GrubbyHost(tmp_path)
    monkeypatch.setattr(commands, "run", host)
    asked = {"parameters": WORDS, "root": str(tmp_path)}
    foretold = run_module(boot_parameters, check=True, **asked)
    assert host.words == []
    assert outcome(run_module(boot_parameters, **asked)) == outcome(foretold)
    assert (foretold["loader"], host.words) == ("grubby", WORDS)
    assert not run_module(boot_parameters, **asked)["changed"]


def test_a_container_says_so_and_changes_nothing(tmp_path: Path, grub: GrubHost, run_module: RunModule) -> None:
    put(tmp_path, "/run/systemd/container", "systemd-nspawn\n")
    result = run_module(boot_parameters, parameters=WORDS, root=str(tmp_path))
    assert (result["changed"], result["loader"], result["reboot_required"]) == (False, "none", False)
    assert result["missing"] == WORDS
    assert "systemd-nspawn" in result["why"]


@pytest.mark.parametrize("check", [False, True])
def test_a_word_that_is_none_is_refused(tmp_path: Path, grub: GrubHost, check: bool, run_module: RunModule) -> None:
    result = run_module(boot_parameters, check=check, parameters=["iommu=pt quiet"], root=str(tmp_path))
    assert "'iommu=pt quiet' is not one word" in result["msg"]


def test_what_the_loader_says_is_quoted(tmp_path: Path, grub: GrubHost, run_module: RunModule) -> None:
    grub.answers[f"chroot {tmp_path} update-grub"] = commands.Result(1, stderr="grub-probe: error: no space left\n")
    assert "no space left" in run_module(boot_parameters, parameters=WORDS, root=str(tmp_path))["msg"]
