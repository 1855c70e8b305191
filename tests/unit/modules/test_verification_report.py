"""The module that judges and writes: what it writes, when it fails, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.moefleet.serving.plugins.modules import verification_report

DEMANDS = {
    "unit": "moefleet-vllm.service",
    "user": "moefleet",
    "sysctl": {},
    "memlock": "infinity",
    "nofile": 1024,
    "hardening": {},
}
PLAN = {
    "layout": {"hosts": [{"name": "node-0", "role": "head", "start_rank": 0, "local_ranks": 1, "ranks": [0]}]},
    "serve": {"node-0": {"argv": ["vllm", "serve", "/m"], "env": {}}},
    "service": {"address": "192.168.1.10", "port": 8000, "engines": 1, "served_model_name": "m"},
    "engine": {"version": "0.32.0", "platform": "cpu"},
}


def run(capsys: pytest.CaptureFixture[str], dest: Path, **arguments: Any) -> dict[str, Any]:
    values = {
        "dest": str(dest),
        "plan": PLAN,
        "hosts": {"node-0": {"demands": DEMANDS, "result": {"unreachable": True, "msg": "timed out"}}},
        **arguments,
    }
    with patch_module_args(values), pytest.raises(SystemExit):
        verification_report.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_the_report_is_written_whatever_the_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, tmp_path / "a" / "verify", bench_missing="nobody answered")
    assert (result.get("failed", False), result["verdict"], result["changed"]) == (False, "unknown", True)
    document = json.loads(Path(result["report_json"]).read_text(encoding="utf-8"))
    assert document["verdict"] == "unknown"
    assert len(result["troubles"]) == document["counts"]["unknown"] > 0
    assert any("node-0: the host was not reached" in line and "timed out" in line for line in result["troubles"])
    assert any("nobody answered" in line for line in result["troubles"])
    assert "Not proven" in Path(result["report_html"]).read_text(encoding="utf-8")


def test_strict_fails_after_the_report_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, tmp_path, strict=True)
    assert result["failed"] is True
    assert result["troubles"]
    assert (tmp_path / "report.json").exists()
    assert (tmp_path / "report.html").exists()


def test_check_mode_judges_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, tmp_path, _ansible_check_mode=True)
    assert (result["changed"], result["verdict"]) == (False, "unknown")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"plan": {}}, "bad-plan"),
        ({"thresholds": {"ttft_p99_ms": "fast"}}, "bad-threshold"),
        ({"hosts": {"node-0": {"demands": {"unit": "x"}}}}, "bad-demands"),
        ({"thresholds": {"ip_loss": {"warn": "many"}}}, "bad-threshold"),
        ({"threshold_sources": ["1.2.3"]}, "no-such-source"),
        ({"threshold_sources": {"ip_losses": "4.6.4"}}, "no-such-check"),
        ({"measurements": [{"check": "speed"}]}, "no-such-check"),
    ],
)
def test_bad_inputs_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], code: str
) -> None:
    result = run(capsys, tmp_path, **change)
    assert (result["failed"], result["code"]) == (True, code)
    assert not (tmp_path / "report.json").exists()


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    result = run(capsys, tmp_path / "file" / "verify")
    assert result["failed"] is True
    assert "could not be written" in result["msg"]


def test_measurements_are_judged_as_the_inventory_wants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = {"values": {"value": 0.5}, "verdict": "pass", "reasons": []}
    result = run(
        capsys,
        tmp_path,
        measurements=[
            {"check": "sessions_error_rate", "runs": [{"evidence": evidence}], "argv": ["bench", "a b"]},
            {"check": "soak_error_rate", "runs": [{"evidence": evidence}]},
            {"check": "gpu_memory_share", "host": "node-0", "not_applicable": "no GPU"},
        ],
        thresholds={"sessions_error_rate": {"expected": 0.4, "warn": 0.4, "fail": 1}, "ttft_p99_ms": 1500},
        threshold_sources=["7.1.2"],
    )
    document = json.loads(Path(result["report_json"]).read_text(encoding="utf-8"))
    checks = {check["id"]: check for check in document["checks"]}
    assert (checks["sessions_error_rate"]["verdict"], checks["soak_error_rate"]["verdict"]) == ("warn", "fail")
    assert checks["sessions_error_rate"]["command"] == "bench 'a b'"
    assert checks["gpu_memory_share"]["verdict"] == "not applicable"
    assert result["counts"]["not applicable"] == 1
    assert "bench_ttft_p99_ms" in checks


def test_every_figure_can_be_demanded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = run(
        capsys,
        tmp_path,
        measurements=[{"check": "gpu_memory_share", "host": "node-0", "not_applicable": "no GPU"}],
        phases=["service"],
        require_all=True,
    )
    assert any(line.startswith("FAIL  node-0: not applicable here: no GPU") for line in result["troubles"])
    assert any("was not measured" in line for line in result["troubles"])


def test_what_quick_mode_leaves_out_is_listed_and_neither_passed_nor_demanded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    why = "left out by quick mode (verify_quick)"
    evidence = {"values": {"value": 0.0}, "verdict": "pass", "reasons": []}
    result = run(
        capsys,
        tmp_path,
        measurements=[
            {"check": "sessions_error_rate", "runs": [{"evidence": evidence}]},
            {"check": "full_context", "left_out": why},
            {"check": "soak_error_rate", "left_out": why},
        ],
        parts=[],
        require_all=True,
    )
    document = json.loads(Path(result["report_json"]).read_text(encoding="utf-8"))
    assert [entry["id"] for entry in document["left_out"]] == ["full_context", "soak_error_rate"]
    assert {entry["reason"] for entry in document["left_out"]} == {why}
    assert {check["id"] for check in document["checks"]} == {"sessions_error_rate"}
    assert (result["verdict"], result["counts"]["pass"], result["troubles"]) == ("pass", 1, [])
    assert "2 were left out on purpose" in result["headline"]
    for name in ("report.html", "report.md"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert "Left out on purpose" in page
        assert document["left_out"][0]["title"] in page


def test_before_there_is_a_service_nothing_but_measurements_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evidence = {"values": {"loss_percent": 0.0}, "verdict": "pass", "reasons": []}
    names = ("node-0", "node-1")
    plan = {
        **PLAN,
        "layout": {"hosts": [{"name": name, "role": "head", "ranks": []} for name in names]},
        "serve": {name: {"argv": ["vllm", "serve", "/m"], "env": {}} for name in names},
    }
    measurements = [
        {"check": "ip_loss", "host": one, "peer": other, "runs": [{"evidence": evidence}]}
        for one, other in (("node-0", "node-1"), ("node-1", "node-0"))
    ]
    result = run(capsys, tmp_path, plan=plan, measurements=measurements, parts=[])
    assert (result["verdict"], result["counts"]["pass"], result["troubles"]) == ("pass", 2, [])
