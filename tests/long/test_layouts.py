"""From one group over all hosts to others and back, twice: the same address, the same answers, the same checks."""

from __future__ import annotations

import concurrent.futures
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from ansible_collections.moefleet.serving.tests.integration.playbooks import ROOT, Outcome, main_pids, on_host, play

UNIT = "moefleet-vllm.service"
URL = "http://127.0.0.1:8000/v1/completions"
REPLICAS = {"serving_layout": "replicas"}
# The tiny model has three layers: not enough for a stage on each of four hosts.
PIPELINES = {"serving_layout": "pipeline", "serving_hosts_per_group": 2}
BACK_S = 240
BODY = {"model": "deepseek-v3-tiny", "prompt": "The quick brown fox", "max_tokens": 8, "temperature": 0}


def complete() -> str:
    """Ask once, where users ask."""
    request = urllib.request.Request(URL, json.dumps(BODY).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return str(json.load(answer)["choices"][0]["text"])


def groups_up() -> list[str]:
    """The groups that the balancer gives requests to, by its own word."""
    program = (
        "import socket; talk = socket.socket(socket.AF_UNIX); talk.connect('/run/moefleet-balancer/state.sock');"
        " talk.sendall(b'show stat\\n'); rows = [row.split(',') for row in talk.makefile().read().splitlines()];"
        " print(*(row[1] for row in rows if row[0] == 'groups' and row[1] != 'BACKEND' and row[17].startswith('UP')))"
    )
    return on_host("node-0", f'python3 -c "{program}"').split()


def answers_by_itself(host: str) -> bool:
    """Whether the group's own API completes, asked on its host."""
    program = (
        "import json, urllib.request as r; q = r.Request('http://127.0.0.1:8001/v1/completions',"
        f" json.dumps({BODY}).encode(), {{'Content-Type': 'application/json'}});"
        " print(json.load(r.urlopen(q, timeout=60))['usage']['completion_tokens'])"
    )
    return on_host(host, f'python3 -c "{program}" 2>/dev/null || echo none').strip() == str(BODY["max_tokens"])


def assert_verified(variables: Mapping[str, object], engines: int = 8) -> None:
    """All of the quick verification passes, with right answers from every engine."""
    outcome = play("verify.yml", "--tags", "hosts,service,answers", variables={"verify_quick": True, **variables})
    assert outcome.rc == 0, outcome.explain()
    checks = json.loads((ROOT / "artifacts/verify/report.json").read_text(encoding="utf-8"))["checks"]
    assert {check["verdict"] for check in checks if check["id"] == "right_answers"} == {"pass"}
    assert len([check for check in checks if check["id"] == "engine_counted" and check["verdict"] == "pass"]) == engines


def test_replicas_answer_at_the_same_address(lab: Outcome) -> None:
    """Four groups of two ranks, each a failure domain of its own, behind the balancer; a second run changes nothing."""
    outcome = play("site.yml", variables={**REPLICAS, "fabric_gate": False})
    assert outcome.rc == 0, outcome.explain()
    assert groups_up() == ["node-0", "node-1", "node-2", "node-3"]
    assert complete()
    pids = main_pids()
    again = play("site.yml", variables={**REPLICAS, "fabric_gate": False})
    assert again.rc == 0, again.explain()
    assert {host: number for host, number in again.changed.items() if number} == {}, again.explain()
    assert main_pids() == pids
    assert_verified(REPLICAS)


def test_a_killed_group_loses_its_own_requests_alone_and_comes_back(lab: Outcome) -> None:
    """While users go on asking, one host's ranks die. Nothing that another group began is lost."""
    stop, failures, answered = threading.Event(), [], []

    def user() -> None:
        while not stop.is_set():
            try:
                answered.append(complete())
            except (OSError, ValueError) as error:
                failures.append(str(error))

    before = main_pids()
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        users = [pool.submit(user) for _ in range(4)]
        time.sleep(2)
        on_host("node-2", f"systemctl kill --signal=KILL {UNIT}")
        time.sleep(20)
        stop.set()
        concurrent.futures.wait(users)
    # At most what the dead group was answering: four users, of whom each waits for one answer.
    assert len(failures) <= 4, failures
    assert len(answered) > 20
    deadline = time.monotonic() + BACK_S
    while not (answers_by_itself("node-2") and "node-2" in groups_up()):
        assert time.monotonic() < deadline, on_host("node-2", f"journalctl -u {UNIT} -n 30 --output=cat")
        time.sleep(2)
    after = main_pids()
    assert after["node-2"] != before["node-2"]
    assert {host: after[host] for host in before if host != "node-2"} == {
        host: before[host] for host in before if host != "node-2"
    }


def test_back_to_one_group(lab: Outcome) -> None:
    """The balancer goes, and its port is the head's again."""
    outcome = play("site.yml", variables={"fabric_gate": False})
    assert outcome.rc == 0, outcome.explain()
    assert on_host("node-0", "systemctl is-active moefleet-balancer.service || true").strip() == "inactive"
    assert_verified({})


def test_pipelines_answer_at_the_same_address(lab: Outcome) -> None:
    """Two ranks, each in two stages on two hosts, with both workers of a host in one tensor group."""
    outcome = play("site.yml", variables={**PIPELINES, "fabric_gate": False})
    assert outcome.rc == 0, outcome.explain()
    assert groups_up() == ["node-0", "node-2"]
    assert complete()
    workers = on_host("node-3", "ps -eo args | grep -o '^VLLM::Worker_[A-Z0-9_]*' | sort").split()
    assert workers == ["VLLM::Worker_PP1_TP0_EP0", "VLLM::Worker_PP1_TP1_EP1"]
    assert_verified(PIPELINES, engines=2)


def test_there_and_back_a_second_time(lab: Outcome) -> None:
    """From pipelines to replicas, and from those to one group: no layout leaves anything that another one minds."""
    outcome = play("site.yml", variables={**REPLICAS, "fabric_gate": False})
    assert outcome.rc == 0, outcome.explain()
    assert groups_up() == ["node-0", "node-1", "node-2", "node-3"]
    assert_verified(REPLICAS)
    test_back_to_one_group(lab)
