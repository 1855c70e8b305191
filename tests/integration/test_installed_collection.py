"""The collection installed from its tarball works where no clone is: playbooks by name, documentation, size."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.moefleet.serving.tests import tarball

SHIPPED = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "COPYING",
    "FILES.json",
    "MANIFEST.json",
    "README.md",
    "README.zh-CN.md",
    "changelogs",
    "docs",
    "inventory",
    "meta",
    "playbooks",
    "plugins",
    "requirements.yml",
    "roles",
}
LARGEST_MIB = 2


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tarball.Installed:
    """Build the tarball and install it away from the clone."""
    return tarball.build_and_install(tmp_path_factory.mktemp("installed"))


def ansible_doc(installed: tarball.Installed, place: Path, *arguments: str) -> Any:
    """Return what ansible-doc says as data; a warning on its standard error fails."""
    command = ["ansible-doc", "--json", *arguments]
    done = tarball.run(command, place, ANSIBLE_COLLECTIONS_PATH=str(installed.collections))
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), done.stderr
    return json.loads(done.stdout)


def test_tarball_holds_what_users_need(installed: tarball.Installed) -> None:
    with tarfile.open(installed.tarball) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
        links = [member.name for member in archive.getmembers() if member.issym() or member.islnk()]
    assert {name.split("/")[0] for name in names} <= SHIPPED
    assert not links
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]
    size = installed.tarball.stat().st_size
    assert size < LARGEST_MIB * 2**20, f"{size / 2**20:.1f} MiB"


def test_plan_by_name_from_an_empty_directory(installed: tarball.Installed, tmp_path: Path) -> None:
    inventory = tarball.copy_inventory("h20", tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    done = tarball.run(
        ["ansible-playbook", "moefleet.serving.plan", "-i", str(inventory)],
        work,
        ANSIBLE_COLLECTIONS_PATH=str(installed.collections),
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    plan = json.loads((work / "artifacts" / "plan.json").read_text(encoding="utf-8"))
    ranks = [rank for host in plan["layout"]["hosts"] for rank in host["ranks"]]
    assert ranks == list(range(32))


def test_every_playbook_parses_by_name(installed: tarball.Installed, tmp_path: Path) -> None:
    names = sorted(path.stem for path in (installed.root / "playbooks").glob("*.yml"))
    assert {"site", "plan", "verify", "lab_down"} <= set(names)
    inventory = tarball.copy_inventory("lab", tmp_path)
    tarball.succeed(
        ["ansible-playbook", "--syntax-check", "-i", str(inventory), *(f"{tarball.NAME}.{name}" for name in names)],
        tmp_path,
        ANSIBLE_COLLECTIONS_PATH=str(installed.collections),
    )


@pytest.mark.parametrize("kind", ["module", "filter"])
def test_plugins_are_documented(kind: str, installed: tarball.Installed, tmp_path: Path) -> None:
    folder = {"module": "modules"}.get(kind, kind)
    files = {path.stem for path in (installed.root / "plugins" / folder).glob("*.py")} - {"__init__"}
    listed = set(ansible_doc(installed, tmp_path, "-t", kind, "--list", tarball.NAME))
    assert {f"{tarball.NAME}.{name}" for name in files} <= listed
    for name, page in ansible_doc(installed, tmp_path, "-t", kind, *sorted(listed)).items():
        assert page.get("doc", {}).get("short_description"), name
        assert page.get("examples"), f"{name} has no example"
        assert page.get("return"), f"{name} documents no return value"


def test_roles_are_documented(installed: tarball.Installed, tmp_path: Path) -> None:
    roles = sorted(path.name for path in (installed.root / "roles").iterdir() if path.is_dir())
    assert roles
    pages = ansible_doc(installed, tmp_path, "-t", "role", *(f"{tarball.NAME}.{role}" for role in roles))
    for role in roles:
        main = pages[f"{tarball.NAME}.{role}"]["entry_points"]["main"]
        assert main["short_description"], role


def test_manifest_names_the_galaxy_file(installed: tarball.Installed) -> None:
    galaxy = yaml.safe_load((tarball.REPOSITORY / "galaxy.yml").read_text(encoding="utf-8"))
    manifest = json.loads((installed.root / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]
    assert (manifest["namespace"], manifest["name"], manifest["version"]) == (
        galaxy["namespace"], galaxy["name"], galaxy["version"],
    )  # fmt: skip
    assert not manifest["dependencies"]
