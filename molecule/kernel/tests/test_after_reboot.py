"""After converge.yml's reboot: everything came back by itself, and the guests went down one after the other."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import gids, ib_port
from ansible_collections.moefleet.serving.tests.guests.__main__ import GUESTS
from ansible_collections.moefleet.serving.tests.guests.probes import connections_tos, initramfs

ADDRESSES = {"guest-0": "192.168.1.10", "guest-1": "192.168.1.11"}
SYSCTL = {"net.core.somaxconn": "4096", "vm.swappiness": "10", "net.core.rmem_max": "67108864"}


def test_kernel_was_started_with_the_words(host: Host) -> None:
    """Through update-grub's own file and GRUB, not from outside."""
    words = host.check_output("cat /proc/cmdline").split()
    assert {"iommu=pt", "console=ttyS0"} <= set(words)
    assert words[0].startswith("BOOT_IMAGE=")


def test_iommu_passes_through(host: Host) -> None:
    """What the words are for: no device's DMA is translated."""
    assert set(host.check_output("cat /sys/kernel/iommu_groups/*/type").split()) == {"identity"}


@pytest.mark.parametrize("name", SYSCTL)
def test_kernel_parameters_came_back(host: Host, name: str) -> None:
    assert host.check_output("sysctl -n %s", name) == SYSCTL[name]


def test_settings_of_the_machine_came_back(host: Host) -> None:
    assert host.check_output("systemctl show -P Result moefleet-machine-settings.service") == "success"
    assert host.check_output("cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages") == "8"
    assert "[madvise]" in host.check_output("cat /sys/kernel/mm/transparent_hugepage/enabled")


def test_acs_of_the_data_ports_bridge_is_off_again(host: Host) -> None:
    """The kernel switches it on at each boot, as it does with any IOMMU; the unit switches it off."""
    words = host.check_output("lspci -vv -d ::0604")
    assert "ReqRedir+" in words.split("ACSCap:")[1].splitlines()[0]
    assert "ReqRedir+" not in words.split("ACSCtl:")[1].splitlines()[0]


def test_traffic_class_came_back(host: Host) -> None:
    """configfs forgets it at each boot; the unit sets it."""
    assert host.check_output("systemctl show -P Result moefleet-roce.service") == "success"
    assert connections_tos(host) == "106"


def test_nouveau_is_loaded_no_more(host: Host) -> None:
    """modules-load.d still names it. It was loaded at the first boot: converge.yml saw that as a reason to reboot."""
    assert host.file("/etc/modules-load.d/nouveau.conf").exists
    assert "nouveau" not in host.check_output("lsmod")


def test_initramfs_holds_the_blacklist(host: Host) -> None:
    assert "etc/modprobe.d/moefleet-nouveau.conf" in initramfs(host)


def test_gid_is_found_by_what_it_is(host: Host) -> None:
    port = "/sys/class/infiniband/*/ports/*"
    text = host.check_output(f"grep . {port}/gids/? {port}/gid_attrs/*/? 2>/dev/null || true")
    name = host.check_output("hostname")
    evidence = gids.parse(text, {"interface": "eth1", "subnet": "192.168.1.0/24"})
    assert (evidence.verdict, evidence.values["address"]) == ("pass", {"rxe0": ADDRESSES[name]})


def test_rdma_mtu_is_whole(host: Host) -> None:
    """4096 bytes, because the interface has 4200."""
    evidence = ib_port.parse(host.check_output("ibv_devinfo"))
    assert evidence.values["active_mtu"]["rxe0"] == 4096
    assert json.loads(host.check_output("ip -j link show eth1"))[0]["mtu"] == 4200


def test_guests_rebooted_one_after_the_other() -> None:
    """The later one went down when the earlier one had come up again, by this machine's clock: those of guests go
    wrong. Which is the earlier is open.
    """
    for guest in GUESTS:
        assert [len(path.read_text().split("\n")) - 1 for path in (guest.went_down, guest.came_up)] == [1, 2]
    reboots = sorted((guest.went_down.stat().st_mtime, guest.came_up.stat().st_mtime) for guest in GUESTS)
    assert [time for reboot in reboots for time in reboot] == sorted(time for reboot in reboots for time in reboot)
