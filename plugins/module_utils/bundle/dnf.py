# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Packages with all that they depend on, by dnf's own resolver, as a repository."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..packages.model import PackageError, Runner


def download_command(wanted: Sequence[str], directory: Path, work: Path, release: str) -> list[str]:
    """Download packages and all their dependencies, whatever this machine has installed.

    Args:
        wanted: names, or NAME=VERSION.
        directory: where they go.
        work: a directory of dnf's own, with its sources in `etc/yum.repos.d`.
        release: the distribution's major version.
    """
    named = [entry.replace("=", "-", 1) + ("*" if "=" in entry else "") for entry in wanted]
    places = [f"--installroot={work / 'root'}", f"--setopt=reposdir=/etc/yum.repos.d,{work / 'etc/yum.repos.d'}"]
    return [
        "dnf",
        "--assumeyes",
        *places,
        f"--setopt=cachedir={work / 'cache'}",
        f"--releasever={release}",
        "download",
        "--resolve",
        "--alldeps",
        f"--destdir={directory}",
        *named,
    ]


def gather(run: Runner, argv: Sequence[str], directory: Path, files: Mapping[str, str], work: Path) -> bool:
    """Download, and index what came; whether anything did.

    Raises:
        PackageError: dnf, its plugin `download` or createrepo_c failed or is not there.
    """
    for path, content in files.items():
        target = work / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")
    directory.mkdir(parents=True, exist_ok=True)
    before = {(file.name, file.stat().st_size) for file in directory.glob("*.rpm")}
    done = run(argv)
    if done.status != 0:
        raise PackageError(f"{done.why} (needs dnf-plugins-core)")
    after = {(file.name, file.stat().st_size) for file in directory.glob("*.rpm")}
    changed = before != after or not (directory / "repodata/repomd.xml").exists()
    if changed:
        done = run(["createrepo_c", "--quiet", str(directory)])
        if done.status != 0:
            raise PackageError(f"{done.why} (package createrepo_c)")
    return changed
