# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: start a group of ranks together and wait until the service answers. Documented in the module of the same
name.
"""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import Any

from ansible import constants, context
from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils.launch.board import Board, BoardTimeoutError, cannot_meet
from ..module_utils.launch.progress import API_UP, COORDINATOR, INTERESTING, Unit, stage, start_needed, unit_from

DISPLAY = Display()
LAST_LINES = 25
# How long hosts wait for each other's state: one of them may be asking a service that hangs.
MEETING_TIMEOUT_S = 300.0
PROBE_TIMEOUT_S = 60.0
FOLLOWER_LOOKS_EVERY = 4
SHOW = (
    "systemctl show --timestamp=unix --property=ActiveState,Result,MainPID,InvocationID,ExecMainStartTimestamp {unit}; "
    "stat --format=INPUT=%Y -- {inputs} 2>/dev/null; "
    'pid=$(systemctl show --property=MainPID --value {unit}); [ "$pid" = 0 ] || '
    "tr '\\0' '\\n' < /proc/$pid/environ 2>/dev/null | grep '^MOEFLEET_DIGEST=' || true"
)


class LaunchError(Exception):
    """This launch can't succeed any more; `lines` are the journal's last words."""

    def __init__(self, message: str, lines: list[str] | None = None) -> None:
        self.lines = lines or []
        super().__init__(message)


class PeerError(LaunchError):
    """Another host said that it failed, so this one ends too. It says nothing of its own: what the others read stays
    the cause.
    """


class ActionModule(ActionBase):
    """Watches one host of the group; the board tells it of the others."""

    TRANSFERS_FILES = False
    _requires_connection = True
    # Whether this run has stopped or started anything. Until then a failure leaves the ranks as they are.
    touched = False

    # -- the host
    # --------------------------------------------------------------------------------------------------------------

    def _shell(self, command: str) -> str:
        """Run a command on the host and return its output; LaunchError when it fails."""
        done = self._low_level_execute_command(command, sudoable=True)
        if done["rc"] != 0:
            raise LaunchError(
                f"`{command[:80]}` failed with {done['rc']}: {(done['stderr'] or done['stdout']).strip()[-300:]}"
            )
        return str(done["stdout"])

    def _unit(self) -> Unit:
        return unit_from(self._shell(SHOW.format(unit=shlex.quote(self.unit), inputs=shlex.join(self.inputs))))

    def _journal(self, unit: Unit, only: str = "", lines: int = 400) -> list[str]:
        """The unit's log since it was started, cut down to lines that match `only`."""
        if not unit.invocation:
            return []
        command = f"journalctl --quiet --no-pager --output=cat _SYSTEMD_INVOCATION_ID={unit.invocation}"
        if only:
            command += f" | grep -E {shlex.quote(only)} || true"
        return self._shell(f"({command}) | tail -n {lines}").splitlines()

    def _probe(self) -> dict[str, Any]:
        """Ask the service for a completion and its engines, from the head."""
        arguments = {**self.service, "ask": [0], "max_tokens": 1, "completion_timeout_s": PROBE_TIMEOUT_S}
        answer = self._execute_module(
            module_name="moefleet.serving.service_probe", module_args=arguments, task_vars=self.task_vars
        )
        probe: dict[str, Any] = answer.get("probe") or {
            "ready": False,
            "reasons": [str(answer.get("msg", "no answer"))],
        }
        return probe

    # -- the group
    # -------------------------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        """What this host tells the others before anything is done."""
        unit = self._unit()
        current = unit.digest == self.digest and not unit.outdated
        state: dict[str, Any] = {"runs": unit.runs, "current": current, "answers": True, "why": ""}
        if self.board.me == self.head and state["runs"] and state["current"]:
            probe = self._probe()
            state.update(answers=bool(probe["ready"]), why="; ".join(probe["reasons"]))
        return state

    def _meet(self, topic: str, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Say something on a topic and wait for what all say; ends early when one of them fails."""
        self.board.post(topic, content)
        return self.board.wait_for_all(topic, MEETING_TIMEOUT_S, self._raise_if_failed)

    def _stop(self) -> None:
        unit = shlex.quote(self.unit)
        self.touched = True
        self._shell(
            f"systemctl daemon-reload && systemctl stop {unit} && (systemctl reset-failed {unit} 2>/dev/null || true)"
        )
        self._meet("stopped", {})

    def _start(self) -> None:
        """Start the unit: returns when its main process runs, and fails with its log when systemd couldn't start it."""
        try:
            self._shell(f"systemctl start {shlex.quote(self.unit)}")
        except LaunchError as error:
            lines = self._journal(self._unit(), lines=LAST_LINES)
            raise LaunchError(f"{self.board.me}: {self.unit} did not start: {error}", lines) from error

    def _wait_for_turn(self) -> None:
        """With an interval: the head starts at once, the others one by one after its coordinator is up.

        A lone engine has no coordinator: its hosts are stages, each of which waits for all.
        """
        position = self.board.hosts.index(self.board.me)
        if self.interval_s <= 0 or position == 0 or int(self.service["engines"]) == 1:
            return
        while True:
            self._raise_if_failed()
            coordinator = self.board.read("coordinator", self.head)
            if coordinator is not None and time.time() >= coordinator["at"] + (position - 1) * self.interval_s:
                return
            self.board.post("progress", {"words": "waiting for its turn"})
            if time.monotonic() > self.deadline:
                raise LaunchError(
                    f"{self.board.me}: not its turn to start after {self.timeout_s:.0f} s;"
                    f" the head's coordinator is {'not ' if coordinator is None else ''}up"
                )
            time.sleep(min(1.0, self.poll_s))

    def _raise_if_failed(self) -> None:
        failure = self.board.failure_of_another()
        if failure:
            raise PeerError(f"{self.board.me}: ended because {failure}")

    def _look(self, local_ranks: int) -> bool:
        """One look at this host: tell the others how far it is; on the head, whether the service answers."""
        unit = self._unit()
        if not unit.runs:
            lines = self._journal(unit, lines=LAST_LINES)
            raise LaunchError(f"{self.board.me}: {self.unit} died ({unit.active}, result {unit.result})", lines)
        lines = self._journal(unit, only=INTERESTING)
        words = stage(lines, local_ranks)
        if self.board.me != self.head:
            self.board.post("progress", {"words": words})
            return False
        if any(COORDINATOR in line for line in lines) and self.board.read("coordinator", self.head) is None:
            self.board.post("coordinator", {"at": time.time()})
        if not any(API_UP in line for line in lines):
            self.board.post("progress", {"words": words})
            return False
        probe = self._probe()
        self.board.post("progress", {"words": "; ".join(probe["reasons"]) or "answers"})
        return bool(probe["ready"])

    def _progress(self) -> str:
        """How far every host is."""
        said = self.board.all("progress")
        return "  ".join(f"{host}: {said.get(host, {}).get('words', 'starting')}" for host in self.board.hosts)

    def _watch(self, local_ranks: int, began: float) -> float:
        """Look again and again until the head says that the service answers; returns the seconds since `began`."""
        next_line = began + self.progress_s
        # The head's answer ends the wait. A follower is looked at less often: every look takes time from its ranks.
        tick = 0
        while True:
            self._raise_if_failed()
            if self.board.read("ready", self.head) is not None:
                return time.monotonic() - began
            due = self.board.me == self.head or tick % FOLLOWER_LOOKS_EVERY == 0
            if due and self._look(local_ranks):
                self.board.post("ready", {})
                continue
            now = time.monotonic()
            if self.board.me == self.head and now >= next_line:
                DISPLAY.display(f"  {now - began:5.0f} s  {self._progress()}")
                next_line = now + self.progress_s
            if now > self.deadline:
                raise LaunchError(
                    f"{self.board.me}: the service does not answer after {self.timeout_s:.0f} s ({self._progress()})",
                    self._journal(self._unit(), lines=LAST_LINES),
                )
            tick += 1
            time.sleep(self.poll_s)

    def _launch(self, local_ranks: int) -> float:
        self._stop()
        began = time.monotonic()
        self.deadline = began + self.timeout_s
        self._wait_for_turn()
        self._start()
        return self._watch(local_ranks, began)

    def _give_up(self, error: Exception, lines: list[str]) -> dict[str, Any]:
        """Tell the others, stop this host's ranks if this run has touched them, and say why."""
        if not isinstance(error, PeerError):
            self.board.post("failed", {"message": str(error)})
        try:
            if self.touched:
                self._shell(f"systemctl stop {shlex.quote(self.unit)}")
        except (LaunchError, AnsibleConnectionFailure) as also:
            lines = [*lines, f"(and stopping it: {also})"]
        words = "".join(f"\n    {line}" for line in lines)
        tail = f" Last lines of its log:{words}" if lines else ""
        return {
            "failed": True,
            "log": lines,
            "msg": f"{error}.{tail}\n  More: journalctl -u {self.unit} on {self.board.me}",
        }

    def _takes_part(self, hosts: list[str]) -> list[str]:
        """The hosts that run this task at once.

        In a rescue all hosts of the play run again, but Ansible counts only the one that failed by itself: the batch is
        believed where it is a part of the play, as with serial, and not where other hosts than it are called failed.
        """
        batch: list[str] = self.task_vars.get("ansible_play_batch", hosts)
        if set(batch) != set(self.task_vars.get("ansible_play_hosts", batch)):
            return batch
        everyone: list[str] = self.task_vars.get("ansible_play_hosts_all", batch)
        return everyone

    def _cannot_meet(self, hosts: list[str], me: str) -> str:
        """Why the hosts of the group would wait for each other in vain; empty when they all run this task at once."""
        if me not in hosts:
            return f"{me} is not one of the hosts of the group: {', '.join(hosts)}. Is it in the plan?"
        here = self._takes_part(hosts)
        forks = int(context.CLIARGS.get("forks") or constants.DEFAULT_FORKS)
        return cannot_meet("the group starts as one", hosts, here, forks)

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Compare, decide together, and start together."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        arguments = self._task.args
        self.task_vars = task_vars or {}
        hosts, me = [str(host) for host in arguments["hosts"]], str(self.task_vars["inventory_hostname"])
        refusal = self._cannot_meet(hosts, me)
        if refusal:
            return result | {"failed": True, "msg": refusal}
        self.inputs = [str(path) for path in arguments.get("inputs", [])]
        self.unit, self.digest, self.service = (
            str(arguments["unit"]),
            str(arguments["digest"]),
            dict(arguments["service"]),
        )
        self.interval_s, self.poll_s = float(arguments.get("start_interval_s", 0)), float(arguments.get("poll_s", 3))
        self.progress_s, self.timeout_s = (
            float(arguments.get("progress_s", 10)),
            float(arguments.get("timeout_s", 1800)),
        )
        self.deadline = time.monotonic() + self.timeout_s
        self.head = hosts[0]
        # The run's own temporary directory: the same in every worker, and gone when the run ends.
        directory = Path(constants.DEFAULT_LOCAL_TMP) / f"launch-{os.getppid()}-{self._task._uuid}"
        self.board = Board(directory, hosts, me)
        local_ranks = int(arguments["local_ranks"])
        try:
            reasons = start_needed(self._meet("state", self._state()))
            if not reasons:
                return result | {"changed": False, "reasons": []}
            diff = {"before": "".join(f"{reason}\n" for reason in reasons), "after": "every host runs as planned\n"}
            if self._task.check_mode:
                return result | {"changed": True, "reasons": reasons, "diff": diff}
            if self.board.me == self.head:
                DISPLAY.display(f"  starting {len(hosts)} hosts: {'; '.join(reasons)}")
            seconds = self._launch(local_ranks)
        except LaunchError as error:
            return result | self._give_up(error, error.lines)
        except BoardTimeoutError as error:
            return result | self._give_up(error, [])
        except AnsibleError as error:
            why = "can't be reached" if isinstance(error, AnsibleConnectionFailure) else "could not run its part"
            self.board.post("failed", {"message": f"{me} {why}: {error}"})
            raise
        return result | {"changed": True, "reasons": reasons, "seconds": round(seconds, 1), "diff": diff}
