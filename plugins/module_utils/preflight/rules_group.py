# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for the group: what must be the same on every host, and what must not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Callable

from .findings import ERROR, WARNING, Finding, Host
from .rules_network import data_port, rdma_mtu

# Interfaces that have the same addresses everywhere, by design.
_VIRTUAL = re.compile(r"^(lo|docker|virbr|br-|cni|flannel|cali|podman|lxc|lxd|kube|veth|tun|tap)")


@dataclass(frozen=True)
class GroupRule:
    """One check over all hosts."""

    code: str
    severity: str
    judge: Callable[[Sequence[Host]], Iterable[tuple[str, str, str]]]
    title: str

    def findings(self, hosts: Sequence[Host]) -> list[Finding]:
        """What is wrong, each at the host where it is."""
        return [Finding(host, self.code, self.severity, message, fix) for host, message, fix in self.judge(hosts)]


def _odd_ones(values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The value that most hosts have (of as many, the first host's), and the hosts that have another."""
    known = {name: value for name, value in values.items() if value is not None}
    if not known:
        return None, {}
    most = Counter(known.values()).most_common()
    common = next(value for value in known.values() if dict(most)[value] == most[0][1])
    return common, {name: value for name, value in known.items() if value != common}


def _of(host: Host, probe: str, key: str) -> Any:
    return (host.seen.get(probe) or {}).get(key)


def _distributions(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    """Of those that are not held to a named one."""
    free = [host for host in hosts if host.expected.distribution is None]
    return _differing(free, "the distribution", "distribution", "install the same on every host")


def _kernels(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    return _differing(hosts, "the running kernel", "kernel", "boot the same kernel on every host, and hold it")


def _differing(hosts: Sequence[Host], what: str, key: str, fix: str) -> Iterable[tuple[str, str, str]]:
    common, odd = _odd_ones({host.name: _of(host, "system", key) for host in hosts})
    return [(name, f"{what} is {value}, and {common} on the others", fix) for name, value in odd.items()]


def _gpus(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    counts = {
        host.name: len(host.seen["gpus"]) if host.seen.get("gpus") is not None else None
        for host in hosts
        if host.expected.hardware and host.expected.gpus_per_host is None
    }
    common, odd = _odd_ones(counts)
    fix = "look for the missing ones in `dmesg`, or take the host out of the group"
    return [(name, f"has {value} GPUs, and the others {common}", fix) for name, value in odd.items()]


def _mtu(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    """Of those that have no exact MTU to keep to; that one says it where there is one."""
    ports = {host.name: data_port(host.seen, host.expected) for host in hosts if host.expected.mtu_bytes is None}
    mtus = {name: nic["mtu"] for name, nic in ports.items() if nic and nic["mtu"]}
    common, odd = _odd_ones(mtus)
    return [
        (
            name,
            f"the data port's MTU is {value} (RDMA {rdma_mtu(value)}), elsewhere {common} (RDMA {rdma_mtu(common)})",
            "the same MTU on every host and switch port (role host_network)",
        )
        for name, value in odd.items()
    ]


def _duplicates(values: Mapping[str, Iterable[str]], what: str, fix: str) -> Iterable[tuple[str, str, str]]:
    owners: dict[str, list[str]] = {}
    for name, found in values.items():
        for value in sorted(set(found)):
            owners.setdefault(value, []).append(name)
    shared: dict[tuple[str, ...], list[str]] = {}
    for value, names in owners.items():
        if len(names) > 1:
            shared.setdefault(tuple(names), []).append(value)
    for together, same in shared.items():
        for name in together:
            others = ", ".join(other for other in together if other != name)
            yield name, f"{what} {', '.join(same[:4])} is also that of {others}", fix


def _addresses(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    values = {
        host.name: [
            address
            for interface, found in (host.seen.get("addresses") or {}).items()
            if not _VIRTUAL.match(interface)
            for address in found
        ]
        for host in hosts
    }
    return _duplicates(values, "the address", "give every host addresses of its own")


def _macs(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    values = {
        host.name: [nic["mac"] for nic in host.seen.get("interfaces") or () if nic["pci_address"] and nic["mac"]]
        for host in hosts
    }
    return _duplicates(values, "the MAC address", "clear the address set by hand or by a cloned configuration")


def _names(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    values = {host.name: [_of(host, "system", "hostname")] for host in hosts if _of(host, "system", "hostname")}
    return _duplicates(values, "the host name", "hostnamectl set-hostname: every host has a name of its own")


def _machine_ids(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    values = {host.name: [_of(host, "system", "machine_id")] for host in hosts if _of(host, "system", "machine_id")}
    fix = "they were cloned: rm /etc/machine-id, systemd-machine-id-setup, new ssh host keys, reboot"
    return _duplicates(values, "the machine id", fix)


def clock_offset(seen: Mapping[str, Any]) -> tuple[float, float] | None:
    """Between which two numbers of seconds a host's clock is ahead of the controller's.

    The host looked after the controller had asked and before the answer was there; between lies the way.
    """
    controller = seen.get("controller") or {}
    try:
        return (
            float(seen["ended_s"]) - float(controller["after_s"]),
            float(seen["started_s"]) - float(controller["before_s"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _clock(hosts: Sequence[Host]) -> Iterable[tuple[str, str, str]]:
    offsets = {host.name: offset for host in hosts if (offset := clock_offset(host.seen)) is not None}
    if len(offsets) < 2:
        return
    middle = {name: (low + high) / 2 for name, (low, high) in offsets.items()}
    ordered = sorted(middle, key=lambda name: middle[name])
    medians = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    reference = min(medians, key=lambda name: abs(middle[name]))
    for host in hosts:
        if host.name in offsets and host.name != reference:
            (low, high), (low_r, high_r) = offsets[host.name], offsets[reference]
            least = max(low - high_r, low_r - high)
            if least > host.expected.clock_skew_s:
                ahead = "ahead of" if middle[host.name] > middle[reference] else "behind"
                message = (
                    f"its clock is {least:.1f} s or more {ahead} {reference}'s (at most {host.expected.clock_skew_s:g})"
                )
                yield (
                    host.name,
                    message,
                    "chrony or systemd-timesyncd on every host, one set of servers (role host_tuning)",
                )


RULES = (
    GroupRule("group.distribution", ERROR, _distributions, "one distribution, where the plan names none"),
    GroupRule("group.kernel", WARNING, _kernels, "one running kernel"),
    GroupRule("group.gpus", ERROR, _gpus, "as many GPUs, where the plan gives no number"),
    GroupRule("group.mtu", ERROR, _mtu, "one MTU of the data port, where `mtu_bytes` is not given"),
    GroupRule("group.addresses", ERROR, _addresses, "no address twice"),
    GroupRule("group.macs", ERROR, _macs, "no MAC address twice"),
    GroupRule("group.names", ERROR, _names, "no host name twice"),
    GroupRule("group.machine_ids", ERROR, _machine_ids, "no machine id twice"),
    GroupRule("group.clock", ERROR, _clock, "clocks agree, as far as the way to the hosts lets one tell"),
)
