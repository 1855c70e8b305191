"""One guest: its command line, its identity, its start and its end."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...plugins.module_utils.lab import processes
from .image import files_archive

MEMORY_MIB = 1024
MTU = 4200  # RoCE needs 4200 bytes for its own MTU of 4096
# No disk controller, bus or port that a driver would be loaded for.
MACHINE = "q35,sata=off,smbus=off,usb=off,vmport=off,i8042=off"
# By accelerator: QEMU's options for it, and the processor. The emulated one has what Debian asks for and nothing that a
# driver would be loaded for.
ACCELERATORS = {
    "kvm": ("kvm", "host"),
    "tcg": ("tcg,thread=multi,tb-size=256", "qemu64,-svm,+ssse3,+sse4.1,+sse4.2,+popcnt"),
}
BOOT_TIMEOUT_S = 900
STOP_TIMEOUT_S = 15
READY_STATES = ("running", "degraded")


@dataclass(frozen=True)
class Guest:
    """Who a guest is. `number` becomes the last part of its addresses; `state` is the directory of all guests."""

    name: str
    number: int
    address: str
    state: Path

    @property
    def directory(self) -> Path:
        """What is the guest's own: disk, identity, console."""
        return self.state / self.name

    @property
    def pid_file(self) -> Path:
        """Who runs it."""
        return self.directory / "qemu.pid"

    @property
    def console(self) -> Path:
        """All that it printed since it was made."""
        return self.directory / "console.log"

    @property
    def came_up(self) -> Path:
        """A file that the guest writes to when it has come up."""
        return self.directory / "up"

    @property
    def went_down(self) -> Path:
        """A file that the guest writes to when it begins to go down."""
        return self.directory / "down"

    def running(self) -> bool:
        """Whether its QEMU runs."""
        return processes.recorded_pid(self.pid_file) is not None


def command(guest: Guest, peer: Guest, accelerator: str, port: int) -> list[str]:
    """QEMU's command line.

    eth0 is QEMU's own network, which leads nowhere; only ssh comes in, from this machine's loopback. eth1 is a
    cable to the peer: datagrams between two sockets in the file system. It sits behind a PCIe port, as a NIC does.
    """
    engine, cpu = ACCELERATORS[accelerator]
    number = f"{guest.number:02}"
    cable = f"local.type=unix,local.path={guest.directory}/cable,remote.type=unix,remote.path={peer.directory}/cable"
    return [
        *("qemu-system-x86_64", "-name", guest.name, "-machine", MACHINE, "-accel", engine, "-cpu", cpu),
        *("-smp", "1", "-m", str(MEMORY_MIB), "-no-user-config", "-nodefaults", "-display", "none", "-vga", "none"),
        *("-serial", f"file:{guest.console}", "-serial", f"file:{guest.came_up}", "-serial", f"file:{guest.went_down}"),
        *("-fw_cfg", f"name=opt/guest,file={guest.directory}/identity.tar"),
        *("-drive", f"if=none,id=disk,file={guest.directory}/disk.qcow2,cache=unsafe,discard=unmap"),
        *("-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci"),
        *("-netdev", f"user,id=management,restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"),
        *("-device", f"virtio-net-pci,netdev=management,mac=52:54:00:00:00:{number}"),
        *("-device", "amd-iommu"),
        *("-device", "pcie-root-port,id=rp0,chassis=1"),
        *("-netdev", f"dgram,id=data,{cable}"),
        *("-device", f"virtio-net-pci,bus=rp0,netdev=data,mac=52:54:00:00:01:{number},host_mtu={MTU}"),
    ]


def identity(guest: Guest, guests: Sequence[Guest], public_key: str) -> dict[str, str]:
    """The files that make an image this guest, by path."""
    names = "".join(f"{each.address} {each.name}\n" for each in guests)
    network = f"[Match]\nName=eth1\n\n[Network]\nAddress={guest.address}/24\nIPv6AcceptRA=no\n"
    return {
        "etc/guest": f"{guest.name}\n",
        "etc/hostname": f"{guest.name}\n",
        "etc/hosts": f"127.0.0.1 localhost\n{names}",
        "etc/systemd/network/20-eth1.network": f"{network}LinkLocalAddressing=ipv6\n",
        "root/.ssh/authorized_keys": public_key,
    }


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def start(guest: Guest, guests: Sequence[Guest], image: Path, accelerator: str) -> int:
    """Make the guest's disk over the image, hand it its identity and start it; returns the port of its sshd here."""
    guest.directory.mkdir(parents=True)
    (peer,) = (each for each in guests if each != guest)
    public_key = (guest.state / "key.pub").read_text(encoding="utf-8")
    (guest.directory / "identity.tar").write_bytes(files_archive(identity(guest, guests, public_key)))
    disk = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", f"{image}/disk.raw"]
    subprocess.run([*disk, f"{guest.directory}/disk.qcow2"], check=True, timeout=60)
    port = free_port()
    processes.spawn(command(guest, peer, accelerator, port), guest.directory / "qemu.log", guest.pid_file)
    return port


def stop(guest: Guest) -> None:
    """End the guest at once: nothing on its disk is wanted any more."""
    pid = processes.recorded_pid(guest.pid_file)
    if pid is not None:
        processes.end(pid, STOP_TIMEOUT_S)


def await_boot(guest: Guest, ssh_config: Path, timeout_s: float = BOOT_TIMEOUT_S) -> str:
    """Wait for sshd and for the end of the system's start; returns the system manager's state."""
    ask = ["ssh", "-F", str(ssh_config), "-o", "ConnectTimeout=10", guest.name, "systemctl is-system-running --wait"]
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=timeout_s)
            state, words = done.stdout.strip(), done.stderr.strip()
        except subprocess.TimeoutExpired:
            state, words = "", "no answer"
        if state in READY_STATES:
            return state
        if not guest.running() or time.monotonic() > deadline:
            logs = [path for path in (guest.directory / "qemu.log", guest.console) if path.exists()]
            tail = "\n".join(path.read_text(encoding="utf-8", errors="replace")[-1500:] for path in logs)
            raise RuntimeError(f"{guest.name} did not come up (state {state!r}, ssh: {words}):\n{tail}")
        time.sleep(1)
