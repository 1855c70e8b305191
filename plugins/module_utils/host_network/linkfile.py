# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The .link file that has udev name a port: for backends that leave names to it."""

from __future__ import annotations

from .effective import Bound
from .model import Match

HEADER = "# Written by moefleet.serving (role host_network); what is changed here is overwritten.\n"
DIRECTORY = "/etc/systemd/network"


def path(name: str) -> str:
    """Where it lies: before every other .link file, of which the first that fits counts."""
    return f"{DIRECTORY}/05-moefleet-{name}.link"


def match_lines(match: Match) -> list[str]:
    """The [Match] section of a .link or .network file."""
    lines = {
        "mac": [f"MACAddress={match.value}", "Type=ether"],
        "pci": [f"Path=pci-{match.value} pci-{match.value}-*"],
        "name": [f"Name={match.value}"],
    }
    return ["[Match]", *lines[match.kind]]


def render(bound: Bound) -> dict[str, str]:
    """The file by path; none where a port is known by its name, which then stays."""
    wanted = bound.interface
    if wanted.match.kind == "name":
        return {}
    lines = [*match_lines(wanted.match), "", "[Link]", f"Name={wanted.name}"]
    # The names it would have had stay good for those who know it by them.
    lines += ["AlternativeNamesPolicy=database onboard slot path", ""]
    return {path(wanted.name): HEADER + "\n".join(lines)}
