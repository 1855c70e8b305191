# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of the wanted network doesn't hold: judged by what the kernel has, not by what files say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .model import Interface, Route, Rule, family
from .observe import Effective, Link, has_route, normal_table


@dataclass(frozen=True)
class Bound:
    """An interface as wanted, and the port it means."""

    interface: Interface
    link: Link

    @property
    def renamed_at_boot(self) -> bool:
        """Whether the port has another name until udev names it again."""
        return self.link.name != self.interface.name


@dataclass(frozen=True)
class Difference:
    """One thing that doesn't hold: on which interface, what, how it is and how it is wanted."""

    interface: str
    role: str
    what: str
    now: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.interface}: {self.what} is {self.now}, wanted {self.wanted}"


def route_words(route: Route) -> str:
    """A route as `ip route` spells it."""
    words = [route.to] + [f"via {route.via}"] * bool(route.via) + [f"table {normal_table(route.table)}"]
    return " ".join(words + [f"src {route.source}"] * bool(route.source))


def rule_words(rule: Rule) -> str:
    """A rule as `ip rule` spells it."""
    return f"from {rule.source} lookup {rule.table}"


def _of(bound: Bound, seen: Effective) -> Iterable[Difference]:
    wanted, link = bound.interface, bound.link

    def differs(what: str, now: str, then: str) -> Difference:
        return Difference(wanted.name, wanted.role, what, now, then)

    if wanted.mtu is not None and link.mtu != wanted.mtu:
        yield differs("mtu", str(link.mtu), str(wanted.mtu))
    for address in wanted.addresses:
        if address not in seen.addresses.get(link.name, ()):
            yield differs(f"address {address}", "absent", "present")
    for route in wanted.routes():
        if not has_route(route, link.name, seen):
            yield differs(f"route {route_words(route)}", "absent", "present")
    for rule in wanted.rules():
        if not any((rule.source, str(rule.table)) == (source, table) for source, table, _ in seen.rules):
            yield differs(f"rule {rule_words(rule)}", "absent", "present")


def differences(bounds: Iterable[Bound], seen: Effective) -> list[Difference]:
    """Everything that is wanted and doesn't hold."""
    return [difference for bound in bounds if not bound.interface.absent for difference in _of(bound, seen)]


def surplus(bounds: Iterable[Bound], seen: Effective) -> list[str]:
    """Addresses on the interfaces that nobody asked for: left of an earlier configuration, or somebody else's."""
    return [
        f"{bound.link.name}: {address}"
        for bound in bounds
        if not bound.interface.absent
        for address in seen.addresses.get(bound.link.name, ())
        if address not in bound.interface.addresses and (family(address) == 4 or bound.interface.role != "management")
    ]


def reboot_reasons(bounds: Sequence[Bound]) -> list[str]:
    """Why a boot is needed: a port in use can't be renamed."""
    return [
        f"{bound.link.name} is named {bound.interface.name} at the next boot"
        for bound in bounds
        if bound.renamed_at_boot and not bound.interface.absent
    ]
