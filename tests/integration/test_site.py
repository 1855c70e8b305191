"""site.yml and verify.yml on the lab: what a user gets, and that nothing happens when nothing has to."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from .playbooks import ROOT, Outcome, main_pids, play

API = "http://127.0.0.1:8000"
HOSTS = ("node-0", "node-1", "node-2", "node-3")


def get(path: str) -> str:
    """A page of the service, through the machine's loopback."""
    with urllib.request.urlopen(API + path, timeout=60) as answer:
        return str(answer.read().decode())


def complete(prompt: str, engine: int) -> dict[str, Any]:
    """A completion from one engine, greedy."""
    body = {
        "model": "deepseek-v3-tiny",
        "prompt": prompt,
        "max_tokens": 8,
        "temperature": 0,
        "logprobs": 1,
        "return_token_ids": True,
    }
    headers = {"Content-Type": "application/json", "X-data-parallel-rank": str(engine)}
    request = urllib.request.Request(f"{API}/v1/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=180) as answer:
        choice: dict[str, Any] = json.load(answer)["choices"][0]
    return choice


def report() -> dict[str, Any]:
    """The last verification's report."""
    content: dict[str, Any] = json.loads((ROOT / "artifacts/verify/report.json").read_text())
    return content


def assert_nothing_changed(outcome: Outcome) -> None:
    """Success, and no change on any host or the controller."""
    assert outcome.rc == 0, outcome.explain()
    assert {host: number for host, number in outcome.changed.items() if number} == {}, outcome.explain()


def test_site_ends_with_where_and_how(lab: Outcome) -> None:
    """The summary names the address, the ranks and what comes next."""
    for words in (
        "The service answers: http://127.0.0.1:8000/v1",
        "8 ranks on 4 hosts",
        "node-3: ranks 6-7 (follower)",
        "verify.yml",
    ):
        assert words in re.sub(r"\s+", " ", lab.output), lab.explain()


def test_every_engine_answers(lab: Outcome) -> None:
    """Each with as many tokens as were asked for. That they are the right ones is verify's to say."""
    answers = [complete("The quick brown fox", engine)["token_ids"] for engine in range(8)]
    assert [len(answer) for answer in answers] == [8] * 8
    # Different prompts have to give different answers, or a model that ignores its input would pass.
    assert complete("Lorem ipsum", 0)["token_ids"] != answers[0]


def test_every_engine_is_in_the_metrics(lab: Outcome) -> None:
    """Engines 0 to 7, and no other."""
    assert set(re.findall(r'engine="(\d+)"', get("/metrics"))) == {str(number) for number in range(8)}


def test_second_run_changes_nothing(lab: Outcome) -> None:
    """No change, no restart."""
    before = main_pids()
    assert_nothing_changed(play("site.yml"))
    assert main_pids() == before


def test_check_mode_predicts_nothing(lab: Outcome) -> None:
    """`--check --diff` on the finished lab reports nothing to change."""
    assert_nothing_changed(play("site.yml", "--check", "--diff"))


def test_verify_passes_and_changes_nothing(lab: Outcome) -> None:
    """Everything measured, judged and written down."""
    before = main_pids()
    outcome = play("verify.yml")
    assert outcome.rc == 0, outcome.explain()
    assert {host: outcome.changed[host] for host in HOSTS if outcome.changed[host]} == {}
    assert main_pids() == before
    assert report()["verdict"] in ("pass", "warn")  # a machine that caps limits gives warnings
    assert {check["host"] for check in report()["checks"]} >= set(HOSTS)
    answers = {check["id"]: check["verdict"] for check in report()["checks"] if check["section"] == "answers"}
    assert answers == {"right_answers": "pass", "answers_alike": "pass"}
    assert "<html" in (ROOT / "artifacts/verify/report.html").read_text()


def test_part_of_the_group_is_refused(lab: Outcome) -> None:
    """Three of four hosts are no service: refused by name before any of the three is changed."""
    outcome = play("site.yml", "--limit", "localhost,node-0,node-1,node-3")
    assert outcome.rc != 0
    assert any("node-2 (left out of this run" in failure for failure in outcome.failures), outcome.explain()
