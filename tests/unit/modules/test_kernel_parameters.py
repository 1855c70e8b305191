"""The module kernel_parameters: live and for the next boot, in one call."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import kernel_parameters as parameters
from ansible_collections.moefleet.serving.plugins.modules import kernel_parameters

from .conftest import RunModule

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the file for the next boot belongs to root")


@pytest.fixture
def somaxconn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one parameter of a kernel of our own."""
    path = tmp_path / "sys" / "net" / "core" / "somaxconn"
    path.parent.mkdir(parents=True)
    path.write_text("4096\n", encoding="utf-8")
    for name in ("differing", "apply"):
        monkeypatch.setattr(parameters, name, functools.partial(getattr(parameters, name), root=tmp_path / "sys"))
    return path


def wanted(directory: Path, **more: Any) -> dict[str, Any]:
    return {"path": str(directory / "60-moefleet.conf"), "parameters": {"net.core.somaxconn": 65535, **more}}


def test_live_and_boot_are_set_once(tmp_path: Path, somaxconn: Path, run_module: RunModule) -> None:
    planned = run_module(kernel_parameters, check=True, **wanted(tmp_path))
    assert somaxconn.read_text(encoding="utf-8") == "4096\n"
    done = run_module(kernel_parameters, **wanted(tmp_path))
    assert planned["diff"] == done["diff"]
    assert done["diff"]["after"] == "live net.core.somaxconn = 65535\nnet.core.somaxconn = 65535\n"
    assert (planned["changed"], done["changed"], done["live"]) == (True, True, {"net.core.somaxconn": "4096"})
    assert somaxconn.read_text(encoding="utf-8") == "65535"
    assert (tmp_path / "60-moefleet.conf").read_text(encoding="utf-8") == "net.core.somaxconn = 65535\n"
    again = run_module(kernel_parameters, **wanted(tmp_path))
    assert (again["changed"], again["live"], again["diff"]) == (False, {}, {})


def test_each_of_the_two_is_put_right_alone(tmp_path: Path, somaxconn: Path, run_module: RunModule) -> None:
    run_module(kernel_parameters, **wanted(tmp_path))
    somaxconn.write_text("128", encoding="utf-8")  # somebody's sysctl -w
    assert run_module(kernel_parameters, **wanted(tmp_path))["live"] == {"net.core.somaxconn": "128"}
    (tmp_path / "60-moefleet.conf").unlink()
    lost = run_module(kernel_parameters, **wanted(tmp_path))
    assert (lost["changed"], lost["live"]) == (True, {})


@pytest.mark.parametrize("check", [False, True])
def test_what_the_kernel_does_not_know_fails_after_the_rest_is_set(
    tmp_path: Path, somaxconn: Path, check: bool, run_module: RunModule
) -> None:
    result = run_module(kernel_parameters, check=check, **wanted(tmp_path, **{"net.core.no_such": 1}))
    assert "net.core.no_such: the kernel has no such parameter" in result["msg"]
    assert somaxconn.read_text(encoding="utf-8").strip() == ("4096" if check else "65535")
    assert not (tmp_path / "60-moefleet.conf").exists(), "a boot would complain about it each time"
