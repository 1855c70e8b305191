"""Kernel parameters hold now and after a boot; limits reach the service's user; drift is seen and mended."""

from __future__ import annotations

from pathlib import Path

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

# Parameter → its value, as the kernel prints it with one blank between numbers.
WANTED = {
    "net.core.somaxconn": "4096",
    "net.ipv4.ip_local_port_range": "20000 60999",
    "net.ipv4.tcp_keepalive_time": "120",
    "net.ipv4.conf.eth1.arp_ignore": "1",
}
NOFILE, MEMLOCK_KIB = "4096", "4096"
LIMITS = "/etc/security/limits.d/60-moefleet.conf"


def live(host: Host, name: str) -> str:
    """The kernel's value."""
    return " ".join(host.check_output("sysctl -n %s", name).split())


@pytest.mark.parametrize("name", WANTED)
def test_parameter_is_live(host: Host, name: str) -> None:
    assert live(host, name) == WANTED[name]


def test_parameters_come_back_at_boot(host: Host) -> None:
    """What systemd does at boot with the file that the role wrote."""
    host.check_output("sysctl -qw net.core.somaxconn=128 net.ipv4.tcp_keepalive_time=7200")
    host.check_output("systemctl restart systemd-sysctl.service")
    assert {name: live(host, name) for name in WANTED} == WANTED


def test_limits_reach_the_users_session(host: Host) -> None:
    words = host.check_output("su -s /bin/sh moefleet -c 'ulimit -Hn; ulimit -Sn; ulimit -Hl; ulimit -Sl'")
    assert words.split() == [NOFILE, NOFILE, MEMLOCK_KIB, MEMLOCK_KIB]


def test_limits_are_nobody_elses(host: Host) -> None:
    assert host.check_output("su -s /bin/sh nobody -c 'ulimit -Sn'") != NOFILE


def test_drift_on_one_host_is_foretold_and_mended_there(converge: Path, machines: dict[str, Host]) -> None:
    first, second = hosts.NAMES
    machines[first].check_output("sysctl -qw net.core.somaxconn=128")

    foretold = hosts.played(converge, "--check", "--diff")
    assert (foretold.changed(first), foretold.changed(second)) == (1, 0)
    assert "net.core.somaxconn = 128" in foretold.output
    assert live(machines[first], "net.core.somaxconn") == "128"

    mended = hosts.played(converge)
    assert (mended.changed(first), mended.changed(second)) == (1, 0)
    assert live(machines[first], "net.core.somaxconn") == "4096"


def test_a_parameter_that_the_kernel_lacks_is_refused_by_name(converge: Path, machines: dict[str, Host]) -> None:
    conf = machines["mol-0"].file("/etc/sysctl.d/60-moefleet.conf").content_string
    asked = {"host_tuning_sysctl": {"net.core.no_such_parameter": 1, "net.core.somaxconn": 4096}}
    words = hosts.refused(converge, variables=asked)
    assert "net.core.no_such_parameter: the kernel has no such parameter" in words
    assert machines["mol-0"].file("/etc/sysctl.d/60-moefleet.conf").content_string == conf


def test_memory_without_limit_is_what_limits_conf_calls_it(converge: Path, machines: dict[str, Host]) -> None:
    before = machines["mol-0"].file(LIMITS).content_string
    asked = {"host_tuning_memlock": "infinity"}
    words = hosts.played(converge, "--limit=mol-0", "--check", "--diff", variables=asked).output
    assert "-moefleet - memlock 4096" in words
    assert "+moefleet - memlock unlimited" in words
    assert machines["mol-0"].file(LIMITS).content_string == before
