# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: bring a checkpoint to all hosts of a group, each byte once from the source. Documented in the module of the
same name.
"""

from __future__ import annotations

import json
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
from ..module_utils.weights.progress import before, order, words

DISPLAY = Display()
# A host may have to read all of a large checkpoint before it says what it has.
MEETING_TIMEOUT_S = 7200.0
POLL_S = 1.0
STATUS = (
    "cat {file} 2>/dev/null; echo; pid=$(sed -n 's/.*\"pid\": \\([0-9]*\\).*/\\1/p' {file} 2>/dev/null); "
    '[ -z "$pid" ] || [ -d "/proc/$pid" ] || echo GONE'
)


class FetchError(Exception):
    """This host can't get the checkpoint any more, or another one can't."""


class PeerError(FetchError):
    """Another host said that it failed, so this one ends too."""


class ActionModule(ActionBase):
    """Watches one host of the group; the board tells it of the others."""

    TRANSFERS_FILES = False
    _requires_connection = True
    board: Board

    def _store(self, state: str, **more: Any) -> dict[str, Any]:
        """Call the module on the host; FetchError with what it says when it fails."""
        arguments = {"path": self.arguments["path"], "manifest": self.arguments["manifest"], "state": state, **more}
        answer: dict[str, Any] = self._execute_module(
            module_name="moefleet.serving.weights_store", module_args=arguments, task_vars=self.task_vars
        )
        if answer.get("failed"):
            raise FetchError(f"{self.board.me}: {answer.get('msg', 'no answer')}")
        return answer

    def _raise_if_failed(self) -> None:
        failure = self.board.failure_of_another()
        if failure:
            raise PeerError(f"{self.board.me}: ended because {failure}")

    def _meet(self, topic: str, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
        self.board.post(topic, content)
        return self.board.wait_for_all(topic, MEETING_TIMEOUT_S, self._raise_if_failed)

    def _status(self) -> dict[str, Any]:
        """What the host's transfer says; FetchError when it failed or is gone."""
        file = shlex.quote(f"{self.arguments['path']}.revisions/.transfer.json")
        lines = self._low_level_execute_command(STATUS.format(file=file), sudoable=True)["stdout"].splitlines()
        try:
            status: dict[str, Any] = json.loads(lines[0]) if lines and lines[0] else {}
        except ValueError:
            status = {}
        if status.get("state") == "failed":
            raise FetchError(f"{self.board.me}: {status['error']}")
        if "GONE" in lines and status.get("state") != "complete":
            raise FetchError(f"{self.board.me}: the transfer died; run this again, it goes on where it stopped")
        return status

    def _watch(self) -> dict[str, Any]:
        """Look until every host has all; returns what this host said last."""
        began = time.monotonic()
        every = float(self.arguments.get("progress_s", 10))
        next_line = began + every
        while True:
            self._raise_if_failed()
            status = self._status()
            self.board.post("progress", {"words": words(status), "complete": status.get("state") == "complete"})
            said = self.board.all("progress")
            now = time.monotonic()
            if self.board.me == self.board.hosts[0] and now >= next_line:
                lines = [f"{host}: {said.get(host, {}).get('words', 'starting')}" for host in self.board.hosts]
                DISPLAY.display(f"  {now - began:5.0f} s  " + "  ".join(lines))
                next_line = now + every
            if len(said) == len(self.board.hosts) and all(content["complete"] for content in said.values()):
                return status
            time.sleep(POLL_S)

    def _fetch(self, states: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """Start this host's part of the chain, and wait for all."""
        chain = order(states)
        giver = before(chain, self.board.me)
        port = int(self.arguments["port"])
        source = dict(self.arguments["source"])
        if giver:
            url = f"http://{states[giver]['address']}:{port}"
            source = {"kind": "peer", "url": url, "bind": self.arguments["address"]}
        else:
            source["revision"] = self.arguments["manifest"]["revision"]
        job = {
            "source": source,
            "address": self.arguments["address"],
            "port": port,
            "clients": [state["address"] for state in states.values()],
            "parallel": int(self.arguments.get("parallel", 4)),
            "cap": float(self.arguments.get("cap", 0)),
        }
        self.started = True
        self._store("fetching", job=job, full=bool(self.arguments.get("full", False)))
        status = self._watch()
        # Nobody stops giving before all have said that they have all.
        self._meet("done", {})
        self._store("stopped")
        return {"came_bytes": status.get("came_bytes", 0), "giver": giver or self.arguments["source"]["kind"]}

    def _work(self) -> dict[str, Any]:
        look = self._store("looked", full=bool(self.arguments.get("full", False)))
        state = {"whole": not look["differs"], "address": str(self.arguments["address"])}
        states = self._meet("state", state)
        reasons = [f"{path}: {why}" for path, why in look["differs"].items()]
        found: dict[str, Any] = {"differs": look["differs"], "came_bytes": 0}
        revision = self.arguments["manifest"]["revision"]
        diff = {
            "before": f"{look['current'] or 'no'} revision in use\n" + "".join(f"{reason}\n" for reason in reasons),
            "after": f"{revision} revision in use\n",
        }
        if self._task.check_mode:
            changed = bool(reasons) or look["current"] != revision
            return {**found, "changed": changed, "diff": diff if changed else {}}
        if not all(state["whole"] for state in states.values()):
            found.update(self._fetch(states))
        current = self._store("current", keep=int(self.arguments.get("keep", 2)))
        changed = bool(reasons) or bool(current["changed"])
        return {**found, "changed": changed, "pruned": current["pruned"], "diff": diff if changed else {}}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, meet, bring, switch."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        self.arguments = self._task.args
        self.task_vars = task_vars or {}
        self.started = False
        hosts, me = [str(host) for host in self.arguments["hosts"]], str(self.task_vars["inventory_hostname"])
        here = self.task_vars.get("ansible_play_batch", hosts)
        forks = int(context.CLIARGS.get("forks") or constants.DEFAULT_FORKS)
        refusal = cannot_meet("hosts give the files to each other", hosts, here, forks)
        if refusal:
            return {**result, "failed": True, "msg": refusal}
        directory = Path(constants.DEFAULT_LOCAL_TMP) / f"weights-{os.getppid()}-{self._task._uuid}"
        self.board = Board(directory, hosts, me)
        try:
            return {**result, **self._work()}
        except (FetchError, BoardTimeoutError) as error:
            if not isinstance(error, PeerError):
                self.board.post("failed", {"message": str(error)})
            return {**result, "failed": True, "msg": str(error) + self._stop()}
        except AnsibleError as error:
            why = "can't be reached" if isinstance(error, AnsibleConnectionFailure) else "could not run its part"
            self.board.post("failed", {"message": f"{me} {why}: {error}"})
            raise

    def _stop(self) -> str:
        """End this host's transfer; what came stays. Returns what went wrong with that."""
        try:
            if self.started:
                self._store("stopped")
        except (FetchError, AnsibleConnectionFailure) as error:
            return f" (and ending its transfer: {error})"
        return ""
