"""Memory: what the machine says, what is missing, and swap files that are there without being used."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.lab import swap
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError

SIZES = st.integers(0, 1 << 42)


@given(total=st.integers(1, 1 << 42), needed=SIZES, reserve=SIZES)
def test_swap_is_what_is_missing_in_whole_gib(total: int, needed: int, reserve: int) -> None:
    size = swap.swap_needed({"MemTotal": total}, needed, reserve)
    assert size % swap.GIB == 0
    assert total + size >= needed + reserve, "too little"
    assert size == 0 or total + size - swap.GIB < needed + reserve, "more than it takes"


@given(needed=SIZES, reserve=SIZES, free=st.integers(0, 1 << 42), more=SIZES)
def test_a_running_lab_needs_no_more_than_a_new_one(needed: int, reserve: int, free: int, more: int) -> None:
    """What it already uses is part of what it needs."""
    total = {"MemTotal": 24 * swap.GIB}
    assert swap.swap_needed({**total, "MemAvailable": free}, needed, reserve) == swap.swap_needed(
        total, needed, reserve
    )
    assert swap.swap_needed(total, needed + more, reserve) >= swap.swap_needed(total, needed, reserve)


def test_memory_of_this_machine() -> None:
    memory = swap.meminfo(Path("/proc/meminfo").read_text(encoding="utf-8"))
    assert 0 < memory["MemAvailable"] < memory["MemTotal"] < 1 << 50
    assert memory["MemTotal"] % 1024 == 0
    assert "HugePages_Total" in memory


SWAPS = """\
Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority
/dev/vdb                                partition\t4194300\t\t0\t\t-2
{path} file\t\t10485756\t\t52\t\t-3
"""


def test_a_swap_file_counts_while_the_kernel_uses_it(tmp_path: Path) -> None:
    path, swaps = tmp_path / "swapfile", tmp_path / "swaps"
    path.write_bytes(b"\0" * 4096)
    swaps.write_text(SWAPS.format(path="/elsewhere/swapfile"), encoding="utf-8")
    assert swap.active_bytes(path, swaps) == 0, "after a reboot it is there and not switched on"
    swaps.write_text(SWAPS.format(path=path), encoding="utf-8")
    assert swap.active_bytes(path, swaps) == 10485756 * 1024
    (tmp_path / "link").symlink_to(tmp_path)
    assert swap.active_bytes(tmp_path / "link" / "swapfile", swaps) == 10485756 * 1024, "the kernel knows the real path"
    swaps.write_text(SWAPS.splitlines()[0], encoding="utf-8")
    assert swap.active_bytes(path, swaps) == 0


def test_a_disk_too_small_is_said_and_left_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="GiB of swap") as caught:
        swap.make(tmp_path / "swapfile", 1 << 60)
    assert caught.value.code == "LAB_SWAP_NOT_MADE"
    assert list(tmp_path.iterdir()) == []


def test_a_swap_file_that_cannot_be_switched_on_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no mkswap here
    with pytest.raises(LabError, match="mkswap"):
        swap.make(tmp_path / "swapfile", 1 << 16)
    assert list(tmp_path.iterdir()) == []
