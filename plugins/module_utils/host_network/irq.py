# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port's interrupts on the cores beside it, now and after every boot."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .ethtool import word
from .observe import Link
from .paths import text, under

SCRIPT = "/usr/local/lib/moefleet/network-links"
UNIT = "/etc/systemd/system/moefleet-network-links.service"
UNIT_NAME = "moefleet-network-links.service"
IRQBALANCE = "/etc/systemd/system/irqbalance.service.d/moefleet.conf"
HEADER = "# Written by moefleet.serving (role host_network).\n"


@dataclass(frozen=True)
class Pin:
    """One interrupt: the cores it may run on now, None where that can't be read, and the one it is to run on."""

    irq: int
    now: str | None
    wanted: str


def cpu_list(value: str) -> list[int]:
    """The numbers in a list such as 0-3,8."""
    found: list[int] = []
    for part in value.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal():
            found += range(int(first), int(last or first) + 1)
    return found


def pins(link: Link, root: Path) -> list[Pin]:
    """The port's interrupts, one core each in turn, of those that its NUMA node has."""
    cores = cpu_list(link.cpus)
    if not cores:
        return []
    directory = under(root, "/proc/irq")
    return [
        Pin(irq, text(directory / str(irq) / "smp_affinity_list"), str(cores[number % len(cores)]))
        for number, irq in enumerate(link.irqs)
    ]


def differing(wanted: Sequence[Pin]) -> list[Pin]:
    """Interrupts that may run elsewhere. One that the kernel has not set up yet has no list, and comes with the boot's
    own pinning.
    """
    return [pin for pin in wanted if pin.now is not None and cpu_list(pin.now) != [int(pin.wanted)]]


def pin(wanted: Sequence[Pin], root: Path) -> dict[int, str]:
    """Write the lists; returns why by interrupt where the kernel refused (it manages some by itself)."""
    refused: dict[int, str] = {}
    for one in wanted:
        try:
            (under(root, "/proc/irq") / str(one.irq) / "smp_affinity_list").write_text(one.wanted, encoding="ascii")
        except OSError as error:
            refused[one.irq] = error.strerror or str(error)
    return refused


SCRIPT_HEAD = r"""#!/bin/sh
# Written by moefleet.serving (role host_network): what ports forget when they restart.
root=${MOEFLEET_ROOT:-}
PATH=$PATH:/usr/sbin:/sbin
failed=0
try() { "$@" || { echo "failed: $*" >&2; failed=1; }; }
cores() {
  for part in $(tr ',' ' ' < "$1"); do seq "${part%-*}" "${part#*-}"; done
}
pin() {
  device=$root/sys/class/net/$1/device
  set -- $(cores "$device/local_cpulist")
  [ $# -gt 0 ] || { echo "failed: $device has no cores beside it" >&2; failed=1; return; }
  for irq in $(ls "$device/msi_irqs" | sort -n); do
    core=$1; shift; set -- "$@" "$core"
    [ ! -e "$root/proc/irq/$irq" ] || echo "$core" > "$root/proc/irq/$irq/smp_affinity_list" ||
      echo "irq $irq stays where the kernel has it" >&2
  done
}
"""


def script_text(interfaces: Sequence[Mapping[str, Any]]) -> str:
    """The program that does at boot what was asked of each port; empty where nothing was."""
    lines: list[str] = []
    for entry in interfaces:
        name = shlex.quote(str(entry["name"]))
        if entry.get("fec"):
            lines.append(f"try ethtool --set-fec {name} encoding {shlex.quote(str(entry['fec']))}")
        for setting, value in (entry.get("coalesce") or {}).items():
            wanted = shlex.quote(word(value))
            # ethtool fails on a value that is there already.
            lines.append(f"ethtool -C {name} {shlex.quote(str(setting))} {wanted} || [ $? = 80 ] || failed=1")
        if entry.get("pin_irqs"):
            lines.append(f"pin {name}")
    return SCRIPT_HEAD + "\n".join([*lines, "exit $failed", ""]) if lines else ""


def unit_text(interfaces: Sequence[Mapping[str, Any]]) -> str:
    """The unit that runs the program at boot, after the drivers and before the service; empty where there is none."""
    if not script_text(interfaces):
        return ""
    devices = " ".join(f"sys-subsystem-net-devices-{_escaped(str(entry['name']))}.device" for entry in interfaces)
    return HEADER + "\n".join(
        [
            "[Unit]",
            "Description=Link settings and interrupts of the serving hosts' ports",
            f"Wants={devices}",
            f"After={devices} network.target openibd.service irqbalance.service",
            "Before=moefleet-vllm.service",
            "",
            "[Service]",
            "Type=oneshot",
            "RemainAfterExit=yes",
            f"ExecStart={SCRIPT}",
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        ]
    )


def _escaped(name: str) -> str:
    return "".join(c if c.isalnum() or c in ":_." else f"\\x{ord(c):02x}" for c in name)


def irqbalance_text(links: Sequence[Link]) -> str:
    """The drop-in that keeps irqbalance away from these ports' interrupts, by their drivers: their numbers change.

    Distributions give it its options by different variables, so all of them stay.
    """
    drivers = sorted({link.driver for link in links if link.driver and link.irqs})
    if not drivers:
        return ""
    banned = " ".join(f"--banmod={driver}" for driver in drivers)
    command = f"/usr/sbin/irqbalance --foreground $OPTIONS $IRQBALANCE_ARGS {banned}"
    return HEADER + "\n".join(["[Service]", "ExecStart=", f"ExecStart={command}", ""])


def has_irqbalance(root: Path) -> bool:
    """Whether irqbalance is installed."""
    return under(root, "/usr/sbin/irqbalance").exists()


def numa_nodes(root: Path) -> dict[str, str]:
    """The cores of each NUMA node, by its number."""
    found = {}
    with contextlib.suppress(OSError):
        for path in sorted(under(root, "/sys/devices/system/node").glob("node[0-9]*")):
            cores = text(path / "cpulist")
            if cores is not None:
                found[path.name[4:]] = cores
    return found
