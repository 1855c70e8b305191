"""A host that is fit has no finding; each thing that can be wrong with it gives exactly its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import Result
from ansible_collections.moefleet.serving.plugins.module_utils.preflight.judge import judge

from ..inspection.tree import KERNEL, NIC, SECURE_BOOT, Tree, config_space, text
from .conftest import record

GPU = "0000:9a:00.0"
HEADERS = ("apt-cache", "policy", f"linux-headers-{KERNEL}")


class Sick(NamedTuple):
    """What is done to node-1, what is expected of it besides, and the finding: code, severity, words of it."""

    change: Callable[[Tree], Any]
    code: str
    words: str
    severity: str = "error"
    expected: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it


def _nothing(tree: Tree) -> None:
    """The host is as it was: what is expected of it is not."""


def _all(*changes: Callable[[Tree], Any]) -> Callable[[Tree], Any]:
    return lambda tree: [change(tree) for change in changes]


def _no_headers(tree: Tree, policy: str) -> None:
    tree.remove(f"usr/src/linux-headers-{KERNEL}")
    tree.write("var/lib/apt/lists/archive.ubuntu.com_ubuntu_dists_jammy_main_binary-amd64_Packages")
    tree.commands[HEADERS] = Result(0, policy)


def held_port(tree: Tree, unit: str) -> None:
    tree.write("proc/net/tcp", text("proc_net_tcp.txt"))
    tree.write("proc/777/comm", "python3\n")
    tree.write("proc/777/cgroup", f"0::/system.slice/{unit}\n")
    tree.link("proc/777/fd/9", "socket:[4242]")


def _locked(tree: Tree) -> None:
    inode = tree.path("var/lib/dpkg/lock-frontend").stat().st_ino
    tree.write("proc/locks", f"1: POSIX  ADVISORY  WRITE 901 fe:00:{inode} 0 EOF\n")
    tree.write("proc/901/comm", "unattended-upgr\n")


def _driver(tree: Tree, mig: str) -> None:
    tree.write("proc/driver/nvidia/version", "NVRM version\n")
    query = "--query-gpu=index,mig.mode.current,mig.mode.pending"
    tree.commands[("nvidia-smi", query, "--format=csv")] = Result(0, mig)


def _put(path: str, content: str | bytes) -> Callable[[Tree], Any]:
    return lambda tree: tree.write(path, content)


def _bound(driver: str) -> Callable[[Tree], Any]:
    return lambda tree: tree.link(tree.device(GPU, "driver"), f"../../bus/pci/drivers/{driver}")


def _package(name: str, version: str, status: str = "install ok installed") -> Callable[[Tree], Any]:
    return lambda tree: tree.package(name, version, status)


PIN = "Package: *\nPin: release a=jammy\nPin-Priority: 500\n\n"
PIN += "Package: *nvidia-driver*\nPin: version 535.*\nPin-Priority: 1001\n"
LIMITS = text("limits_init.txt").replace("8388608", "unlimited").replace("1073741816", "20000")
MIG_ROWS = "index, mig.mode.current, mig.mode.pending\n" + "".join(f"{n}, Disabled, Disabled\n" for n in range(7))

SICK: dict[str, Sick] = {
    "seven GPUs": Sick(
        lambda tree: tree.remove(f"sys/bus/pci/devices/{GPU}"),
        "gpu.count",
        f"has 7 GPUs on its PCI bus, and the plan 8; hosts with all have one at {GPU}",
    ),
    "more GPUs than planned": Sick(
        lambda tree: tree.gpu("0f"), "gpu.idle", "has 9 GPUs, and the plan uses 8", "warning"
    ),
    "another model": Sick(
        lambda tree: tree.write(tree.device(GPU, "device"), "0x2330\n"), "gpu.model", "1 x H100-80G (0000:9a:00.0)"
    ),
    "a model nobody knows": Sick(
        lambda tree: tree.write(tree.device(GPU, "device"), "0x2fff\n"), "gpu.model", "1 x 10de:2fff", "unknown"
    ),
    "a planned model that nobody knows": Sick(
        _nothing, "gpu.model", "has 8 x H20-96G", "unknown", expected={"gpu_model": "custom"}
    ),
    "an NVSwitch that is gone": Sick(
        lambda tree: tree.remove("sys/bus/pci/devices/0000:07:00.0"), "gpu.nvswitch", "has 3 NVSwitches"
    ),
    "a GPU given away": Sick(_bound("vfio-pci"), "gpu.passthrough", GPU),
    "a GPU on half its lanes": Sick(
        lambda tree: tree.write(tree.device(GPU, "current_link_width"), "8\n"),
        "gpu.link_width",
        "8 of its 16",
        "warning",
    ),
    "a GPU that did not start": Sick(
        lambda tree: tree.commands.update(
            {("dmesg",): Result(0, f"[   12.345678] NVRM: GPU {GPU}: RmInitAdapter failed! (0x62:0x0:2015)\n")}
        ),
        "gpu.init_failed",
        GPU,
    ),
    "an Xid": Sick(
        lambda tree: tree.commands.update(
            {("dmesg",): Result(0, "[   99.000000] NVRM: Xid (PCI:0000:9a:00): 48, pid=1, name=x, DBE\n")}
        ),
        "gpu.xid",
        "Xid 48",
        "warning",
    ),
    "MIG after the next reset": Sick(
        lambda tree: _driver(tree, MIG_ROWS + "7, Disabled, Enabled\n"), "gpu.mig", "GPU 7 is in MIG mode"
    ),
    "nouveau on a GPU": Sick(
        _all(_bound("nouveau"), _put("sys/module/nouveau/refcnt", "1\n")), "driver.nouveau", "nouveau drives 1 GPUs"
    ),
    "a .run driver": Sick(_put("usr/bin/nvidia-uninstall", ""), "driver.run_file", ".run installer"),
    "packages of two makers": Sick(
        _all(
            _package("nvidia-utils-550-server", "550.144.03-0ubuntu0.22.04.1"),
            _package("nvidia-kernel-open-dkms", "550.144.03-1"),
        ),
        "driver.mixed",
        "nvidia-utils-550-server 550.144.03-0ubuntu0.22.04.1 (distribution)",
    ),
    "the other maker's driver": Sick(
        _package("nvidia-utils-550-server", "550.144.03-0ubuntu0.22.04.1"),
        "driver.route",
        "another maker than nvidia",
        expected={"driver_route": "nvidia"},
    ),
    "a held driver of another version": Sick(
        _package("nvidia-driver-535-server", "535.183.06-0ubuntu1", "hold ok installed"),
        "packages.held",
        "nvidia-driver-535-server 535.183.06",
    ),
    "a pin that keeps the driver out": Sick(
        _put("etc/apt/preferences.d/nvidia", PIN), "packages.pinned", "pins *nvidia-driver* to `version 535.*`"
    ),
    "a half-configured package": Sick(
        _package("linux-modules-nvidia-550", "1", "install ok half-configured"), "packages.broken", "half-configured"
    ),
    "an interrupted dpkg": Sick(_put("var/lib/dpkg/updates/0001", ""), "packages.broken", "interrupted"),
    "apt at work": Sick(
        _all(_locked, _put("var/lib/dpkg/updates/0001", "")),
        "packages.lock",
        "unattended-upgr (process 901)",
        "warning",
    ),
    "Secure Boot": Sick(_put(SECURE_BOOT, b"\x06\0\0\0\x01"), "secure_boot.on", "Secure Boot is on"),
    "Secure Boot, by mokutil": Sick(
        _all(
            lambda tree: tree.remove(SECURE_BOOT),
            lambda tree: tree.commands.update({("mokutil", "--sb-state"): Result(0, text("D13_secureboot.txt"))}),
        ),
        "secure_boot.on",
        "(mokutil)",
    ),
    "Secure Boot that nobody can read": Sick(
        lambda tree: tree.remove(SECURE_BOOT), "unseen.secure_boot", "cannot run `mokutil`", "unknown"
    ),
    "ACS on a bridge": Sick(
        lambda tree: tree.write(tree.device("009a:f1:00.0", "config"), config_space(0x1D)),
        "bus.acs",
        "009a:f1:00.0 (SrcValid ReqRedir CmpltRedir UpstreamFwd)",
    ),
    "bridges that only root sees": Sick(
        lambda tree: tree.write(tree.device("009a:f1:00.0", "config"), config_space(size=64)),
        "unseen.bridges",
        "bus.acs unjudged",
        "unknown",
    ),
    "an IOMMU that translates": Sick(
        _all(
            _put("sys/class/iommu/dmar0/uevent", ""),
            lambda tree: tree.write(tree.device(GPU, "iommu_group/type"), "DMA-FQ\n"),
        ),
        "bus.iommu",
        "translates for 1 GPUs (DMA-FQ)",
    ),
    "another distribution": Sick(
        _put("etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME='Debian'\n"), "system.distribution", "debian12"
    ),
    "another architecture": Sick(_put("proc/sys/kernel/arch", "aarch64\n"), "system.architecture", "is aarch64"),
    "a kernel off the list": Sick(
        _nothing, "kernel.release", f"runs kernel {KERNEL}", expected={"kernels": ["5.15.0-97-*"]}
    ),
    "headers that can be had": Sick(
        lambda tree: _no_headers(tree, text("apt_policy_headers.txt")),
        "kernel.headers",
        "no headers of the running kernel",
    ),
    "headers that are nowhere": Sick(
        lambda tree: _no_headers(tree, ""), "kernel.headers_gone", "no repository of the host has them any more"
    ),
    "a next kernel without headers": Sick(
        _put("lib/modules/5.15.0-122-generic/kernel/a", ""), "kernel.next_headers", "the next boot is kernel 5.15.0-122"
    ),
    "a running kernel that was removed": Sick(
        _all(
            lambda tree: tree.remove(f"lib/modules/{KERNEL}"),
            _put("lib/modules/5.15.0-122-generic/kernel/a", ""),
            _put("usr/src/linux-headers-5.15.0-122-generic/Makefile", ""),
        ),
        "kernel.modules_gone",
        "no longer there",
    ),
    "no Python.h": Sick(
        _all(
            lambda tree: tree.remove("usr/include/python3.10"),
            lambda tree: tree.commands.update(
                {("apt-cache", "policy", "python3.10-dev"): Result(0, "python3.10-dev:\n  Candidate: 3.10.12-1\n")}
            ),
        ),
        "python.headers",
        "Python.h",
    ),
    "no Python.h to be had": Sick(
        _all(
            lambda tree: tree.remove("usr/include/python3.10"),
            lambda tree: tree.commands.update({("apt-cache", "policy", "python3.10-dev"): Result(0, "")}),
        ),
        "python.headers_gone",
        "python3.10-dev",
    ),
    "locked memory with a ceiling": Sick(
        _put("proc/1/status", "Name:\tsystemd\nCapEff:\t00000000fcecafff\n"), "limits.memlock", "8,388,608 bytes"
    ),
    "few open files": Sick(
        _all(
            _put("proc/1/status", "CapEff:\t00000000fcecafff\n"),
            _put("proc/1/limits", LIMITS),
        ),
        "limits.nofile",
        "more than 20000 open files",
        "warning",
    ),
    "few processes": Sick(_put("sys/fs/cgroup/pids.max", "4096\n"), "limits.pids", "allows 4096", "warning"),
    "shared memory that goes with a session": Sick(
        _put("etc/passwd", "moefleet:x:1000:1000::/home/moefleet:/bin/bash\n"), "limits.remove_ipc", "user 1000"
    ),
    "an interface with another name": Sick(
        _all(
            lambda tree: tree.nic("eth1np0", NIC, 25000, 4200, "94:6d:ae:da:eb:01"),
            lambda tree: tree.remove("sys/class/net/eth1"),
        ),
        "nic.absent",
        "has no interface eth1, and one eth1np0",
    ),
    "no link": Sick(
        _all(_put("sys/class/net/eth1/operstate", "down\n"), _put("sys/class/net/eth1/speed", "-1\n")),
        "nic.down",
        "eth1 has no link",
    ),
    "a slow link": Sick(_put("sys/class/net/eth1/speed", "10000\n"), "nic.rate", "10 Gbit/s, and the plan is for 25"),
    "a rate that is not told": Sick(_put("sys/class/net/eth1/speed", "-1\n"), "nic.rate", "can't be read", "unknown"),
    "an MTU of 1500, exactly 4200 wanted": Sick(
        _put("sys/class/net/eth1/mtu", "1500\n"),
        "nic.mtu",
        "an MTU of 1500 bytes, and 4200 is wanted",
        expected={"mtu_bytes": 4200, "rdma_mtu_bytes": None},
    ),
    "the NIC of another kind": Sick(
        lambda tree: tree.write(tree.device(NIC, "device"), "0x1015\n"),
        "nic.model",
        "is a ConnectX-4 Lx",
        expected={"nic_models": ["ConnectX-6*", "ConnectX-7"]},
    ),
    "old firmware": Sick(_nothing, "nic.firmware", "has firmware 26.33.1048", expected={"nic_firmware": "26.40.1000"}),
    "an address that is not there": Sick(
        lambda tree: tree.addresses(eth0="10.0.1.11", eth2="192.168.1.11"), "nic.address", "eth1 has no address"
    ),
    "no RDMA device": Sick(
        lambda tree: tree.remove(tree.device(NIC, "infiniband")), "nic.rdma_port", "has no RDMA device", "warning"
    ),
    "an RDMA port that is down": Sick(
        _put("sys/class/infiniband/mlx5_0/ports/1/state", "1: DOWN\n"), "nic.rdma_port", "mlx5_0 of eth1 is DOWN"
    ),
    "NCCL's setting that selects nothing": Sick(
        _nothing,
        "nic.hca",
        "NCCL_IB_HCA==mlx5_1:1 selects no active port of mlx5_0 ACTIVE",
        expected={"hca": "=mlx5_1:1"},
    ),
    "its own name is loopback": Sick(
        _put("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 node-1\n192.168.1.10 node-0\n"),
        "names.own",
        "resolves to 127.0.1.1",
    ),
    "its own name is nowhere": Sick(
        _put("etc/hosts", "127.0.0.1 localhost\n192.168.1.10 node-0\n"), "names.own", "does not resolve"
    ),
    "its own name is another host": Sick(
        _put("etc/hosts", "192.168.1.10 node-0\n192.168.1.77 node-1\n"), "names.own_elsewhere", "192.168.1.77"
    ),
    "another name is another address": Sick(
        _put("etc/hosts", "192.168.9.9 node-0\n192.168.1.11 node-1\n"), "names.peers", "192.168.9.9", "warning"
    ),
    "another name is loopback": Sick(
        _put("etc/hosts", "127.0.0.1 localhost node-0\n192.168.1.11 node-1\n"), "names.peers", "resolves to 127.0.0.1"
    ),
    "a port in use": Sick(
        lambda tree: held_port(tree, "jupyter.service"),
        "ports.held",
        "port 8000 is in use by python3 (process 777) of jupyter.service",
    ),
    "a port that is handed out": Sick(
        _put("proc/sys/net/ipv4/ip_local_port_range", "10000 60999\n"), "ports.ephemeral", "port 13345", "warning"
    ),
    "no room for the model": Sick(
        _nothing, "room.disk", "1,000,000.0 GB for the model", expected={"model_bytes": 10**15}
    ),
    "no room in /dev/shm": Sick(_nothing, "room.shm", "free in /dev/shm", expected={"shm_bytes": 10**15}),
    "little memory": Sick(
        _put("sys/fs/cgroup/memory.max", "1000000000\n"), "room.memory", "has 1.0 GB", expected={"memory_bytes": 10**12}
    ),
    "an expectation that is misspelt": Sick(
        _nothing,
        "expect.invalid",
        "there is no gpu_per_host; is gpus_per_host meant?",
        expected={"gpu_per_host": 8},
    ),
}


def test_fit_hosts_have_no_finding(fit: dict[str, Any], tree: Tree) -> None:
    assert judge({"node-0": fit, "node-1": record(tree)}) == []


@pytest.mark.parametrize("name", SICK)
def test_a_sick_host_has_exactly_its_finding(fit: dict[str, Any], tree: Tree, name: str) -> None:
    sick = SICK[name]
    sick.change(tree)
    found = judge({"node-0": fit, "node-1": record(tree, **sick.expected)})
    assert [(one.host, one.code, one.severity) for one in found] == [("node-1", sick.code, sick.severity)]
    assert sick.words in found[0].message
    assert found[0].fix


def test_an_mtu_of_1500_is_the_hosts_and_the_groups(fit: dict[str, Any], tree: Tree) -> None:
    """RDMA falls to 1024 there, and packets of the others don't fit."""
    tree.write("sys/class/net/eth1/mtu", "1500\n")
    found = judge({"node-0": fit, "node-1": record(tree)})
    assert [(one.host, one.code) for one in found] == [("node-1", "nic.rdma_mtu"), ("node-1", "group.mtu")]
    assert "RDMA gets 1024" in found[0].message


@pytest.mark.parametrize(
    ("interpreter", "version", "severity"),
    [("/usr/bin/python3", "3.8.10", "error"), ("/home/a/.pyenv/versions/3.13.1/bin/python3", "3.13.1", "warning")],
)
def test_ansibles_python_is_the_hosts_own_and_new_enough(
    fit: dict[str, Any], tree: Tree, interpreter: str, version: str, severity: str
) -> None:
    odd = record(tree)
    odd["seen"]["system"].update(interpreter=interpreter, interpreter_version=version)
    found = judge({"node-0": fit, "node-1": odd})
    assert [(one.host, one.code, one.severity) for one in found] == [("node-1", "system.interpreter", severity)]
    assert "ansible_python_interpreter" in found[0].fix
