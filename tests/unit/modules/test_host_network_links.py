"""The module host_network_links: settings and interrupts set on difference, the rest said, all of it back at boot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.hosts.commands import Result
from ansible_collections.moefleet.serving.plugins.modules import host_network_links

from ..host_network.conftest import FakeHost, host  # noqa: F401  # pylint: disable=unused-import
from .conftest import RunModule

ETHTOOL = Path(__file__).resolve().parents[2] / "data" / "host_network" / "ethtool"
PORT = "ens1f0np0"
DATA: dict[str, Any] = {
    "role": "data",
    "name": PORT,
    "speed": 25,
    "fec": "baser",
    "firmware": "26.43.2566",
    "coalesce": {"rx-usecs": 16},
    "pin_irqs": True,
}
FILES = ("usr/local/lib/moefleet/network-links", "etc/systemd/system/moefleet-network-links.service")
DROP_IN = "etc/systemd/system/irqbalance.service.d/moefleet.conf"


class Machine:
    """A port that takes what ethtool sets."""

    def __init__(self, fake: FakeHost) -> None:
        self.host = fake
        self.fec = "RS"
        self.usecs = "8"
        self.enabled = False
        self.stubborn = False

    def run(self, argv: Sequence[str]) -> Result:
        """Answer as the host's programs."""
        words = tuple(argv)
        if words[:2] == ("ethtool", "-i"):
            return Result(0, (ETHTOOL / "driver.txt").read_text(encoding="utf-8"))
        if words[:2] == ("ethtool", "--show-fec"):
            return Result(0, f"FEC parameters:\nConfigured FEC encodings: Auto\nActive FEC encoding: {self.fec}\n")
        if words[:2] == ("ethtool", "-c"):
            return Result(0, f"rx-usecs:\t{self.usecs}\n")
        if words[:2] == ("ethtool", "--set-fec") and not self.stubborn:
            self.fec = {"baser": "BaseR", "rs": "RS"}[words[-1]]
        if words[:2] == ("ethtool", "-C"):
            self.usecs = words[-1]
        if words[:2] == ("systemctl", "is-enabled"):
            return Result(0, "enabled\n") if self.enabled else Result(1, "disabled\n")
        if words[:2] == ("systemctl", "enable"):
            self.enabled = True
        return self.host.run(argv)

    @property
    def changes(self) -> list[tuple[str, ...]]:
        """What was asked of tools that is more than looking."""
        return [words for words in self.host.asked if words[:2] in (("ethtool", "--set-fec"), ("ethtool", "-C"))] + [
            words for words in self.host.asked if words[0] == "systemctl" and not words[1].startswith("is-")
        ]

    def affinity(self) -> list[str]:
        """Where the port's interrupts may run."""
        lists = [self.host.root / f"proc/irq/{irq}/smp_affinity_list" for irq in range(40, 45)]
        return [path.read_text(encoding="ascii").strip() for path in lists]


