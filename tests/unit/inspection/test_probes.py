"""Single probes: what each reads out of files and commands, in every form that they have."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.inspection import (
    driver,
    network,
    packages,
    pci,
    storage,
    system,
)
from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import Look, ProbeError, Result

from .tree import Tree, text

SMI = ("nvidia-smi", "--query-gpu=index,mig.mode.current,mig.mode.pending", "--format=csv")


DROP_INS = "systemd/logind.conf.d"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty host."""
    return Tree(tmp_path)


@pytest.mark.parametrize(
    ("release", "distribution", "family"),
    [
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "ubuntu24.04", "deb"),
        ("ID=debian\nVERSION_ID=12\n", "debian12", "deb"),
        ('ID="rocky"\nVERSION_ID="9.5"\n', "rocky9", "rpm"),
        ("ID='rhel'\nVERSION_ID='9.4'\n", "rhel9", "rpm"),
    ],
)
def test_distributions_are_named_as_the_plan_names_them(
    tree: Tree, release: str, distribution: str, family: str
) -> None:
    tree.write("usr/lib/os-release", release)
    seen = system.system(tree.look())
    assert (seen["distribution"], seen["family"]) == (distribution, family)


def test_kernels_are_in_their_own_order_and_headers_in_either_place(tree: Tree) -> None:
    for release in ("5.15.0-9-generic", "5.15.0-122-generic", "5.14.0-503.el9.x86_64"):
        tree.write(f"lib/modules/{release}/kernel/x")
    tree.write("lib/modules/5.15.0-97-generic/modules.dep")  # what a removed kernel leaves
    tree.write("usr/src/kernels/5.14.0-503.el9.x86_64/Makefile")
    tree.write("proc/sys/kernel/osrelease", "5.15.0-9-generic\n")
    seen = system.kernels(tree.look())
    assert [(kernel["release"], kernel["headers"]) for kernel in seen["installed"]] == [
        ("5.14.0-503.el9.x86_64", True),
        ("5.15.0-9-generic", False),
        ("5.15.0-122-generic", False),
    ]


@given(st.text(), st.text())
def test_any_two_releases_have_an_order(one: str, two: str) -> None:
    assert sorted([one, two], key=system.natural) == sorted([two, one], key=system.natural)


def test_secure_boot_from_the_variable_the_tool_or_nowhere(tree: Tree) -> None:
    assert system.secure_boot(tree.look()) == {"on": False, "source": "no EFI"}
    tree.write("sys/firmware/efi/runtime")
    tree.commands[("mokutil", "--sb-state")] = Result(0, text("D13_secureboot.txt"))
    assert system.secure_boot(tree.look()) == {"on": True, "source": "mokutil"}
    tree.commands[("mokutil", "--sb-state")] = Result(255, "", "This system doesn't tell\n")
    with pytest.raises(ProbeError, match="doesn't tell"):
        system.secure_boot(tree.look())


@pytest.mark.parametrize(
    ("files", "removes"),
    [
        ({}, True),
        ({"etc/systemd/logind.conf": "[Login]\n#RemoveIPC=no\n"}, True),
        ({"etc/systemd/logind.conf": "[Login]\nRemoveIPC=no\n"}, False),
        ({"usr/lib/systemd/logind.conf": "RemoveIPC=yes\n", f"etc/{DROP_INS}/a.conf": "RemoveIPC = no\n"}, False),
        ({f"etc/{DROP_INS}/a.conf": "RemoveIPC=no\n", f"run/{DROP_INS}/b.conf": "RemoveIPC=yes\n"}, True),
        ({f"usr/lib/{DROP_INS}/a.conf": "RemoveIPC=yes\n", f"etc/{DROP_INS}/a.conf": "RemoveIPC=0\n"}, False),
    ],
)
def test_remove_ipc_is_what_logind_reads_last(tree: Tree, files: dict[str, str], removes: bool) -> None:
    for path, content in files.items():
        tree.write(path, content)
    assert system.shared_memory_policy(tree.look(), "moefleet")["remove_ipc"] is removes


def test_a_system_user_is_one_by_login_defs(tree: Tree) -> None:
    tree.write("etc/passwd", "moefleet:x:450:450::/:/bin/sh\n")
    tree.write("etc/login.defs", "SYS_UID_MAX 399\n")
    policy = system.shared_memory_policy(tree.look(), "moefleet")
    assert (policy["uid"], policy["system_user"]) == (450, False)
    tree.write("etc/login.defs", "# none\n")
    assert system.shared_memory_policy(tree.look(), "moefleet")["system_user"]


