"""The module package_set: foretells what it does, and does what it foretold."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.packages import model
from ansible_collections.moefleet.serving.plugins.modules import package_set
from ansible_collections.moefleet.serving.tests.testinfra.package_repository import StandIn

from ..packages.conftest import Root, root
from .conftest import RunModule

__all__ = ["root"]

SET = {"name": "driver", "packages": [{"name": "driver", "version": "550.1"}], "companions": [{"name": "lib*"}]}


@pytest.fixture
def host(root: Root, monkeypatch: pytest.MonkeyPatch) -> Root:
    """A root in which the module works."""
    root.offer(
        [
            *(StandIn("driver", f"{version}-1", depends="library") for version in ("550.1", "550.2")),
            StandIn("library", "7"),
        ]
    )

    def run(argv: list[str], timeout_s: float = model.READ_TIMEOUT_S) -> commands.Result:
        if argv[0] == "systemctl":
            return commands.Result(0, "active\n" if argv[-1] == "busy.service" else "inactive\n")
        return root(argv, timeout_s)

    monkeypatch.setattr(commands, "run", run)
    return root


def test_check_mode_tells_what_the_run_then_does(host: Root, run_module: RunModule) -> None:
    arguments: dict[str, Any] = {**SET, "root": str(host.path)}
    foretold = run_module(package_set, check=True, **arguments)
    assert host.installed() == {}
    assert not (host.path / "etc/apt/preferences.d/60-moefleet-driver").exists()
    assert foretold["packages"]["driver"] == {"before": None, "after": "550.1-1", "held_before": False, "held": True}
    assert foretold["diff"][0]["before"] == ""
    assert foretold["diff"][0]["after"] == "driver 550.1-1 held\nlibrary 7 held\n"

    done = run_module(package_set, **arguments)
    assert done == {**foretold, "invocation": done["invocation"]}
    assert done["changed"]
    assert done["changed_packages"] == ["driver", "library"]
    assert host.installed() == {"driver": "550.1-1 held", "library": "7 held"}

    again = run_module(package_set, **arguments)
    assert (again["changed"], again["diff"], again["changed_packages"]) == (False, [], [])


def test_lists_are_fetched_when_a_version_is_not_in_them(host: Root, run_module: RunModule) -> None:
    lists = host.path / "var/lib/apt/lists"
    for file in lists.glob("*Packages*"):
        file.unlink()
    arguments: dict[str, Any] = {**SET, "root": str(host.path)}
    refused = run_module(package_set, check=True, **arguments)
    assert "no source has a package driver" in refused["msg"]
    expected = run_module(package_set, check=True, **arguments, update_cache=True)
    assert expected["unknown"] == ["no source has a package driver (wanted 550.1)"]
    assert expected["changed"]
    assert run_module(package_set, **arguments)["changed"]
    assert host.installed()["driver"] == "550.1-1 held"


@pytest.mark.parametrize("check", [False, True])
def test_nothing_changes_under_a_running_unit(host: Root, check: bool, run_module: RunModule) -> None:
    arguments: dict[str, Any] = {**SET, "root": str(host.path), "idle_unit": "busy.service"}
    refused = run_module(package_set, check=check, **arguments)
    assert "busy.service is active, and these packages would change under it: driver" in refused["msg"]
    assert host.installed() == {}


def test_a_running_unit_is_no_matter_when_nothing_changes(host: Root, run_module: RunModule) -> None:
    run_module(package_set, **SET, root=str(host.path))
    result = run_module(package_set, **SET, root=str(host.path), idle_unit="busy.service")
    assert result["changed"] is False


def test_a_refusal_names_the_set(host: Root, run_module: RunModule) -> None:
    asked = {**SET, "packages": [{"name": "driver", "version": "550.3"}]}
    result = run_module(package_set, **asked, root=str(host.path))
    assert result["msg"].startswith("driver: no source has driver 550.3; there is 550.2-1, 550.1-1; the nearest")
