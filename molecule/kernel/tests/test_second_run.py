"""Settings changed by hand are named, foretold to the number and mended by that number, and a second run changes
nothing else. On the other guest, at the same time, what converge.yml brought is taken back.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.guests.probes import (
    CONNECTIONS,
    CONNECTIONS_TOS,
    connections_tos,
)
from ansible_collections.moefleet.serving.tests.testinfra import hosts

INVENTORY = f"--inventory={hosts.REPOSITORY}/molecule/kernel/inventory/hosts.yml"
DRIFTED, GIVEN_UP = "guest-0", "guest-1"
# By hand: what is done, and what the diff says of it.
DRIFT = {
    "sysctl -qw net.core.somaxconn=128": "net.core.somaxconn = 128",
    "echo 0 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "nr_hugepages = 0",
    "setpci -d ::0604 ECAP_ACS+6.w=1d": "ReqRedir",
    f"mkdir -p {CONNECTIONS} && echo 0 > {CONNECTIONS_TOS}": "cm_tos",
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
def settings(converge: Path) -> Path:
    """The playbook of what has drifted."""
    return converge.with_name("settings.yml")


@pytest.fixture(scope="module")
def given_up(converge: Path) -> Iterator[subprocess.Popen[str]]:
    """Everything is taken back on one guest, while the other one is looked at and mended."""
    run = hosts.start(converge.with_name("remove.yml"), f"--limit={GIVEN_UP}", inventory=INVENTORY)
    yield run
    run.kill()
    run.communicate()


@pytest.fixture(scope="module")
def foretold(machines: dict[str, Host], settings: Path, given_up: subprocess.Popen[str]) -> hosts.Outcome:
    """What a check run says after changes by hand."""
    for command in DRIFT:
        machines[DRIFTED].check_output(command)
    assert given_up.poll() in {None, 0}
    return hosts.played(settings, "--check", "--diff", f"--limit={DRIFTED}", inventory=INVENTORY)


@pytest.mark.parametrize("words", DRIFT.values(), ids=DRIFT)
def test_drift_is_named(foretold: hosts.Outcome, words: str) -> None:
    assert words in foretold.output


@pytest.mark.usefixtures("foretold")
def test_a_check_run_changes_nothing(machines: dict[str, Host]) -> None:
    host = machines[DRIFTED]
    assert host.check_output("sysctl -n net.core.somaxconn") == "128"
    assert connections_tos(host) == "0"


def test_repair_changes_what_was_foretold(foretold: hosts.Outcome, settings: Path, machines: dict[str, Host]) -> None:
    """A task for each drift: the others were right, and changed nothing when they ran again."""
    host = machines[DRIFTED]
    mended = hosts.played(settings, f"--limit={DRIFTED}", inventory=INVENTORY)
    assert mended.changed(DRIFTED) == foretold.changed(DRIFTED) == len(DRIFT)
    assert host.check_output("sysctl -n net.core.somaxconn") == "4096"
    assert host.check_output("cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages") == "8"
    assert connections_tos(host) == "106"


def test_removal_leaves_nothing_for_the_next_boot(given_up: subprocess.Popen[str], machines: dict[str, Host]) -> None:
    outcome = hosts.finish(given_up)
    assert outcome.status == 0, outcome.output
    host = machines[GIVEN_UP]
    assert [path for path in GONE if host.file(path).exists] == []
    assert "iommu=pt" not in host.file("/boot/grub/grub.cfg").content_string
    assert connections_tos(host) == "0"
