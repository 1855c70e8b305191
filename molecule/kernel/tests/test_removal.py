"""The last: what converge.yml brought is taken back, and what only another boot takes back is said."""

from __future__ import annotations

from pathlib import Path

from testinfra.host import Host

from ansible_collections.moefleet.serving.tests.testinfra import hosts

INVENTORY = f"--inventory={hosts.REPOSITORY}/molecule/kernel/inventory/hosts.yml"
GONE = (
    "/etc/default/grub.d/60-moefleet.cfg",
    "/etc/modprobe.d/moefleet-nouveau.conf",
    "/etc/systemd/system/moefleet-roce.service",
    "/etc/systemd/system/moefleet-pci-acs.service",
    "/etc/systemd/system/moefleet-machine-settings.service",
    "/etc/udev/rules.d/90-moefleet-roce.rules",
    "/usr/local/sbin/moefleet-roce",
)


def test_removal(converge: Path, machines: dict[str, Host]) -> None:
    host = machines["guest-1"]
    remove = converge.with_name("remove.yml")
    removed = hosts.played(remove, "--limit=guest-1", inventory=INVENTORY)
    assert removed.changed("guest-1") > 0
    assert [path for path in GONE if host.file(path).exists] == []
    assert "iommu=pt" not in host.file("/boot/grub/grub.cfg").content_string
    assert "moefleet" not in host.check_output("lsinitramfs /boot/initrd.img-$(uname -r)")
    assert host.check_output("cat /sys/kernel/config/rdma_cm/rxe0/ports/1/default_roce_tos") == "0"
    assert hosts.played(remove, "--check", "--limit=guest-1", inventory=INVENTORY).changed("guest-1") == 0
