"""Reading a host: a copy of what /proc, /sys and systemctl look like, and each way in which a probe can fail."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import systemd
from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import ProbeError, run_command
from ansible_collections.moefleet.serving.plugins.module_utils.verification import host_probes
from ansible_collections.moefleet.serving.plugins.modules import host_state

SHOW = """\
LoadState=loaded
ActiveState=active
SubState=running
MainPID=455
User=moefleet
ControlGroup=/system.slice/moefleet-vllm.service
FragmentPath=/etc/systemd/system/moefleet-vllm.service
ExecStart={ path=/env/vllm ; argv[]=/env/vllm serve /m --api-key s3cret ; ignore_errors=no ; pid=455 }
"""
LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max locked memory         unlimited            unlimited            bytes
Max open files            1024                 1048576              files
Max processes             1                    1                    processes
"""


def runner(status: int, output: str, complaint: str = "") -> Any:
    """A command that answers this, and keeps what it was asked."""
    calls: list[Sequence[str]] = []

    def run(argv: Sequence[str], timeout_s: float) -> tuple[int, str, str]:
        assert timeout_s > 0
        calls.append(argv)
        return status, output, complaint

    run.calls = calls  # type: ignore[attr-defined]
    return run


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with a main process, two ranks, a stranger and an ended process."""
    root = tmp_path / "proc"
    titles = {
        1: b"/sbin/init\0",
        455: b"/env/python\0/env/vllm\0serve\0/m\0--api-key\0s3cret\0",
        460: b"VLLM::EngineCore_DP4\0\0\0",
        461: b"VLLM::EngineCore_DP5\0",
        462: b"VLLM::Worker_DP4_EP4\0",
        463: b"",
        900: b"VLLM::EngineCore_DP9\0",
    }
    for pid, title in titles.items():
        place = root / str(pid)
        place.mkdir(parents=True)
        (place / "cmdline").write_bytes(title)
        (place / "status").write_text("Name:\tx\nUid:\t0\t0\t0\t0\nCapEff:\t000001fffeffffff\n", encoding="utf-8")
        (place / "limits").write_text(LIMITS, encoding="utf-8")
        (place / "environ").write_bytes(b"VLLM_HOST_IP=192.168.1.12\0VLLM_API_KEY=s3cret\0OTHER=hidden\0")
    (root / "sys" / "net" / "core").mkdir(parents=True)
    (root / "sys" / "net" / "core" / "somaxconn").write_text("4096\n", encoding="utf-8")
    (root / "sys" / "net" / "range").write_text("20000\t60999\n", encoding="utf-8")
    return root


def test_unit_properties_without_the_secret_in_the_command() -> None:
    run = runner(0, SHOW)
    unit = host_probes.unit_state("moefleet-vllm.service", run)
    assert (unit["ActiveState"], unit["MainPID"]) == ("active", "455")
    assert unit["ExecStart"] == systemd.command_digest("vllm serve /m --api-key s3cret")
    assert run.calls[0][:2] == ["systemctl", "show"]
    assert run.calls[0][-2:] == ["--", "moefleet-vllm.service"]


@pytest.mark.parametrize(
    ("status", "output", "words"), [(1, "", "Failed to connect to bus"), (0, "", "printed no unit")]
)
def test_a_unit_that_cannot_be_read(status: int, output: str, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        host_probes.unit_state("x", runner(status, output, "Failed to connect to bus"))


def test_main_process(proc: Path) -> None:
    process = host_probes.main_process(455, ["VLLM_HOST_IP", "VLLM_API_KEY", "NOT_SET"], str(proc))
    assert process["argv"][:5] == ["/env/python", "/env/vllm", "serve", "/m", "--api-key"]
    assert process["environment"]["VLLM_HOST_IP"] == "192.168.1.12"
    assert process["environment"]["NOT_SET"] is None
    assert set(process["environment"]) == {"VLLM_HOST_IP", "VLLM_API_KEY", "NOT_SET"}
    assert process["user"] == "root"
    assert process["limits"] == {
        "Max locked memory": [systemd.UNLIMITED, systemd.UNLIMITED],
        "Max open files": [1024, 1048576],
    }
    assert "s3cret" not in str(process)


def test_what_environment_files_set(tmp_path: Path) -> None:
    """Only what is asked for, secrets masked; a file that isn't there sets nothing."""
    path = tmp_path / "vllm.env"
    path.write_text('NCCL_SOCKET_IFNAME="=eth1"\nOTHER=1\nVLLM_API_KEY=s3cret\n', encoding="utf-8")
    missing = str(tmp_path / "nccl.env")
    seen = host_probes.file_environment([str(path), missing], ["NCCL_SOCKET_IFNAME", "VLLM_API_KEY"])
    assert seen[str(path)]["NCCL_SOCKET_IFNAME"] == "=eth1"
    assert set(seen[str(path)]) == {"NCCL_SOCKET_IFNAME", "VLLM_API_KEY"}
    assert "s3cret" not in str(seen)
    assert seen[missing] == {}


