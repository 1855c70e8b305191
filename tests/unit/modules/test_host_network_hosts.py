"""The module host_network_hosts: the block, and no host's own name on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.modules import host_network_hosts

from .conftest import RunModule

CAPTURED = Path(__file__).resolve().parents[2] / "data" / "host_network" / "V26_etc_hosts.txt"
NAMES = {"gpu-a01": "10.77.3.21", "gpu-a02": "10.77.3.22"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with Debian's line for its own name."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/hosts").write_text(CAPTURED.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def call(root: Path, run_module: RunModule, check: bool = False, **more: Any) -> dict[str, Any]:
    return run_module(host_network_hosts, check=check, **{"names": NAMES, "root": str(root), **more})


def test_check_mode_tells_what_the_run_then_does(root: Path, run_module: RunModule) -> None:
    foretold = call(root, run_module, check=True, own="gpu-a02")
    assert (root / "etc/hosts").read_text(encoding="utf-8") == CAPTURED.read_text(encoding="utf-8")
    done = call(root, run_module, own="gpu-a02")
    assert (done["changed"], done["diff"]) == (True, foretold["diff"])
    assert (root / "etc/hosts").read_text(encoding="utf-8") == done["diff"]["after"]
    assert done["before"] == {"gpu-a02": ["127.0.1.1"]} | {}
    again = call(root, run_module, own="gpu-a02")
    assert (again["changed"], again["before"]) == (False, {})


def test_an_own_name_on_loopback_that_is_not_in_names_is_refused(root: Path, run_module: RunModule) -> None:
    result = call(root, run_module, names={"gpu-a01": "10.77.3.21"}, own="gpu-a02")
    assert "gpu-a02, this host's own name, is 127.0.1.1 in /etc/hosts" in result["msg"]
    assert (root / "etc/hosts").read_text(encoding="utf-8") == CAPTURED.read_text(encoding="utf-8")


def test_a_name_for_loopback_is_refused(root: Path, run_module: RunModule) -> None:
    assert "is loopback" in call(root, run_module, names={"gpu-a02": "127.0.1.1"})["msg"]


def test_a_host_without_the_file_gets_one(tmp_path: Path, run_module: RunModule) -> None:
    assert call(tmp_path, run_module, check=True)["diff"]["after"].startswith("127.0.0.1 localhost\n")


def test_a_resolver_that_asks_others_first_is_found() -> None:
    answer = Result(0, "127.0.1.1 STREAM gpu-a02\n")
    words = host_network_hosts.own_problem("gpu-a02", "10.77.3.22 gpu-a02\n", lambda _argv: answer)
    assert "resolves to 127.0.1.1" in words
    assert "nsswitch.conf" in words
    good = Result(0, "10.77.3.22 STREAM gpu-a02\n")
    assert host_network_hosts.own_problem("gpu-a02", "10.77.3.22 gpu-a02\n", lambda _argv: good) == ""
