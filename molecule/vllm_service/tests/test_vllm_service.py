"""The ranks of two hosts run as planned, confined, and are started and restarted as one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

UNIT = "moefleet-vllm.service"
HEAD, FOLLOWER = hosts.NAMES
MODEL = "deepseek-v3-tiny"
PLAN = hosts.REPOSITORY / "artifacts" / "molecule" / "plan.json"
# Asks from within a host and prints the answer.
ASK = """
import json, sys, urllib.request
url, body = sys.argv[1], sys.argv[2]
request = urllib.request.Request(url, body.encode() or None, {"Content-Type": "application/json"})
print(urllib.request.urlopen(request, timeout=120).read().decode())
"""


@pytest.fixture(scope="module")
def plan() -> dict[str, Any]:
    """The plan that the hosts were built from."""
    content: dict[str, Any] = json.loads(PLAN.read_text(encoding="utf-8"))
    return content


def name_of(host: Host) -> str:
    """What a host calls itself."""
    return str(host.check_output("hostname"))


def shown(host: Host, name: str) -> str:
    """A property of the unit."""
    return str(host.check_output("systemctl show --property=%s --value %s", name, UNIT))


def main_pid(host: Host) -> int:
    """The unit's main process."""
    return int(shown(host, "MainPID"))


def status_of(host: Host) -> dict[str, str]:
    """The main process's /proc status."""
    words = host.check_output("cat /proc/%s/status", str(main_pid(host)))
    return {name: value.strip() for name, value in (line.split(":", 1) for line in words.splitlines())}


def ask(host: Host, path: str, body: dict[str, Any] | None = None) -> str:
    """What the service answers to a host of the group."""
    url = f"http://{hosts.DATA_ADDRESS[HEAD]}:8000{path}"
    return str(host.check_output("python3 -c %s %s %s", ASK, url, json.dumps(body) if body else ""))


def completion(host: Host) -> str:
    """A completion's text."""
    body = {"model": MODEL, "prompt": "The quick brown fox", "max_tokens": 4, "temperature": 0}
    answer = json.loads(ask(host, "/v1/completions", body))
    assert answer["usage"]["completion_tokens"] == 4
    return str(answer["choices"][0]["text"])


def test_both_hosts_run_the_unit(host: Host) -> None:
    assert shown(host, "ActiveState") == "active"
    assert shown(host, "NRestarts") == "0"


def test_ranks_have_an_unprivileged_user_and_no_way_up(host: Host) -> None:
    uid = host.check_output("id -u moefleet")
    assert uid != "0"
    status = status_of(host)
    assert status["Uid"].split() == [uid] * 4
    assert status["NoNewPrivs"] == "1"
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}


def test_ranks_can_write_to_their_own_directory_only(host: Host) -> None:
    """As the service's user, in the process's own view of the file system."""
    enter = f"nsenter --target={main_pid(host)} --mount --root --setuid={host.check_output('id -u moefleet')}"
    assert host.run(f"{enter} touch /var/lib/moefleet-vllm/probe").rc == 0
    for path in ("/etc/probe", "/usr/probe", "/shared/probe", "/var/lib/probe", "/root/probe", "/home/probe"):
        assert host.run(f"{enter} touch {path}").rc != 0, path
    # Even root finds the system read-only there.
    assert "Read-only" in host.run(f"nsenter --target={main_pid(host)} --mount touch /usr/probe").stderr


def test_the_command_is_the_plans(host: Host, plan: dict[str, Any]) -> None:
    words = host.check_output("tr '\\0' '\\n' < /proc/%s/cmdline", str(main_pid(host))).splitlines()
    planned = plan["serve"][name_of(host)]["argv"]
    assert words[words.index("serve") - 1].endswith("/bin/vllm")
    assert words[words.index("serve") :] == planned[1:]


def test_the_environment_is_the_plans(host: Host, plan: dict[str, Any]) -> None:
    words = host.check_output("tr '\\0' '\\n' < /proc/%s/environ", str(main_pid(host))).splitlines()
    running = dict(line.split("=", 1) for line in words)
    planned = plan["serve"][name_of(host)]["env"]
    assert {name: running.get(name) for name in planned} == planned
    assert running["GLOO_SOCKET_IFNAME"] == "eth1"
    assert running["VLLM_HOST_IP"] == hosts.DATA_ADDRESS[name_of(host)]


def test_head_and_follower_differ_as_planned(plan: dict[str, Any]) -> None:
    head, follower = (plan["serve"][name]["argv"] for name in hosts.NAMES)
    assert "--headless" not in head
    assert "--data-parallel-start-rank" not in head
    assert "--headless" in follower
    assert follower[follower.index("--data-parallel-start-rank") + 1] == "1"


def test_limits_reach_the_process(host: Host) -> None:
    """The unit's limits, as far as this machine lets its hosts raise them."""
    words = host.check_output("cat /proc/%s/limits", str(main_pid(host)))
    soft, hard = re.findall(r"^Max open files\s+(\d+)\s+(\d+)", words, re.MULTILINE)[0]
    ceiling = int(host.check_output("ulimit -Hn"))
    wanted = int(shown(host, "LimitNOFILE"))
    assert wanted == 1048576
    assert int(soft) == int(hard) >= min(wanted, ceiling)
    assert shown(host, "LimitMEMLOCK") == "infinity"


def test_secrets_of_the_environment_are_not_for_everybody(host: Host) -> None:
    file = host.file("/etc/moefleet/vllm.env")
    assert (file.user, file.group, file.mode) == ("root", "moefleet", 0o640)


def test_a_completion_comes_back_from_either_host(machines: dict[str, Host]) -> None:
    texts = {completion(machine) for machine in machines.values()}
    assert len(texts) == 1
    assert texts.pop()


def test_every_engine_is_in_the_metrics(machines: dict[str, Host]) -> None:
    engines = set(re.findall(r'vllm:num_requests_running\{engine="(\d+)"', ask(machines[FOLLOWER], "/metrics")))
    assert engines == {"0", "1"}


def test_only_the_head_listens(machines: dict[str, Host]) -> None:
    assert machines[HEAD].check_output("ss -Hltn sport = :8000")
    assert not machines[FOLLOWER].check_output("ss -Hltn sport = :8000")


def test_a_second_run_changes_and_restarts_nothing(converge: Path, machines: dict[str, Host]) -> None:
    before = {name: main_pid(machine) for name, machine in machines.items()}
    again = hosts.played(converge)
    assert {name: again.changed(name) for name in again.recap} == dict.fromkeys(again.recap, 0)
    assert {name: main_pid(machine) for name, machine in machines.items()} == before


def test_an_edited_unit_file_is_mended_and_the_group_restarted_together(
    converge: Path, machines: dict[str, Host]
) -> None:
    before = {name: main_pid(machine) for name, machine in machines.items()}
    machines[FOLLOWER].check_output(f"sed -i s/^LimitNOFILE=.*/LimitNOFILE=2000/ /etc/systemd/system/{UNIT}")

    mended = hosts.played(converge)
    assert mended.changed(FOLLOWER) >= 2  # the file, and the restart
    assert mended.changed(HEAD) == 1  # the restart
    after = {name: main_pid(machine) for name, machine in machines.items()}
    assert all(after[name] != before[name] for name in hosts.NAMES)
    assert shown(machines[FOLLOWER], "NeedDaemonReload") == "no"
    assert shown(machines[FOLLOWER], "LimitNOFILE") == "1048576"
    assert completion(machines[FOLLOWER])
