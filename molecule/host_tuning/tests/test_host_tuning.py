"""Kernel parameters hold now and after a boot; limits reach the service's user; daemons run with their files; drift is
seen and mended; what is turned off goes.
"""

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
LOGIND, JOURNALD = (f"/etc/systemd/{daemon}.conf.d/60-moefleet.conf" for daemon in ("logind", "journald"))
UPGRADES, LOCK = (f"/etc/apt/apt.conf.d/60-moefleet-{name}" for name in ("unattended-upgrades", "lock"))
# The host that takes itself for a machine, its boot unit and what that sets.
MACHINE, PLAIN = "mol-1", "mol-0"
UNIT, PROGRAMS = "moefleet-machine-settings.service", "/usr/local/libexec/moefleet"
ACS_UNIT = "moefleet-pci-acs.service"
SETTINGS = {
    "net.ipv4.tcp_fin_timeout": "45",
    "net.ipv4.conf.eth0.arp_notify": "1",
    "net.ipv4.conf.eth2.arp_notify": "1",
}
CHECK = (
    f"python3 {PROGRAMS}/machine_settings.py --check /proc/sys/net/ipv4/tcp_fin_timeout=45"
    " '/proc/sys/net/ipv4/conf/eth*/arp_notify=1' /sys/kernel/no_such_setting=1"
)


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


def test_shared_memory_stays_when_somebody_logs_out(host: Host) -> None:
    """What logind itself says, not its file."""
    name = "org.freedesktop.login1"
    asked = f"busctl get-property {name} /org/freedesktop/login1 {name}.Manager RemoveIPC"
    assert host.check_output(asked) == "b false"


def test_the_journal_knows_its_limit(host: Host) -> None:
    said = host.check_output("journalctl --identifier=systemd-journald --output=cat --no-pager")
    assert [line for line in said.splitlines() if line.startswith("System Journal")][-1].find("max 256.0M") > 0


def test_apt_reads_what_is_coupled_and_waits(host: Host) -> None:
    settings = host.check_output("apt-config dump")
    assert 'Unattended-Upgrade::Package-Blacklist:: "^nvidia-.*$";' in settings
    assert 'Unattended-Upgrade::Package-Blacklist:: "^linux-image-.*$";' in settings
    assert '\nDPkg::Lock::Timeout "600";' in settings


def test_apt_waits_for_another_apt(machines: dict[str, Host]) -> None:
    """Somebody has dpkg's lock for two seconds. apt-get fails at once, or, as the file says, waits."""
    hold = (
        "import fcntl,time;f=open('/var/lib/dpkg/lock-frontend','w');fcntl.lockf(f,2);print(flush=True);time.sleep(2)"
    )
    script = f"""python3 -c "{hold}" | {{ read _; apt-get %s check; }}"""
    impatient = machines[PLAIN].run(script % "--option DPkg::Lock::Timeout=0")
    assert impatient.rc == 100
    assert "Could not get lock" in impatient.stderr
    patient = machines[PLAIN].run(script % "")
    assert patient.rc == 0, patient.stderr


def test_the_boot_unit_brings_the_machines_settings_back(machines: dict[str, Host]) -> None:
    """The program that the unit runs sees drift, and the unit, as at boot, mends it."""
    host = machines[MACHINE]
    assert host.service(UNIT).is_enabled
    assert host.service(UNIT).is_running
    assert host.run(CHECK).rc == 0
    host.check_output("sysctl -qw net.ipv4.tcp_fin_timeout=60 net.ipv4.conf.eth2.arp_notify=0")
    seen = host.run(CHECK)
    assert seen.rc == 1
    assert "differs /proc/sys/net/ipv4/tcp_fin_timeout: 60 -> 45" in seen.stdout.splitlines()
    host.check_output(f"systemctl restart {UNIT}")
    assert {name: live(host, name) for name in SETTINGS} == SETTINGS
    assert host.run(CHECK).rc == 0


def test_the_boot_unit_for_acs_runs(machines: dict[str, Host]) -> None:
    host = machines[MACHINE]
    if not host.service(ACS_UNIT).exists:
        pytest.skip("this machine's bridges have ACS on, and its containers can't change that")
    assert host.service(ACS_UNIT).is_enabled
    assert host.service(ACS_UNIT).is_running
    assert host.run(f"python3 {PROGRAMS}/pci_acs.py --check").rc == 0


