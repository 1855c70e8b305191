# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From wanted interfaces to what has to change on this host: files, and what doesn't hold yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from ..hosts.commands import Runner
from . import ifupdown, netplan, networkd, networkmanager
from .backends import IFUPDOWN, NETPLAN, NETWORK_MANAGER, NETWORKD, choose, is_active
from .effective import Bound, Difference, differences, reboot_reasons, surplus
from .model import Interface, parse, warnings
from .observe import Effective, Link, NetworkError, effective, find, links
from .paths import under


@dataclass(frozen=True)
class Backend:
    """How one of the backends is written and brought into effect. Commands are lists of words; `before` runs while the
    old files still lie there and may fail, `check` and `after` must not.
    """

    render: Callable[[Bound], dict[str, str]]
    paths: Callable[[str], tuple[str, ...]]
    mode: str
    before: Callable[[Bound], list[list[str]]]
    check: tuple[tuple[str, ...], ...]
    all_after: tuple[tuple[str, ...], ...]
    after: Callable[[Bound], list[list[str]]]
    elsewhere: Callable[[Bound, Path], list[str]]
    # Whether bringing one interface into effect goes over all of them.
    touches_all: bool = False


def _nothing(_bound: Bound) -> list[list[str]]:
    return []


def _nowhere(_bound: Bound, _root: Path) -> list[str]:
    return []


def _ifupdown_up(bound: Bound) -> list[list[str]]:
    # A port that still has its old name comes up under the new one at the next boot.
    if bound.renamed_at_boot:
        return []
    flush = [["ip", "address", "flush", "dev", bound.link.name, "scope", "global"]]
    return flush + ([] if bound.interface.absent else [["ifup", "--force", bound.interface.name]])


TABLE: Mapping[str, Backend] = {
    NETPLAN: Backend(
        render=netplan.render,
        paths=netplan.paths,
        mode=netplan.MODE,
        before=_nothing,
        check=(("netplan", "generate"),),
        all_after=(("netplan", "apply"),),
        after=_nothing,
        elsewhere=netplan.elsewhere,
        touches_all=True,
    ),
    NETWORKD: Backend(
        render=networkd.render,
        paths=networkd.paths,
        mode=networkd.MODE,
        before=_nothing,
        check=(),
        all_after=(("networkctl", "reload"),),
        after=lambda bound: [["networkctl", "reconfigure", bound.link.name]],
        elsewhere=_nowhere,
    ),
    NETWORK_MANAGER: Backend(
        render=networkmanager.render,
        paths=networkmanager.paths,
        mode=networkmanager.MODE,
        before=_nothing,
        check=(),
        all_after=(("nmcli", "connection", "reload"),),
        after=lambda bound: (
            [["nmcli", "--wait", "20", "connection", "up", f"moefleet-{bound.interface.name}"]]
            if not bound.interface.absent
            else [["nmcli", "--wait", "20", "device", "connect", bound.link.name]]
        ),
        elsewhere=_nowhere,
    ),
    IFUPDOWN: Backend(
        render=ifupdown.render,
        paths=ifupdown.paths,
        mode=ifupdown.MODE,
        before=lambda bound: [["ifdown", "--force", bound.interface.name]],
        check=(),
        all_after=(),
        after=_ifupdown_up,
        elsewhere=ifupdown.elsewhere,
    ),
}


@dataclass(frozen=True)
class FileChange:
    """A file that differs: contents, None for no file. `mode` in octal digits is the wanted one."""

    path: str
    before: str | None
    after: str | None
    mode: str
    interface: str


@dataclass(frozen=True)
class Outlook:
    """What a run would change, and on what it looked."""

    backend: str
    bounds: tuple[Bound, ...]
    files: tuple[FileChange, ...]
    differences: tuple[Difference, ...]
    surplus: tuple[str, ...]
    reboot_reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    seen: Effective

    @property
    def changed(self) -> bool:
        """Whether anything has to be done."""
        return bool(self.files or self.differences)

    def affected(self) -> list[Bound]:
        """The interfaces that are brought into effect anew."""
        names = {change.interface for change in self.files} | {one.interface for one in self.differences}
        return [bound for bound in self.bounds if bound.interface.name in names]


