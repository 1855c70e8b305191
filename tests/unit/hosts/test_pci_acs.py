"""ACS: what a bridge does, not what it could do; only where peers talk; off, and read back."""

from __future__ import annotations

import os
import re
import runpy
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import pci_acs as evidence
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import pci_acs
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.pci_acs import Bridge

from . import config_space as pci

DATA = Path(__file__).resolve().parents[2] / "data" / "host_tuning"
ON = 0x1D  # SrcValid+ ReqRedir+ CmpltRedir+ UpstreamFwd+


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root port with a switch to a GPU and a NIC, and another with an NVMe disk; every bridge redirects."""
    switch = "pci0000:15/0000:15:01.0/0000:17:00.0"
    pci.add(tmp_path, "pci0000:15/0000:15:01.0", pci.BRIDGE, pci.with_acs(ON))
    pci.add(tmp_path, switch, pci.BRIDGE, pci.with_acs(ON))
    pci.add(tmp_path, f"{switch}/0000:18:00.0", pci.GPU, pci.space((0x100, pci.capability(pci.AER, 0))))
    pci.add(tmp_path, f"{switch}/0000:19:00.0", pci.NIC, pci.with_acs(ON))
    pci.add(tmp_path, "pci0000:00/0000:00:03.0", pci.BRIDGE, pci.with_acs(ON))
    pci.add(tmp_path, "pci0000:00/0000:00:03.0/0000:01:00.0", pci.NVME, pci.space())
    return tmp_path


def control(root: Path, address: str) -> int:
    config = (root / "sys/bus/pci/devices" / address / "config").read_bytes()
    return int(struct.unpack_from("<H", config, 0x14E)[0])


def test_bridges_above_gpus_and_ports(root: Path) -> None:
    bridges, unknown = pci_acs.look(root)
    assert [bridge.address for bridge in bridges] == ["0000:15:01.0", "0000:17:00.0"]
    assert all(bridge.on == ("SrcValid", "ReqRedir", "CmpltRedir", "UpstreamFwd") for bridge in bridges)
    assert unknown == {}


def test_all_bridges(root: Path) -> None:
    bridges, _ = pci_acs.look(root, "all")
    assert [bridge.address for bridge in bridges] == ["0000:00:03.0", "0000:15:01.0", "0000:17:00.0"]


def test_off_is_read_back_and_touches_nothing_else(root: Path) -> None:
    devices = root / "sys/bus/pci/devices"
    before = {path.name: (path / "config").read_bytes() for path in devices.iterdir()}
    for bridge in pci_acs.look(root)[0]:
        assert pci_acs.switch_off(bridge, root) is None
    assert [bridge.on for bridge in pci_acs.look(root)[0]] == [(), ()]
    for path in devices.iterdir():
        after = (path / "config").read_bytes()
        differing = {n for n, (a, b) in enumerate(zip(before[path.name], after, strict=True)) if a != b}
        assert differing <= ({0x14E} if path.name in ("0000:15:01.0", "0000:17:00.0") else set()), path.name


def test_the_same_answer_as_from_lspci(tmp_path: Path) -> None:
    """The captured bridges, as registers: 17:00.0 redirects; 29:00.0 could and doesn't; the GPU has no ACS."""
    text = (DATA / "N07_lspci_acs.txt").read_text(encoding="utf-8")
    for block in re.split(r"(?m)^(?=\S)", text)[1:]:
        found = re.search(r"ACSCtl:(.*)", block)
        words = found.group(1).split() if found else []
        bits = sum(pci_acs.BITS[word[:-1]] for word in words if word.endswith("+"))
        config = pci.with_acs(bits) if found else pci.space((0x100, pci.capability(pci.AER, 0)))
        device_class = pci.BRIDGE if "PCI bridge" in block else pci.GPU
        pci.add(tmp_path, f"pci0000:16/0000:{block.split()[0]}", device_class, config)
    seen = {bridge.address: bridge.on for bridge in pci_acs.look(tmp_path, "all")[0]}
    assert seen == {
        "0000:17:00.0": ("SrcValid", "ReqRedir", "CmpltRedir", "UpstreamFwd"),
        "0000:29:00.0": (),
    }
    judged = evidence.parse(text)
    assert [f"0000:{address}" for address in judged.values["bad_bridges"]] == [name for name, on in seen.items() if on]


def test_what_is_judged_is_what_is_cleared() -> None:
    """Otherwise verification would complain about what this never mends."""
    assert pci_acs.REDIRECTING == evidence.REDIRECTING


