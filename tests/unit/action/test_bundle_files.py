"""What a host lacks of a bundle is copied and verified there; a second time nothing is; a check run only looks."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleError

from ansible_collections.moefleet.serving.plugins.action import bundle_files
from ansible_collections.moefleet.serving.plugins.module_utils.bundle import arrival
from ansible_collections.moefleet.serving.plugins.module_utils.bundle.document import BundleError
from ansible_collections.moefleet.serving.plugins.modules import bundle_files as module

CONTENT = {"packages/a.deb": b"package", "wheels/b.whl": b"wheel"}


class Here(bundle_files.ActionModule):
    """The action with a host that is this machine; its connection counts, and can spoil what it brings."""

    def __init__(self, directory: Path, check_mode: bool = False, spoils: bool = False, **arguments: Any) -> None:
        self.sent: list[str] = []
        self.spoils = spoils
        source = directory / "bundle"
        for path, content in CONTENT.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(content)
        files = [
            {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for path, content in CONTENT.items()
        ]
        given = {"source": str(source), "path": str(directory / "host"), "files": files, **arguments}
        self._task: Any = SimpleNamespace(args=given, check_mode=check_mode, async_val=0, diff=False)
        self._connection: Any = SimpleNamespace(put_file=self.put_file)

    def put_file(self, source: str, target: str) -> None:
        """As ssh does it."""
        self.sent.append(Path(source).name)
        shutil.copy(source, target)
        if self.spoils:
            Path(target).write_bytes(b"spoilt")

    def _execute_module(self, **given: Any) -> Any:
        module_args = given["module_args"]
        params = {"full": False, "exclusive": True, "came": {}, **module_args}
        wanted = {row["path"]: arrival.Wanted(**row) for row in params["files"]}
        try:
            return module.act(Path(params["path"]), wanted, params)
        except BundleError as error:
            return {"failed": True, "msg": str(error)}

    def go(self) -> dict[str, Any]:
        """Run it, without what the base class asks of a whole Ansible."""
        self.task_vars = {"inventory_hostname": "node-0"}
        self.host = "node-0"
        return self.bring()


def test_what_is_missing_comes_once(tmp_path: Path) -> None:
    first = Here(tmp_path)
    result = first.go()
    assert result["changed"]
    assert sorted(first.sent) == ["a.deb", "b.whl"]
    assert {path: (tmp_path / "host" / path).read_bytes() for path in CONTENT} == CONTENT
    assert "wheels/b.whl: missing\n" in result["diff"]["before"]

    (tmp_path / "host/wheels/b.whl").unlink()
    (tmp_path / "host/wheels/old.whl").touch()
    second = Here(tmp_path)
    assert second.go()["strays"] == ["wheels/old.whl"]
    assert second.sent == ["b.whl"]
    assert not (tmp_path / "host/wheels/old.whl").exists()

    third = Here(tmp_path)
    assert third.go() == {"changed": False, "differs": {}, "strays": [], "diff": {}}
    assert third.sent == []


@pytest.mark.parametrize(("arguments", "foretold"), [({"check_mode": True}, True), ({"state": "compared"}, False)])
def test_a_look_changes_nothing(tmp_path: Path, arguments: dict[str, Any], foretold: bool) -> None:
    action = Here(tmp_path, **arguments)
    result = action.go()
    assert (result["changed"], set(result["differs"]), action.sent) == (foretold, set(CONTENT), [])
    assert not (tmp_path / "host").exists()


def test_what_was_spoilt_on_the_way_takes_no_place(tmp_path: Path) -> None:
    with pytest.raises(AnsibleError, match=r"node-0: packages/a\.deb came with other content than the bundle's list"):
        Here(tmp_path, spoils=True).go()
    assert not (tmp_path / "host/packages").exists()


def test_what_came_before_a_cut_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are put in place in batches; the next run brings only the rest."""
    monkeypatch.setattr(bundle_files, "batches", lambda sizes: [[path] for path in sorted(sizes)])
    cut = Here(tmp_path)

    def put_file(source: str, target: str) -> None:
        if source.endswith("b.whl"):
            raise AnsibleError("connection lost")
        cut.put_file(source, target)

    cut._connection = SimpleNamespace(put_file=put_file)
    with pytest.raises(AnsibleError, match="connection lost"):
        cut.go()
    again = Here(tmp_path)
    assert again.go()["changed"]
    assert again.sent == ["b.whl"]


def test_batches_end_where_they_are_full() -> None:
    assert bundle_files.batches({"a": 3, "b": 3, "c": 1, "d": 9}, limit=4) == [["a", "b"], ["c", "d"]]
    assert bundle_files.batches({}) == [[]]
