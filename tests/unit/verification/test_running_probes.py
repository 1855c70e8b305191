"""What a host tells of the running engine, from files and outputs as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError, Result
from ansible_collections.moefleet.serving.plugins.module_utils.verification import running_probes, service_checks
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import HostState


def runner(answers: dict[str, Result]) -> Any:
    """Commands by their first word; what isn't there can't be run."""

    def run(argv: Sequence[str], timeout_s: float) -> Result:
        if argv[0] not in answers:
            raise ProbeError(f"cannot run `{argv[0]}`")
        return answers[argv[0]]

    return run


def test_processes_killed_for_memory(tmp_path: Path) -> None:
    unit = tmp_path / "system.slice/moefleet-vllm.service"
    unit.mkdir(parents=True)
    (unit / "memory.events").write_text("low 0\nhigh 0\nmax 12\noom 2\noom_kill 2\n", encoding="ascii")
    assert running_probes.oom_kills("/system.slice/moefleet-vllm.service", str(tmp_path)) == 2
    with pytest.raises(ProbeError, match="no readable"):
        running_probes.oom_kills("/system.slice/other.service", str(tmp_path))


def test_gpu_memory(tmp_path: Path) -> None:
    assert running_probes.gpu_memory(runner({}), str(tmp_path)) == []
    (tmp_path / "nvidia0").touch()
    answer = Result(0, "0, 81559, 97871\n1, 80000, 97871\n")
    assert running_probes.gpu_memory(runner({"nvidia-smi": answer}), str(tmp_path))[1] == {
        "used_mib": 80000.0,
        "total_mib": 97871.0,
    }
    for bad in (Result(9, "NVIDIA-SMI has failed"), Result(0, "0, [N/A], 97871\n")):
        with pytest.raises(ProbeError):
            running_probes.gpu_memory(runner({"nvidia-smi": bad}), str(tmp_path))


def test_the_log_of_the_running_start() -> None:
    line = "INFO CPU KV cache size: 9,696 tokens, Maximum concurrency for 2,048 tokens per request: 4.73x\n"
    found = running_probes.engine_log("u", "1586c5", runner({"journalctl": Result(0, line)}))
    assert found["vllm"]["kv_cache_tokens"] == 9696
    assert found["eplb"]["verdict"] == "unknown"
    with pytest.raises(ProbeError, match="no line"):
        running_probes.engine_log("u", "1586c5", runner({"journalctl": Result(1, "")}))
    with pytest.raises(ProbeError, match="no start"):
        running_probes.engine_log("u", "", runner({}))


def test_versions_of_a_host_without_gpus(tmp_path: Path) -> None:
    parts = {"vllm": "0.32.0+cpu", "torch": "2.13.0+cpu", "python": "3.11.2"}
    answers = {"/env/python": Result(0, json.dumps(parts)), "uname": Result(0, "6.1.0\n")}
    assert running_probes.versions("/env/python", runner(answers), tmp_path) == {**parts, "kernel": "6.1.0"}
    ofed = {**answers, "ofed_info": Result(0, "MLNX_OFED_LINUX-24.10-0.7.0.0:\n")}
    assert running_probes.versions("/env/python", runner(ofed), tmp_path)["ofed"] == "24.10-0.7.0.0"
    with pytest.raises(ProbeError, match="No module"):
        running_probes.versions("/env/python", runner({"/env/python": Result(1, "", "No module")}), tmp_path)


def test_versions_of_a_host_with_gpus(tmp_path: Path) -> None:
    for path, text in {"proc/driver/nvidia/version": "NVRM", "sys/module/nvidia/version": "550.90.07\n"}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="ascii")
    answers = {
        "/env/python": Result(0, '{"vllm": "0.19.1"}'),
        "uname": Result(0, "6.8.0\n"),
        "rpm": Result(0, "nvidia-fabric-manager\t(none):550.90.07-1\n"),
    }
    found = running_probes.versions("/env/python", runner(answers), tmp_path)
    assert found["driver"] == "550.90.07"
    assert "550.90.07" in found["fabric_manager"]


def states(**versions: dict[str, str] | None) -> dict[str, HostState]:
    return {
        name: HostState(True, versions=seen, reasons={} if seen else {"versions": "the environment is gone"})
        for name, seen in versions.items()
    }


def test_versions_alike_names_who_differs() -> None:
    (check,) = service_checks.check_versions_alike(states(a={"torch": "2.8"}, b={"torch": "2.8"}))
    assert (check.id, check.verdict, check.observed) == ("versions_alike", "pass", "torch 2.8")
    (check,) = service_checks.check_versions_alike(
        states(a={"torch": "2.8", "ofed": "24.10"}, b={"torch": "2.9", "ofed": "24.10"}, c={"torch": "2.8"})
    )
    assert check.verdict == "fail"
    assert "torch 2.8 on a/c, 2.9 on b" in check.reason
    assert "ofed 24.10 on a/b, none on c" in check.reason
    (check,) = service_checks.check_versions_alike(states(a={"torch": "2.8"}, b=None))
    assert (check.verdict, check.reason) == ("unknown", "b: the environment is gone")


def test_versions_that_were_not_asked_for_are_not_judged() -> None:
    quiet = HostState(True, reasons={"versions": "not asked for: versions is not set"})
    assert service_checks.check_versions_alike({"a": quiet, "b": HostState(False)}) == []


HELP = "usage: vllm serve [model_tag] [options]\n\noptions:\n  --max-model-len MAX\n  --enable-eplb, --no-enable-eplb\n"


def test_flags_that_the_engine_knows() -> None:
    known = running_probes.known_flags("vllm", ["--max-model-len", "--enable-dbo"], runner({"vllm": Result(0, HELP)}))
    assert known == {"--max-model-len": "yes", "--enable-dbo": "no"}
    with pytest.raises(ProbeError, match="broken"):
        running_probes.known_flags("vllm", ["--max-model-len"], runner({"vllm": Result(1, "", "ImportError: broken")}))


def test_flags_are_judged_where_they_were_asked() -> None:
    asked = {
        "a": HostState(True, flags={"--x": "yes"}),
        "b": HostState(True, flags={"--x": "yes", "--y": "no"}),
        "c": HostState(True, reasons={"flags": "vllm: no help"}),
        "d": HostState(True, reasons={"flags": "not asked for: flags is not set"}),
        "e": HostState(False),
    }
    checks = service_checks.check_flags(asked)
    assert [(check.host, check.verdict) for check in checks] == [("a", "pass"), ("b", "fail"), ("c", "unknown")]
    assert checks[1].reason == "the engine does not know --y"
