"""A vendor's packages come by the vendor's own key, once, and with nothing of this machine's sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import needs
from ansible_collections.moefleet.serving.plugins.modules import bundle_packages
from ansible_collections.moefleet.serving.tests.testinfra import package_repository
from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn

from .conftest import RunModule

KEY = "/etc/apt/keyrings/moefleet-vendor.asc"
LIST = "/etc/apt/sources.list.d/60-moefleet-vendor.list"


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, object]:
    """A signed repository, its key where the gathering has put it, and a source as a role says it."""
    repository, work = tmp_path / "repository", tmp_path / "work"
    package_repository.build(repository, [StandIn("driver", "550.1-1", depends="library"), StandIn("library", "1")])
    held = work / KEY.lstrip("/")
    held.parent.mkdir(parents=True)
    held.write_bytes(package_repository.sign(repository).read_bytes())
    line = package_repository.source_line(repository, KEY)
    source = {"key_path": KEY, "files": [{"path": LIST, "content": line}]}
    return {
        "path": str(tmp_path / "bundle"),
        "work": str(work),
        "packages": ["driver=550.1"],
        "files": needs.source_files([source], str(work)),
        "sources": f"# none of this machine's\nTypes: deb\nURIs: file:{repository}\nSuites: ./\nSigned-By: {held}\n",
    }


def test_they_come_once_and_a_check_run_says_so(
    tmp_path: Path, arguments: dict[str, object], run_module: RunModule
) -> None:
    foretold = run_module(bundle_packages, check=True, **arguments)
    assert not (tmp_path / "bundle").exists()
    done = run_module(bundle_packages, **arguments)
    assert {**done, "invocation": None} == {**foretold, "invocation": None}
    assert done["changed"]
    assert done["packages"] == {"driver": "550.1-1", "library": "1"}
    files = sorted(file.name for file in (tmp_path / "bundle").iterdir())
    assert files == ["Packages", "Release", "driver_550.1-1_all.deb", "library_1_all.deb"]
    assert not run_module(bundle_packages, **arguments)["changed"]


def test_packages_that_another_key_signed_are_refused(
    tmp_path: Path, arguments: dict[str, object], run_module: RunModule
) -> None:
    held = tmp_path / "work" / KEY.lstrip("/")
    other = tmp_path / "other"
    package_repository.build(other, [StandIn("driver", "550.1-1")])
    held.write_bytes(package_repository.sign(other).read_bytes())
    assert "could not fetch the sources' lists" in run_module(bundle_packages, **arguments)["msg"]
    assert not (tmp_path / "bundle").exists()