def test_a_container_is_not_taken_for_a_machine(machines: dict[str, Host]) -> None:
    host = machines[PLAIN]
    assert not host.file(PROGRAMS).exists
    assert not host.file(f"/etc/systemd/system/{UNIT}").exists
    assert live(host, "net.ipv4.tcp_fin_timeout") != SETTINGS["net.ipv4.tcp_fin_timeout"]


def test_a_parameter_that_the_kernel_lacks_is_refused_by_name(converge: Path, machines: dict[str, Host]) -> None:
    conf = machines["mol-0"].file("/etc/sysctl.d/60-moefleet.conf").content_string
    asked = {"host_tuning_sysctl": {"net.core.no_such_parameter": 1, "net.core.somaxconn": 4096}}
    words = hosts.refused(converge, "--limit=mol-0", variables=asked)
    assert "net.core.no_such_parameter: the kernel has no such parameter" in words
    assert machines["mol-0"].file("/etc/sysctl.d/60-moefleet.conf").content_string == conf


def test_drift_of_every_kind_is_foretold_and_mended(converge: Path, machines: dict[str, Host]) -> None:
    """A kernel parameter, a live setting, a boot unit that is off, a file that is gone, a daemon that runs since before
    its file. The other host, which is right, stays as it is.
    """
    host = machines[MACHINE]
    host.check_output("sysctl -qw net.core.somaxconn=128 net.ipv4.tcp_fin_timeout=60")
    host.check_output(f"systemctl disable --now --quiet {UNIT}")
    host.check_output(f"rm {LOCK}")
    host.check_output(f"touch {LOGIND}")

    foretold = hosts.played(converge, "--check", "--diff")
    assert "net.core.somaxconn = 128" in foretold.output
    assert "/proc/sys/net/ipv4/tcp_fin_timeout = 60" in foretold.output
    assert "restart systemd-logind.service (runs since before 60-moefleet.conf)" in foretold.output
    assert f"enable {UNIT}" in foretold.output
    assert (live(host, "net.core.somaxconn"), live(host, "net.ipv4.tcp_fin_timeout")) == ("128", "60")
    assert not host.file(LOCK).exists

    mended = hosts.played(converge)
    assert (mended.changed(PLAIN), mended.changed(MACHINE)) == (0, 4)
    assert (foretold.changed(PLAIN), foretold.changed(MACHINE)) == (0, 4)
    assert {name: live(host, name) for name in {**WANTED, **SETTINGS}} == {**WANTED, **SETTINGS}
    assert host.service(UNIT).is_enabled
    assert host.service(UNIT).is_running
    assert host.file(LOCK).exists
    # A container has no boot loader of its own, so the word that is asked for is left, and no reboot would bring it.
    assert "boot parameters iommu=pt: this is a container (systemd-nspawn)" in " ".join(mended.output.split())


def test_what_is_turned_off_goes(converge: Path, machines: dict[str, Host]) -> None:
    """Last: the hosts are left to other scenarios as they were. Memory without limit is what limits.conf calls it."""
    off = {
        "host_tuning_keep_ipc": False,
        "host_tuning_journal_max_use": "",
        "host_tuning_protect_packages": False,
        "host_tuning_package_lock_s": 0,
        "host_tuning_settings": [],
        "host_tuning_acs": "leave",
        "host_tuning_memlock": "infinity",
    }
    limits = machines[MACHINE].file(LIMITS).content_string
    foretold = hosts.played(converge, "--check", "--diff", f"--limit={MACHINE}", variables=off)
    assert "-moefleet - memlock 4096" in foretold.output
    assert "+moefleet - memlock unlimited" in foretold.output
    assert machines[MACHINE].file(LIMITS).content_string == limits
    done = hosts.played(converge, variables=off)
    assert foretold.changed(MACHINE) == done.changed(MACHINE)
    ours = [LOGIND, JOURNALD, UPGRADES, LOCK, f"/etc/systemd/system/{UNIT}", f"/etc/systemd/system/{ACS_UNIT}"]
    for host in machines.values():
        assert host.run(f"ls -d {' '.join(ours)} {PROGRAMS}/pci_acs.py {PROGRAMS}/machine_settings.py").stdout == ""
        assert host.run(f"systemctl is-active {UNIT}").stdout.strip() == "inactive"
    quiet = " ".join(f"net.ipv4.conf.eth{number}.arp_notify=0" for number in range(3))
    machines[MACHINE].check_output(f"sysctl -qw net.ipv4.tcp_fin_timeout=60 {quiet}")
