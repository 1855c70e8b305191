"""A private root directory with the real apt and dpkg at work in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.packages import model
from ansible_collections.moefleet.serving.plugins.module_utils.packages.apt import Apt
from ansible_collections.moefleet.serving.tests.testinfra import package_repository
from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn

_RUN = commands.run  # tests of modules put a root in its place
DIRECTORIES = (
    "etc/apt/preferences.d",
    "etc/apt/sources.list.d",
    "etc/apt/apt.conf.d",
    "var/lib/apt/lists/partial",
    "var/cache/apt/archives/partial",
    "var/lib/dpkg/info",
    "var/lib/dpkg/updates",
    "var/log/apt",
)


@dataclass
class Root:
    """The root and its repository. It is a runner, too: it sends every command to this root and keeps what was run."""

    path: Path
    repository: Path
    ran: list[list[str]] = field(default_factory=list)

    def __call__(self, argv: Sequence[str], timeout_s: float = model.READ_TIMEOUT_S) -> commands.Result:
        """Run a command of apt or dpkg in the root."""
        self.ran.append(list(argv))
        dpkg = f"--root={self.path}"
        options = {
            "Dir": self.path,
            "Dir::State::status": self.path / "var/lib/dpkg/status",
            "Dir::Bin::dpkg": "/usr/bin/dpkg",
            "Dir::Bin::Methods": "/usr/lib/apt/methods",
            "DPkg::Options::": dpkg,
            "APT::Sandbox::User": "root",
            "APT::Architecture": "amd64",
        }
        apt = [f"--option={name}={value}" for name, value in options.items()]
        after = {"apt-get": apt, "apt-cache": apt, "apt-mark": apt, "dpkg": [dpkg], "dpkg-query": [dpkg]}[argv[0]]
        return _RUN([argv[0], *after, *argv[1:]], timeout_s)

    def offer(self, packages: Iterable[StandIn]) -> None:
        """Make the repository anew and let apt read it."""
        package_repository.build(self.repository, packages)
        line = package_repository.source_line(self.repository)
        (self.path / "etc/apt/sources.list.d/stand-ins.list").write_text(line, encoding="utf-8")
        self.apt("update")

    def apt(self, *arguments: str) -> str:
        """Somebody else's apt-get."""
        done = self(["apt-get", "--quiet", "--yes", *arguments])
        assert done.status == 0, done
        return done.stdout

    def manager(self, name: str = "driver") -> Apt:
        """The package manager under test."""
        return Apt(self, name, self.path, lock_timeout_s=5)

    def calls(self, program: str, word: str) -> list[list[str]]:
        """Commands of a program with a certain word, simulations left out."""
        return [argv for argv in self.ran if argv[0] == program and word in argv and "--simulate" not in argv]

    def installed(self) -> dict[str, str]:
        """Versions by package, with ``held`` behind those that are."""
        packages = self.manager().installed().values()
        return {package.name: package.version + (" held" if package.held else "") for package in packages}


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """An empty root with a repository that has nothing yet."""
    path = tmp_path / "root"
    for directory in DIRECTORIES:
        (path / directory).mkdir(parents=True)
    (path / "var/lib/dpkg/status").touch()
    return Root(path, tmp_path / "repository")
