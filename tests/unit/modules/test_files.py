"""The module files: one call for several, truthful in check mode, and silent the second time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.modules import files

from ..hosts.test_files import ME
from .conftest import RunModule


def entry(path: Path, content: str, **more: Any) -> dict[str, Any]:
    return {"path": str(path), "content": content, **ME, **more}


@pytest.fixture
def two(tmp_path: Path) -> list[dict[str, Any]]:
    """Two files, of which one is there already."""
    (tmp_path / "there").write_text("old=1\n", encoding="utf-8")
    (tmp_path / "there").chmod(0o644)
    return [entry(tmp_path / "there", "new=1\n"), entry(tmp_path / "etc" / "absent", "a\n", mode="0600")]


def test_check_mode_tells_what_the_run_then_does(
    tmp_path: Path, two: list[dict[str, Any]], run_module: RunModule
) -> None:
    expected = run_module(files, check=True, files=two)
    assert (tmp_path / "there").read_text(encoding="utf-8") == "old=1\n"
    assert not (tmp_path / "etc").exists()
    assert run_module(files, files=two) == {**expected, "invocation": expected["invocation"]}
    assert expected["changed"]
    assert expected["written"] == [str(tmp_path / "there"), str(tmp_path / "etc" / "absent")]
    assert (tmp_path / "etc" / "absent").read_text(encoding="utf-8") == "a\n"
    again = run_module(files, files=two)
    assert (again["changed"], again["written"], again["diff"]) == (False, [], [])


def test_only_what_differs_is_written(tmp_path: Path, two: list[dict[str, Any]], run_module: RunModule) -> None:
    run_module(files, files=two)
    kept = (tmp_path / "there").stat()
    (tmp_path / "etc" / "absent").chmod(0o644)
    result = run_module(files, files=two)
    assert result["written"] == [str(tmp_path / "etc" / "absent")]
    assert (tmp_path / "there").stat().st_ino == kept.st_ino
    owner = f"{ME['owner']}:{ME['group']}"
    path = tmp_path / "etc" / "absent"
    assert result["diff"][0]["before"] == f"# {path} {owner} 0644\na\n"
    assert result["diff"][0]["after"] == f"# {path} {owner} 0600\na\n"


@pytest.mark.parametrize("check", [False, True])
def test_a_mode_that_is_none_is_refused_before_anything_is_written(
    tmp_path: Path, check: bool, run_module: RunModule
) -> None:
    wrong = [entry(tmp_path / "a", "a\n"), entry(tmp_path / "b", "b\n", mode="u=rw")]
    result = run_module(files, check=check, files=wrong)
    assert "mode 'u=rw'" in result["msg"]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_owner_is_named(tmp_path: Path, run_module: RunModule) -> None:
    result = run_module(files, files=[{**entry(tmp_path / "a", "a\n"), "owner": "nobody-has-this-name"}])
    assert result["failed"]
    assert "nobody-has-this-name" in result["msg"]
    assert str(tmp_path / "a") in result["msg"]


def test_a_directory_in_the_way_is_named(tmp_path: Path, run_module: RunModule) -> None:
    (tmp_path / "a").mkdir()
    result = run_module(files, files=[entry(tmp_path / "a", "a\n")])
    assert result["failed"]
    assert str(tmp_path / "a") in result["msg"]
    assert (tmp_path / "a").is_dir()
