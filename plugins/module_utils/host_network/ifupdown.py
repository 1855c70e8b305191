# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces as ifupdown's stanzas."""

from __future__ import annotations

from pathlib import Path

from . import linkfile
from .backends import NOT_ITS, stanzas
from .effective import Bound
from .model import DEFAULT, Interface, Route, Rule, family
from .paths import text, under

MODE = "0644"
DIRECTORY = "/etc/network/interfaces.d"
MAIN = "/etc/network/interfaces"


def path(name: str) -> str:
    """Where an interface's stanza lies. A name with a dot in it would not be read by every version."""
    return f"{DIRECTORY}/moefleet-{name.replace('.', '-')}"


def paths(name: str) -> tuple[str, ...]:
    """All files that an interface may have."""
    return path(name), linkfile.path(name)


def _route(route: Route) -> str:
    words = [f"post-up ip -{family(route.via or route.to)} route replace {route.to}"]
    words += [f"via {route.via}"] if route.via else []
    words += ["dev $IFACE"] + ([f"src {route.source}"] if route.source else [])
    return " ".join(words + ([f"table {route.table}"] if route.table is not None else []))


def _rule(rule: Rule) -> list[str]:
    ip, words = f"ip -{family(rule.source)} rule", f"from {rule.source} table {rule.table} priority {rule.priority}"
    # `ip rule add` makes a second one of the same when it is there.
    return [
        f"post-up {ip} del {words} 2>/dev/null || true",
        f"post-up {ip} add {words}",
        f"pre-down {ip} del {words} || true",
    ]


def _stanza(wanted: Interface, address: str) -> list[str]:
    """One for each address: ifupdown takes several of one interface."""
    version = family(address)
    first = address == wanted.addresses[0]
    lines = [f"address {address}"]
    lines += [f"mtu {wanted.mtu}"] if wanted.mtu is not None and first else []
    if wanted.gateway and wanted.table is None and family(wanted.gateway) == version and first:
        lines.append(f"gateway {wanted.gateway}")
    lines += [f"dns-nameservers {' '.join(wanted.dns)}"] if wanted.dns and first else []
    # Routes of the whole interface stand in the last stanza, when all its addresses are there.
    if address == wanted.addresses[-1]:
        lines += [_route(route) for route in wanted.routes() if route.table is not None or route.to != DEFAULT]
        lines += [line for rule in wanted.rules() for line in _rule(rule)]
    return [f"iface {wanted.name} inet{'6' if version == 6 else ''} static", *(f"    {line}" for line in lines), ""]


def render(bound: Bound) -> dict[str, str]:
    """The files of one interface by path."""
    wanted = bound.interface
    lines = [f"auto {wanted.name}"]
    for address in wanted.addresses:
        lines += _stanza(wanted, address)
    if not wanted.addresses:
        lines += [f"iface {wanted.name} inet manual"]
        lines += [f"    mtu {wanted.mtu}"] if wanted.mtu is not None else []
        # The method `manual` sets no MTU by itself in every version.
        lines += [f"    pre-up ip link set $IFACE up mtu {wanted.mtu}"] if wanted.mtu is not None else []
        lines += [""]
    return {path(wanted.name): linkfile.HEADER + "\n".join(lines), **linkfile.render(bound)}


def reads_directory(root: Path) -> bool:
    """Whether ifupdown's own file takes in what lies in its directory."""
    lines = (text(under(root, MAIN)) or "").splitlines()
    words = [line.split() for line in lines]
    return any(
        len(line) == 2
        and (line[0], line[1].rstrip("/"))
        in (
            ("source", f"{DIRECTORY}/*"),
            ("source", "interfaces.d/*"),
            ("source-directory", DIRECTORY),
            ("source-directory", "interfaces.d"),
        )
        for line in words
    )


def elsewhere(bound: Bound, root: Path) -> list[str]:
    """Another stanza of the same interface: ifupdown would bring up both."""
    own = path(bound.interface.name)
    names = {bound.interface.name, bound.link.name}
    every = [stanza for name, all_of in stanzas(root).items() if name in names for stanza in all_of]
    return sorted({file for method, file in every if method not in NOT_ITS and file != own})
