"""Part of a group, and hosts that can't serve, are refused by name and with every reason, before any change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

AFTER = "/root/after_preflight"
REPORT = hosts.REPOSITORY / "artifacts" / "molecule" / "preflight.json"
LISTEN = "import socket, time; s = socket.create_server(('', 8000)); time.sleep(600)"


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


def test_who_does_not_answer_and_who_is_left_out_is_named(
    converge: Path, tmp_path: Path, without_ssh: str, machines: dict[str, Host]
) -> None:
    more = tmp_path / "more.yml"
    more.write_text("serving: {hosts: {mol-9: {}}}\n", encoding="utf-8")
    words = hosts.refused(converge, f"--inventory={more}", f"--limit=mol-0,{without_ssh}", variables={"mark": "second"})
    assert "2 of 3 hosts can't take part" in words
    assert f"{without_ssh} (" in words
    assert "mol-9 (left out of this run, see --limit)" in words
    assert "mol-0 (" not in words
    assert machines["mol-0"].file(AFTER).content_string == "first\n"


def test_the_group_goes_on_when_it_is_whole_again(converge: Path, machines: dict[str, Host]) -> None:
    """Looking changes nothing: what comes after it is the only change."""
    again = hosts.played(converge, variables={"mark": "third"})
    assert [again.changed(name) for name in machines] == [1, 1]
    assert {machine.file(AFTER).content_string for machine in machines.values()} == {"third\n"}


@pytest.fixture
def _unfit(machines: dict[str, Host]) -> Iterator[None]:
    """mol-0 has someone on the service's port, and mol-1 thinks that its own name is loopback."""
    machines["mol-0"].check_output("systemd-run --unit=preflight-squatter python3 -c %s", LISTEN)
    machines["mol-0"].check_output("timeout 20 sh -c 'until ss -Htln | grep -q :8000; do sleep 0.1; done'")
    machines["mol-1"].check_output("cp -a /etc/hosts /root/hosts.kept && sed -i '1i 127.0.1.1 mol-1' /etc/hosts")
    yield
    machines["mol-0"].check_output("systemctl stop preflight-squatter")
    machines["mol-1"].check_output("cat /root/hosts.kept > /etc/hosts && rm /root/hosts.kept")


@pytest.mark.usefixtures("_unfit")
def test_everything_wrong_is_named_at_once_and_nothing_is_changed(converge: Path, machines: dict[str, Host]) -> None:
    """Real sockets, names, interfaces and file systems of real hosts."""
    asked = {"mark": "unfit", "preflight_report": str(REPORT), "expect": {"mtu_bytes": 9000, "model_bytes": 10**15}}
    words = hosts.refused(converge, variables=asked)
    assert "2 of 2 hosts are unfit" in words
    found = {(one["host"], one["code"]): one for one in json.loads(REPORT.read_text(encoding="utf-8"))["findings"]}
    both = [(host, code) for host in hosts.NAMES for code in ("nic.mtu", "room.disk")]
    assert set(found) == {("mol-0", "ports.held"), ("mol-1", "names.own"), *both}
    assert "of preflight-squatter.service" in found["mol-0", "ports.held"]["message"]
    assert "mol-1 resolves to 127.0.1.1" in found["mol-1", "names.own"]["message"]
    assert "eth1 has an MTU of 4200 bytes, and 9000 is wanted" in found["mol-0", "nic.mtu"]["message"]
    assert all(one["fix"] in words for one in found.values())
    assert {machine.file(AFTER).content_string for machine in machines.values()} == {"third\n"}


def test_check_mode_sees_that_hosts_without_gpus_are_no_gpu_hosts(converge: Path) -> None:
    words = hosts.refused(converge, "--check", variables={"expect": {"platform": "cuda", "gpus_per_host": 8}})
    assert "has 0 GPUs on its PCI bus, and the plan 8" in words
