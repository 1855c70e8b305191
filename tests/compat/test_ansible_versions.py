"""The playbooks on the control environment's ansible-core and on the newest one that this machine's Pythons run.

Read-only: every playbook is parsed, the reference cluster is planned. No deprecation, no warning, no injected fact.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.tests import tarball
from ansible_collections.moefleet.serving.tests.pythons import find_pythons

REQUIREMENTS = tarball.REPOSITORY / "requirements"
NEWEST = tarball.REPOSITORY / ".venv-compat"
NEWEST_PYTHONS = ("3.14", "3.13", "3.12")  # what requirements/compat.txt is resolved for
PLAYBOOKS = sorted(
    path.relative_to(tarball.REPOSITORY).as_posix()
    for path in [*tarball.REPOSITORY.glob("*.yml"), *tarball.REPOSITORY.glob("playbooks/*.yml")]
    if path.parent.name == "playbooks" or path.name in {"site.yml", "verify.yml"}
)


def locked_version(name: str) -> str:
    """Return the ansible-core that a lock file names."""
    found = re.search(r"^ansible-core==(\S+)", (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"requirements/{name}.txt locks no ansible-core"
    return found.group(1)


CONTROL_VERSION = locked_version("control")
NEWEST_VERSION = locked_version("compat")


def make_newest() -> Path:
    """Return the programs of .venv-compat, with the newest ansible-core; made when absent or its lock changed."""
    lock = REQUIREMENTS / "compat.txt"
    stamp, wanted = NEWEST / ".made-from", hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return NEWEST / "bin"
    pythons = find_pythons(NEWEST_PYTHONS)
    if not pythons:
        pytest.skip(f"no Python {' or '.join(NEWEST_PYTHONS)} here: only ansible-core {CONTROL_VERSION} was tested")
    subprocess.run([next(iter(pythons.values())), "-m", "venv", "--clear", NEWEST], check=True)
    options = ["-qq", "--disable-pip-version-check", "--require-hashes", "--only-binary", ":all:"]
    subprocess.run([str(NEWEST / "bin" / "python"), "-m", "pip", "install", *options, "-r", str(lock)], check=True)
    stamp.write_text(wanted, encoding="utf-8")
    return NEWEST / "bin"


@pytest.fixture(scope="module", params=[CONTROL_VERSION, NEWEST_VERSION], ids=lambda version: f"ansible-core-{version}")
def programs(request: pytest.FixtureRequest) -> Path:
    """Return the directory of one version's programs."""
    version: str = request.param
    place = tarball.BIN if version == CONTROL_VERSION else make_newest()
    said = subprocess.run([place / "ansible", "--version"], capture_output=True, text=True, check=True).stdout
    assert f"core {version}]" in said
    return place


def ansible_playbook(programs: Path, *arguments: str) -> str:
    """Run ansible-playbook in the clone and return all that it said; a failure or any warning fails."""
    done = tarball.run(
        [str(programs / "ansible-playbook"), *arguments],
        tarball.REPOSITORY,
        PATH=os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)]),
        ANSIBLE_DEPRECATION_WARNINGS="True",
        ANSIBLE_SYSTEM_WARNINGS="True",
        ANSIBLE_INJECT_FACT_VARS="False",
    )
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert "WARNING" not in said, said
    return said


@pytest.mark.parametrize("inventory", ["lab", "h20"])
def test_every_playbook_parses(programs: Path, inventory: str) -> None:
    assert {"site.yml", "verify.yml", "playbooks/plan.yml"} <= set(PLAYBOOKS)
    ansible_playbook(programs, "--syntax-check", "-i", f"inventory/{inventory}", *PLAYBOOKS)


def test_the_reference_cluster_is_planned(programs: Path, tmp_path: Path) -> None:
    command = ["-i", "inventory/h20", "playbooks/plan.yml", "-e", f"moefleet_artifacts_dir={tmp_path}"]
    ansible_playbook(programs, *command)
    plan = (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert json.loads(plan)["layout"]["expert_parallel_size"] == 32
    assert re.search(r"changed=0\b", ansible_playbook(programs, *command))
    assert (tmp_path / "plan.json").read_text(encoding="utf-8") == plan
