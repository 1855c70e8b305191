"""The Python interpreters of this machine."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path


def works(python: Path) -> bool:
    """Tell whether an interpreter runs: a version manager's shim may stand for one that isn't selected."""
    return subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0


def find_pythons(versions: Iterable[str]) -> dict[str, Path]:
    """Return this machine's interpreters of the given versions ("3.12"), on PATH or kept by pyenv."""
    found: dict[str, Path] = {}
    for version in versions:
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        on_path = shutil.which(f"python{version}")
        for candidate in [*kept, *([Path(on_path)] if on_path else [])]:
            if works(candidate):
                found[version] = candidate
                break
    return found
