"""dnf's commands, recorded: nothing here runs on a real RHEL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.packages import dnf, model, transaction
from ansible_collections.moefleet.serving.plugins.module_utils.packages.choice import VanishedError
from ansible_collections.moefleet.serving.plugins.module_utils.packages.dnf import Dnf
from ansible_collections.moefleet.serving.plugins.module_utils.packages.model import PackageError, Request, Wanted

OLD, NEW = "550.127.05", "550.144.03"
PACKAGES = ("kmod-nvidia-open-dkms", "nvidia-driver-cuda", "nvidia-fabric-manager")


def evr(version: str) -> str:
    return f"3:{version}-1.el9"


@dataclass
class Recorder:
    """A host with dnf: it answers from tables, and does what `dnf shell` is told."""

    there: dict[str, str] = field(default_factory=dict)
    locks: list[str] = field(default_factory=list)
    offered: dict[str, list[str]] = field(default_factory=dict)
    ran: list[list[str]] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    fails: bool = False
    plugin: bool = True

    def __call__(self, argv: Sequence[str], timeout_s: float = model.READ_TIMEOUT_S) -> commands.Result:
        del timeout_s
        self.ran.append(list(argv))
        if argv[0] == "rpm":
            return commands.Result(0, "".join(f"{name}\t{version}\tx86_64\n" for name, version in self.there.items()))
        if "versionlock" in argv and "--disableplugin=versionlock" not in argv:
            return self._lock(list(argv[argv.index("versionlock") + 1 :]))
        if "repoquery" in argv:
            rows = [f"{name}\t{version}" for name in argv for version in self.offered.get(name, ())]
            return commands.Result(0, "\n\n".join(rows))
        if "shell" in argv:
            return self._shell(Path(argv[-1]).read_text(encoding="utf-8"))
        return commands.Result(0)

    def _lock(self, words: list[str]) -> commands.Result:
        if not self.plugin:
            return commands.Result(1, "", "No such command: versionlock. Please use /usr/bin/dnf --help")
        if words[0] == "list":
            return commands.Result(0, "".join(f"{lock}\n" for lock in self.locks))
        names = [word for word in words[1:] if not word.startswith("--")]
        if words[0] == "delete":
            self.locks = [lock for lock in self.locks if lock not in names]
        else:
            self.locks += names
        return commands.Result(0)

    def _shell(self, script: str) -> commands.Result:
        self.scripts.append(script)
        if self.fails:
            return commands.Result(1, "", "Error: Transaction failed")
        for line in script.splitlines():
            verb, _, word = line.partition(" ")
            if verb == "remove":
                del self.there[word]
            elif verb != "run":
                name = next(name for name in self.offered if word.startswith(f"{name}-"))
                self.there[name] = word[len(name) + 1 :]
        return commands.Result(0)


def request(version: str, *, present: bool = True, allow_downgrade: bool = False) -> Request:
    packages = tuple(Wanted(name, version) for name in PACKAGES)
    return Request("nvidia-driver", packages, present=present, allow_downgrade=allow_downgrade)


@pytest.fixture
def host() -> Recorder:
    return Recorder(offered={name: [evr(NEW), evr(OLD)] for name in PACKAGES})


def bring(host: Recorder, wanted: Request) -> transaction.Plan:
    manager = Dnf(host)
    planned = transaction.plan(wanted, manager)
    transaction.carry_out(wanted, manager, planned)
    assert not transaction.plan(wanted, manager).changed
    return planned


def test_a_set_comes_in_one_call_and_is_locked_to_what_came(host: Recorder) -> None:
    bring(host, request(OLD))
    assert host.there == dict.fromkeys(PACKAGES, evr(OLD))
    assert host.scripts == ["".join(f"install {name}-{evr(OLD)}\n" for name in PACKAGES) + "run\n"]
    assert sorted(host.locks) == [f"{name}-{evr(OLD)}.*" for name in PACKAGES]


def test_locks_dont_hide_what_the_sources_have(host: Recorder) -> None:
    bring(host, request(OLD))
    bring(host, request(NEW))
    assert host.there == dict.fromkeys(PACKAGES, evr(NEW))
    assert sorted(host.locks) == [f"{name}-{evr(NEW)}.*" for name in PACKAGES]
    queries = [argv for argv in host.ran if "repoquery" in argv]
    assert all("--disableplugin=versionlock" in argv for argv in queries)


def test_the_way_back_is_a_downgrade_and_has_to_be_allowed(host: Recorder) -> None:
    bring(host, request(NEW))
    with pytest.raises(PackageError, match="allow_downgrade"):
        transaction.plan(request(OLD), Dnf(host))
    bring(host, request(OLD, allow_downgrade=True))
    assert host.scripts[-1].splitlines()[0] == f"downgrade kmod-nvidia-open-dkms-{evr(OLD)}"


def test_a_lost_lock_and_one_of_another_version_are_drift(host: Recorder) -> None:
    bring(host, request(OLD))
    host.locks = [f"nvidia-driver-cuda-{evr(NEW)}.*", "!kernel-0:5.14.0-503.el9.*", host.locks[0]]
    planned = transaction.plan(request(OLD), Dnf(host))
    assert planned.before["nvidia-driver-cuda"] == (evr(OLD), False)
    bring(host, request(OLD))
    assert sorted(host.locks) == ["!kernel-0:5.14.0-503.el9.*", *(f"{name}-{evr(OLD)}.*" for name in PACKAGES)]


def test_a_vanished_version_is_refused(host: Recorder) -> None:
    host.offered["nvidia-fabric-manager"] = [evr(NEW)]
    with pytest.raises(VanishedError, match=r"no source has nvidia-fabric-manager 550.127.05; .*have is 550.144.03"):
        transaction.plan(request(OLD), Dnf(host))


def test_after_a_failure_the_locks_are_back(host: Recorder) -> None:
    bring(host, request(OLD))
    before = sorted(host.locks)
    host.fails = True
    planned = transaction.plan(request(NEW), Dnf(host))
    with pytest.raises(PackageError, match=r"dnf failed at: upgrade .*Transaction failed"):
        transaction.carry_out(request(NEW), Dnf(host), planned)
    assert sorted(host.locks) == before
    assert host.there == dict.fromkeys(PACKAGES, evr(OLD))


def test_removal_takes_locks_too(host: Recorder) -> None:
    bring(host, request(OLD))
    bring(host, request(OLD, present=False))
    assert host.there == {}
    assert host.locks == []


def test_a_missing_plugin_is_named_with_its_package() -> None:
    with pytest.raises(PackageError, match="dnf install python3-dnf-plugin-versionlock"):
        Dnf(Recorder(plugin=False)).installed()


def test_locks_are_read_as_the_plugin_prints_them() -> None:
    text = "Last metadata expiration check: 0:01:02 ago.\nnvidia-open-3:580.95.05-1.el9.*\n!dkms-0:3.1.0-1.el9.*\n"
    assert dnf.read_locks(text) == [("nvidia-open", "3:580.95.05-1.el9")]
