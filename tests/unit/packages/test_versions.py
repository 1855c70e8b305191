"""Versions compare as dpkg and rpm compare them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.packages import apt, versions

MADISON = Path(__file__).resolve().parents[2] / "data" / "packages" / "D04_apt_madison.txt"
UPSTREAM = st.from_regex(r"[0-9][0-9a-zA-Z.+~]{0,6}", fullmatch=True)
FULL = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "0:", "1:"]),
    UPSTREAM,
    st.one_of(st.just(""), UPSTREAM.map(lambda text: f"-{text}")),
)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")
@settings(max_examples=60)
@given(FULL, FULL)
def test_debian_versions_compare_as_dpkg_says(left: str, right: str) -> None:
    for relation, expected in (("lt", -1), ("eq", 0), ("gt", 1)):
        says = subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0
        assert says == (versions.debian(left, right) == expected), (left, relation, right)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1.0", "1.0.1"),
        ("1.9", "1.10"),
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0^git1"),
        ("1.0^git1", "1.0.1"),
        ("1.a", "1.1"),
        ("550.90.07-1.el9", "550.127.05-1.el9"),
        ("550.127.05-1.el9", "550.127.05-2.el9"),
        ("2:9", "3:1"),
    ],
)
def test_rpm_versions_compare_as_rpm_does(older: str, newer: str) -> None:
    assert (versions.rpm(older, newer), versions.rpm(newer, older)) == (-1, 1)


@pytest.mark.parametrize(("left", "right"), [("1.0", "1_0"), ("1.05", "1.5"), ("0:1", "1")])
def test_rpm_versions_that_are_the_same(left: str, right: str) -> None:
    assert versions.rpm(left, right) == 0


@given(FULL, FULL)
def test_order_is_turned_by_turning_the_sides(left: str, right: str) -> None:
    for compare in (versions.debian, versions.rpm):
        assert compare(left, right) == -compare(right, left)
        assert compare(left, left) == 0


@pytest.mark.parametrize(
    ("wanted", "full", "same"),
    [
        ("570.124.06", "570.124.06-1", True),
        ("570.124.06", "570.124.06-10", True),
        ("570.124.06", "1:570.124.06-0ubuntu0.22.04.1", True),
        ("570.124.06", "570.124.061-1", False),
        ("570.124.06-1", "570.124.06-10", False),
        ("570.124.06-1", "570.124.06-1", True),
        ("570.124.06-1", "3:570.124.06-1", True),
        ("570.124", "570.124.06-1", False),
        ("24.10-3.2.5.0", "24.10-3.2.5.0", True),
        ("12.4.1", "12.4.1-1", True),
    ],
)
def test_a_version_is_never_the_beginning_of_another(wanted: str, full: str, same: bool) -> None:
    assert versions.matches(wanted, full) is same


def test_a_vanished_version_has_a_nearest_one_and_no_substitute() -> None:
    offered = apt.read_madison(MADISON.read_text(encoding="utf-8"))["nvidia-fabricmanager-550"]
    assert offered == ["550.163.01-1", "550.144.03-1", "550.144.03-0ubuntu0.22.04.1"]
    assert not [full for full in offered if versions.matches("550.127.05", full)]
    assert versions.nearest("550.127.05", map(versions.upstream, offered)) == "550.144.03"
    assert versions.nearest("550.200.01", map(versions.upstream, offered)) == "550.163.01"
    assert versions.nearest("550.127.05", []) is None


def test_the_nearest_version_is_of_the_same_branch_where_there_is_one() -> None:
    assert versions.nearest("550.127.05", ["560.1", "550.90.07", "535.1"]) == "550.90.07"
    assert versions.nearest("550.127.05", ["560.1", "535.1"]) == "560.1"
