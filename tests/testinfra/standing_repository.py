"""A repository of stand-ins that stays between a scenario's runs: made anew, with its own key, when its table changes.

Playbooks call this file with a Python file that has `REPOSITORIES` (name: origin and packages) and the directory where
they are to be; it prints what a playbook needs to trust them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import signing_key
from ansible_collections.moefleet.serving.tests.testinfra import package_repository
from ansible_collections.moefleet.serving.tests.testinfra.package_repository import KEY_NAME, StandIn

STAMP = "made-from"


def make(directory: Path, origin: str, packages: Iterable[StandIn]) -> tuple[str, bool]:
    """Have the repository there. Returns its key's fingerprint and whether it was made now."""
    listed = list(packages)
    table = json.dumps([origin, [asdict(package) for package in listed]], sort_keys=True)
    wanted, stamp = hashlib.sha256(table.encode()).hexdigest(), directory / STAMP
    made = not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted
    if made:
        package_repository.build(directory, listed, origin)
        package_repository.sign(directory)
        stamp.write_text(wanted, encoding="utf-8")
    return signing_key.keys((directory / KEY_NAME).read_bytes())[0].fingerprint, made


def main() -> None:
    """Make them from the table in a file."""
    table, directory = (Path(word) for word in sys.argv[1:3])
    spec = importlib.util.spec_from_file_location("stand_ins", table)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{table} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = {name: make(directory / name, *contents) for name, contents in module.REPOSITORIES.items()}
    fingerprints = {name: fingerprint for name, (fingerprint, _) in made.items()}
    print(json.dumps({"fingerprints": fingerprints, "made": any(new for _, new in made.values())}))


if __name__ == "__main__":
    main()