@pytest.mark.parametrize("pid", [463, 4711])
def test_an_ended_process_is_not_guessed(proc: Path, pid: int) -> None:
    with pytest.raises(ProbeError):
        host_probes.main_process(pid, [], str(proc))


def test_ceilings_only_where_init_cannot_raise_them(proc: Path) -> None:
    assert host_probes.limit_ceilings(str(proc)) == {"Max locked memory": systemd.UNLIMITED, "Max open files": 1048576}
    (proc / "1" / "status").write_text("CapEff:\t000001ffffffffff\n", encoding="utf-8")
    assert host_probes.limit_ceilings(str(proc)) == {}
    (proc / "1" / "status").write_text("", encoding="utf-8")
    with pytest.raises(ProbeError):
        host_probes.limit_ceilings(str(proc))


@pytest.mark.parametrize("hierarchy", ["", "unified", "systemd"])
def test_ranks_of_the_units_own_processes(proc: Path, tmp_path: Path, hierarchy: str) -> None:
    group = tmp_path / "cgroup" / hierarchy / "system.slice" / "moefleet-vllm.service"
    (group / "below").mkdir(parents=True)
    (group / "cgroup.procs").write_text("455\n461\n463\n4711\n", encoding="utf-8")
    (group / "below" / "cgroup.procs").write_text("460\n462\n", encoding="utf-8")
    ranks = host_probes.running_ranks("/system.slice/moefleet-vllm.service", str(proc), str(tmp_path / "cgroup"))
    assert ranks == [{"rank": 4, "pid": 460}, {"rank": 5, "pid": 461}]


def test_a_later_stage_of_a_pipeline_has_workers_alone(proc: Path, tmp_path: Path) -> None:
    group = tmp_path / "cgroup" / "x.service"
    group.mkdir(parents=True)
    for pid, title in ((501, b"VLLM::Worker_PP1_TP1_EP1\0"), (502, b"VLLM::Worker_PP1_TP0_EP0\0")):
        (proc / str(pid)).mkdir()
        (proc / str(pid) / "cmdline").write_bytes(title)
    (group / "cgroup.procs").write_text("502\n501\n455\n", encoding="utf-8")
    ranks = host_probes.running_ranks("/x.service", str(proc), str(tmp_path / "cgroup"))
    assert ranks == [{"rank": 0, "pid": 501}]
    (group / "cgroup.procs").write_text("460\n501\n", encoding="utf-8")
    beside = host_probes.running_ranks("/x.service", str(proc), str(tmp_path / "cgroup"))
    assert beside == [{"rank": 4, "pid": 460}], "where there are engines, they are the ranks"


def test_a_unit_without_control_group_runs_nothing_and_a_lost_one_is_unknown(proc: Path, tmp_path: Path) -> None:
    assert host_probes.running_ranks("", str(proc), str(tmp_path)) == []
    with pytest.raises(ProbeError, match="is nowhere under"):
        host_probes.running_ranks("/system.slice/x.service", str(proc), str(tmp_path))


def test_kernel_parameters(proc: Path) -> None:
    names = ["net.core.somaxconn", "net/range", "net.nothing", "../../etc/passwd", "/etc/passwd"]
    values, reasons = host_probes.kernel_parameters(names, str(proc))
    assert [values[name] for name in names] == ["4096", "20000 60999", None, None, None]
    assert set(reasons) == set(names[2:])


def test_files(tmp_path: Path) -> None:
    file = tmp_path / "vllm.env"
    file.write_text("A=1\n", encoding="utf-8")
    file.chmod(0o640)
    states, reasons = host_probes.file_states([str(file), str(tmp_path / "gone"), str(tmp_path)])
    seen = states[str(file)]
    assert seen is not None
    assert (seen["exists"], seen["mode"], seen["size"]) == (True, "0640", 4)
    assert seen["sha256"] == hashlib.sha256(b"A=1\n").hexdigest()
    assert states[str(tmp_path / "gone")] == {"exists": False}
    assert states[str(tmp_path)] is None
    assert str(tmp_path) in reasons


