"""A lab that was damaged, half removed or is being changed already."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path

from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

FABRIC = f"moefleet-{hosts.LAB}-fabric"
HELD_WITHIN_S = 120.0


def holder(name: str) -> int:
    """The process of this machine that holds a host."""
    return int(json.loads((hosts.LAB_DIRECTORY / "hosts" / name / "nspawn.pid").read_text(encoding="utf-8"))["pid"])


def await_file(path: Path) -> None:
    """Wait for a file to appear."""
    deadline = time.monotonic() + HELD_WITHIN_S
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.2)


def test_a_killed_host_comes_back_and_the_other_stays(converge: Path, machines: dict[str, Host]) -> None:
    first, second = hosts.NAMES
    before = {name: holder(name) for name in hosts.NAMES}
    os.kill(before[first], signal.SIGKILL)
    (hosts.LAB_DIRECTORY / "known_hosts").unlink()
    outcome = hosts.played(converge)
    assert outcome.changed("localhost") == 2
    assert holder(first) != before[first]
    assert holder(second) == before[second]
    assert machines[first].check_output("systemctl is-system-running") == "running"
    assert machines[first].run("ping -q -c 1 -W 2 %s", second).rc == 0


def test_a_deleted_port_comes_back_without_a_restart(
    converge: Path, machines: dict[str, Host], controller: Host
) -> None:
    first, second = hosts.NAMES
    before = {name: holder(name) for name in hosts.NAMES}
    data_port = controller.check_output('ip -j -n %s link show type bridge_slave | grep -o \'"ifname":"p0-1"\'', FABRIC)
    assert "p0-1" in data_port
    controller.check_output("ip -n %s link delete p0-1", FABRIC)
    assert machines[first].run("ping -q -c 1 -W 1 %s", second).rc != 0

    foretold = hosts.played(converge, "--check")
    assert foretold.changed("localhost") == 1
    assert machines[first].run("ping -q -c 1 -W 1 %s", second).rc != 0

    assert hosts.played(converge).changed("localhost") == 1
    assert machines[first].run("ping -q -c 1 -W 2 -M do -s 4172 %s", second).rc == 0
    assert {name: holder(name) for name in hosts.NAMES} == before


def test_a_second_run_at_the_same_time_is_refused(converge: Path, tmp_path: Path) -> None:
    held, let_go = tmp_path / "held", tmp_path / "let_go"
    files = {"held": str(held), "let_go": str(let_go)}
    run = hosts.start(converge.parent / "hold.yml", variables=files)
    try:
        await_file(held)
        words = hosts.refused(converge)
    finally:
        let_go.touch()
        outcome = hosts.finish(run)
    assert "LAB_BUSY" in words
    assert str(run.pid) in words
    assert outcome.status == 0, outcome.output
    assert hosts.played(converge).changed("localhost") == 0


def test_memory_that_is_short_is_made_up_for(converge: Path, controller: Host) -> None:
    """A lab that wants 1 GiB more than there is gets a swap file of its own."""
    total = int(controller.check_output("grep -o '^MemTotal: *[0-9]*' /proc/meminfo | grep -o '[0-9]*$'")) * 1024
    short = {
        "lab_hosts_memory_base_bytes": 1 << 29,
        "lab_hosts_memory_per_rank_bytes": 0,
        "lab_hosts_memory_reserve_bytes": total,
    }
    outcome = hosts.played(converge, variables=short)
    assert outcome.changed("localhost") == 1
    assert "makes a swap file of 1 GiB" in " ".join(outcome.output.split())
    swap = [line.split() for line in Path("/proc/swaps").read_text(encoding="utf-8").splitlines()]
    sizes_kib = {line[0]: line[2] for line in swap}
    assert int(sizes_kib[str(hosts.LAB_DIRECTORY / "swapfile")]) * 1024 >= (1 << 30) - (1 << 20)
    assert hosts.played(converge, variables=short).changed("localhost") == 0


def test_a_machine_too_small_is_refused_with_the_numbers(converge: Path) -> None:
    words = hosts.refused(converge, variables={"lab_hosts_memory_base_bytes": 1 << 42})
    assert "LAB_MEMORY_SHORT" in words
    assert re.search(r"the ranks need 409\d\.\d GiB and the machine has \d+\.\d", words)