def test_memory_is_what_the_control_group_leaves(tree: Tree) -> None:
    tree.write("proc/meminfo", text("meminfo.txt"))
    assert system.memory(tree.look())["total_bytes"] == 2113474560 * 1024
    tree.write("sys/fs/cgroup/memory.max", "max\n")
    assert system.memory(tree.look())["total_bytes"] == 2113474560 * 1024
    tree.write("sys/fs/cgroup/memory.max", "1048576\n")
    assert system.memory(tree.look())["total_bytes"] == 1048576
    tree.write("proc/meminfo", "nothing\n")
    with pytest.raises(ProbeError):
        system.memory(tree.look())


def test_a_bridges_place_on_the_bus_decides_nothing_about_other_devices(tree: Tree) -> None:
    tree.pci("0000:18:00.0", "pci0000:15", 0x10DE, 0x2329, 0x030200)
    tree.pci("0000:19:00.0", "pci0000:15", 0x10DE, 0x22A3, 0x068000)
    tree.pci("0000:1a:00.0", "pci0000:15", 0x10DE, 0x10F0, 0x040300)  # a GPU's sound
    tree.pci("0000:1b:00.0", "pci0000:15", 0x1002, 0x74A1, 0x030200)
    assert [gpu["address"] for gpu in pci.gpus(tree.look())] == ["0000:18:00.0"]
    assert [switch["address"] for switch in pci.nvswitches(tree.look())] == ["0000:19:00.0"]


def test_a_host_without_a_bus_is_unknown_not_without_gpus(tree: Tree) -> None:
    with pytest.raises(ProbeError, match="/sys/bus/pci/devices"):
        pci.gpus(tree.look())


def test_firmware_of_a_port_without_rdma_is_ethtools(tree: Tree) -> None:
    tree.pci("0000:c6:00.0", "pci0000:c0", 0x15B3, 0x101F, 0x020000, driver="mlx5_core")
    tree.nic("eth1", "0000:c6:00.0", 25000, 4200, "94:6d:ae:da:eb:42")
    assert network.interfaces(tree.look())[0]["firmware"] is None
    tree.commands[("ethtool", "-i", "eth1")] = Result(0, text("ethtool_i_mlx5.txt"))
    assert network.interfaces(tree.look())[0]["firmware"] == "26.33.1048"
    assert network.firmware_of("firmware-version: N/A\n") is None


@pytest.mark.parametrize("speed", ["-1", "4294967295", "", "0"])
def test_a_rate_that_is_none_is_none(tree: Tree, speed: str) -> None:
    """Without a link the kernel has -1, old ones as an unsigned number."""
    tree.nic("eth1", "0000:c6:00.0", 0, 1500, "94:6d:ae:da:eb:42")
    tree.write("sys/class/net/eth1/speed", f"{speed}\n")
    assert network.interfaces(tree.look())[0]["speed_mbit_s"] is None


def test_addresses_need_what_ip_prints(tree: Tree) -> None:
    tree.addresses(eth1="192.168.1.10")
    assert network.addresses(tree.look()) == {"lo": ["127.0.0.1"], "eth1": ["192.168.1.10"]}
    for bad in (
        Result(0, "no JSON"),
        Result(1, "", "Operation not permitted"),
        Result(0, '[{"ifname": "a", "addr_info": [1]}]'),
    ):
        tree.commands[("ip", "-j", "address", "show")] = bad
        with pytest.raises(ProbeError):
            network.addresses(tree.look())


def test_names_of_the_hosts_file(tree: Tree) -> None:
    tree.write("etc/hosts", text("V26_etc_hosts.txt"))
    assert network.resolve(Look(tree.root), ["gpu-a01", "gpu-a02", "gpu-a03"]) == {
        "gpu-a01": ["10.77.3.21"],
        "gpu-a02": ["127.0.1.1"],
        "gpu-a03": [],
    }
    assert network.resolve(tree.look(), ["gpu-a02"]) == {"gpu-a02": ["127.0.1.1"]}


def test_listeners_of_both_families_with_their_process_and_unit(tree: Tree) -> None:
    tree.write("proc/net/tcp", text("proc_net_tcp.txt"))
    tree.write("proc/net/tcp6", text("proc_net_tcp6.txt"))
    tree.write("proc/777/comm", "vllm\n")
    tree.write("proc/777/cgroup", "0::/system.slice/moefleet-vllm.service/ranks\n")
    tree.link("proc/777/fd/5", "socket:[4242]")
    tree.link("proc/777/fd/6", "/dev/null")
    seen = network.ports(tree.look(), [8000, 13345])
    assert [(entry["port"], entry["address"], entry.get("pid"), entry.get("unit")) for entry in seen["held"]] == [
        (8000, "192.168.1.10", 777, "moefleet-vllm.service"),
        (13345, "::1", None, None),
    ]


