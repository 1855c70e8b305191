# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Two things in the way of static settings, whichever driver runs the port: pause frames for all, and an LLDP agent."""

from __future__ import annotations

from collections.abc import Mapping

from . import tools
from .settings import Host, Run, Seen, Step

AGENT = ("lldpad.socket", "lldpad.service")
AWAY = "away"
IN_THE_WAY = "in the way"


def read_pause(host: Host) -> Seen:
    """Pause frames that stop the whole port, lossless queue or not."""
    answer = host.run(("ethtool", "-a", host.interface))
    if answer.status:
        return Seen(None, answer.why)
    value = tools.pause(answer.stdout)
    return Seen(value) if value is not None else Seen(None, f"ethtool -a {host.interface} says neither on nor off")


def read_agent(host: Host) -> Seen:
    """lldpad negotiates DCBX by itself and overwrites what was set."""
    answer = host.run(("systemctl", "show", "--property=LoadState,ActiveState", AGENT[1]))
    lines = dict(line.split("=", 1) for line in answer.stdout.splitlines() if "=" in line)
    if answer.status or "LoadState" not in lines:
        return Seen(None, answer.why, available=False)
    stopped = lines.get("ActiveState") in ("inactive", "failed")
    return Seen(AWAY if lines["LoadState"] in ("not-found", "masked") and stopped else IN_THE_WAY)


def steps(host: Host, setting: str, wanted: Mapping[str, str], seen: Mapping[str, Seen]) -> tuple[Step, ...]:  # noqa: ARG001
    """How one of them is set."""
    if setting == "lldpad":
        return (Run(("systemctl", "mask", "--now", *AGENT)),)
    return (Run(("ethtool", "-A", host.interface, "rx", wanted[setting], "tx", wanted[setting])),)


def service_state(host: Host, unit: str) -> str:
    """A unit's state, or nothing where nobody can tell."""
    answer = host.run(("systemctl", "show", "--property=ActiveState", "--value", unit))
    return answer.stdout.strip() if answer.status == 0 else ""