@pytest.fixture
def machine(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> Machine:  # noqa: F811
    """A host with irqbalance and two NUMA nodes."""
    host.write("/usr/sbin/irqbalance", "")
    host.write("/etc/os-release", "")
    host.write("/sys/devices/system/node/node0/cpulist", "0-3,8-11\n")
    host.write("/sys/devices/system/node/node1/cpulist", "4-7,12-15\n")
    made = Machine(host)
    monkeypatch.setattr(host_network_links, "run", made.run)
    return made


def call(machine: Machine, run_module: RunModule, *entries: dict[str, Any], check: bool = False) -> dict[str, Any]:
    given = {"interfaces": list(entries), "root": str(machine.host.root), "settle_s": 0}
    return run_module(host_network_links, check=check, **given)


def test_check_mode_tells_what_the_run_then_does(machine: Machine, run_module: RunModule) -> None:
    foretold = call(machine, run_module, DATA, check=True)
    assert (foretold["changed"], machine.changes, machine.affinity()) == (True, [], ["0-7"] * 5)
    done = call(machine, run_module, DATA)
    assert (done["diff"], done["pinned"]) == (foretold["diff"], foretold["pinned"])
    assert machine.affinity() == ["4", "5", "12", "13", "4"]
    assert machine.changes == [
        ("ethtool", "--set-fec", PORT, "encoding", "baser"),
        ("ethtool", "-C", PORT, "rx-usecs", "16"),
        ("systemctl", "daemon-reload"),
        ("systemctl", "try-restart", "irqbalance.service"),
        ("systemctl", "enable", "moefleet-network-links.service"),
    ]
    assert {check["verdict"] for check in done["checks"]} == {"ok"}
    again = call(machine, run_module, DATA)
    assert (again["changed"], again["diff"], len(machine.changes)) == (False, [], 5)


def test_where_each_port_sits_is_said_of_all_ports(machine: Machine, run_module: RunModule) -> None:
    result = call(machine, run_module)
    assert not result["changed"]
    assert (result["links"][PORT]["numa_node"], result["links"][PORT]["cpus"]) == (1, "4-5,12-13")
    assert result["links"]["eth0"]["speed_gbit_s"] == 1
    assert result["numa_nodes"] == {"0": "0-3,8-11", "1": "4-7,12-15"}


def test_drift_is_mended_and_nothing_else(machine: Machine, run_module: RunModule) -> None:
    call(machine, run_module, DATA)
    machine.host.write("/proc/irq/42/smp_affinity_list", "0-15\n")
    machine.host.asked.clear()
    result = call(machine, run_module, DATA)
    assert result["pinned"] == [{"interface": PORT, "irq": 42, "now": "0-15", "wanted": "12"}]
    assert machine.changes == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"speed": 100}, "speed is 25, wanted 100: look at cable, module and the switch's port"),
        ({"firmware": "26.44.1000"}, "firmware is 26.43.2566, wanted 26.44.1000: update it"),
        ({"driver": "mlx4_en"}, "driver is mlx5_core, wanted mlx4_en: load that driver"),
    ],
)
def test_what_no_command_sets_fails_after_the_rest_is_done(
    machine: Machine, run_module: RunModule, change: dict[str, Any], words: str
) -> None:
    result = call(machine, run_module, {**DATA, **change})
    assert words in result["msg"]
    assert machine.affinity()[0] == "4"


def test_a_setting_that_does_not_hold_fails_with_both_ends_in_mind(machine: Machine, run_module: RunModule) -> None:
    machine.stubborn = True
    assert "fec is rs, wanted baser: both ends must have the same" in call(machine, run_module, DATA)["msg"]


def test_managements_error_correction_is_said_and_not_set(machine: Machine, run_module: RunModule) -> None:
    """It could cut the controller off, and nothing would take it back."""
    result = call(machine, run_module, {"role": "management", "name": PORT, "fec": "baser"})
    assert f"by hand: ethtool --set-fec {PORT} encoding baser" in result["msg"]
    assert machine.changes == []
    assert not (machine.host.root / FILES[0]).exists()


def test_no_answer_is_unknown_and_no_pass(machine: Machine, run_module: RunModule) -> None:
    machine.host.write(f"/sys/class/net/{PORT}/speed", "-1\n")
    result = call(machine, run_module, {"role": "data", "name": PORT, "speed": 25})
    (check,) = result["checks"]
    assert (check["verdict"], check["reason"]) == ("unknown", "the link is down, or its driver has no speed")


def test_nothing_is_set_on_a_data_port_under_a_running_service(machine: Machine, run_module: RunModule) -> None:
    call(machine, run_module, DATA)
    machine.host.active.add("moefleet-vllm.service")
    assert not call(machine, run_module, DATA)["changed"]
    machine.fec = "RS"
    result = call(machine, run_module, DATA)
    assert f"moefleet-vllm.service is active and {PORT} would change under it" in result["msg"]


def test_given_up_it_does_not_come_back_at_boot(machine: Machine, run_module: RunModule) -> None:
    call(machine, run_module, DATA)
    assert all((machine.host.root / path).exists() for path in (*FILES, DROP_IN))
    assert call(machine, run_module)["changed"]
    assert not any((machine.host.root / path).exists() for path in (*FILES, DROP_IN))


def test_a_port_that_is_not_there_is_named(machine: Machine, run_module: RunModule) -> None:
    result = call(machine, run_module, {"role": "data", "name": "ens1f0", "pin_irqs": True})
    assert "Did you mean ens1f0np0?" in result["msg"]
