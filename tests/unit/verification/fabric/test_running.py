"""Running a step: repeats, time limits, clients that wait for their server, and what is said when nothing runs."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts import commands
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric import running
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.running import Done, Place
from ansible_collections.moefleet.serving.plugins.module_utils.verification.fabric.steps import Read, Step, StepError
from ansible_collections.moefleet.serving.plugins.module_utils.verification.measurement import Measurement

PING = """PING b (b) from a : 56(84) bytes of data.

--- b ping statistics ---
2 packets transmitted, 2 received, 0% packet loss, time 10ms
rtt min/avg/max/mdev = 0.060/0.071/0.152/0.019 ms
"""
REFUSED = Done(1, '{"start": {}, "error": "unable to connect to server: Connection refused"}')
READS = (Read("ip_round_trip", "ping"), Read("ip_loss", "ping", {"maximum_loss_percent": 0}))
STEP = Step(argv=("ping", "b"), reads=READS, host="a", peer="b", repeats=2, warmup=1)


class Stage:
    """A host on which commands answer what is written down, on a clock of its own."""

    def __init__(self, answers: Sequence[Done], run_s: float = 1.0) -> None:
        self.answers: Iterator[Done] = iter(answers)
        self.asked: list[tuple[str, ...]] = []
        self.limits: list[float] = []
        self.now, self.run_s = 0.0, run_s

    def run(self, argv: Sequence[str], _environment: Mapping[str, str], timeout_s: float) -> Done:
        self.asked.append(tuple(argv))
        self.limits.append(timeout_s)
        self.now += self.run_s
        return next(self.answers)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def place(self, root: Path = Path("/")) -> Place:
        return Place(run=self.run, clock=lambda: self.now, sleep=self.sleep, root=root)


def test_warm_up_does_not_count_and_one_output_gives_several_figures(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/loadavg").write_text("0.50 1.00 2.00 1/100 1234\n", encoding="utf-8")
    stage = Stage([Done(0, "cold"), Done(0, PING), Done(0, PING)])
    step = replace(STEP, conditions={"interface": "eth1"})
    found = [Measurement.from_dict(entry) for entry in running.measure(step, stage.place(tmp_path))]
    assert [(entry.check, entry.host, entry.peer, entry.argv) for entry in found] == [
        ("ip_round_trip", "a", "b", ("ping", "b")),
        ("ip_loss", "a", "b", ("ping", "b")),
    ]
    for entry in found:
        assert [(run.verdict, run.values["round_trip_us"]) for run in entry.runs] == [("pass", 71.0)] * 2
        assert entry.conditions["load_averages"] == [0.5, 1.0, 2.0]
        assert entry.conditions["interface"] == "eth1"
        assert entry.conditions["time"].endswith("+00:00")


def test_load_that_can_not_be_read_is_null(tmp_path: Path) -> None:
    assert running.conditions_of(tmp_path)["load_averages"] is None


@pytest.mark.parametrize("status", [0, 1])
def test_a_client_tries_again_until_its_server_is_there(status: int) -> None:
    refused = replace(REFUSED, status=status)
    stage = Stage([refused, refused, Done(0, PING)], run_s=0.1)
    found = running.measure(replace(STEP, role="client", repeats=1, warmup=0), stage.place())
    assert [run["evidence"]["verdict"] for run in found[0]["runs"]] == ["pass"]
    assert len(stage.asked) == 3


def test_a_client_whose_server_never_comes_gives_up_and_does_not_repeat() -> None:
    stage = Stage([REFUSED] * 20)
    step = Step(argv=("iperf3",), role="client", reads=(Read("tcp_bandwidth", "iperf3"),), repeats=5, wait_s=5)
    (found,) = running.measure(step, stage.place())
    assert [run["evidence"]["verdict"] for run in found["runs"]] == ["fail"]
    assert "Connection refused" in found["runs"][0]["evidence"]["reasons"][0]
    assert 5 <= stage.now < 8


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Done(commands.NOT_FOUND, "ping: No such file or directory"), "it could not be run: ping: No such file"),
        (Done(commands.TIMED_OUT, PING), "it did not end within 60 s"),
    ],
)
def test_what_could_not_run_or_did_not_end_is_unknown_and_not_repeated(done: Done, said: str) -> None:
    found = running.measure(STEP, Stage([done]).place())
    for entry in found:
        (run,) = entry["runs"]
        assert run["evidence"]["verdict"] == "unknown"
        assert run["evidence"]["reasons"][0].startswith(said)


def test_an_exit_status_of_0_proves_nothing() -> None:
    found = running.measure(STEP, Stage([Done(0, "all fine")] * 3).place())
    assert {run["evidence"]["verdict"] for run in found[0]["runs"]} == {"unknown"}


def free_place() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_both_ends_meet_and_the_server_goes_with_its_client(tmp_path: Path) -> None:
    """The server's program ends after one client and is started again for each run; nothing of it is left."""
    meet, marks = free_place(), tmp_path / "marks"
    serve = Step(
        argv=("sh", "-c", f"echo up >> {marks}; exec sleep 0.1"),
        role="server",
        peer="a",
        meet=meet,
        wait_s=10,
        timeout_s=20,
    )
    ends = threading.Thread(target=running.measure, args=(serve, Place()))
    ends.start()
    client = Step(
        argv=("sh", "-c", f"while [ $(wc -l < {marks} || echo 0) -lt 3 ]; do sleep 0.05; done; cat {tmp_path}/ping"),
        role="client",
        reads=READS[:1],
        peer="b",
        meet=meet,
        wait_s=10,
    )
    (tmp_path / "ping").write_text(PING, encoding="utf-8")
    (found,) = running.measure(client, Place())
    ends.join(10)
    assert not ends.is_alive()
    assert found["runs"][0]["evidence"]["verdict"] == "pass"
    assert len(marks.read_text(encoding="utf-8").splitlines()) >= 3


