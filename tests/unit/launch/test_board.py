"""The noticeboard: never torn, the last word counts, and silence has names."""

from __future__ import annotations

import multiprocessing
import threading
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.launch import board
from ansible_collections.moefleet.serving.plugins.module_utils.launch.board import Board, BoardTimeoutError

HOSTS = ["node-0", "node-1", "node.2/odd name"]
ROUNDS = 150


def post_often(directory: Path, me: str) -> None:
    """Post pages of different lengths, each of which says so itself."""
    mine = Board(directory, HOSTS, me)
    for number in range(ROUNDS):
        mine.post("progress", {"from": me, "number": number, "words": "x" * (number % 7 * 5000)})


def test_what_is_read_is_always_whole(tmp_path: Path) -> None:
    """Each host's worker is a process of its own, as in a run; reading between their writes never sees half a page."""
    reader = Board(tmp_path, HOSTS, HOSTS[0])
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=post_often, args=(tmp_path, host)) for host in HOSTS]
    for writer in writers:
        writer.start()
    newest = dict.fromkeys(HOSTS, -1)
    while any(writer.is_alive() for writer in writers):
        for host, content in reader.all("progress").items():
            assert content["from"] == host
            assert len(content["words"]) == content["number"] % 7 * 5000
            assert content["number"] >= newest[host], "an older page came back"
            newest[host] = content["number"]
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert {host: content["number"] for host, content in reader.all("progress").items()} == dict.fromkeys(
        HOSTS, ROUNDS - 1
    )
    assert not list(tmp_path.glob("*.part"))


def test_topics_and_hosts_do_not_mix(tmp_path: Path) -> None:
    Board(tmp_path, HOSTS, "node-1").post("state", {"runs": True})
    mine = Board(tmp_path, HOSTS, "node-0")
    assert mine.read("state", "node-1") == {"runs": True}
    assert mine.read("state", "node-0") is None
    assert mine.all("stopped") == {}


def test_waiting_ends_when_the_last_has_spoken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "POLL_S", 0.01)
    boards = [Board(tmp_path, HOSTS, host) for host in HOSTS]
    boards[0].post("state", {"n": 0})
    boards[1].post("state", {"n": 1})
    late = threading.Timer(0.1, boards[2].post, ("state", {"n": 2}))
    late.start()
    said = boards[0].wait_for_all("state", timeout_s=20)
    late.join()
    assert [said[host]["n"] for host in HOSTS] == [0, 1, 2]


def test_a_timeout_names_the_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "POLL_S", 0.01)
    mine = Board(tmp_path, HOSTS, "node-1")
    mine.post("state", {})
    with pytest.raises(BoardTimeoutError, match=r"no word about state from node-0, node\.2/odd name") as caught:
        mine.wait_for_all("state", timeout_s=0.05)
    assert caught.value.silent == ["node-0", "node.2/odd name"]


def test_a_failure_ends_the_wait_even_when_all_have_spoken(tmp_path: Path) -> None:
    """Who comes last finds every word there, the failure of those that gave up waiting for it too."""
    mine = Board(tmp_path, ["node-0"], "node-0")
    mine.post("state", {})

    def fail() -> None:
        raise RuntimeError("another host failed")

    with pytest.raises(RuntimeError, match="another host failed"):
        mine.wait_for_all("state", timeout_s=20, meanwhile=fail)


def test_the_failure_of_another_is_named_and_not_ones_own(tmp_path: Path) -> None:
    mine, other = (Board(tmp_path, HOSTS, host) for host in HOSTS[:2])
    assert mine.failure_of_another() == ""
    mine.post("failed", {"message": "no room"})
    assert mine.failure_of_another() == ""
    assert other.failure_of_another() == "node-0 failed: no room"


@pytest.mark.parametrize(
    ("here", "forks", "said"),
    [
        (HOSTS, 3, ""),
        (HOSTS[:2], 9, "they do it together, and node.2/odd name does not take part in this play."),
        (HOSTS, 2, "they do it together: 3 hosts wait for each other, which needs as many forks; there are 2."),
    ],
)
def test_hosts_that_would_wait_in_vain_are_told_why(here: list[str], forks: int, said: str) -> None:
    found = board.cannot_meet("they do it together", HOSTS, here, forks)
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_groups_of_one_launch_do_not_hear_each_other(tmp_path: Path) -> None:
    """All groups of a task have one directory, and in each of them somebody comes first."""
    groups = [["node-0", "node-1"], ["node-2", "node-3"], ["node-4"]]
    first, second, third = (Board(tmp_path, hosts, hosts[0]) for hosts in groups)
    first.post("ready", {})
    first.post("failed", {"message": "no memory"})
    for other in (second, third):
        assert other.read("ready", other.me) is None
        assert other.all("failed") == {}
    assert Board(tmp_path, groups[0], "node-1").failure_of_another() == "node-0 failed: no memory"
