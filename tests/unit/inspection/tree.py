"""A host of eight H20 as a tree of files, with the commands that only a kernel could answer."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.moefleet.serving.plugins.module_utils.inspection.look import Look, ProbeError, Result
from ansible_collections.moefleet.serving.plugins.module_utils.inspection.observe import Asked

DATA = Path(__file__).resolve().parents[2] / "data" / "preflight"
KERNEL = "5.15.0-119-generic"
BUSES = ("18", "2a", "3a", "5d", "9a", "ab", "ba", "db")
SWITCHES = ("05", "06", "07", "08")
NIC = "0000:c6:00.0"
SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
MODEL, ENGINE = "/srv/models/deepseek-v3", "/opt/moefleet/vllm-0.19.1"
ASKED = Asked(
    hardware=True,
    names=("node-0", "node-1"),
    ports=(8000, 13345),
    paths=(MODEL, ENGINE, "/dev/shm"),
    python="3.10",
)


def text(name: str) -> str:
    """A file of the test data."""
    return (DATA / name).read_text(encoding="utf-8")


def config_space(acs_control: int | None = 0, size: int = 4096) -> bytes:
    """A bridge's configuration space, with ACS as in PEX890xx switches: able to do it all, and told this."""
    space = bytearray(size)
    if acs_control is not None and size > 0x150:
        struct.pack_into("<I", space, 0x100, 0x148 << 20 | 1 << 16 | 0x0001)  # advanced error reporting comes first
        struct.pack_into("<IHH", space, 0x148, 1 << 16 | 0x000D, 0x5F, acs_control)
    return bytes(space)


@dataclass
class Tree:
    """The files below ``root``, and what commands print there."""

    root: Path
    index: int = 0
    commands: dict[tuple[str, ...], Result] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The host's name."""
        return f"node-{self.index}"

    def look(self) -> Look:
        """A look at this host."""
        return Look(self.root, self.run)

    def run(self, argv: Sequence[str], _timeout_s: float = 0) -> Result:
        """What a command prints; one that isn't foreseen is not installed."""
        if tuple(argv) in self.commands:
            return self.commands[tuple(argv)]
        if argv[0] == "getent":
            rows = (line.partition("#")[0].split() for line in self.read("etc/hosts").splitlines())
            found = [f"{row[0]}   STREAM {argv[2]}\n{row[0]}   DGRAM\n" for row in rows if argv[2] in row[1:]]
            return Result(0 if found else 2, "".join(found))
        raise ProbeError(f"cannot run `{argv[0]}`: No such file or directory")

    def path(self, path: str) -> Path:
        """A file of the tree."""
        return self.root / path

    def read(self, path: str) -> str:
        """A file's text."""
        return self.path(path).read_text(encoding="utf-8")

    def write(self, path: str, content: str | bytes = "") -> None:
        """Write a file."""
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_bytes(content if isinstance(content, bytes) else content.encode())

    def append(self, path: str, content: str) -> None:
        """Add to a file."""
        self.write(path, self.read(path) + content)

    def link(self, path: str, target: str) -> None:
        """Make or change a symbolic link."""
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).unlink(missing_ok=True)
        self.path(path).symlink_to(target)

    def remove(self, path: str) -> None:
        """Remove a file or a directory with all that is in it."""
        target = self.path(path)
        if target.is_dir() and not target.is_symlink():
            for child in target.iterdir():
                self.remove(str(child.relative_to(self.root)))
            target.rmdir()
        else:
            target.unlink()

    def pci(self, address: str, above: str, vendor: int, device: int, kind: int, **more: Any) -> None:
        """A PCI device below the bridges of ``above``; ``driver`` and ``config`` where it has them."""
        place = f"sys/devices/{above}/{address}"
        self.link(f"sys/bus/pci/devices/{address}", f"../../../devices/{above}/{address}")
        for name, value in (("vendor", f"0x{vendor:04x}"), ("device", f"0x{device:04x}"), ("class", f"0x{kind:06x}")):
            self.write(f"{place}/{name}", value + "\n")
        if "config" in more:
            self.write(f"{place}/config", more["config"])
        if more.get("driver"):
            self.link(f"{place}/driver", f"../../../../bus/pci/drivers/{more['driver']}")

    def gpu(self, bus: str, device: int = 0x2329) -> None:
        """A GPU below one of two PCI switches, whose bridges have ACS off."""
        half = "15" if bus < "80" else "97"
        root, above, up, down = f"pci0000:{half}", f"0000:{half}:01.0", f"0000:{half}:02.0", f"00{bus}:f1:00.0"
        if not self.path(f"sys/bus/pci/devices/{above}").exists():
            self.pci(above, root, 0x8086, 0x352A, 0x060400, config=config_space())
            self.pci(up, f"{root}/{above}", 0x1000, 0xC030, 0x060400, config=config_space(None))
        self.pci(down, f"{root}/{above}/{up}", 0x1000, 0xC030, 0x060400, config=config_space())
        address, place = f"0000:{bus}:00.0", f"{root}/{above}/{up}/{down}"
        self.pci(address, place, 0x10DE, device, 0x030200)
        base = f"sys/devices/{place}/{address}"
        for name in ("current_link_width", "max_link_width"):
            self.write(f"{base}/{name}", "16\n")

    def device(self, address: str, name: str) -> str:
        """The path of a file of a PCI device."""
        real = self.path(f"sys/bus/pci/devices/{address}").resolve()
        return str(real.relative_to(self.root.resolve()) / name)

    def nic(self, name: str, address: str, speed: int, mtu: int, mac: str) -> None:
        """A network port."""
        base = f"sys/class/net/{name}"
        values = {"speed": speed, "mtu": mtu, "address": mac, "operstate": "up"}
        for key, value in values.items():
            self.write(f"{base}/{key}", f"{value}\n")
        self.link(f"{base}/device", f"../../../bus/pci/devices/{address}")

    def addresses(self, **found: str) -> None:
        """What ``ip -j address show`` tells."""
        links = [
            {
                "ifname": name,
                "addr_info": [
                    {"local": address, "scope": "global"},
                    {"local": "fe80::1", "scope": "link"},
                ],
            }
            for name, address in {"lo": "127.0.0.1", **found}.items()
        ]
        self.commands[("ip", "-j", "address", "show")] = Result(0, json.dumps(links))

    def package(self, name: str, version: str, status: str = "install ok installed") -> None:
        """A package in dpkg's status file."""
        self.append("var/lib/dpkg/status", f"Package: {name}\nStatus: {status}\nVersion: {version}\n\n")


