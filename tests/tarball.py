"""The collection as its users get it: built from this clone and installed from the tarball, away from the clone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
NAME = "moefleet.serving"
BIN = Path(sys.executable).parent


class Installed(NamedTuple):
    """A collection installed from its tarball."""

    tarball: Path
    collections: Path  # what ANSIBLE_COLLECTIONS_PATH has to name

    @property
    def root(self) -> Path:
        """Return the collection's own directory."""
        return self.collections / "ansible_collections" / NAME.replace(".", "/")


def outside_environment(**extra: str) -> dict[str, str]:
    """Return an environment that knows nothing of the clone, with the control environment's programs first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTHONPATH"))}
    path = os.pathsep.join([str(BIN), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": path, "NO_COLOR": "1", "LC_ALL": "C.UTF-8", **extra}


def run(command: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command outside the clone and return its text, whatever its exit status."""
    outside = outside_environment(**{"PWD": str(cwd), **environment})
    return subprocess.run(command, cwd=cwd, env=outside, text=True, capture_output=True, check=False, timeout=600)


def succeed(command: list[str], cwd: Path, **environment: str) -> str:
    """Run a command outside the clone and return its standard output; fail with all that it said."""
    done = run(command, cwd, **environment)
    assert done.returncode == 0, f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build_and_install(place: Path) -> Installed:
    """Build the tarball and install it under ``place``."""
    succeed(["ansible-galaxy", "collection", "build", str(REPOSITORY), "--output-path", str(place)], place)
    (tarball,) = place.glob("*.tar.gz")
    collections = place / "collections"
    succeed(
        ["ansible-galaxy", "collection", "install", str(tarball), "--offline", "-p", str(collections)],
        place,
        ANSIBLE_COLLECTIONS_PATH=str(collections),
    )
    return Installed(tarball, collections)


def copy_inventory(name: str, place: Path) -> Path:
    """Copy one of the clone's inventories, as a user would, and return the copy."""
    return Path(shutil.copytree(REPOSITORY / "inventory" / name, place / name))
