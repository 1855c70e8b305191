# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, compare, write on difference, read again: the one code path of the module and of the host's own program."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..hosts.commands import NOT_FOUND, Runner
from ..hosts.commands import run_briefly as run
from . import connection_manager, devices, inbox, ofed, port
from . import desired as wishes
from .desired import Desired
from .settings import ApplyError, Host, Seen, Step, differing, execute, unknown

NONE = "none"
BUSY = ("active", "activating", "reloading", "deactivating")
# A setting may only be readable, or only settable, after another one is set.
PASSES = 3
LINK_S = 20.0


class RefusedError(RuntimeError):
    """Nothing was changed, and why."""


class NotYetError(RefusedError):
    """The tools that could tell are not installed."""


@dataclass(frozen=True)
class Survey:
    """A port as it is and as it should be."""

    host: Host
    interface: devices.Interface
    backend: str
    wanted: Mapping[str, str]
    seen: Mapping[str, Seen]
    skipped: str = ""
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> list[str]:
        """Settings that are known and differ."""
        return differing(self.wanted, self.seen)

    @property
    def unknown(self) -> dict[str, str]:
        """Settings that nobody knows, with the reason."""
        return unknown(self.wanted, self.seen)

    @property
    def blocked(self) -> dict[str, str]:
        """Those among them that this host should be able to tell."""
        return {name: why for name, why in self.unknown.items() if self.seen[name].available}


@dataclass(frozen=True)
class Outcome:
    """A survey before and after, and what was done in between."""

    before: Survey
    after: Survey
    done: tuple[Step, ...] = field(default=())


def choose_backend(host: Host, desired: Desired) -> tuple[str, str]:
    """How the port is set, and where nothing can be set, why.

    Raises:
        RefusedError: the host has no such way, and the inventory expects one.
    """
    if not desired.qos_expected:
        return NONE, f"{host.interface} is said to have no QoS tree (qos_expected: false)"
    has_tool = host.run((ofed.TOOL, "--version")).status == 0
    has_tree = ofed.tree(host)
    if desired.backend in (ofed.NAME, "auto") and has_tool and has_tree:
        return ofed.NAME, ""
    if desired.backend == ofed.NAME:
        missing = "mlnx_qos is not installed" if not has_tool else f"{host.interface} isn't run by OFED's driver"
        raise RefusedError(f"backend ofed: {missing}. Install OFED (role ofed) or leave the back end to auto")
    if inbox.speaks(host):
        return inbox.NAME, ""
    answer = host.run((inbox.TOOL, "pfc", "show", "dev", host.interface))
    if answer.status == NOT_FOUND:
        raise NotYetError(
            f"{answer.last_words}, and neither is OFED: there is no way to read the port's PFC. Install iproute2"
        )
    tried = answer.why
    raise RefusedError(
        f"{host.interface} has no QoS tree: neither OFED's files and mlnx_qos, nor an answer to dcb ({tried})."
        " PFC and ECN can't be set on it; where that is known and accepted, set qos_expected: false"
    )


def _read(host: Host, backend: str, why: str, wanted: Mapping[str, str]) -> dict[str, Seen]:
    quality = [name for name in wanted if name not in (*connection_manager.FILES, "lldpad", "pause")]
    if backend == NONE:
        seen = {name: Seen(None, why, available=False) for name in (*quality, "pause") if name in wanted}
    else:
        seen = (ofed if backend == ofed.NAME else inbox).read(host, quality)
        if "pause" in wanted:
            seen["pause"] = port.read_pause(host)
    if "lldpad" in wanted:
        seen["lldpad"] = port.read_agent(host)
    seen.update(connection_manager.read(host))
    return {name: seen[name] for name in wanted}


def survey(desired: Desired, present: bool = True, runner: Runner = run, root: Path = Path("/")) -> Survey:
    """Read everything, change nothing.

    Raises:
        devices.DeviceError: the port isn't there.
        RefusedError: the host has no way to set what is expected.
    """
    bare = Host(interface=desired.interface, run=runner, root=root)
    interface = devices.interface(bare)
    if interface.bond:
        words = f"{interface.name} is a member of {interface.bond}: a bond's members are left alone"
        return Survey(bare, interface, NONE, {}, {}, skipped=words)
    device, number = devices.device(bare, desired.device)
    host = replace(bare, device=device, port=number, pci=interface.pci)
    backend, why = choose_backend(host, desired)
    wanted = {**wishes.quality(desired, present), **wishes.connections(desired, present)}
    if present and desired.lldpad == "mask":
        wanted["lldpad"] = port.AWAY
    if not present and backend == NONE:
        wanted = wishes.connections(desired, present)
    seen = _read(host, backend, why, wanted)
    notes = tuple(f"{name}: {reason}" for name, reason in unknown(wanted, seen).items())
    return Survey(host, interface, backend, wanted, seen, notes=notes)


def steps(state: Survey) -> list[Step]:
    """What has to be done, in order, nothing twice."""
    planned: list[Step] = []
    for name in state.changes:
        if name in connection_manager.FILES:
            module_steps = connection_manager.steps
        elif name in ("lldpad", "pause"):
            module_steps = port.steps
        else:
            module_steps = ofed.steps if state.backend == ofed.NAME else inbox.steps
        planned += [step for step in module_steps(state.host, name, state.wanted, state.seen) if step not in planned]
    return planned


def refuse_under_service(state: Survey, service: str) -> None:
    """Setting PFC takes the link down for a moment, and ranks that lose it don't come back.

    Raises:
        RefusedError: something would change and the service runs.
    """
    running = port.service_state(state.host, service) if service and state.changes else ""
    if running in BUSY:
        raise RefusedError(
            f"{service} is {running} and {', '.join(state.changes)} of {state.interface.name} would change, which may"
            f" take the link down. Stop the service on every host of the group first (systemctl stop {service}),"
            " then run this again"
        )


def _settle(state: Survey, wait_s: float) -> None:
    """Wait for a link that was up: a change of PFC takes it down for a moment."""
    end = time.monotonic() + wait_s
    while state.interface.state == "up" and time.monotonic() < end:
        if devices.interface(state.host).state == "up":
            return
        time.sleep(0.2)


def converge(
    desired: Desired, present: bool = True, runner: Runner = run, root: Path = Path("/"), link_s: float = LINK_S
) -> Outcome:
    """Bring the port to what is wanted and prove it by reading again.

    Raises:
        devices.DeviceError, RefusedError: as `survey`, or the service runs. Nothing was changed.
        ApplyError: a step failed, had no effect, or a setting can't be read.
    """
    first = state = survey(desired, present, runner, root)
    refuse_under_service(first, desired.service)
    done: list[Step] = []
    for _ in range(PASSES):
        planned = steps(state)
        if not planned:
            break
        for step in planned:
            execute(step, runner)
        done += planned
        _settle(first, link_s)
        state = survey(desired, present, runner, root)
    left = [f"{name} stays {state.seen[name].value} and should be {state.wanted[name]}" for name in state.changes]
    left += [f"{name} can't be told: {why}" for name, why in state.blocked.items()]
    if left:
        tried = f" after {'; '.join(str(step) for step in done)}" if done else ""
        raise ApplyError("; ".join(left) + tried)
    return Outcome(first, state, tuple(done))
