"""The real apt resolves, downloads and reads again a repository of stand-ins, whatever this machine has installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.bundle import apt
from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.packages.model import PackageError
from ansible_collections.moefleet.serving.tests.testinfra import package_repository
from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn

OFFERED = (
    StandIn("driver", "1:550.144.03-1", depends="library (= 1:550.144.03-1)", recommends="settings"),
    StandIn("driver", "1:560.10-1", depends="library"),
    StandIn("library", "1:550.144.03-1"),
    StandIn("settings", "1.0"),
    StandIn("stranger", "1.0"),
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A directory for apt, with a repository beside it."""
    package_repository.build(tmp_path / "repository", OFFERED)
    return tmp_path / "work"


def gatherer(work: Path, repository: Path, recommends: bool = True) -> apt.Gatherer:
    """apt that knows one repository and nothing of this machine's."""
    made = apt.Gatherer(commands.run, work, recommends)
    line = package_repository.source_line(repository)
    made.set_up("", {"/etc/apt/sources.list.d/one.list": line}, machine=work / "nowhere")
    made.refresh()
    return made


def test_a_version_comes_with_what_it_depends_on_and_a_repository_of_it_can_be_read(work: Path, tmp_path: Path) -> None:
    records = gatherer(work, tmp_path / "repository").closure(["driver=550.144.03"])
    assert [f"{record.name} {record.version}" for record in records] == [
        "driver 1:550.144.03-1",
        "library 1:550.144.03-1",
        "settings 1.0",
    ]
    flat = tmp_path / "flat"
    gatherer(work, tmp_path / "repository").download(apt.differing(records, flat), flat)
    assert apt.differing(records, flat) == []
    assert apt.write_index(records, flat, "amd64", write=True)
    assert not apt.write_index(records, flat, "amd64", write=True)

    again = apt.Gatherer(commands.run, tmp_path / "host")
    source = f"Types: deb\nURIs: file:{flat}\nSuites: ./\nTrusted: yes\n"
    again.set_up(source, {})
    again.refresh()
    assert [record.sha256 for record in again.closure(["driver"])] == [record.sha256 for record in records]


def test_recommended_packages_are_a_choice(work: Path, tmp_path: Path) -> None:
    records = gatherer(work, tmp_path / "repository", recommends=False).closure(["driver=550.144.03"])
    assert {record.name for record in records} == {"driver", "library"}
    assert gatherer(work, tmp_path / "repository").closure([]) == []


def test_what_no_source_has_is_refused(work: Path, tmp_path: Path) -> None:
    made = gatherer(work, tmp_path / "repository")
    with pytest.raises(PackageError, match=r"no source has driver 535\.1; there is 1:560\.10-1, 1:550\.144\.03-1"):
        made.closure(["driver=535.1"])
    with pytest.raises(PackageError, match="Unable to locate package nobody"):
        made.closure(["nobody"])
    # The newest driver wants any library: that goes with the only one there is.
    assert {record.version for record in made.closure(["driver"])} == {"1:560.10-1", "1:550.144.03-1"}


def test_a_damaged_file_comes_again_and_an_old_one_goes(work: Path, tmp_path: Path) -> None:
    made, flat = gatherer(work, tmp_path / "repository"), tmp_path / "flat"
    records = made.closure(["settings", "stranger"])
    made.download(records, flat)
    (flat / "old_1.0_all.deb").touch()
    damaged = flat / records[0].file
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"X")
    assert [record.name for record in apt.differing(records, flat)] == ["settings"]
    made.download(apt.differing(records, flat), flat)
    assert apt.differing(records, flat) == []
    assert [file.name for file in apt.strays(records, flat)] == ["old_1.0_all.deb"]


def test_this_machines_sources_are_taken_where_none_are_given(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    (machine / "etc/apt/sources.list.d").mkdir(parents=True)
    (machine / "etc/apt/sources.list").write_text("deb a b c\n", encoding="utf-8")
    for name in ("one.sources", "two.list", "two.list.save"):
        (machine / "etc/apt/sources.list.d" / name).write_text(name, encoding="utf-8")
    parts = tmp_path / "work/etc/apt"
    for place in ("keyrings/vendor.asc", "sources.list.d/of-an-earlier-time.list"):
        (parts / place).parent.mkdir(parents=True)
        (parts / place).touch()
    apt.Gatherer(commands.run, tmp_path / "work").set_up("", {"/etc/apt/preferences.d/pin": "x"}, machine)
    assert sorted(file.name for file in parts.glob("sources.list.d/*")) == [
        "00-sources.list",
        "one.sources",
        "two.list",
    ]
    assert (parts / "keyrings/vendor.asc").exists()
    assert (parts / "preferences.d/pin").read_text(encoding="utf-8") == "x"
