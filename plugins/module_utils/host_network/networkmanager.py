# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces as NetworkManager's keyfiles."""

from __future__ import annotations

import uuid

from . import linkfile
from .effective import Bound
from .model import DEFAULT, Interface, family

# NetworkManager refuses keyfiles that others may read.
MODE = "0600"
# Names of connections are looked up by uuid; ours follow from the name, so that they are the same in every run.
NAMESPACE = uuid.UUID("6a4f6e3e-52cf-5a0e-9f0f-3f1d1e6d6f65")


def path(name: str) -> str:
    """Where an interface's keyfile lies."""
    return f"/etc/NetworkManager/system-connections/moefleet-{name}.nmconnection"


def paths(name: str) -> tuple[str, ...]:
    """All files that an interface may have."""
    return path(name), linkfile.path(name)


def connection_uuid(name: str) -> str:
    """The uuid of an interface's connection."""
    return str(uuid.uuid5(NAMESPACE, name))


def _family(wanted: Interface, version: int) -> list[str]:
    addresses = [address for address in wanted.addresses if family(address) == version]
    if not addresses:
        return ["method=disabled" if version == 4 else "method=link-local"]
    lines = ["method=manual", *(f"address{n}={address}" for n, address in enumerate(addresses, 1))]
    if wanted.gateway and wanted.table is None and family(wanted.gateway) == version:
        lines.append(f"gateway={wanted.gateway}")
    servers = [server for server in wanted.dns if family(server) == version]
    lines += [f"dns={';'.join(servers)};"] if servers else []
    number = 0
    for route in wanted.routes():
        to = {4: "0.0.0.0/0", 6: "::/0"}[version] if route.to == DEFAULT else route.to
        by = route.via if route.to == DEFAULT else route.to
        if by is None or family(by) != version or (route.table is None and route.to == DEFAULT):
            continue
        number += 1
        lines.append(f"route{number}={to}" + (f",{route.via}" if route.via else ""))
        options = [f"src={route.source}"] * bool(route.source) + [f"table={route.table}"] * (route.table is not None)
        lines += [f"route{number}_options={','.join(options)}"] if options else []
    rules = [rule for rule in wanted.rules() if family(rule.source) == version]
    for number, rule in enumerate(rules, 1):
        lines.append(f"routing-rule{number}=priority {rule.priority} from {rule.source} table {rule.table}")
    return lines


def render(bound: Bound) -> dict[str, str]:
    """The files of one interface by path."""
    wanted = bound.interface
    match = wanted.match
    lines = ["[connection]", f"id=moefleet-{wanted.name}", f"uuid={connection_uuid(wanted.name)}", "type=ethernet"]
    lines += [f"interface-name={match.value}"] if match.kind == "name" else []
    lines += ["autoconnect=true", "autoconnect-priority=100", ""]
    lines += ["[match]", f"path=pci-{match.value};", ""] if match.kind == "pci" else []
    lines += ["[ethernet]"] + [f"mac-address={match.value.upper()}"] * (match.kind == "mac")
    lines += [f"mtu={wanted.mtu}"] * (wanted.mtu is not None) + [""]
    lines += ["[ipv4]", *_family(wanted, 4), "", "[ipv6]", *_family(wanted, 6), ""]
    return {path(wanted.name): linkfile.HEADER + "\n".join(lines), **linkfile.render(bound)}