def test_what_lspci_shows_as_other_bits_is_no_redirection() -> None:
    assert Bridge("0000:17:00.0", 0x14E, 0x60).on == ()


@given(st.lists(st.sampled_from([0x100, 0x148, 0x200, 0x3FC, 0xFF8]), unique=True, min_size=1), st.integers(0, 0xFFFF))
def test_acs_is_found_wherever_it_is_in_the_chain(offsets: list[int], value: int) -> None:
    places = [0x100, *(offset for offset in offsets if offset != 0x100)]
    chain = [
        (place, pci.capability(pci.VENDOR, following))
        for place, following in zip(places, [*places[1:], 0], strict=True)
    ]
    assert pci_acs.control_offset(pci.space(*chain)) is None
    chain[-1] = (places[-1], pci.acs(value))
    config = pci.space(*chain)
    offset = pci_acs.control_offset(config)
    assert offset == places[-1] + 6
    assert struct.unpack_from("<H", config, offset)[0] == value


@given(st.binary(max_size=600))
def test_any_bytes_are_read_to_an_end(config: bytes) -> None:
    """Also a chain that bites its own tail, and one that points outside."""
    offset = pci_acs.control_offset(bytes(0x100) + config)
    assert offset is None or 0x106 <= offset <= 0x100 + len(config) - 2


@pytest.mark.parametrize("header", [0, 0xFFFFFFFF])
def test_a_device_without_extended_capabilities(header: int) -> None:
    """All ones is what a device prints that has fallen off the bus."""
    assert pci_acs.control_offset(pci.space((0x100, struct.pack("<I", header)))) is None
    assert pci_acs.control_offset(bytes(256)) is None


def test_what_cannot_be_read_is_unknown(root: Path) -> None:
    """Without privileges the kernel gives the first 64 bytes: that is not a bridge without ACS."""
    bridge = root / "sys/devices/pci0000:15/0000:15:01.0/config"
    bridge.write_bytes(bridge.read_bytes()[:64])
    (root / "sys/devices/pci0000:15/0000:15:01.0/0000:17:00.0/config").unlink()
    bridges, unknown = pci_acs.look(root)
    assert bridges == []
    assert set(unknown) == {"0000:15:01.0", "0000:17:00.0"}
    assert "CAP_SYS_ADMIN" in unknown["0000:15:01.0"]
    assert pci_acs.main(["--check", "--root", str(root)]) == 1


def test_a_bridge_that_keeps_its_bits_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pwrite", lambda *_: 2)
    why = pci_acs.switch_off(pci_acs.look(root)[0][0], root)
    assert why is not None
    assert "keeps SrcValid ReqRedir CmpltRedir UpstreamFwd" in why


def test_a_locked_down_kernel_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "pwrite", locked)
    why = pci_acs.switch_off(pci_acs.look(root)[0][0], root)
    assert why is not None
    assert "firmware" in why


def give_away(root: Path, address: str) -> None:
    driver = root / "sys/bus/pci/drivers/vfio-pci"
    driver.mkdir(parents=True)
    (driver / address).symlink_to(root / "sys/bus/pci/devices" / address)
    (driver / "bind").touch()


def program(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The file as the boot unit runs it."""
    argv = [sys.executable, "-I", str(Path(pci_acs.__file__)), *arguments, "--root", str(root)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_the_boot_program_looks_then_does_then_finds_nothing(root: Path) -> None:
    looked = program(root, "--check")
    assert looked.returncode == 1
    assert looked.stdout.splitlines() == [
        "on 0000:15:01.0: SrcValid ReqRedir CmpltRedir UpstreamFwd",
        "on 0000:17:00.0: SrcValid ReqRedir CmpltRedir UpstreamFwd",
    ]
    assert control(root, "0000:17:00.0") == ON
    assert program(root).returncode == 0
    assert (control(root, "0000:17:00.0"), control(root, "0000:00:03.0")) == (0, ON)
    again = program(root, "--check")
    assert (again.returncode, again.stdout) == (0, "")
    assert program(root, "--scope", "all").stdout == "off 0000:00:03.0: SrcValid ReqRedir CmpltRedir UpstreamFwd\n"


def test_the_boot_program_keeps_what_isolates_a_virtual_machine(root: Path) -> None:
    give_away(root, "0000:19:00.0")
    refused = program(root)
    assert refused.returncode == 1
    assert "0000:19:00.0 is bound to vfio-pci" in refused.stderr
    assert control(root, "0000:17:00.0") == ON


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    """It is copied to hosts that have no collection."""
    assert "main" in runpy.run_path(str(Path(pci_acs.__file__)))
