"""What real logs of vLLM's start and systemd's words come to."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.launch import progress

DATA = Path(__file__).resolve().parents[2] / "data" / "launch"
# What a person who waits reads, in this order, while the real start goes on.
HEAD = [
    "starting Python",
    "reading its configuration",
    "configuration read",
    "coordinator up, starting its ranks",
    "ranks are starting",
    "ranks know each other",
    "loading weights",
    "weights loaded",
    "1 of 2 ranks ready",
    "ranks ready",
    "starting the API",
    "API up",
]
FOLLOWER = [
    "starting Python",
    "configuration read",
    "starting its ranks",
    "ranks are starting",
    "ranks know each other",
    "loading weights",
    "weights loaded",
    "1 of 2 ranks ready",
    "ranks ready",
]


def log(name: str) -> list[str]:
    return (DATA / f"{name}_vllm_0.32.0.log").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("name", "expected"), [("head", HEAD), ("follower", FOLLOWER)])
def test_a_real_start_goes_through_the_stages_in_order(name: str, expected: list[str]) -> None:
    lines = log(name)
    seen = [progress.stage(lines[:count], local_ranks=2) for count in range(len(lines) + 1)]
    assert [words for words, _ in itertools.groupby(seen)] == expected


@pytest.mark.parametrize("name", ["head", "follower"])
def test_the_host_cuts_its_log_down_without_losing_a_stage(name: str) -> None:
    """The filter is grep's there and Python's here: both must find the same."""
    lines = log(name)
    grep = ["grep", "-E", progress.INTERESTING]
    cut = subprocess.run(grep, input="\n".join(lines), capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(cut) < len(lines) / 4
    for count in range(len(lines) + 1):
        kept = [line for line in lines[:count] if line in set(cut)]
        assert progress.stage(kept, 2) == progress.stage(lines[:count], 2)


def test_the_head_says_when_followers_may_come_and_when_it_can_be_asked() -> None:
    text = "\n".join(log("head"))
    assert 0 < text.index(progress.COORDINATOR) < text.index(progress.API_UP)
    assert progress.COORDINATOR not in "\n".join(log("follower"))


def test_ranks_are_counted_once_each() -> None:
    done = "(EngineCore_DP{} pid=1) INFO [core.py:402] init engine (profile, create kv cache) took 0.1 s"
    assert progress.stage([done.format(8), done.format(8), done.format(15)], 8) == "2 of 8 ranks ready"
    assert progress.stage([done.format(rank) for rank in range(8)], 8) == "ranks ready"
    assert progress.stage([done.replace("_DP{}", "")], 1) == "ranks ready", "a service of one rank has no number"


SHOWN = "ActiveState={}\nResult=success\nMainPID={}\nInvocationID=0a1b\nMOEFLEET_DIGEST=ab==cd\n"


@pytest.mark.parametrize(
    ("active", "pid", "runs"),
    [
        ("active", "455", True),
        ("activating", "455", True),
        ("activating", "0", False),  # waits for its time to restart
        ("deactivating", "455", False),
        ("failed", "0", False),
        ("inactive", "0", False),
    ],
)
def test_a_unit_runs_while_its_main_process_does(active: str, pid: str, runs: bool) -> None:
    unit = progress.unit_from(SHOWN.format(active, pid))
    assert unit.runs is runs
    assert (unit.main_pid, unit.invocation, unit.digest) == (int(pid), "0a1b", "ab==cd")


@pytest.mark.parametrize("text", ["", "Failed to connect to bus\n", "MainPID=[not set]\nActiveState=\n"])
def test_a_unit_nobody_knows_does_not_run(text: str) -> None:
    unit = progress.unit_from(text)
    assert not unit.runs
    assert unit.digest == ""


@pytest.mark.parametrize(
    ("changes", "outdated"),
    [([], False), ([1700000000], False), ([1600000000, 1700000001], True), (["?"], False)],
)
def test_a_unit_older_than_what_it_was_started_from_is_outdated(changes: list[object], outdated: bool) -> None:
    inputs = "".join(f"INPUT={change}\n" for change in changes)
    assert progress.unit_from(f"ExecMainStartTimestamp=@1700000000\n{inputs}").outdated is outdated
    assert progress.unit_from(f"ExecMainStartTimestamp=\n{inputs}").outdated is False, "it never ran"


def states(**changed: Any) -> dict[str, dict[str, Any]]:
    fine = {"runs": True, "current": True, "answers": True, "why": ""}
    return {"node-0": dict(fine), "node-1": {**fine, **changed}}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"runs": False, "current": False}, "node-1 does not run"),
        ({"current": False}, "node-1 runs with an older configuration"),
        ({"answers": False, "why": "engines missing: 3"}, "does not answer: engines missing: 3"),
    ],
)
def test_one_reason_of_one_host_is_enough(changed: dict[str, Any], reason: str) -> None:
    [said] = progress.start_needed(states(**changed))
    assert said.startswith("node-1")
    assert reason in said
    assert progress.start_needed(states()) == []
