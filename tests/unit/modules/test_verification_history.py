"""The module keeps the runs that it judged, so many of them, and reads them again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting import write
from ansible_collections.moefleet.serving.plugins.modules import verification_report
from ansible_collections.moefleet.serving.tests.unit.verification.reporting import sample


class Module:
    """What of AnsibleModule writes files."""

    def __init__(self, directory: Path) -> None:
        self.tmpdir = str(directory)

    def atomic_move(self, source: str, destination: str) -> None:
        """As the module does it."""
        Path(source).rename(destination)


def run(directory: Path, day: int, keep: int = 3) -> dict[str, Any]:
    """One judgement of a healthy service."""
    runs = verification_report.earlier_runs(directory / "verify" / write.HISTORY_DIRECTORY)
    judged = sample.judged(day, wrong=False, generated_at=f"2026-03-{day:02}T11:00:00+00:00")
    document = dict(write.finished(judged, runs))
    module: Any = Module(directory)
    verification_report.put(module, directory / "verify", write.texts(document), keep)
    return document


def names(directory: Path) -> list[str]:
    """The runs that are kept."""
    return sorted(path.name[:8] for path in (directory / "verify/history").iterdir())


def test_the_newest_runs_are_kept(tmp_path: Path) -> None:
    documents = [run(tmp_path, day) for day in range(1, 6)]
    assert names(tmp_path) == ["20260303", "20260304", "20260305"]
    assert [document["history"]["compared_with"] for document in documents] == [
        None,
        *(f"2026-03-{day:02}T11:00:00+00:00" for day in range(1, 5)),
    ]
    assert {path.name for path in (tmp_path / "verify").iterdir()} == {
        "report.json",
        "report.html",
        "report.md",
        "junit.xml",
        "history",
    }


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]"])
def test_a_broken_file_of_the_history_is_left_out(tmp_path: Path, content: bytes) -> None:
    run(tmp_path, 1)
    (tmp_path / "verify/history/20260302T000000Z.json").write_bytes(content)
    assert run(tmp_path, 3)["history"]["compared_with"] == "2026-03-01T11:00:00+00:00"


def test_no_history_where_none_is_kept(tmp_path: Path) -> None:
    run(tmp_path, 1, keep=0)
    assert names(tmp_path) == []
