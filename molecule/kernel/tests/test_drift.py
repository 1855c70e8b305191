"""Settings changed by hand are named, foretold to the number, mended by the same number, and then there is no more."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

INVENTORY = f"--inventory={hosts.REPOSITORY}/molecule/kernel/inventory/hosts.yml"
BLACKLIST = "/etc/modprobe.d/moefleet-nouveau.conf"
ROCE_TOS = "/sys/kernel/config/rdma_cm/rxe0/ports/1/default_roce_tos"
# By hand: what is done, and what the diff says of it.
DRIFT = {
    "sysctl -qw net.core.somaxconn=128": "-net.core.somaxconn = 128",
    "echo 0 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "nr_hugepages",
    "setpci -d ::0604 ECAP_ACS+6.w=1d": "ReqRedir",
    f"echo 0 > {ROCE_TOS}": "cm_tos",
    f"rm {BLACKLIST}": "+blacklist nouveau",
}


@pytest.fixture(scope="module")
def drifted(machines: dict[str, Host], converge: Path) -> hosts.Outcome:
    """What a check run says of the first guest after the changes by hand."""
    for command in DRIFT:
        machines["guest-0"].check_output(command)
    return hosts.played(converge, "--check", "--diff", "--limit=guest-0", inventory=INVENTORY)


@pytest.mark.parametrize("words", DRIFT.values(), ids=DRIFT)
def test_drift_is_named(drifted: hosts.Outcome, words: str) -> None:
    assert words in drifted.output


@pytest.mark.usefixtures("drifted")
def test_a_check_run_changes_nothing(machines: dict[str, Host]) -> None:
    host = machines["guest-0"]
    assert host.check_output("sysctl -n net.core.somaxconn") == "128"
    assert host.check_output("cat %s", ROCE_TOS) == "0"
    assert not host.file(BLACKLIST).exists


def test_repair_changes_what_was_foretold(drifted: hosts.Outcome, converge: Path, machines: dict[str, Host]) -> None:
    host = machines["guest-0"]
    mended = hosts.played(converge, "--diff", "--limit=guest-0", inventory=INVENTORY)
    assert mended.changed("guest-0") == drifted.changed("guest-0") >= len(DRIFT)
    assert host.check_output("sysctl -n net.core.somaxconn") == "4096"
    assert host.check_output("cat %s", ROCE_TOS) == "106"
    assert "etc/modprobe.d/moefleet-nouveau.conf" in host.check_output("lsinitramfs /boot/initrd.img-$(uname -r)")
    again = hosts.played(converge, "--check", "--limit=guest-0", inventory=INVENTORY)
    assert again.changed("guest-0") == 0
