# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of netplan, systemd-networkd, NetworkManager and ifupdown has a host's interfaces, by what can be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ..hosts.commands import Runner
from .effective import Bound
from .observe import Link, NetworkError
from .paths import text, under

NETPLAN, NETWORKD, NETWORK_MANAGER, IFUPDOWN = "netplan", "networkd", "NetworkManager", "ifupdown"
BACKENDS = (NETPLAN, NETWORKD, NETWORK_MANAGER, IFUPDOWN)
SERVICES = {NETWORKD: "systemd-networkd.service", NETWORK_MANAGER: "NetworkManager.service"}
RUNNING = ("active", "activating", "reloading")
UNMANAGED = ("", "unmanaged", "pending", "initialized")
# Methods of ifupdown that leave an interface's addresses to somebody else.
NOT_ITS = ("manual", "loopback")
FIXES = {
    NETPLAN: "remove it from /etc/netplan and run netplan apply",
    NETWORKD: "remove its .network file, or set Unmanaged=yes there",
    NETWORK_MANAGER: "nmcli device set {name} managed no, and keep it so with unmanaged-devices in NetworkManager.conf",
    IFUPDOWN: "remove its stanza from /etc/network/interfaces",
}


@dataclass(frozen=True)
class Claim:
    """A backend has an interface, and how one knows."""

    backend: str
    evidence: str

    def __str__(self) -> str:
        return f"{self.backend} ({self.evidence})"


def is_active(unit: str, run: Runner) -> bool:
    """Whether a unit runs, or is about to."""
    return run(["systemctl", "is-active", unit]).stdout.strip() in RUNNING


def _settings(content: str) -> dict[str, str]:
    rows = (line.partition("=") for line in content.splitlines() if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in rows}


def _networkd(link: Link, root: Path) -> list[Claim]:
    state = _settings(text(under(root, f"/run/systemd/netif/links/{link.index}")) or "")
    file = state.get("NETWORK_FILE", "")
    if state.get("ADMIN_STATE", "") in UNMANAGED or not file:
        return []
    netplan = re.fullmatch(r"/run/systemd/network/\d+-netplan-.*\.network", file)
    return [Claim(NETPLAN if netplan else NETWORKD, file)]


def _network_manager(link: Link, root: Path) -> list[Claim]:
    path = f"/run/NetworkManager/devices/{link.index}"
    state = _settings(text(under(root, path)) or "")
    if state.get("managed") not in ("true", "1"):
        return []
    uuid = state.get("connection-uuid", "")
    for file in sorted(under(root, "/run/NetworkManager/system-connections").glob("netplan-*")):
        if uuid and f"uuid={uuid}" in (text(file) or ""):
            return [Claim(NETPLAN, f"/run/NetworkManager/system-connections/{file.name}")]
    return [Claim(NETWORK_MANAGER, f"{path}: managed, connection {uuid or 'none'}")]


