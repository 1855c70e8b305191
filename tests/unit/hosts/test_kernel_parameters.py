"""Kernel parameters against a copy of /proc/sys, and against the kernel where it refuses."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import kernel_parameters as parameters


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A /proc/sys with three parameters."""
    for name, value in {
        "net/core/somaxconn": "4096\n",
        "net/ipv4/ip_local_port_range": "32768\t60999\n",
        "net/ipv4/conf/eth0.100/rp_filter": "1\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value, encoding="utf-8")
    return tmp_path


def test_values_are_compared_as_the_kernel_prints_them(root: Path) -> None:
    same = {"net.core.somaxconn": " 4096", "net.ipv4.ip_local_port_range": "32768 60999"}
    assert parameters.differing(same, root) == {}
    other = {"net.core.somaxconn": "65535", "net.ipv4.ip_local_port_range": "32768 609 99"}
    assert parameters.differing(other, root) == {
        "net.core.somaxconn": "4096",
        "net.ipv4.ip_local_port_range": "32768 60999",
    }


def test_a_slash_stands_for_the_dot_in_an_interface_name(root: Path) -> None:
    assert parameters.live("net.ipv4.conf.eth0/100.rp_filter", root) == "1"


def test_what_differs_is_written_and_what_the_kernel_does_not_know_is_said(root: Path) -> None:
    wanted = {"net.core.somaxconn": "65535", "net.unknown.no_such": "1"}
    assert parameters.differing(wanted, root) == {"net.core.somaxconn": "4096", "net.unknown.no_such": None}
    refused = parameters.apply(wanted, root)
    assert list(refused) == ["net.unknown.no_such"]
    assert parameters.differing(wanted, root) == {"net.unknown.no_such": None}


def test_a_value_that_does_not_stay_is_refused(root: Path) -> None:
    (root / "net" / "core" / "forgets").symlink_to("/dev/null")
    assert parameters.apply({"net.core.forgets": "1"}, root) == {"net.core.forgets": "the kernel keeps "}


def test_the_kernel_itself_refuses() -> None:
    """A negative backlog is out of range; without privileges it isn't ours to set. Either way nothing changes."""
    before = parameters.live("net.core.somaxconn")
    refused = parameters.apply({"net.core.somaxconn": "-1"})
    assert refused["net.core.somaxconn"]
    assert parameters.live("net.core.somaxconn") == before


NAMES = st.from_regex(r"[a-z_]{1,8}(\.[a-z_0-9]{1,8}){1,3}", fullmatch=True)


@settings(max_examples=40)
@given(st.dictionaries(NAMES, st.text("0123456789 \t", min_size=1).filter(str.strip)))
def test_the_file_for_the_next_boot_reads_back(wanted: dict[str, str]) -> None:
    lines = [line.partition(" = ") for line in parameters.conf_text(wanted).splitlines()]
    read = {name: value for name, _, value in lines}
    assert read == {name: parameters.normal(value) for name, value in wanted.items()}
    assert lines == sorted(lines)


def test_live_values_are_those_of_this_machine() -> None:
    assert parameters.live("kernel.ostype") == os.uname().sysname