def test_a_server_that_would_wait_for_ever_is_ended_with_its_client(tmp_path: Path) -> None:
    meet, mark = free_place(), tmp_path / "pid"
    step = Step(
        argv=("sh", "-c", f"echo $$ > {mark}; exec sleep 60"), role="server", meet=meet, wait_s=10, timeout_s=60
    )
    ends = threading.Thread(target=running.measure, args=(step, Place()))
    ends.start()
    waits = Step(argv=("sh", "-c", f"while ! [ -s {mark} ]; do sleep 0.05; done"), role="client", meet=meet, wait_s=10)
    running.measure(replace(waits, reads=READS[:1]), Place())
    ends.join(10)
    assert not ends.is_alive()
    assert not Path(f"/proc/{mark.read_text(encoding='utf-8').strip()}").exists()


def test_a_peer_that_is_not_there_is_unknown() -> None:
    step = replace(STEP, role="client", meet=free_place(), wait_s=0.2)
    found = running.measure(step, Stage([]).place())
    assert [entry["runs"][0]["evidence"]["verdict"] for entry in found] == ["unknown"] * 2
    assert "b does not take part: nobody serves at 127.0.0.1" in found[0]["runs"][0]["evidence"]["reasons"][0]


def test_a_server_whose_client_never_comes_ends() -> None:
    step = Step(argv=("sleep", "60"), role="server", meet=free_place(), wait_s=0.2)
    assert running.measure(step, Place()) == []


def test_a_server_whose_program_is_not_there_ends_with_its_meeting() -> None:
    meet = free_place()
    step = Step(argv=("/no/such/program",), role="server", meet=meet, wait_s=10)
    ends = threading.Thread(target=running.measure, args=(step, Place()))
    ends.start()
    running.measure(replace(STEP, role="client", meet=meet, wait_s=10), Stage([Done(0, PING)] * 3).place())
    ends.join(10)
    assert not ends.is_alive()


def test_what_should_be_there_and_is_not_is_unknown() -> None:
    step = replace(STEP, argv=(), missing="iperf3 isn't installed on b")
    found = running.measure(step, Stage([]).place())
    assert [entry["runs"][0]["evidence"]["reasons"] for entry in found] == [["iperf3 isn't installed on b"]] * 2
    assert {entry["asked"] for entry in found} == {2}


def test_only_the_end_of_an_output_is_kept() -> None:
    found = running.measure(replace(STEP, repeats=1, warmup=0), Stage([Done(0, "x" * 9000 + "\n" + PING)]).place())
    assert len(found[0]["runs"][0]["output"]) == running.TAIL_CHARACTERS
    assert found[0]["runs"][0]["evidence"]["verdict"] == "pass"


def test_a_program_is_there_only_while_it_runs(tmp_path: Path) -> None:
    step = Step(
        argv=(sys.executable, "{program}", str(tmp_path / "where")),
        program="import sys, pathlib\npathlib.Path(sys.argv[1]).write_text(__file__)\n",
        reads=(Read("ip_loss", "ping"),),
    )
    (found,) = running.measure(step, Place())
    place = Path((tmp_path / "where").read_text(encoding="utf-8"))
    assert place.name == "program.py"
    assert not place.exists()
    assert found["argv"][1] == "{program}"


def is_alive(state: Path) -> bool:
    """Whether the process of this `/proc/<pid>/stat` runs: gone and a zombie are not alive."""
    try:
        return state.read_text(encoding="utf-8").split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_all_processes_of_a_run_that_is_too_long_are_ended(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"sleep 60 & echo $! > {mark}; echo started; wait"
    done = running.run(["sh", "-c", script], {"PATH": "/usr/bin:/bin"}, 0.5)
    assert (done.status, done.output) == (commands.TIMED_OUT, "started\n")
    state = Path(f"/proc/{mark.read_text(encoding='utf-8').strip()}/stat")
    # A signal is sent at once and taken when the process next gets a processor.
    deadline = time.monotonic() + 30
    while (alive := is_alive(state)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive


def test_a_program_that_is_not_there_is_no_exception() -> None:
    assert running.run(["/no/such/program"], {}, 1).status == commands.NOT_FOUND


def test_a_run_has_the_c_locale() -> None:
    assert running.run(["sh", "-c", "echo $LC_ALL $MINE"], {"MINE": "1"}, 5).output == "C 1\n"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"argv": ["x"], "role": "referee"}, "role is 'referee'"),
        ({}, "no argv"),
        ({"argv": ["x"], "role": "server"}, "no place to meet"),
        ({"argv": ["x"], "repeats": "many"}, "can't be read"),
        ({"argv": ["x"], "reads": [{"tool": "ping"}]}, "can't be read"),
    ],
)
def test_a_step_that_can_not_be_read_is_refused(entry: dict[str, object], said: str) -> None:
    with pytest.raises(StepError, match=said):
        Step.from_dict(entry)


def test_a_step_survives_the_way_to_the_module() -> None:
    assert Step.from_dict(STEP.to_dict()) == STEP
