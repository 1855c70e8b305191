"""A second run changes nothing on a guest that is as it should be. Settings changed by hand are named, foretold to the
number and mended by that number; what converge.yml brought is taken back.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.guests.probes import (
    CONNECTIONS,
    CONNECTIONS_TOS,
    connections_tos,
    initramfs,
)
from ansible_collections.moefleet.serving.tests.testinfra import hosts

INVENTORY = f"--inventory={hosts.REPOSITORY}/molecule/kernel/inventory/hosts.yml"
BLACKLIST = "/etc/modprobe.d/moefleet-nouveau.conf"
DRIFTED, LEFT_ALONE = "guest-0", "guest-1"
# By hand: what is done, and what the diff says of it.
DRIFT = {
    "sysctl -qw net.core.somaxconn=128": "net.core.somaxconn = 128",
    "echo 0 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "nr_hugepages = 0",
    "setpci -d ::0604 ECAP_ACS+6.w=1d": "ReqRedir",
    f"mkdir -p {CONNECTIONS} && echo 0 > {CONNECTIONS_TOS}": "cm_tos",
    f"rm {BLACKLIST}": "+blacklist nouveau",
}
GONE = (
    "/etc/default/grub.d/60-moefleet.cfg",
    "/etc/systemd/system/moefleet-roce.service",
    "/etc/systemd/system/moefleet-pci-acs.service",
    "/etc/systemd/system/moefleet-machine-settings.service",
    "/etc/udev/rules.d/90-moefleet-roce.rules",
    "/usr/local/sbin/moefleet-roce",
)


@pytest.fixture(scope="module")
def foretold(machines: dict[str, Host], converge: Path) -> hosts.Outcome:
    """What a check run says of both guests after changes by hand on one."""
    for command in DRIFT:
        machines[DRIFTED].check_output(command)
    return hosts.played(converge, "--check", "--diff", inventory=INVENTORY)


@pytest.fixture(scope="module")
def done(foretold: hosts.Outcome, converge: Path) -> dict[str, hosts.Outcome]:
    """The drifted guest is mended; on the other, at the same time, everything is taken back."""
    assert foretold.changed(DRIFTED) > 0
    runs = {
        DRIFTED: hosts.start(converge, "--diff", f"--limit={DRIFTED}", inventory=INVENTORY),
        LEFT_ALONE: hosts.start(converge.with_name("remove.yml"), f"--limit={LEFT_ALONE}", inventory=INVENTORY),
    }
    outcomes = {name: hosts.finish(run) for name, run in runs.items()}
    for outcome in outcomes.values():
        assert outcome.status == 0, outcome.output
    return outcomes


@pytest.mark.parametrize("words", DRIFT.values(), ids=DRIFT)
def test_drift_is_named(foretold: hosts.Outcome, words: str) -> None:
    assert words in foretold.output


def test_a_guest_that_is_right_stays_as_it_is(foretold: hosts.Outcome) -> None:
    assert foretold.changed(LEFT_ALONE) == 0


@pytest.mark.usefixtures("foretold")
def test_a_check_run_changes_nothing(machines: dict[str, Host]) -> None:
    host = machines[DRIFTED]
    assert host.check_output("sysctl -n net.core.somaxconn") == "128"
    assert connections_tos(host) == "0"
    assert not host.file(BLACKLIST).exists


def test_repair_changes_what_was_foretold(
    foretold: hosts.Outcome, done: dict[str, hosts.Outcome], machines: dict[str, Host]
) -> None:
    """As many tasks as the check run said: the others were right, and changed nothing when they ran again."""
    host = machines[DRIFTED]
    assert done[DRIFTED].changed(DRIFTED) == foretold.changed(DRIFTED)
    assert host.check_output("sysctl -n net.core.somaxconn") == "4096"
    assert connections_tos(host) == "106"
    assert BLACKLIST[1:] in initramfs(host)


@pytest.mark.usefixtures("done")
def test_removal_leaves_nothing_for_the_next_boot(machines: dict[str, Host]) -> None:
    host = machines[LEFT_ALONE]
    assert [path for path in GONE if host.file(path).exists] == []
    assert "iommu=pt" not in host.file("/boot/grub/grub.cfg").content_string
    assert connections_tos(host) == "0"
