"""Control groups: found whichever way a machine mounts them, and removed with all that runs in them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.lab import cgroups
from ansible_collections.moefleet.serving.plugins.module_utils.lab.commands import LabError

ROOT_LINE = "23 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
UNIFIED = ROOT_LINE + "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
# Several optional fields stand between the mount options and the dash, or none.
HYBRID = (
    ROOT_LINE
    + "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    + "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
    + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:11 master:2 - cgroup2 cgroup2 rw\n"
)
LEGACY = ROOT_LINE + "35 31 0:32 / /sys/fs/cgroup/cgroup2 rw,relatime - cgroup cgroup rw,memory\n"


@pytest.mark.parametrize(
    ("mountinfo", "mount"),
    [
        (UNIFIED, "/sys/fs/cgroup"),
        (HYBRID, "/sys/fs/cgroup/unified"),
        (LEGACY, None),  # a directory's name is no file system
        ("", None),
    ],
)
def test_the_unified_hierarchy_is_found_by_its_file_system(mountinfo: str, mount: str | None) -> None:
    assert cgroups.unified_mount(mountinfo) == (Path(mount) if mount else None)


def test_a_machine_without_it_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mountinfo").write_text(LEGACY, encoding="utf-8")
    monkeypatch.setattr(cgroups, "MOUNTINFO", tmp_path / "mountinfo")
    with pytest.raises(LabError, match="mount -t cgroup2 none"):
        cgroups.root()


def test_a_group_is_removed_with_its_processes() -> None:
    """On this machine's own hierarchy, in a group of this test."""
    mount = cgroups.unified_mount(cgroups.MOUNTINFO.read_text(encoding="utf-8"))
    if mount is None or not os.access(mount, os.W_OK):
        pytest.skip("needs a cgroup2 hierarchy and the right to make groups in it")
    group = mount / f"moefleet-unittest-{os.getpid()}"
    (group / "system.slice" / "a.service").mkdir(parents=True)
    (group / "init.scope").mkdir()
    with subprocess.Popen(["sleep", "60"]) as outer, subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 60"]) as inner:
        try:
            (group / "init.scope" / "cgroup.procs").write_text(str(outer.pid), encoding="utf-8")
            (group / "system.slice" / "a.service" / "cgroup.procs").write_text(str(inner.pid), encoding="utf-8")
            assert {outer.pid, inner.pid} <= set(cgroups.processes(group))
            assert cgroups.remove(group) is True
            assert outer.wait(timeout=10) < 0
            assert inner.wait(timeout=10) < 0
        finally:
            outer.kill()
            inner.kill()
    assert not group.exists()
    assert cgroups.remove(group) is False
    assert cgroups.processes(group) == []


def test_a_group_that_stays_is_named(tmp_path: Path) -> None:
    """Plain directories with a file in them can't be removed either."""
    (tmp_path / "group" / "child").mkdir(parents=True)
    (tmp_path / "group" / "child" / "file").write_text("", encoding="utf-8")
    with pytest.raises(LabError, match=r"LAB_CGROUP_STUCK at .*group"):
        cgroups.remove(tmp_path / "group", timeout_s=0.1)


def test_groups_of_two_labs_never_share_a_beginning() -> None:
    assert not cgroups.group_of("lab2", "node-0").startswith(cgroups.group_of("lab", ""))
