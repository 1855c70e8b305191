"""What a machine lacks is found at once, each with what to do about it."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import requirements
from ansible_collections.moefleet.serving.plugins.module_utils.lab.requirements import Need
from ansible_collections.moefleet.serving.plugins.module_utils.lab.swap import GIB

from .test_cgroups import HYBRID, LEGACY

MEMORY_BYTES = 24 * GIB
DISK_FREE_BYTES = 40 * GIB


@pytest.fixture
def need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Need:
    """What a lab of eight ranks asks, on a machine that has all of it."""
    for name, text in {"filesystems": "nodev\tcgroup2\nnodev\toverlay\n\text4\n", "mountinfo": HYBRID}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(requirements, "PROC_FILESYSTEMS", tmp_path / "filesystems")
    monkeypatch.setattr(requirements, "MOUNTINFO", tmp_path / "mountinfo")
    monkeypatch.setattr(requirements, "meminfo", lambda _: {"MemTotal": MEMORY_BYTES})
    monkeypatch.setattr(requirements, "missing_packages", list)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=DISK_FREE_BYTES))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Need(12 * GIB, GIB, 12 * GIB, str(tmp_path / "labs" / "lab"), port)


def codes(need: Need, ours: bool = False) -> list[str]:
    return [problem.code for problem in requirements.problems(need, port_is_ours=ours)]


def test_a_machine_that_has_all_is_fine(need: Need) -> None:
    assert codes(need) == []


def test_all_that_is_wrong_is_found_at_once(need: Need, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements.PROC_FILESYSTEMS.write_text("nodev\tcgroup2\n", encoding="utf-8")
    (requirements.PROC_FILESYSTEMS.parent / "mountinfo").write_text(LEGACY, encoding="utf-8")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(requirements, "loadable", lambda _: False)
    monkeypatch.setattr(requirements, "missing_packages", lambda: ["mmdebstrap"])
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        found = requirements.problems(replace(need, memory_bytes=100 * GIB, port=other.getsockname()[1]), False)
    assert [problem.code for problem in found] == [
        "LAB_NOT_ROOT",
        "LAB_NO_FILESYSTEM",
        "LAB_NO_CGROUP2",
        "LAB_NO_APT",
        "LAB_MEMORY_SHORT",
        "LAB_DISK_SHORT",
        "LAB_PORT_TAKEN",
    ]
    assert all(problem.message and problem.fix for problem in found)
    words = {problem.code: problem.message for problem in found}
    assert "no overlay" in words["LAB_NO_FILESYSTEM"]
    assert "mmdebstrap" in words["LAB_NO_APT"]
    assert "100.0 GiB" in words["LAB_MEMORY_SHORT"]
    assert "24.0" in words["LAB_MEMORY_SHORT"]
    assert "89.0" in words["LAB_DISK_SHORT"], "12 of the lab and 77 of its swap file"


def test_a_file_system_the_kernel_would_load_is_there(need: Need, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh machine lists overlay only after its first mount."""
    requirements.PROC_FILESYSTEMS.write_text("nodev\tcgroup2\n", encoding="utf-8")
    monkeypatch.setattr(requirements, "loadable", lambda module: module == "overlay")
    assert codes(need) == []


def test_the_kernel_loads_no_module_that_nobody_made() -> None:
    assert requirements.loadable("moefleet_no_such_module") is False


@pytest.mark.parametrize(("memory_gib", "expected"), [(23, []), (35, []), (47, []), (48, ["LAB_MEMORY_SHORT"])])
def test_more_swap_than_memory_is_too_much(need: Need, memory_gib: int, expected: list[str]) -> None:
    assert codes(replace(need, memory_bytes=memory_gib * GIB, disk_bytes=0)) == expected


def test_a_swap_file_that_is_there_is_not_asked_for_again(need: Need) -> None:
    """A second run finds the disk as the first one left it."""
    need = replace(need, memory_bytes=34 * GIB)
    assert codes(replace(need, disk_bytes=30 * GIB)) == ["LAB_DISK_SHORT"]
    assert codes(replace(need, disk_bytes=30 * GIB, swap_file_bytes=11 * GIB)) == []
    assert codes(replace(need, disk_bytes=41 * GIB, swap_file_bytes=11 * GIB)) == ["LAB_DISK_SHORT"]


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def listener(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a program that listens, each way in which it may."""
    family = socket.AF_INET6 if request.param == "::" else socket.AF_INET
    if family == socket.AF_INET6 and not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((request.param, 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_taken_port_is_known_unless_it_is_ours(need: Need, listener: int) -> None:
    assert codes(replace(need, port=listener)) == ["LAB_PORT_TAKEN"]
    assert codes(replace(need, port=listener), ours=True) == []


def test_a_port_is_free_again_right_after_its_connections_ended() -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the relay does
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # the closing side waits for stray packets for a minute
    assert requirements.port_is_free(port)


def test_space_is_asked_of_the_disk_that_is_going_to_hold_it(tmp_path: Path) -> None:
    assert requirements.nearest_existing(tmp_path / "not" / "yet" / "there") == tmp_path


def test_packages_of_missing_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    present = {"ip", "ssh", "ssh-keygen", "mkswap", "nsenter", "socat"}
    monkeypatch.setattr(shutil, "which", lambda command: command if command in present else None)
    monkeypatch.setattr(requirements, "KEYRING", "/no/such/keyring")
    assert requirements.missing_packages() == [
        "debian-archive-keyring",
        "mmdebstrap",
        "netcat-openbsd",
        "systemd-container",
    ]