def stanzas(root: Path) -> dict[str, list[tuple[str, str]]]:
    """What ifupdown has of each interface: name → (method, file) of every stanza, in its own file and those it
    sources.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    main = under(root, "/etc/network/interfaces")
    for file in [main, *_sourced(main, root)]:
        for line in (text(file) or "").splitlines():
            words = line.split()
            if len(words) >= 4 and words[0] == "iface":
                found.setdefault(words[1], []).append((words[3], "/" + str(file.relative_to(root))))
    return found


def _sourced(main: Path, root: Path) -> list[Path]:
    files: list[Path] = []
    for line in (text(main) or "").splitlines():
        words = line.split()
        if len(words) < 2 or words[0] not in ("source", "source-directory"):
            continue
        # Relative ones count from where the file lies.
        pattern = words[1].lstrip("/") if words[1].startswith("/") else f"etc/network/{words[1]}"
        pattern += "/*" if words[0] == "source-directory" else ""
        files += sorted(path for path in root.glob(pattern) if path.is_file())
    return files


def has_ifupdown(root: Path) -> bool:
    """Whether ifupdown is installed, and has its file."""
    program = any(under(root, path).exists() for path in ("/sbin/ifup", "/usr/sbin/ifup"))
    return program and under(root, "/etc/network/interfaces").exists()


def has_netplan(root: Path) -> bool:
    """Whether netplan is installed, and something is configured with it."""
    program = any(under(root, path).exists() for path in ("/usr/sbin/netplan", "/sbin/netplan"))
    return program and any(under(root, "/etc/netplan").glob("*.yaml"))


def _ifupdown(link: Link, root: Path) -> list[Claim]:
    if not has_ifupdown(root):
        return []
    its = [one for one in stanzas(root).get(link.name, []) if one[0] not in NOT_ITS]
    return [Claim(IFUPDOWN, f"{file}: iface {link.name}, {method}") for method, file in its[:1]]


def claims(links: Iterable[Link], root: Path, run: Runner) -> dict[str, list[Claim]]:
    """Who has each interface. A service that doesn't run has none, whatever it left in /run."""
    runs = {backend: is_active(unit, run) for backend, unit in SERVICES.items()}
    looks: list[Callable[[Link, Path], list[Claim]]] = [_ifupdown]
    looks += [_networkd] if runs[NETWORKD] else []
    looks += [_network_manager] if runs[NETWORK_MANAGER] else []
    return {link.name: [claim for look in looks for claim in look(link, root)] for link in links}


def present(root: Path, run: Runner) -> list[str]:
    """Backends that could have this host's interfaces. Netplan is served by networkd or NetworkManager, so it comes
    instead of them.
    """
    if has_netplan(root):
        return [NETPLAN]
    found = [backend for backend, unit in SERVICES.items() if is_active(unit, run)]
    return found + ([IFUPDOWN] if has_ifupdown(root) else [])


def choose(bounds: Sequence[Bound], root: Path, run: Runner, forced: str = "") -> str:
    """The one backend for these interfaces.

    Raises:
        NetworkError: two of them have one interface, or each of them some, or none or several could have them all.
    """
    found = claims([bound.link for bound in bounds], root, run)
    problems = [
        f"{name} is managed by {' and by '.join(str(claim) for claim in owners)}: keep one;"
        f" {_fix(owners[-1].backend, name)}"
        for name, owners in found.items()
        if len({claim.backend for claim in owners}) > 1
    ]
    owners = {claim.backend: f"{name} by {claim}" for name, all_of in found.items() for claim in all_of}
    if not problems and not forced and len(owners) > 1:
        problems.append(f"two backends have this host's interfaces: {'; '.join(owners.values())}. Keep one")
    if not problems and forced:
        problems += [
            f"host_network_backend is {forced}, and {words}: {_fix(backend, words.split()[0])}"
            for backend, words in owners.items()
            if backend != forced
        ]
        if not problems and forced not in (here := _could(root, run)):
            problems.append(
                f"host_network_backend is {forced}, which does not run here ({', '.join(here) or 'none of them does'}):"
                " install and start it first"
            )
    if problems:
        raise NetworkError("; ".join(problems))
    if forced:
        return forced
    if owners:
        return next(iter(owners))
    here = present(root, run)
    if len(here) != 1:
        state = f"{' and '.join(here)} are" if here else "none of netplan, networkd, NetworkManager and ifupdown is"
        raise NetworkError(
            f"{state} in use here, and none has the interfaces: say which one it is (host_network_backend)"
        )
    return here[0]


def _could(root: Path, run: Runner) -> list[str]:
    """Backends that may be forced."""
    running = [backend for backend, unit in SERVICES.items() if is_active(unit, run)]
    return [NETPLAN] * has_netplan(root) + running + [IFUPDOWN] * has_ifupdown(root)


def _fix(backend: str, name: str) -> str:
    return FIXES[backend].format(name=name)
