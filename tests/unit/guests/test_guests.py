"""Guests: what their disk begins with, what they are told, and whether KVM is believed."""

from __future__ import annotations

import io
import json
import os
import struct
import tarfile
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.tests.guests import accelerator, guest, image
from ansible_collections.moefleet.serving.tests.guests.guest import Guest


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Guest, Guest]:
    return Guest("guest-0", 10, "192.168.1.10", tmp_path), Guest("guest-1", 11, "192.168.1.11", tmp_path)


def test_partition_table_names_the_whole_disk_behind_the_boot_loader() -> None:
    table = image.partition_table()
    active, kind, first, count = struct.unpack("<B3xB3xII", table[6:22])
    assert len(table) == 72
    assert table[-2:] == b"\x55\xaa"
    assert (active, kind, first) == (0x80, 0x83, image.PARTITION_SECTOR)
    assert (first + count) * image.SECTOR == image.DISK_BYTES


def test_boot_loader_lies_before_the_partition(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    disk.write_bytes(bytes(4096))
    image.write_boot_loader(disk, b"B" * 512, b"C" * 600)
    content = disk.read_bytes()
    assert content[:440] == b"B" * 440
    assert content[440:512] == image.partition_table()
    assert content[512:1112] == b"C" * 600
    with pytest.raises(ValueError, match="core image"):
        image.write_boot_loader(disk, b"B" * 512, bytes(2**20))


def test_archive_is_the_same_each_time_and_roots() -> None:
    files = {"etc/hostname": "a\n", "root/.ssh/authorized_keys": "key\n"}
    first, second = image.files_archive(files), image.files_archive(dict(reversed(files.items())))
    assert first == second
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert {entry.name: (entry.uid, entry.mode) for entry in archive} == {
            "etc/hostname": (0, 0o644),
            "root/.ssh/authorized_keys": (0, 0o600),
        }


def test_another_list_of_packages_is_another_image(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    built: list[Path] = []

    def build(directory: Path) -> None:
        built.append(directory)
        directory.mkdir()

    monkeypatch.setattr(image, "build", build)
    first = image.ensure(tmp_path)
    assert image.ensure(tmp_path) == first
    monkeypatch.setattr(image, "PACKAGES", (*image.PACKAGES, "one-more"))
    second = image.ensure(tmp_path)
    assert built == [first, second]
    assert set(tmp_path.iterdir()) == {first, second}


def test_an_image_that_nobody_uses_goes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(image, "build", Path.mkdir)
    old = tmp_path / "old"
    old.mkdir()
    os.utime(old, (0, 0))
    assert [path.name for path in (image.ensure(tmp_path).parent).iterdir()] == [image.digest()]


def test_a_guest_reaches_its_peer_and_nobody_else(pair: tuple[Guest, Guest]) -> None:
    first, second = pair
    words = guest.command(first, second, "tcg", 2222)
    networks = [words[index + 1] for index, word in enumerate(words) if word == "-netdev"]
    cable = f"local.path={first.directory}/cable,remote.type=unix,remote.path={second.directory}/cable"
    assert networks == [
        "user,id=management,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22",
        f"dgram,id=data,local.type=unix,{cable}",
    ]


def test_a_guest_knows_its_address_and_everybodys_name(pair: tuple[Guest, Guest]) -> None:
    files = guest.identity(pair[1], pair, "ssh-ed25519 AAAA\n")
    assert files["etc/hostname"] == "guest-1\n"
    assert "192.168.1.10 guest-0\n192.168.1.11 guest-1\n" in files["etc/hosts"]
    assert "Address=192.168.1.11/24" in files["etc/systemd/network/20-eth1.network"]


@pytest.mark.parametrize(
    ("program", "boots"),
    [
        ("echo 'Kernel panic - not syncing'", True),
        ("echo 'Kernel panic'; exit 134", False),  # QEMU itself gave up
        ("true", False),  # it ended and no kernel had run
        ("exec sleep 20", False),
    ],
)
def test_kvm_is_believed_when_a_kernel_has_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, boots: bool
) -> None:
    script = tmp_path / "qemu"
    script.write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setattr(accelerator, "KVM", script)
    monkeypatch.setattr(accelerator, "trial", lambda _: [str(script)])
    assert accelerator.kvm_boots(tmp_path / "vmlinuz", timeout_s=1) is boots


def test_no_kvm_no_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator, "KVM", tmp_path / "kvm")
    monkeypatch.setattr(accelerator, "trial", lambda _: ["false-program"])
    assert accelerator.kvm_boots(tmp_path / "vmlinuz") is False


def test_the_answer_holds_until_the_machine_boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, False])
    monkeypatch.setattr(accelerator, "kvm_boots", lambda _: next(answers))
    memory = tmp_path / "accelerator.json"
    assert [accelerator.choose(tmp_path, memory) for _ in range(2)] == ["kvm", "kvm"]
    memory.write_text(json.dumps({**json.loads(memory.read_text(encoding="utf-8")), "boot": "another"}))
    assert accelerator.choose(tmp_path, memory) == "tcg"
