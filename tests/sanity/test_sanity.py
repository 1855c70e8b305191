"""``ansible-test sanity`` over the collection as its tarball installs it, without containers.

ansible-test makes a virtual environment for each test that needs one, with the packages that it pins itself; they are
kept in .cache/ansible-test. `compile` runs on each Python from 3.9 on that this machine has, `import` on the lowest,
the control environment's and the highest.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.tests import tarball
from ansible_collections.moefleet.serving.tests.pythons import find_pythons

TESTS = (
    "action-plugin-docs",
    "ansible-doc",
    "compile",
    "empty-init",
    "ignores",
    "line-endings",
    "no-assert",
    "no-get-exception",
    "no-illegal-filenames",
    "no-smart-quotes",
    "replace-urlopen",
    "runtime-metadata",
    "shebang",
    "symlinks",
    "use-argspec-type-path",
    "use-compat-six",
    "validate-modules",
)
# Off, each with its reason. test_every_test_is_decided_on keeps both lists complete.
OFF = {
    "changelog": "antsibull-changelog lints the fragments in the clone (scripts/lint); the tarball carries none",
    "pep8": "ruff checks style, with the house's line length",
    "pslint": "no PowerShell here",
    "pylint": "ruff and mypy --strict",
    "shellcheck": "scripts/lint runs it over the whole clone",
    "yamllint": "scripts/lint runs it over the whole clone",
}
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
IMPORT_PYTHONS = ("3.9", "3.11", "3.13")
HOME = tarball.REPOSITORY / ".cache" / "ansible-test"

# ansible-test puts pip into the environments that it makes with a script from its own server, unless it finds one
# here. Python brings a pip.
PIP_BOOTSTRAP = """\
import ensurepip
ensurepip.bootstrap()
"""


@pytest.fixture(scope="module")
def pythons() -> dict[str, Path]:
    """Return this machine's interpreters by version."""
    return find_pythons(PYTHONS)


@pytest.fixture(scope="module")
def sanity_environment(tmp_path_factory: pytest.TempPathFactory, pythons: dict[str, Path]) -> dict[str, str]:
    """Return an environment in which ansible-test finds every interpreter by name, and a home of its own."""
    programs = tmp_path_factory.mktemp("pythons")
    for version, interpreter in pythons.items():
        (programs / f"python{version}").symlink_to(interpreter)
    cache = HOME / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("21_3_1", "24_2"):
        (cache / f"get_pip_{version}.py").write_text(PIP_BOOTSTRAP, encoding="utf-8")
    user_settings = Path.home() / ".config" / "pip"
    settings = HOME / ".config" / "pip"
    settings.parent.mkdir(exist_ok=True)
    if user_settings.is_dir() and not settings.is_symlink():
        settings.symlink_to(user_settings)
    shims = [place for place in os.environ.get("PATH", os.defpath).split(os.pathsep) if not place.endswith("/shims")]
    return {"HOME": str(HOME), "PATH": os.pathsep.join([str(programs), str(tarball.BIN), *shims])}


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the installed collection, with what ansible-test reads beside it."""
    root = tarball.build_and_install(tmp_path_factory.mktemp("sanity")).root
    (root / "tests").mkdir()
    shutil.copy(tarball.REPOSITORY / "tests" / "config.yml", root / "tests")
    return root


def test_every_test_is_decided_on(collection: Path, sanity_environment: dict[str, str]) -> None:
    listed = tarball.succeed(["ansible-test", "sanity", "--list-tests"], collection, **sanity_environment).split()
    assert sorted(listed) == sorted([*TESTS, "import", *OFF])


def run_sanity(name: str, collection: Path, environment: dict[str, str], *options: str) -> None:
    """Run one of ansible-test's tests, and see that it did run."""
    done = tarball.run(["ansible-test", "sanity", "--test", name, *options], collection, **environment)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    assert f'Running sanity test "{name}"' in said, said


@pytest.mark.parametrize("name", TESTS)
def test_sanity(name: str, collection: Path, sanity_environment: dict[str, str]) -> None:
    run_sanity(name, collection, sanity_environment)


@pytest.mark.parametrize("version", IMPORT_PYTHONS)
def test_import(version: str, collection: Path, sanity_environment: dict[str, str], pythons: dict[str, Path]) -> None:
    if version not in pythons:
        pytest.skip(f"no Python {version} on this machine")
    run_sanity("import", collection, sanity_environment, "--python", version)
