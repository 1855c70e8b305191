"""Requests reach groups that answer, conversations stay with theirs, and what no group has begun is lost by none."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

PORT, RIGHT = 8700, 8702
UNIT = "moefleet-balancer.service"
PATIENCE_S = 15
# The hosts have no curl. Arguments: how many completions to ask for, and a conversation's name.
ASK = f"""
import json, sys, urllib.request
headers = {{"Content-Type": "application/json", **({{"X-Session-ID": sys.argv[2]}} if sys.argv[2:] else {{}})}}
for _ in range(int(sys.argv[1])):
    body = json.dumps({{"model": "made-up", "prompt": "a", "max_tokens": 1}}).encode()
    request = urllib.request.Request("http://127.0.0.1:{PORT}/v1/completions", body, headers)
    try:
        print(json.load(urllib.request.urlopen(request, timeout=10))["choices"][0]["text"])
    except Exception as error:
        print(f"nobody: {{error}}")
"""
STREAM = f"""
import json, time, urllib.request
body = json.dumps({{"model": "made-up", "prompt": "a", "stream": True}}).encode()
start = time.monotonic()
answer = urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:{PORT}/v1/completions", body), timeout=10)
first = answer.read(5)
print(time.monotonic() - start)
answer.read()
print(time.monotonic() - start)
"""
# Waits until exactly the groups in its arguments are up, as the balancer itself says.
WAIT = f"""
import socket, sys, time
for _ in range({PATIENCE_S * 5}):
    talk = socket.socket(socket.AF_UNIX)
    talk.connect("/run/moefleet-balancer/state.sock")
    talk.sendall(b"show stat\\n")
    rows = [line.split(",") for line in talk.makefile().read().splitlines()]
    up = [row[1] for row in rows if row[0] == "groups" and row[1] != "BACKEND" and row[17].startswith("UP")]
    if sorted(up) == sorted(sys.argv[1:]):
        sys.exit(0)
    time.sleep(0.2)
sys.exit(f"up: {{up}}")
"""


@pytest.fixture
def host(machines: dict[str, Host]) -> Host:
    """The scenario's one host."""
    return machines[hosts.NAMES[0]]


def run(host: Host, program: str, *words: str) -> str:
    """Run a Python program on the host; what it printed."""
    arguments = " ".join(["%s"] * len(words))
    return str(host.check_output(f"python3 -c %s {arguments}", program, *words))


def ask(host: Host, times: int, *conversation: str) -> Counter[str]:
    """Ask so many times; who answered, by name. A failure is one of the names."""
    return Counter(run(host, ASK, str(times), *conversation).splitlines())


def told(host: Host, port: int, status: int) -> None:
    """Let a group answer completions with a status."""
    run(host, f'import urllib.request; urllib.request.urlopen("http://127.0.0.1:{port}/as/{status}", timeout=5)')


def test_it_comes_back_at_boot_and_runs(host: Host) -> None:
    service = host.service(UNIT)
    assert service.is_running
    assert service.is_enabled


def test_requests_are_spread(host: Host) -> None:
    answers = ask(host, 12)
    assert set(answers) == {"left", "right"}
    assert sum(answers.values()) == 12


def test_a_conversation_stays_with_its_group(host: Host) -> None:
    for conversation in ("one", "two", "three"):
        assert len(ask(host, 6, conversation)) == 1


def test_a_stream_is_not_held_back(host: Host) -> None:
    """The first piece is here before the second is sent."""
    first, whole = map(float, run(host, STREAM).split())
    assert first < 0.8 < whole


def test_a_killed_group_loses_no_request_of_others(host: Host) -> None:
    host.check_output("systemctl kill --signal=KILL moefleet-group-left.service")
    try:
        assert ask(host, 10) == Counter(right=10)
        run(host, WAIT, "right")
    finally:
        host.check_output("systemctl start moefleet-group-left.service")
    run(host, WAIT, "left", "right")
    assert set(ask(host, 12)) == {"left", "right"}


def test_a_group_that_completes_nothing_is_out_while_its_health_is_good(host: Host) -> None:
    told(host, RIGHT, 500)
    try:
        run(host, WAIT, "left")
        assert ask(host, 6) == Counter(left=6)
    finally:
        told(host, RIGHT, 200)
    run(host, WAIT, "left", "right")


def test_a_configuration_that_haproxy_refuses_is_never_put_in_place(host: Host, converge: Path) -> None:
    before = host.check_output("sha256sum /etc/moefleet-balancer.cfg")
    done = hosts.play(converge, variables={"balancer_affinity_header": "no header)"})
    assert done.status != 0
    assert host.check_output("sha256sum /etc/moefleet-balancer.cfg") == before
    assert ask(host, 2).total() == 2


def test_a_check_run_on_a_bare_host_foretells_and_does_nothing(machines: dict[str, Host], converge: Path) -> None:
    bare = machines[hosts.NAMES[1]]
    outcome = hosts.played(converge, "--check", variables={"place": 1})
    assert outcome.changed(hosts.NAMES[1]) > 0
    assert not bare.file("/etc/moefleet-balancer.cfg").exists
    assert not bare.file(f"/etc/systemd/system/{UNIT}").exists
