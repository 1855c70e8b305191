# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces as netplan's files."""

from __future__ import annotations

import re
from pathlib import Path

from . import linkfile
from .effective import Bound
from .model import Route
from .paths import text, under

# Netplan itself warns of files that others may read.
MODE = "0600"


def path(name: str) -> str:
    """Where an interface's file lies."""
    return f"/etc/netplan/90-moefleet-{name}.yaml"


def paths(name: str) -> tuple[str, ...]:
    """All files that an interface may have."""
    return (path(name),)


def _route(route: Route) -> list[str]:
    lines = [f"- to: {route.to}"]
    lines += [f'  via: "{route.via}"'] if route.via else ["  scope: link"]
    lines += [f'  from: "{route.source}"'] if route.source else []
    return lines + ([f"  table: {route.table}"] if route.table is not None else [])


def _block(name: str, lines: list[str]) -> list[str]:
    return [f"      {name}:", *(f"        {line}" for line in lines)] if lines else []


def render(bound: Bound) -> dict[str, str]:
    """The file of one interface by path.

    Netplan knows ports by MAC address, not by PCI address; and without one it ignores the MTU. So the port's own is
    written whatever the port was found by, unless it is known by name and keeps its MTU.
    """
    wanted, link = bound.interface, bound.link
    lines = []
    if wanted.match.kind != "name" or wanted.mtu is not None:
        mac = wanted.match.value if wanted.match.kind == "mac" else link.permanent_mac or link.mac
        lines += _block("match", [f'macaddress: "{mac}"'])
        lines += [f"      set-name: {wanted.name}"]
    lines += ["      dhcp4: false", "      dhcp6: false"]
    lines += ["      accept-ra: false", "      optional: true"] if wanted.role != "management" else []
    lines += [f"      mtu: {wanted.mtu}"] if wanted.mtu is not None else []
    lines += _block("addresses", [f'- "{address}"' for address in wanted.addresses])
    servers = ", ".join(f'"{server}"' for server in wanted.dns)
    lines += _block("nameservers", [f"addresses: [{servers}]"] if servers else [])
    routes = wanted.routes()
    lines += _block("routes", [line for route in routes for line in _route(route)])
    rules = [
        line
        for rule in wanted.rules()
        for line in (f'- from: "{rule.source}"', f"  table: {rule.table}", f"  priority: {rule.priority}")
    ]
    lines += _block("routing-policy", rules)
    head = ["network:", "  version: 2", "  ethernets:", f"    {wanted.name}:"]
    return {path(wanted.name): linkfile.HEADER + "\n".join([*head, *lines, ""])}


def elsewhere(bound: Bound, root: Path) -> list[str]:
    """Other files of netplan that configure the same port: netplan would add the two up."""
    names = {bound.interface.name, bound.link.name} - {""}
    pattern = re.compile(
        rf"^ {{1,8}}[\"']?({'|'.join(re.escape(name) for name in sorted(names))})[\"']?:", re.MULTILINE
    )
    mac = re.compile(re.escape(bound.link.mac), re.IGNORECASE) if bound.link.mac else None
    found = []
    for file in sorted(under(root, "/etc/netplan").glob("*.yaml")):
        content = text(file) or ""
        if file.name != Path(path(bound.interface.name)).name and (
            pattern.search(content) or (mac and mac.search(content))
        ):
            found.append(f"/etc/netplan/{file.name}")
    return found
