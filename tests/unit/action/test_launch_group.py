"""A group of ranks starts as one thing, stops as one thing, and is left alone when nothing is wrong with it."""

from __future__ import annotations

import os
import re
import time
from typing import Any

import pytest
from ansible import context
from ansible.errors import AnsibleConnectionFailure
from ansible.module_utils.common.collections import ImmutableDict

from ansible_collections.moefleet.serving.plugins.action import launch_group

from .conftest import UNIT, Group


def failed(results: dict[str, Any]) -> dict[str, str]:
    return {name: result["msg"] for name, result in results.items() if isinstance(result, dict) and "failed" in result}


def running(group: Group) -> dict[str, int]:
    return {name: host.pid for name, host in group.hosts.items() if host.pid}


def changes(group: Group) -> dict[str, list[str]]:
    return {name: host.changes for name, host in group.hosts.items()}


def test_all_start_and_the_run_ends_when_the_service_answers(group: Group, shown: list[str]) -> None:
    for result in group.launch().values():
        assert result["changed"], result
        assert result["reasons"] == ["node-0 does not run", "node-1 does not run"]
        assert 0 <= result["seconds"] < 20
    assert set(running(group)) == {"node-0", "node-1"}
    assert shown[0] == "  starting 2 hosts: node-0 does not run; node-1 does not run"


def test_a_second_run_touches_nothing(group: Group) -> None:
    group.launch()
    before, pids = changes(group), running(group)
    for result in group.launch().values():
        assert result == {"changed": False, "reasons": []}
    assert (changes(group), running(group)) == (before, pids)


def test_one_older_configuration_restarts_all(group: Group) -> None:
    group.hosts["node-1"].set("digest", "older")
    assert not failed(group.launch())
    pids = running(group)
    group.hosts["node-1"].set("digest", "planned")  # what the next start is going to have
    for result in group.launch().values():
        assert result["reasons"] == ["node-1 runs with an older configuration"]
    after = running(group)
    assert all(after[name] != pid for name, pid in pids.items())


@pytest.mark.parametrize(("age_s", "restarts"), [(-60, False), (60, True)])
def test_one_whose_files_changed_since_its_start_restarts_all(group: Group, age_s: float, restarts: bool) -> None:
    """The engine's lock may be another one while the configuration is the same."""
    lock = group.hosts["node-1"].directory / "it's the lock"
    lock.write_text("", encoding="utf-8")
    group.arguments["inputs"] = [str(lock), "/no/such/file"]
    group.launch()
    pids = running(group)
    started = (group.hosts["node-1"].directory / "started").stat().st_mtime
    os.utime(lock, (started + age_s, started + age_s))
    for result in group.launch().values():
        assert result["changed"] is restarts
    assert (running(group) != pids) is restarts


def test_a_service_that_never_answers_is_restarted_and_in_the_end_stopped(group: Group) -> None:
    group.launch()
    group.answers = lambda: False
    group.arguments["timeout_s"] = 0.4
    results = group.launch()
    messages = failed(results)
    assert set(messages) == set(group.hosts)
    for message in messages.values():
        assert re.search(r"the service does not answer after 0 s \(node-0: .+  node-1: .+\)", message)
    assert not running(group)


def test_check_mode_says_what_would_start_and_starts_nothing(group: Group) -> None:
    group.check_mode = True
    for result in group.launch().values():
        assert result["changed"]
        assert result["diff"]["before"] == "node-0 does not run\nnode-1 does not run\n"
    assert changes(group) == {"node-0": [], "node-1": []}


@pytest.mark.parametrize("culprit", ["node-0", "node-2"])
def test_one_that_dies_ends_all_and_is_named_with_its_log(trio: Group, culprit: str) -> None:
    trio.answers = lambda: False
    trio.hosts[culprit].set("lives", "0.3")
    trio.hosts[culprit].set("log", "starting\nRuntimeError: no memory left on this rank\n")
    began = time.monotonic()
    results = trio.launch()
    assert time.monotonic() - began < 15, "waited for the whole timeout"
    messages = failed(results)
    assert set(messages) == set(trio.hosts)
    assert f"{culprit}: {UNIT} died (failed, result exit-code)" in messages[culprit]
    assert "RuntimeError: no memory left on this rank" in messages[culprit]
    assert results[culprit]["log"][-1] == "RuntimeError: no memory left on this rank"
    for other in set(trio.hosts) - {culprit}:
        assert messages[other].startswith(f"{other}: ended because {culprit} failed: {culprit}: {UNIT} died")
        assert messages[other].count("ended because") == 1, "the first cause is buried under what followed from it"
    assert not running(trio)


