"""Where a reference comes from, and when none is made."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers import source
from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers.model import BadReferenceError

DOCUMENT = {"made_by": "a program", "answers": [{"prompt": [1], "tokens": [{"id": 2, "logprob": -0.5}]}]}


@pytest.fixture
def wanted(tmp_path: Path) -> source.Wanted:
    model = tmp_path / "model"
    model.mkdir()
    (model / "SHA256SUMS").write_text("00  model.safetensors\n", encoding="utf-8")
    return source.Wanted(model, sys.executable, "print('{}')", ("a",), 1, 20.0)


def program(text: str, wanted: source.Wanted) -> source.Wanted:
    return source.Wanted(wanted.model, wanted.python, text, wanted.prompts, wanted.tokens, wanted.timeout_s)


def test_it_is_computed_once_and_kept_by_checkpoint(wanted: source.Wanted, tmp_path: Path) -> None:
    calls: list[source.Wanted] = []

    def compute(asked: source.Wanted) -> dict[str, Any]:
        calls.append(asked)
        return DOCUMENT

    first = source.computed(wanted, tmp_path / "cache", compute)
    assert source.computed(wanted, tmp_path / "cache", compute) == first
    assert len(calls) == 1
    assert (first.checkpoint, first.kind) == (source.checkpoint_of(wanted.model), "computed")
    # Another checkpoint has another reference.
    (wanted.model / "SHA256SUMS").write_text("11  model.safetensors\n", encoding="utf-8")
    assert source.computed(wanted, tmp_path / "cache", compute).checkpoint != first.checkpoint
    assert len(calls) == 2


def test_half_a_kept_file_is_made_again(wanted: source.Wanted, tmp_path: Path) -> None:
    source.computed(wanted, tmp_path, lambda _asked: DOCUMENT)
    (kept,) = tmp_path.glob("reference-*.json")
    kept.write_text(kept.read_text(encoding="utf-8")[:40], encoding="utf-8")
    assert source.computed(wanted, tmp_path, lambda _asked: DOCUMENT).answers


def test_a_large_checkpoint_has_none(wanted: source.Wanted) -> None:
    small = source.Wanted(wanted.model, "", "", (), 1, 1.0, most_bytes=3)
    with pytest.raises(BadReferenceError, match="verify_reference"):
        source.computed(small, None, lambda _asked: DOCUMENT)


def test_the_program_is_run_where_nothing_is_left(wanted: source.Wanted) -> None:
    text = f"import sys\nprint('a warning')\nprint({json.dumps(json.dumps(DOCUMENT))})\nassert sys.argv[2] == '1'"
    assert source.run_program(program(text, wanted)) == DOCUMENT


@pytest.mark.parametrize("text", ["raise SystemExit('no such model')", "print('nothing')"])
def test_a_program_that_prints_none_is_quoted(text: str, wanted: source.Wanted) -> None:
    with pytest.raises(BadReferenceError, match=r"no such model|nothing"):
        source.run_program(program(text, wanted))


def test_one_of_another_checkpoint_is_refused(wanted: source.Wanted, tmp_path: Path) -> None:
    reference = source.computed(wanted, None, lambda _asked: DOCUMENT)
    source.keep(tmp_path / "reference.json", reference)
    assert source.handed_over(tmp_path / "reference.json", reference.checkpoint) == reference
    with pytest.raises(BadReferenceError, match="another checkpoint"):
        source.handed_over(tmp_path / "reference.json", "f00")
    with pytest.raises(BadReferenceError, match="No such file"):
        source.handed_over(tmp_path / "none.json", "f00")