def _read(path: Path) -> tuple[str | None, str | None]:
    """A file's content and mode in four octal digits."""
    try:
        content = path.read_text(encoding="utf-8", errors="replace")
        return content, f"{path.stat().st_mode & 0o7777:04o}"
    except OSError:
        return None, None


def file_changes(backend: Backend, bounds: Sequence[Bound], root: Path) -> list[FileChange]:
    """Files that have to be written or removed."""
    found = []
    for bound in bounds:
        wanted = {} if bound.interface.absent else backend.render(bound)
        for path in backend.paths(bound.interface.name):
            content, mode = _read(under(root, path))
            after = wanted.get(path)
            its_mode = "0644" if path.endswith(".link") else backend.mode
            if content != after or (after is not None and mode != its_mode):
                found.append(FileChange(path, content, after, its_mode, bound.interface.name))
    return found


def _bind(interfaces: Sequence[Interface], known: Sequence[Link], problems: list[str]) -> list[Bound]:
    bounds = []
    for interface in interfaces:
        try:
            bounds.append(Bound(interface, find(interface, known)))
        except NetworkError as error:
            if interface.absent:
                bounds.append(Bound(interface, Link(interface.name, 0, "", 0)))
            else:
                problems.append(str(error))
    taken = {bound.link.name: bound.interface.name for bound in reversed(bounds)}
    problems += [
        f"{bound.interface.name} and {taken[bound.link.name]} are both {bound.link}"
        for bound in bounds
        if taken[bound.link.name] != bound.interface.name
    ]
    return bounds


def _refusals(name: str, backend: Backend, bounds: Sequence[Bound], root: Path) -> list[str]:
    problems = [
        f"{bound.interface.name} is configured in {', '.join(files)} too: take it out there, or leave it out of"
        " host_network_interfaces"
        for bound in bounds
        if not bound.interface.absent and (files := backend.elsewhere(bound, root))
    ]
    if name == IFUPDOWN and not ifupdown.reads_directory(root):
        problems.append(
            f"{ifupdown.MAIN} does not read {ifupdown.DIRECTORY}: add the line `source {ifupdown.DIRECTORY}/*`"
        )
    return problems


def look(entries: Sequence[Mapping[str, Any]], forced: str, root: Path, run: Runner) -> Outlook:
    """What has to change for these interfaces.

    Raises:
        NetworkError: everything that keeps the host from becoming so, at once.
    """
    interfaces, problems = parse(entries)
    if problems:
        raise NetworkError("; ".join(problems))
    bounds = _bind(interfaces, links(root, run), problems)
    if problems:
        raise NetworkError("; ".join(problems))
    name = choose(bounds, root, run, forced)
    backend = TABLE[name]
    problems = _refusals(name, backend, bounds, root)
    if problems:
        raise NetworkError("; ".join(problems))
    seen = effective(run)
    return Outlook(
        name,
        tuple(bounds),
        tuple(file_changes(backend, bounds, root)),
        tuple(_judged(name, bounds, seen)),
        tuple(surplus(bounds, seen)),
        tuple(reboot_reasons(bounds)),
        tuple(warnings(interfaces, {bound.interface.name: bound.link.name for bound in bounds})),
        seen,
    )


def _judged(name: str, bounds: Sequence[Bound], seen: Effective) -> list[Difference]:
    """What doesn't hold, without ports that ifupdown can't bring up before they are renamed."""
    return differences([b for b in bounds if name != IFUPDOWN or not b.renamed_at_boot], seen)


def still_differs(outlook: Outlook, root: Path, run: Runner) -> list[Difference]:
    """Look again at what was to be brought into effect."""
    now = {link.name: link for link in links(root, run)}
    bounds = [Bound(bound.interface, now.get(bound.link.name, bound.link)) for bound in outlook.bounds]
    return _judged(outlook.backend, bounds, effective(run))


def guarded(outlook: Outlook, service: str, run: Runner) -> list[str]:
    """Why nothing may be changed now: the service runs and its data interface would be touched."""
    data = {bound.interface.name for bound in outlook.bounds if bound.interface.role == "data"}
    touched = {bound.interface.name for bound in outlook.affected()}
    hit = data if TABLE[outlook.backend].touches_all and touched else data & touched
    if not hit or not is_active(service, run):
        return []
    return [
        (
            f"{service} is active and {', '.join(sorted(hit))} would change under it: stop the service first on every"
            f" host of its group (systemctl stop {service}), then run this again"
        )
    ]
