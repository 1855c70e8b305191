"""What dnf is asked for, and what is done with its answer. dnf itself is not here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import dnf
from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.module_utils.packages.model import PackageError

FILES = {"/etc/yum.repos.d/60-moefleet-cuda.repo": "[moefleet-cuda]\n"}


def test_the_whole_closure_is_downloaded_and_indexed_once(tmp_path: Path) -> None:
    directory, work, ran = tmp_path / "packages", tmp_path / "work", []

    def run(argv: Sequence[str], timeout_s: float = 0) -> Result:
        ran.append(list(argv))
        if argv[0] == "dnf":
            (directory / "haproxy.rpm").write_bytes(b"x")
        else:
            (directory / "repodata").mkdir()
            (directory / "repodata/repomd.xml").touch()
        return Result(0)

    argv = dnf.download_command(["haproxy", "cuda-toolkit-12-4=12.4.1"], directory, work, "9")
    assert argv[-2:] == ["haproxy", "cuda-toolkit-12-4-12.4.1*"]
    assert {"--resolve", "--alldeps", "--releasever=9", f"--installroot={work}/root"} <= set(argv)
    assert dnf.gather(run, argv, directory, FILES, work)
    assert (work / "etc/yum.repos.d/60-moefleet-cuda.repo").exists()
    assert not dnf.gather(run, argv, directory, FILES, work)
    assert [words[0] for words in ran] == ["dnf", "createrepo_c", "dnf"]


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    def run(argv: Sequence[str], timeout_s: float = 0) -> Result:
        return Result(127 if argv[0] == "createrepo_c" else 0, "", "createrepo_c is not installed", tuple(argv))

    with pytest.raises(PackageError, match=r"createrepo_c is not installed \(package createrepo_c\)"):
        dnf.gather(run, ["dnf"], tmp_path, {}, tmp_path)