def test_this_machines_own_listener_is_found(tree: Tree) -> None:
    """The kernel's own table, not only a sample of it."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        held = network.ports(Look(), [port])["held"]
    assert [(entry["port"], entry["pid"]) for entry in held] == [(port, os.getpid())]


@given(st.text())
def test_any_socket_table_is_read_or_passed_over(table: str) -> None:
    network.listening("head\n" + table.replace(" 0A ", " 01 "))


def test_dpkg_tells_what_is_held_and_what_is_broken(tree: Tree) -> None:
    tree.write("var/lib/dpkg/status", text("dpkg_status.txt"))
    tree.package("nvidia-driver-550-open", "550.144.03-0ubuntu1", "hold ok installed")
    tree.package("libfoo", "1", "install reinstreq half-installed")
    seen = packages.packages(tree.look())
    assert seen["manager"] == "dpkg"
    assert seen["held"] == [{"name": "nvidia-driver-550-open", "version": "550.144.03-0ubuntu1"}]
    assert seen["broken"] == ["libfoo (half-installed)"]
    assert "rdma-core" not in {item["name"] for item in seen["coupled"]}


@given(st.text())
def test_any_status_file_gives_packages_or_none(content: str) -> None:
    assert isinstance(packages.dpkg_rows(content), list)
    packages.pins("preferences", content.replace("Pin-Priority", ""))


def test_rpm_tells_what_is_locked(tree: Tree) -> None:
    argv = ("rpm", "-qa", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n")
    tree.commands[argv] = Result(0, text("rpm_qa.txt"))
    tree.write("etc/dnf/plugins/versionlock.list", "# by hand\nkernel-core-0:5.14.0-503.11.1.el9_5.*\n")
    seen = packages.packages(tree.look())
    assert seen["held"] == [{"name": "kernel-core", "version": "5.14.0-503.11.1.el9_5"}]
    assert "kmod-nvidia-open-dkms" in {item["name"] for item in seen["coupled"]}
    tree.commands[argv] = Result(1, "", "cannot open Packages database\n")
    with pytest.raises(ProbeError, match="cannot open Packages database"):
        packages.packages(tree.look())


def test_a_lock_that_is_held_is_seen_without_taking_it(tree: Tree) -> None:
    tree.write("var/lib/dpkg/lock-frontend")
    tree.link("proc", "/proc")
    assert packages.locks(tree.look()) == []
    path = tree.path("var/lib/dpkg/lock-frontend")
    hold = (
        "import fcntl, sys; f = open(sys.argv[1], 'r+'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    )
    with subprocess.Popen([sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        held = packages.locks(tree.look())
        holder.communicate(b"\n")
    assert [(lock["path"], lock["pid"]) for lock in held] == [("/var/lib/dpkg/lock-frontend", holder.pid)]


def test_an_offer_is_the_candidate_of_the_lists(tree: Tree) -> None:
    tree.write("var/lib/dpkg/status")
    tree.commands[("apt-cache", "policy", "linux-headers-x")] = Result(0, text("apt_policy_headers.txt"))
    assert packages.offer(tree.look(), "linux-headers-x") == {
        "package": "linux-headers-x",
        "candidate": "5.15.0-119.129",
        "lists": False,
    }
    tree.remove("var/lib/dpkg/status")
    query = ("dnf", "-C", "-q", "repoquery", "--available", "--qf", "%{version}-%{release}", "kernel-devel-5")
    tree.commands[query] = Result(0, "5.14.0-503.el9\n")
    assert packages.offer(tree.look(), "kernel-devel-5")["candidate"] == "5.14.0-503.el9"
    tree.commands[query] = Result(1, "", "Error: Cache-only enabled but no cache\n")
    with pytest.raises(ProbeError, match="no cache"):
        packages.offer(tree.look(), "kernel-devel-5")


def test_room_is_of_the_directory_that_is_there(tree: Tree) -> None:
    tree.write("srv/models/x.bin", b"x" * 5000)
    seen = storage.room(tree.look(), "/srv/models/deepseek/v3")
    assert (seen["measured_at"], seen["exists"], seen["held_bytes"]) == ("/srv/models", False, 0)
    assert seen["free_bytes"] > 0
    assert storage.room(tree.look(), "/srv/models")["held_bytes"] == 5000


def test_a_driver_that_does_not_answer_is_unknown(tree: Tree) -> None:
    for answer in (Result(0, ""), Result(9, "NVIDIA-SMI has failed because it couldn't communicate\n")):
        tree.commands[SMI] = answer
        with pytest.raises(ProbeError):
            driver.mig(tree.look())
    tree.commands[("dmesg",)] = Result(1, "", "dmesg: read kernel buffer failed: Operation not permitted\n")
    with pytest.raises(ProbeError, match="not permitted"):
        driver.kernel_log(tree.look())
