"""The storage mount's unit, and what counts as mounted."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.host_network import mount
from ansible_collections.moefleet.serving.plugins.module_utils.host_network.mount import Mount, Mounted

NFS = Mount("172.16.1.1:/models", "/srv/models", "nfs4", "ro,noatime,nconnect=8")
PATHS = ["/srv/models", "/srv/model-store", "/srv/.hidden/x", "/a b", "/srv/.x", "/.y"]


@pytest.mark.parametrize("path", PATHS)
def test_units_are_named_as_systemd_names_them(path: str) -> None:
    known = {
        "/srv/models": "srv-models.mount",
        "/srv/model-store": "srv-model\\x2dstore.mount",
        "/srv/.hidden/x": "srv-.hidden-x.mount",
        "/a b": "a\\x20b.mount",
        "/srv/.x": "srv-.x.mount",
        "/.y": "\\x2ey.mount",
    }
    assert mount.unit_name(path) == known[path]
    if shutil.which("systemd-escape"):
        done = subprocess.run(
            ["systemd-escape", "--path", "--suffix=mount", path], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == known[path]


def test_what_comes_over_the_network_waits_for_it() -> None:
    lines = mount.unit_text(NFS).splitlines()
    assert "After=network-online.target" in lines
    assert lines[lines.index("[Mount]") :][:5] == [
        "[Mount]",
        "What=172.16.1.1:/models",
        "Where=/srv/models",
        "Type=nfs4",
        "Options=ro,noatime,nconnect=8",
    ]
    assert "WantedBy=remote-fs.target" in lines
    local = mount.unit_text(Mount("/dev/md0", "/srv/models", "xfs"))
    assert "network-online" not in local
    assert "WantedBy=local-fs.target" in local


@pytest.mark.parametrize(
    ("now", "same"),
    [
        (None, False),
        (Mounted("172.16.1.1:/models", "nfs4"), True),
        (Mounted("172.16.1.1:/models/", "nfs"), True),
        (Mounted("172.16.1.2:/models", "nfs4"), False),
        (Mounted("172.16.1.1:/models", "tmpfs"), False),
    ],
)
def test_mounted_means_the_right_source(now: Mounted | None, same: bool) -> None:
    assert mount.as_wanted(NFS, now) == same


def test_the_last_mount_on_a_path_is_the_one_that_shows(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    rows = (
        "30 1 0:5 / /srv/a\\040b rw shared:1 - tmpfs first rw\n"
        "31 1 0:6 / /srv/a\\040b rw - xfs /dev/md0 rw\n"
        "32 1 0:7 / /srv/other rw - nfs4 172.16.1.1:/x rw\n"
    )
    (tmp_path / "proc/self/mountinfo").write_text(rows, encoding="utf-8")
    assert mount.mounted("/srv/a b", tmp_path) == Mounted("/dev/md0", "xfs")
    assert mount.mounted("/srv/none", tmp_path) is None


def test_a_path_of_fstab_is_seen(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/fstab").write_text(
        "# x /srv/b nfs\n172.16.1.1:/models /srv/models/ nfs4 ro 0 0\n", encoding="utf-8"
    )
    assert mount.in_fstab("/srv/models", tmp_path)
    assert not mount.in_fstab("/srv/b", tmp_path)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Mount("s", "srv", "nfs"), "path 'srv' is not an absolute path"),
        (Mount("s", "/", "nfs"), "path '/' is not"),
        (Mount("s", "/srv/../etc", "nfs"), "is not an absolute path"),
        (Mount("a b", "/srv", "nfs"), "source 'a b' must be one word"),
        (Mount("s", "/srv", "nfs", "ro, bg"), "options 'ro, bg' must be one word"),
    ],
)
def test_what_can_be_no_mount_is_refused(wrong: Mount, words: str) -> None:
    assert words in "; ".join(mount.problems(wrong))