def h20(root: Path, index: int = 0) -> Tree:
    """A host that is fit for the reference cluster, bare: no driver yet."""
    tree = Tree(root, index)
    files: dict[str, str | bytes] = {
        "etc/os-release": 'ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
        "etc/machine-id": f"{index:032x}\n",
        "etc/hosts": "127.0.0.1 localhost\n192.168.1.10 node-0\n192.168.1.11 node-1\n192.168.1.12 node-2\n"
        "192.168.1.13 node-3\n",
        "etc/passwd": "root:x:0:0:root:/root:/bin/bash\n",
        "proc/sys/kernel/arch": "x86_64\n",
        "proc/sys/kernel/osrelease": f"{KERNEL}\n",
        "proc/sys/kernel/hostname": f"{tree.name}\n",
        "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "proc/cmdline": "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda2 ro\n",
        "proc/meminfo": text("meminfo.txt"),
        "proc/1/limits": text("limits_init.txt"),
        "proc/1/status": "Name:\tsystemd\nCapEff:\t000001ffffffffff\n",
        "proc/net/tcp": text("proc_net_tcp.txt").replace("1F40", "1F41"),
        "proc/net/tcp6": text("proc_net_tcp6.txt").replace("3421", "3422"),
        "proc/locks": "",
        "var/lib/dpkg/status": text("dpkg_status.txt"),
        "var/lib/dpkg/lock-frontend": "",
        "usr/include/python3.10/Python.h": "",
        "usr/bin/python3.10": "",
        f"lib/modules/{KERNEL}/kernel/drivers": "",
        f"usr/src/linux-headers-{KERNEL}/Makefile": "",
        SECURE_BOOT: b"\x06\x00\x00\x00\x00",
        "sys/class/infiniband/mlx5_0/fw_ver": "26.33.1048\n",
        "sys/class/infiniband/mlx5_0/ports/1/state": "4: ACTIVE\n",
        "dev/shm/.keep": "",
    }
    for path, content in files.items():
        tree.write(path, content)
    for bus in BUSES:
        tree.gpu(bus)
    for bus in SWITCHES:
        tree.pci(f"0000:{bus}:00.0", "pci0000:00/0000:00:1c.0", 0x10DE, 0x22A3, 0x068000)
    tree.pci("0000:c6:00.0", "pci0000:c0", 0x15B3, 0x101F, 0x020000, driver="mlx5_core")
    tree.pci("0000:63:00.0", "pci0000:60", 0x14E4, 0x165F, 0x020000, driver="tg3")
    tree.write(tree.device(NIC, "infiniband/mlx5_0/fw_ver"), "26.33.1048\n")
    tree.nic("eth0", "0000:63:00.0", 1000, 1500, f"c4:cb:e1:ab:61:{index:02x}")
    tree.nic("eth1", NIC, 25000, 4200, f"94:6d:ae:da:eb:{index:02x}")
    tree.addresses(eth0=f"10.0.1.1{index}", eth1=f"192.168.1.1{index}")
    tree.commands[("dmesg",)] = Result(0, "[    0.000000] Linux version 5.15.0-119-generic\n")
    return tree
