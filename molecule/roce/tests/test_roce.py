"""A port set by exact commands, at boot too; drift is named, foretold and mended; nothing changes under the service."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

ROOT = "/var/lib/roce-double"
STATE = "/run/roce-double.json"
CHECK = f"/usr/local/sbin/moefleet-roce --check --root {ROOT} --settings /etc/moefleet/roce.json"
CM_TOS = f"{ROOT}/sys/kernel/config/rdma_cm/mlx5_0/ports/1/default_roce_tos"
SWITCH = hosts.REPOSITORY / "artifacts/molecule/switch"
# What was run on each host.
COMMANDS = {
    "mol-0": [
        "mlnx_qos -i eth1 -d os",
        "mlnx_qos -i eth1 --trust dscp",
        "mlnx_qos -i eth1 --pfc 0,0,0,1,0,0,0,0",
        "ethtool -A eth1 rx off tx off",
    ],
    "mol-1": [
        "dcb dcbx set dev eth1 host cee ieee",
        "dcb pfc set dev eth1 prio-pfc all:off 3:on",
        "ethtool -A eth1 rx off tx off",
        "dcb app add dev eth1 dscp-prio 26:3",
        "dcb app add dev eth1 dscp-prio 48:6",
    ],
}
PFC_OFF = {
    "mol-0": "mlnx_qos -i eth1 --pfc 0,0,0,0,0,0,0,0",
    "mol-1": "dcb pfc set dev eth1 prio-pfc all:off",
}


def log(host: Host) -> list[str]:
    """What changed the port so far."""
    lines: list[str] = json.loads(host.file(STATE).content_string)["log"]
    return lines


def checked(host: Host) -> tuple[int, str]:
    """The host's own drift check."""
    done = host.run(CHECK)
    return done.rc, done.stdout


@pytest.mark.parametrize("name", hosts.NAMES)
def test_the_port_was_set_once_by_these_commands(machines: dict[str, Host], name: str) -> None:
    assert log(machines[name]) == COMMANDS[name]


def test_files_of_the_kernel_hold_the_chain(machines: dict[str, Host]) -> None:
    for machine in machines.values():
        assert machine.file(CM_TOS).content_string == "106"
    net, debug = f"{ROOT}/sys/class/net/eth1/ecn", f"{ROOT}/sys/kernel/debug/mlx5/0000:3b:00.0/cc_params"
    ofed, inbox = machines["mol-0"], machines["mol-1"]
    assert ofed.check_output(f"cd {net}; cat roce_np/enable/3 roce_rp/enable/3 roce_np/cnp_dscp") == "1148"
    assert ofed.file(f"{ROOT}/sys/class/infiniband/mlx5_0/tc/1/traffic_class").content_string == "106"
    assert inbox.check_output(f"cd {debug}; cat np_cnp_dscp np_cnp_prio") == "486"


def test_the_hosts_own_check_passes_and_says_what_it_cannot_know(machines: dict[str, Host]) -> None:
    assert checked(machines["mol-0"]) == (0, "")
    status, words = checked(machines["mol-1"])
    assert status == 0
    assert sorted(line.split(":")[1].strip() for line in words.splitlines()) == [
        "ecn_np[3]",
        "ecn_rp[3]",
        "traffic_class",
    ]


def test_it_runs_at_boot_before_the_service(host: Host) -> None:
    assert host.check_output("systemctl is-enabled moefleet-roce.service") == "enabled"
    unit = host.check_output("systemctl show --property=Before,After moefleet-roce.service")
    before, after = sorted(unit.splitlines(), reverse=True)
    assert "moefleet-vllm.service" in before
    assert {"network.target", "systemd-modules-load.service"} <= set(after.partition("=")[2].split())
    assert 'ENV{INTERFACE}=="eth1"' in host.file("/etc/udev/rules.d/90-moefleet-roce.rules").content_string


def test_one_host_looks_by_itself_and_its_unit_fails_where_something_differs(machines: dict[str, Host]) -> None:
    machine = machines["mol-0"]
    assert machine.check_output("systemctl is-enabled moefleet-roce-check.timer") == "enabled"
    assert machine.check_output("systemctl is-active moefleet-roce-check.timer") == "active"
    machine.check_output("systemctl start moefleet-roce-check.service")
    machine.check_output(f"echo 0 > {CM_TOS}")
    assert machine.run("systemctl start moefleet-roce-check.service").rc != 0
    said = machine.check_output("journalctl --unit=moefleet-roce-check.service --output=cat --no-pager")
    assert "differs: cm_tos is 0, should be 106" in said
    machine.check_output(f"echo 106 > {CM_TOS}; systemctl reset-failed moefleet-roce-check.service")
    assert not machines["mol-1"].file("/etc/systemd/system/moefleet-roce-check.timer").exists


