"""Each thing that can be wrong with a host fails its own check, names the host, and nothing unknown passes."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, WARN
from ansible_collections.moefleet.serving.plugins.module_utils.verification import host_checks
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import Check

HOST = "node-2"
PROBES = ["unit", "main_process", "file_environment", "ranks", "model", "engine", "addresses"]


def check_of(service: Any, identifier: str) -> Check:
    found: list[Check] = [check for check in service.checks() if check.id == identifier and check.host == HOST]
    assert len(found) == 1
    return found[0]


def test_a_healthy_service_passes_every_check(service: Any) -> None:
    checks = service.checks()
    assert {check.verdict for check in checks} == {PASS}
    assert {check.id for check in checks if check.host == HOST} >= {entry.id for entry in host_checks.HOST_CHECKS}


BREAKS: list[tuple[str, tuple[str, ...], Any, str]] = [
    ("unit_active", ("unit", "ActiveState"), "failed", "moefleet-vllm.service is failed (running)"),
    ("unit_restarts", ("unit", "NRestarts"), "3", "restarted moefleet-vllm.service 3 times"),
    ("unit_loaded", ("unit", "NeedDaemonReload"), "yes", "changed since systemd loaded them"),
    ("unit_command", ("unit", "ExecStart"), "another digest", "another command"),
    ("unit_user", ("unit", "User"), "root", "the unit says user root"),
    ("unit_user", ("main_process", "user"), "root", "the process runs as root"),
    ("unit_hardening", ("unit", "NoNewPrivileges"), "no", "NoNewPrivileges=no"),
    ("unit_files", ("files", "/etc/moefleet/vllm.env"), {"exists": False}, "/etc/moefleet/vllm.env is missing"),
    (
        "unit_files",
        ("files", "/etc/moefleet/vllm.env"),
        {"exists": True, "mode": "0666", "owner": "moefleet"},
        "belongs to moefleet and has mode 0666",
    ),
    (
        "process_arguments",
        ("main_process", "argv"),
        ["vllm", "serve", "/model", "--data-parallel-size=8", "--headless", "-dpl", "4", "-dpr", "4"],
        "differs from the plan in --data-parallel-size-local",
    ),
    ("process_arguments", ("main_process", "argv"), ["/bin/sleep", "1"], "not a `vllm serve` command line"),
    ("process_environment", ("main_process", "environment", "NCCL_SOCKET_IFNAME"), "=eth0", "NCCL_SOCKET_IFNAME"),
    ("process_environment", ("main_process", "environment", "NCCL_SOCKET_IFNAME"), None, "NCCL_SOCKET_IFNAME"),
    (
        "file_environment",
        ("file_environment", "/etc/moefleet/nccl.env"),
        {"NCCL_SOCKET_IFNAME": "eth0"},
        "NCCL_SOCKET_IFNAME=eth0 in /etc/moefleet/nccl.env",
    ),
    ("file_environment", ("file_environment",), {}, "no file sets GLOO_SOCKET_IFNAME"),
    ("limit_memlock", ("main_process", "limits", "Max locked memory"), [65536, 65536], "limited to 65536"),
    ("limit_nofile", ("main_process", "limits", "Max open files"), [1024, 1048576], "limited to 1024"),
    ("kernel_parameters", ("sysctl", "net.core.somaxconn"), "128", "net.core.somaxconn"),
    ("model_checksums", ("model", "differing"), ["model.safetensors"], "model.safetensors differs"),
    ("model_checksums", ("model", "missing"), ["config.json"], "config.json is missing"),
    ("engine_version", ("engine", "version"), "0.31.0", "the installed engine is 0.31.0"),
    ("data_address", ("addresses",), ["10.0.1.12"], "192.168.1.12 is not on eth1"),
]


@pytest.mark.parametrize(("identifier", "path", "value", "reason"), BREAKS, ids=lambda value: str(value)[:40])
def test_what_is_wrong_fails_and_is_named(
    service: Any, identifier: str, path: tuple[str, ...], value: Any, reason: str
) -> None:
    place = service.state(HOST)
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert service.trouble() == [(identifier, HOST, None, FAIL)]
    check = check_of(service, identifier)
    assert reason in check.reason
    assert check.expected
    assert check.observed
    assert check.fix
    assert HOST in check.sentence()
    assert check.reason in check.sentence()


def test_every_check_can_fail() -> None:
    assert {entry.id for entry in host_checks.HOST_CHECKS} == {identifier for identifier, *unused in BREAKS}


@pytest.mark.parametrize("probe", PROBES)
def test_a_probe_that_failed_is_unknown_with_its_reason(service: Any, probe: str) -> None:
    service.state(HOST)[probe] = None
    service.state(HOST)["reasons"][probe] = "the dog ate it"
    troubles = service.trouble()
    assert troubles
    assert {(host, verdict) for unused, host, unused2, verdict in troubles} == {(HOST, UNKNOWN)}
    for check in service.checks():
        if check.verdict == UNKNOWN:
            assert "the dog ate it" in check.reason


@pytest.mark.parametrize(
    ("identifier", "path"),
    [
        ("unit_active", ("unit", "SubState")),
        ("unit_restarts", ("unit", "NRestarts")),
        ("unit_loaded", ("unit", "NeedDaemonReload")),
        ("unit_command", ("unit", "ExecStart")),
        ("unit_hardening", ("unit", "ProtectSystem")),
        ("process_environment", ("main_process", "environment", "VLLM_HOST_IP")),
        ("limit_memlock", ("main_process", "limits", "Max locked memory")),
        ("limit_nofile", ("main_process", "limits", "Max open files")),
    ],
)
def test_a_figure_that_is_missing_is_unknown(service: Any, identifier: str, path: tuple[str, ...]) -> None:
    place = service.state(HOST)
    for name in path[:-1]:
        place = place[name]
    del place[path[-1]]
    assert service.trouble() == [(identifier, HOST, None, UNKNOWN)]
    assert check_of(service, identifier).reason


def test_unreadable_parameters_and_files_are_unknown(service: Any) -> None:
    state = service.state(HOST)
    state["sysctl"]["net.core.somaxconn"] = None
    state["files"]["/etc/moefleet/vllm.env"] = None
    state["reasons"].update({"net.core.somaxconn": "no such parameter", "/etc/moefleet/vllm.env": "I/O error"})
    assert service.trouble() == [("unit_files", HOST, None, UNKNOWN), ("kernel_parameters", HOST, None, UNKNOWN)]


def test_weights_beside_the_list_are_a_warning(service: Any) -> None:
    service.state(HOST)["model"]["unlisted"] = ["old.safetensors"]
    assert service.trouble() == []
    check = check_of(service, "model_checksums")
    assert (check.verdict, "old.safetensors" in check.reason) == (WARN, True)


@pytest.mark.parametrize(
    ("platform", "limits", "verdict"),
    [
        ("cpu", [8388608, 8388608], WARN),
        ("cuda", [8388608, 8388608], FAIL),
        ("cpu", [65536, 8388608], FAIL),
        ("cpu", [65536, 65536], FAIL),
    ],
)
def test_a_host_that_cannot_give_more(service: Any, platform: str, limits: list[int], verdict: str) -> None:
    service.plan["engine"]["platform"] = platform
    service.state(HOST)["ceilings"] = {"Max locked memory": 8388608, "Max open files": 20000}
    service.state(HOST)["main_process"]["limits"]["Max locked memory"] = limits
    check = check_of(service, "limit_memlock")
    assert (check.verdict, f"limited to {limits[0]}" in check.reason) == (verdict, True)
    assert ("all that this host can give" in check.reason) == (limits[1] == 8388608)


def test_a_dead_rank_is_named(service: Any) -> None:
    service.state(HOST)["ranks"] = [{"rank": 4, "pid": 80}]
    assert service.trouble() == [("rank_running", HOST, 5, FAIL)]
    [check] = [check for check in service.checks() if check.verdict == FAIL]
    assert check.sentence().startswith("FAIL  node-2: rank 5 is not running (expected: running; found: no process")


def test_ranks_that_should_not_be_there_are_named(service: Any) -> None:
    service.state(HOST)["ranks"] += [{"rank": 5, "pid": 90}, {"rank": 0, "pid": 91}]
    assert service.trouble() == [("rank_running", HOST, 5, FAIL), ("rank_unplanned", HOST, 0, FAIL)]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"unreachable": True, "msg": "Connection timed out"}, "unreachable: Connection timed out"),
        ({"failed": True, "msg": "no python"}, "no python"),
        ({}, "the task gave no state"),
        (None, "no state of this host was gathered"),
    ],
)
def test_a_host_that_was_not_seen_is_one_unknown(service: Any, result: Any, words: str) -> None:
    service.results[HOST] = result
    assert service.trouble() == [("host_reached", HOST, None, UNKNOWN)]
    assert words in check_of(service, "host_reached").reason


def test_a_planned_host_without_result_or_demands_is_unknown(service: Any) -> None:
    del service.results["node-3"]
    del service.demands["node-1"]
    assert service.trouble() == [("host_reached", "node-1", None, UNKNOWN), ("host_reached", "node-3", None, UNKNOWN)]


def test_different_models_on_two_hosts(service: Any) -> None:
    service.state(HOST)["model"]["sums_sha256"] = "d" * 64
    assert service.trouble() == [("model_alike", "", None, FAIL)]


def test_secrets_stay_out_of_the_checks(service: Any) -> None:
    for name in ("node-0", HOST):
        service.plan["serve"][name]["argv"] += ["--api-key", "s3cret"]
    checks = service.checks()
    assert any(check.id == "process_arguments" and check.verdict == FAIL for check in checks)
    assert "s3cret" not in str(checks)


def test_judging_changes_nothing(service: Any) -> None:
    before = copy.deepcopy(service.results)
    service.checks()
    assert service.results == before


def test_an_instances_processes_are_counted_from_its_first_rank(service: Any) -> None:
    """Behind a balancer every instance's engine calls its first rank 0."""
    place = service.plan["layout"]["hosts"][2]
    place["start_rank"] = 0
    service.state(HOST)["ranks"] = [{"rank": 0, "pid": 80}, {"rank": 1, "pid": 81}]
    assert service.trouble() == []
    service.state(HOST)["ranks"] = [{"rank": 1, "pid": 81}]
    assert service.trouble() == [("rank_running", HOST, 4, FAIL)]


def test_ranks_that_are_meant_to_come_back_have_died_all_the_same(service: Any) -> None:
    """A group of one host: systemd starts it again, and whoever looks is told."""
    service.state(HOST)["unit"].update(Restart="always", NRestarts="1")
    (check,) = [check for check in service.checks() if check.id == "unit_restarts" and check.host == HOST]
    assert check.verdict == WARN
    assert "its ranks died" in check.reason
