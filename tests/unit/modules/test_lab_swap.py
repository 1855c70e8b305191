"""The module lab_swap: a file counts while it is used, grows, never shrinks, and goes with the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import swap
from ansible_collections.moefleet.serving.plugins.modules import lab_swap

from .conftest import RunModule

GIB = swap.GIB


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """A machine of 24 GiB; its swap files in use, by path."""
    used: dict[str, int] = {}

    def make(path: Path, size_bytes: int) -> None:
        path.write_bytes(b"swap")
        used[str(path)] = size_bytes

    def remove(path: Path) -> None:
        used.pop(str(path), None)
        path.unlink(missing_ok=True)

    monkeypatch.setattr(swap, "meminfo", lambda _: {"MemTotal": 24 * GIB})
    monkeypatch.setattr(swap, "active_bytes", lambda path: used.get(str(path), 0))
    monkeypatch.setattr(swap, "make", make)
    monkeypatch.setattr(swap, "remove", remove)
    return used


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where the file is going to be."""
    return str(tmp_path / "swapfile")


def asked(path: str, gib: int) -> dict[str, Any]:
    return {"path": path, "needed_bytes": gib * GIB}


def test_a_machine_with_enough_memory_gets_none(machine: dict[str, int], path: str, run_module: RunModule) -> None:
    result = run_module(lab_swap, **asked(path, 23))
    assert (result["changed"], result["size_bytes"], machine) == (False, 0, {})


def test_what_is_missing_is_made_once(machine: dict[str, int], path: str, run_module: RunModule) -> None:
    planned = run_module(lab_swap, check=True, **asked(path, 34))
    assert (planned["changed"], planned["size_bytes"], machine) == (True, 11 * GIB, {})
    assert run_module(lab_swap, **asked(path, 34))["diff"] == planned["diff"]
    assert machine == {path: 11 * GIB}
    again = run_module(lab_swap, **asked(path, 34))
    assert (again["changed"], again["size_bytes"]) == (False, 11 * GIB)


def test_more_ranks_get_a_larger_file_and_fewer_keep_it(
    machine: dict[str, int], path: str, run_module: RunModule
) -> None:
    run_module(lab_swap, **asked(path, 30))
    assert run_module(lab_swap, **asked(path, 34))["changed"]
    assert machine == {path: 11 * GIB}
    for gib in (30, 8):
        kept = run_module(lab_swap, **asked(path, gib))
        assert (kept["changed"], kept["size_bytes"]) == (False, 11 * GIB)


def test_the_kernels_size_without_its_first_page_is_enough(
    machine: dict[str, int], path: str, run_module: RunModule
) -> None:
    machine[path] = 11 * GIB - 4096
    assert run_module(lab_swap, **asked(path, 34))["changed"] is False


def test_a_file_that_is_not_switched_on_is_made_anew(machine: dict[str, int], path: str, run_module: RunModule) -> None:
    """After a reboot, or a crash between making it and using it."""
    run_module(lab_swap, **asked(path, 34))
    machine.clear()
    assert Path(path).exists()
    assert run_module(lab_swap, **asked(path, 34))["changed"]
    assert machine == {path: 11 * GIB}


@pytest.mark.parametrize("in_use", [True, False])
def test_absent_leaves_no_file(machine: dict[str, int], path: str, in_use: bool, run_module: RunModule) -> None:
    machine["/swap.of.the.machine"] = GIB
    run_module(lab_swap, **asked(path, 34))
    if not in_use:
        del machine[path]
    assert run_module(lab_swap, check=True, path=path, state="absent")["changed"]
    assert Path(path).exists()
    assert run_module(lab_swap, path=path, state="absent")["changed"]
    assert not Path(path).exists()
    assert machine == {"/swap.of.the.machine": GIB}
    assert run_module(lab_swap, path=path, state="absent")["changed"] is False