@pytest.mark.parametrize("name", hosts.NAMES)
def test_what_a_boot_forgets_is_set_again(machines: dict[str, Host], name: str) -> None:
    """The tools know nothing after a boot; the unit does what systemd has it do then."""
    machine = machines[name]
    machine.check_output(f"rm {STATE}; echo 0 > {CM_TOS}")
    status, words = checked(machine)
    assert status == 1
    assert "differs: cm_tos is 0, should be 106" in words
    machine.check_output("systemctl start moefleet-roce.service")
    assert checked(machine)[0] == 0
    assert log(machine) == COMMANDS[name]


def test_drift_is_named_foretold_and_mended_where_it_is(converge: Path, machines: dict[str, Host]) -> None:
    first, second = hosts.NAMES
    machines[second].check_output(PFC_OFF[second])
    status, words = checked(machines[second])
    assert status == 1
    assert "differs: pfc is 0,0,0,0,0,0,0,0, should be 0,0,0,1,0,0,0,0" in words
    before = log(machines[second])
    right = log(machines[first])

    foretold = hosts.played(converge, "--check", "--diff")
    assert (foretold.changed(first), foretold.changed(second)) == (0, 1)
    assert "-pfc = 0,0,0,0,0,0,0,0" in foretold.output
    assert "+pfc = 0,0,0,1,0,0,0,0" in foretold.output
    assert log(machines[second]) == before

    mended = hosts.played(converge)
    assert (mended.changed(first), mended.changed(second)) == (0, 1)
    assert log(machines[second]) == [*before, "dcb pfc set dev eth1 prio-pfc all:off 3:on"]
    assert log(machines[first]) == right
    assert checked(machines[second])[0] == 0


@pytest.fixture
def serving(machines: dict[str, Host]) -> Iterator[Host]:
    """A host on which something runs as the service."""
    machine = machines["mol-0"]
    machine.check_output("systemd-run --quiet --unit=moefleet-vllm.service sleep 300")
    yield machine
    machine.check_output("systemctl stop moefleet-vllm.service")


def test_nothing_changes_under_the_service(converge: Path, serving: Host) -> None:
    serving.check_output(PFC_OFF["mol-0"])
    before = log(serving)
    words = hosts.refused(converge, "--limit=mol-0")
    assert "moefleet-vllm.service is active and pfc of eth1 would change" in words
    assert "systemctl stop moefleet-vllm.service" in words
    assert serving.run("systemctl start moefleet-roce.service").rc != 0
    assert log(serving) == before


def test_unlike_ports_are_refused(converge: Path, machines: dict[str, Host]) -> None:
    state = json.loads(machines["mol-1"].file(STATE).content_string)
    for mtu in (1024, 4096):
        machines["mol-1"].check_output("echo %s > %s", json.dumps({**state, "active_mtu": mtu}), "/tmp/state")
        machines["mol-1"].check_output(f"mv /tmp/state {STATE}")
        if mtu == 1024:
            words = hosts.refused(converge)
            assert "RDMA's MTU differs between hosts: {'mol-0': 4096, 'mol-1': 1024}" in words


def test_the_switches_side_is_written_on_the_controller() -> None:
    assert {path.name for path in SWITCH.iterdir()} == {"cumulus.nv", "sonic.json", "nxos.cfg"}
    assert json.loads((SWITCH / "sonic.json").read_text(encoding="utf-8"))["DSCP_TO_TC_MAP"]["ROCE"]["26"] == "3"


def test_absent_takes_everything_away(converge: Path, machines: dict[str, Host]) -> None:
    """Last: the hosts are for other scenarios, too."""
    hosts.played(converge, variables={"roce_state": "absent"})
    for name, machine in machines.items():
        assert log(machine)[-1] == PFC_OFF[name]
        assert machine.file(CM_TOS).content_string == "0"
        assert machine.run("ls /etc/systemd/system/moefleet-roce*").stdout == ""
        assert not machine.file("/usr/local/sbin/moefleet-roce").exists
        assert machine.run("systemctl is-enabled moefleet-roce.service").rc != 0
        machine.check_output(f"rm -rf {ROOT} {STATE} /usr/local/lib/moefleet /etc/udev/rules.d/90-moefleet-roce.rules")
        machine.check_output("cd /usr/local/bin && rm -f mlnx_qos dcb ethtool ibv_devinfo")
    shutil.rmtree(SWITCH)
