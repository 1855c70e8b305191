"""The module that asks every engine and compares: against a server that answers rightly, wrongly, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.answers import source
from ansible_collections.moefleet.serving.plugins.modules import answers

from ..verification.answers.engines import serving
from .conftest import RunModule

DOCUMENT = {
    "made_by": "a program",
    "answers": [{"prompt": [1, 2], "tokens": [{"id": 5, "logprob": -0.5}, {"id": 6, "logprob": -0.7}]}],
}


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    (path / "SHA256SUMS").write_text("00  model.safetensors\n", encoding="utf-8")
    monkeypatch.setattr(source, "run_program", lambda _wanted: DOCUMENT)
    return path


def asked(model: Path, port: int, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1",
        "port": port,
        "model": "m",
        "engines": 3,
        "model_path": str(model),
        "python": "/env/python",
        "program": "",
        "prompts": ["x"],
        "tokens": 2,
        **more,
    }


def verdicts(result: dict[str, Any]) -> dict[str, str]:
    return {entry["check"]: entry["runs"][0]["evidence"]["verdict"] for entry in result["measurements"]}


@pytest.mark.parametrize(
    ("wrong", "silent", "expected"),
    [
        (set(), set(), ("pass", "pass")),
        ({2}, set(), ("fail", "fail")),
        ({0, 1, 2}, set(), ("fail", "pass")),
        (set(), {1}, ("unknown", "unknown")),
    ],
)
def test_every_engine_is_judged(
    run_module: RunModule, model: Path, wrong: set[int], silent: set[int], expected: tuple[str, str]
) -> None:
    with serving(wrong, silent) as port:
        result = run_module(answers, **asked(model, port))
    assert verdicts(result) == dict(zip(("right_answers", "answers_alike"), expected))
    assert result["changed"] is False


def test_a_falsified_reference_fails_and_anothers_is_refused(
    run_module: RunModule, model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "reference.json"
    with serving(set(), set()) as port:
        recorded = run_module(answers, **asked(model, port, reference=str(path), record=True))
        assert (recorded["changed"], recorded["reference"]["kind"]) == (True, "recorded")
        again = run_module(answers, **asked(model, port, reference=str(path), record=True))
        assert (again["changed"], verdicts(again)["right_answers"]) == (False, "pass")
        document = json.loads(path.read_text(encoding="utf-8"))
        document["answers"][0]["tokens"][1]["id"] = 99
        path.write_text(json.dumps(document), encoding="utf-8")
        assert verdicts(run_module(answers, **asked(model, port, reference=str(path))))["right_answers"] == "fail"
        path.write_text(json.dumps({**document, "checkpoint": "f00"}), encoding="utf-8")
        assert verdicts(run_module(answers, **asked(model, port, reference=str(path))))["right_answers"] == "unknown"


def test_check_mode_records_nothing(run_module: RunModule, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "reference.json"
    with serving(set(), set()) as port:
        result = run_module(answers, check=True, **asked(model, port, reference=str(path), record=True))
    assert result["changed"] is True
    assert not path.exists()