def test_a_unit_that_systemd_cannot_start_is_named(group: Group) -> None:
    group.hosts["node-1"].set("refuses")
    messages = failed(group.launch())
    assert "node-1: moefleet-vllm.service did not start" in messages["node-1"]
    assert "Job for the unit failed." in messages["node-1"]
    assert "ended because node-1 failed" in messages["node-0"]
    assert not running(group)


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_host_out_of_reach_leaves_the_others_running(group: Group, check_mode: bool) -> None:
    """Looking is no reason to take a service down that works."""
    group.launch()
    before, pids = changes(group), running(group)
    group.hosts["node-1"].unreachable_at = "systemctl show"
    group.check_mode = check_mode
    began = time.monotonic()
    results = group.launch()
    assert time.monotonic() - began < 10
    assert isinstance(results["node-1"], AnsibleConnectionFailure)
    assert "ended because node-1 failed: node-1 can't be reached: no route to host" in results["node-0"]["msg"]
    assert (changes(group), running(group)) == (before, pids)


def test_a_host_lost_on_the_way_stops_the_others(group: Group) -> None:
    group.answers = lambda: False
    group.hosts["node-1"].unreachable_at = "journalctl"
    results = group.launch()
    assert isinstance(results["node-1"], AnsibleConnectionFailure)
    assert "node-0" not in running(group)


def test_hosts_that_do_not_say_their_state_are_named(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look may hang without an error: the meeting ends, and the one that comes late touches nothing either."""
    monkeypatch.setattr(launch_group, "MEETING_TIMEOUT_S", 0.3)
    shell = group.hosts["node-1"].shell

    def slow(command: str, **_how: bool) -> dict[str, Any]:
        time.sleep(1.0)
        return shell(command)

    with monkeypatch.context() as patched:
        patched.setattr(group.hosts["node-1"], "shell", slow)
        messages = failed(group.launch())
    assert "no word about state from node-1" in messages["node-0"]
    assert "no word about state from node-1" in messages["node-1"]
    assert changes(group) == {"node-0": [], "node-1": []}


def test_with_an_interval_followers_start_one_by_one_after_the_coordinator(trio: Group) -> None:
    trio.arguments["start_interval_s"] = 0.6
    assert not failed(trio.launch())
    started = [(host.directory / "started").stat().st_mtime for host in trio.hosts.values()]
    assert started[1] > started[0], "a follower did not wait for the head's coordinator"
    assert started[2] - started[1] > 0.4


def test_without_a_coordinator_no_follower_starts(group: Group) -> None:
    group.arguments |= {"start_interval_s": 0.1, "timeout_s": 0.5}
    group.hosts["node-0"].set("log", "reading\n")
    messages = failed(group.launch())
    assert set(messages) == set(group.hosts)
    assert "start" in group.hosts["node-0"].changes
    assert "start" not in group.hosts["node-1"].changes


def test_progress_names_every_host_and_how_far_it_is(group: Group, shown: list[str]) -> None:
    words = "node-0: the service is deaf  node-1: 1 of 2 ranks ready"
    group.arguments["progress_s"] = 0.1
    group.answers = lambda: any(words in line for line in shown)
    group.hosts["node-1"].set("log", "(EngineCore_DP2 pid=1) INFO [core.py:402] init engine (profile) took 0.1 s\n")
    assert not failed(group.launch()), shown


def test_fewer_forks_than_hosts_are_refused(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "CLIARGS", ImmutableDict(forks=1))
    for message in failed(group.launch()).values():
        assert "Use --forks 2" in message
    assert changes(group) == {"node-0": [], "node-1": []}


def test_in_a_rescue_all_hosts_start(group: Group) -> None:
    """One host failed, the play's others were taken along, and all of them put things right."""
    names = list(group.hosts)
    group.play_vars = {
        "ansible_play_batch": names[:1],
        "ansible_play_hosts": names[:1],
        "ansible_play_hosts_all": names,
    }
    assert not failed(group.launch())


def test_a_batch_of_a_play_is_a_part_of_the_group(group: Group) -> None:
    """With serial the hosts come one after the other."""
    names = list(group.hosts)
    group.play_vars = {"ansible_play_batch": names[:1], "ansible_play_hosts": names, "ansible_play_hosts_all": names}
    assert "node-1 does not take part in this play" in failed(group.launch())["node-0"]


def test_part_of_a_group_is_refused_at_once(group: Group) -> None:
    """With --limit the hosts would wait for one that never comes."""
    group.batch = ["node-0"]
    assert "node-1 does not take part in this play" in failed(group.launch())["node-0"]
    assert "node-9 is not one of the hosts" in group.act("node-9")["msg"]
    assert changes(group) == {"node-0": [], "node-1": []}
