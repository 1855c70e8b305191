# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces as systemd-networkd's files."""

from __future__ import annotations

from . import linkfile
from .effective import Bound
from .model import DEFAULT, Route

MODE = "0644"


def network_path(name: str) -> str:
    """Where an interface's .network file lies: the first that fits counts."""
    return f"{linkfile.DIRECTORY}/05-moefleet-{name}.network"


def paths(name: str) -> tuple[str, ...]:
    """All files that an interface may have."""
    return network_path(name), linkfile.path(name)


def _route(route: Route) -> list[str]:
    lines = ["", "[Route]"]
    lines += [f"Destination={route.to}"] if route.to != DEFAULT else []
    lines += [f"Gateway={route.via}"] if route.via else ["Scope=link"]
    lines += [f"PreferredSource={route.source}"] if route.source else []
    return lines + ([f"Table={route.table}"] if route.table is not None else [])


def render(bound: Bound) -> dict[str, str]:
    """The files of one interface by path."""
    wanted = bound.interface
    lines = [*linkfile.match_lines(wanted.match), ""]
    link = [f"MTUBytes={wanted.mtu}"] if wanted.mtu is not None else []
    # A host whose data port is down must still come up, so that one can look at it.
    link += ["RequiredForOnline=no"] if wanted.role != "management" else []
    lines += ["[Link]", *link, ""] if link else []
    lines += ["[Network]", *(f"Address={address}" for address in wanted.addresses)]
    lines += [f"Gateway={wanted.gateway}"] if wanted.gateway and wanted.table is None else []
    lines += [f"DNS={server}" for server in wanted.dns]
    # A router's advertisement on these networks would lead traffic astray.
    lines += ["IPv6AcceptRA=no"] if wanted.role != "management" else []
    for route in wanted.routes():
        if route.table is not None or route.to != DEFAULT:
            lines += _route(route)
    for rule in wanted.rules():
        lines += ["", "[RoutingPolicyRule]", f"From={rule.source}", f"Table={rule.table}", f"Priority={rule.priority}"]
    return {network_path(wanted.name): linkfile.HEADER + "\n".join([*lines, ""]), **linkfile.render(bound)}