@pytest.fixture
def model(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    place.mkdir()
    contents = {"config.json": b"{}", "a.safetensors": b"a" * 1000, "b.safetensors": b"b"}
    for name, content in contents.items():
        (place / name).write_bytes(content)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    (place / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return place


def test_a_whole_model(model: Path) -> None:
    seen = host_probes.model_files(str(model))
    assert [seen[name] for name in ("files", "matching", "differing", "missing", "unlisted")] == [3, 3, [], [], []]


def test_a_model_that_was_touched(model: Path) -> None:
    (model / "a.safetensors").write_bytes(b"a" * 999 + b"b")
    (model / "b.safetensors").unlink()
    (model / "c.safetensors").write_bytes(b"c")
    seen = host_probes.model_files(str(model), threads=2)
    assert (seen["differing"], seen["missing"], seen["unlisted"]) == (
        ["a.safetensors"],
        ["b.safetensors"],
        ["c.safetensors"],
    )


def test_a_model_that_cannot_be_judged(model: Path) -> None:
    with pytest.raises(ProbeError, match="the time allowed"):
        host_probes.model_files(str(model), timeout_s=-1)
    (model / "SHA256SUMS").write_text("half a line\n", encoding="utf-8")
    with pytest.raises(ProbeError, match="line 1 is no checksum"):
        host_probes.model_files(str(model))
    with pytest.raises(ProbeError):
        host_probes.model_files(str(model / "nowhere"))


def test_the_version_that_the_interpreter_has() -> None:
    found = host_probes.engine_version(sys.executable, "pytest")
    assert (found["version"], found["python"]) == (pytest.__version__, sys.version.split()[0])


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (runner(1, "", "Traceback\nPackageNotFoundError: vllm\n"), "PackageNotFoundError: vllm"),
        (runner(0, "hello"), "printed no version"),
        (runner(0, "[]"), "printed no version"),
    ],
)
def test_a_version_that_cannot_be_read(run: Any, words: str) -> None:
    with pytest.raises(ProbeError, match=words):
        host_probes.engine_version("/env/python", "vllm", run)


def test_commands_that_are_not_there_or_hang() -> None:
    with pytest.raises(ProbeError, match="cannot run"):
        run_command(["/nowhere/python"], 5)
    with pytest.raises(ProbeError, match=r"gave no answer within 0\.1 s"):
        run_command(["sleep", "5"], 0.1)


def test_addresses() -> None:
    output = '[{"ifname": "eth1", "addr_info": [{"local": "192.168.1.12", "prefixlen": 24}, {"local": "fe80::1"}]}]'
    assert host_probes.interface_addresses("eth1", runner(0, output)) == ["192.168.1.12", "fe80::1"]
    assert host_probes.interface_addresses("eth1", runner(0, "[{}]")) == []


@pytest.mark.parametrize("run", [runner(1, "", 'Device "eth9" does not exist.'), runner(0, "1: lo"), runner(0, "{}3")])
def test_addresses_that_cannot_be_read(run: Any) -> None:
    with pytest.raises(ProbeError):
        host_probes.interface_addresses("eth9", run)


def test_a_host_without_systemd_still_reports_the_rest(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    def fails(*unused: Any) -> Any:
        raise ProbeError("cannot run `systemctl`: No such file or directory")

    monkeypatch.setattr(host_probes, "unit_state", fails)
    values = {name: option.get("default") for name, option in host_state.ARGUMENT_SPEC.items()}
    state = host_state.gather({**values, "unit": "x", "model_path": str(model), "sysctl": ["no.such"]})
    assert state["model"]["matching"] == 3
    assert [state[name] for name in ("unit", "main_process", "ranks", "engine", "addresses")] == [None] * 5
    assert state["sysctl"] == {"no.such": None}
    assert set(state["reasons"]) >= {"unit", "main_process", "ranks", "engine", "addresses", "no.such"}
    assert "python is not set" in state["reasons"]["engine"]


def test_an_inactive_unit_has_no_process_and_no_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = {"ActiveState": "failed", "SubState": "failed", "MainPID": "0", "ControlGroup": "", "FragmentPath": "/gone"}
    monkeypatch.setattr(host_probes, "unit_state", lambda _name: unit)
    values = {name: option.get("default") for name, option in host_state.ARGUMENT_SPEC.items()}
    state = host_state.gather({**values, "unit": "x"})
    assert state["ranks"] == []
    assert state["main_process"] is None
    assert state["reasons"]["main_process"] == "the unit has no main process (failed, failed)"
    assert state["files"] == {"/gone": {"exists": False}}
