"""Part of a group is refused, each absent host by name, before anything is changed on those that are there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

AFTER = "/root/after_preflight"


def inside(controller: Host, name: str, command: str) -> None:
    """Run a command in a host without ssh."""
    record = json.loads((hosts.LAB_DIRECTORY / "hosts" / name / "nspawn.pid").read_text(encoding="utf-8"))
    leader = controller.check_output("cat /proc/%s/task/%s/children", str(record["pid"]), str(record["pid"])).split()[0]
    controller.check_output(f"nsenter --target={leader} --mount --pid --net --ipc --uts {command}")


@pytest.fixture
def without_ssh(controller: Host, machines: dict[str, Host]) -> Iterator[str]:
    """A host whose ssh server is stopped, with every connection to it."""
    name = "mol-1"
    inside(controller, name, "systemctl kill --kill-whom=all --signal=SIGKILL ssh.service")
    inside(controller, name, "systemctl stop ssh.service")
    yield name
    inside(controller, name, "systemctl start ssh.service")
    assert machines[name].check_output("hostname") == name


def test_a_whole_group_goes_on(host: Host) -> None:
    assert host.file(AFTER).content_string == "first\n"


def test_a_host_that_does_not_answer_is_named(converge: Path, without_ssh: str, machines: dict[str, Host]) -> None:
    words = hosts.refused(converge, variables={"mark": "second"})
    assert f"1 of 2 hosts can't take part: {without_ssh} (" in words
    assert "left out of this run" not in words
    assert machines["mol-0"].file(AFTER).content_string == "first\n"


def test_a_host_left_out_by_limit_is_named(converge: Path, machines: dict[str, Host]) -> None:
    words = hosts.refused(converge, "--limit=mol-0", variables={"mark": "second"})
    assert "1 of 2 hosts can't take part: mol-1 (left out of this run, see --limit)" in words
    assert machines["mol-0"].file(AFTER).content_string == "first\n"


def test_both_kinds_are_named_together(converge: Path, tmp_path: Path, without_ssh: str) -> None:
    more = tmp_path / "more.yml"
    more.write_text("serving: {hosts: {mol-9: {}}}\n", encoding="utf-8")
    words = hosts.refused(converge, f"--inventory={more}", f"--limit=mol-0,{without_ssh}")
    assert "2 of 3 hosts can't take part" in words
    assert f"{without_ssh} (" in words
    assert "mol-9 (left out of this run, see --limit)" in words


def test_the_group_goes_on_when_it_is_whole_again(converge: Path, machines: dict[str, Host]) -> None:
    hosts.played(converge, variables={"mark": "third"})
    assert {machine.file(AFTER).content_string for machine in machines.values()} == {"third\n"}
