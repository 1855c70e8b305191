# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: change a host's network and come back to it, or have it take the change back. Documented in the module of
the same name.
"""

from __future__ import annotations

import time
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

DISPLAY = Display()
MODULE = "moefleet.serving.host_network"
# The host waits a second before it begins, so that the connection can end in order; then comes the moment that cuts.
BEGINS_AFTER_S = 1.5
LOOKS_EVERY_S = 0.5
# How much longer than the host's own timer the controller waits: putting things back takes a while, too.
GRACE_S = 60.0
# A connection that was cut must end by itself, instead of waiting for an answer until TCP gives up.
KEEPALIVE = "-o ServerAliveInterval=2 -o ServerAliveCountMax=3"


class ActionModule(ActionBase):
    """Runs the module's steps, the second one by connections of its own."""

    TRANSFERS_FILES = False
    _requires_connection = True

    def _reconnect(self) -> None:
        """Forget the connection, so that the next command makes a new one."""
        try:
            self._connection.reset()
        except (AttributeError, AnsibleError):
            self._connection.close()

    def _end_when_cut(self) -> None:
        """Have ssh notice a dead connection within seconds."""
        try:
            given = str(self._connection.get_option("ssh_extra_args") or "")
            if KEEPALIVE not in given:
                self._connection.set_option("ssh_extra_args", f"{given} {KEEPALIVE}".strip())
        except (AttributeError, KeyError, AnsibleError):
            return  # not ssh

    def _step(self, name: str, task_vars: dict[str, Any], **more: Any) -> dict[str, Any]:
        arguments = {**self._task.args, **more, "step": name}
        result: dict[str, Any] = self._execute_module(module_name=MODULE, module_args=arguments, task_vars=task_vars)
        return result

    def _settle(self, backend: str, rollback_s: float, task_vars: dict[str, Any]) -> dict[str, Any]:
        """Ask until the change has come to an end, whatever that is; `outcome` is `unreachable` when nobody answers."""
        deadline = time.monotonic() + rollback_s + GRACE_S
        last: dict[str, Any] = {"outcome": "unreachable", "why": "no connection"}
        while time.monotonic() < deadline:
            try:
                last = self._step("settle", task_vars, backend=backend)
            except AnsibleConnectionFailure as error:
                last = {"outcome": "unreachable", "why": str(error)}
                self._reconnect()
            if last.get("outcome") not in ("waiting", "unreachable"):
                break
            time.sleep(LOOKS_EVERY_S)
        return last

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Arm the change, come back, and say how it ended."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        task_vars = task_vars or {}
        first = self._step("change", task_vars)
        if first.get("failed") or not first.get("changed") or self._task.check_mode:
            return result | first
        rollback_s = float(self._task.args.get("rollback_s", 120))
        host = str(task_vars.get("inventory_hostname", "the host"))
        DISPLAY.vv(f"{host}: the network changes now; without a new connection it goes back in {rollback_s:.0f} s")
        self._end_when_cut()
        self._reconnect()
        time.sleep(BEGINS_AFTER_S)
        end = self._settle(str(first["backend"]), rollback_s, task_vars)
        if end.get("outcome") == "confirmed":
            return result | first
        return result | {
            **first,
            "failed": True,
            "changed": end.get("outcome") != "rolled-back",
            "msg": _words(host, end, rollback_s),
        }


def _words(host: str, end: dict[str, Any], rollback_s: float) -> str:
    """What happened to a change that was not kept."""
    outcome, why = str(end.get("outcome")), str(end.get("why") or end.get("msg") or "")
    if outcome == "rolled-back":
        cause = why or f"the controller could not come back within {rollback_s:.0f} s"
        return (
            f"{host}: the change was taken back: {cause}. The old files, addresses and routes are in place again and"
            " the host answers. Look at addresses, gateway and MTU in host_network_interfaces, and the switch's port."
        )
    if outcome == "unreachable":
        return (
            f"{host}: does not answer, though its timer should have put the old network back {GRACE_S:.0f} s ago"
            f" ({why}). Look at its console: /var/lib/moefleet/host_network has the old files, rollback.sh and a log."
        )
    return f"{host}: the change did not come to an end ({outcome}): {why}"
