# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: a bundle's files on a host. Documented in the module of the same name."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

DISPLAY = Display()
# Seconds between lines of progress.
PROGRESS_S = 15.0


class ActionModule(ActionBase):
    """Compares, copies what is missing over the connection, and lets the host verify it."""

    TRANSFERS_FILES = False
    _requires_connection = True

    def _step(self, state: str, **more: Any) -> dict[str, Any]:
        """Call the module on the host; AnsibleError with what it says when it fails."""
        answer: dict[str, Any] = self._execute_module(
            module_name="moefleet.serving.bundle_files",
            module_args={**self._task.args, "state": state, **more},
            task_vars=self.task_vars,
        )
        if answer.get("failed"):
            raise AnsibleError(f"{self.host}: {answer.get('msg', 'no answer')}")
        return answer

    def _copy(self, paths: list[str], incoming: str) -> dict[str, str]:
        """Copy files, with a line of progress now and then; the names that they have over there, by path."""
        sizes = {str(row["path"]): int(row["size"]) for row in self._task.args["files"]}
        total, sent, next_line = sum(sizes[path] for path in paths), 0, time.monotonic() + PROGRESS_S
        came = {}
        for number, path in enumerate(paths):
            came[path] = str(number)
            self._connection.put_file(str(Path(self._task.args["source"]) / path), f"{incoming}/{number}")
            sent += sizes[path]
            if time.monotonic() >= next_line:
                next_line = time.monotonic() + PROGRESS_S
                DISPLAY.display(f"  {self.host}: {sent / 1e9:.1f} of {total / 1e9:.1f} GB of the bundle")
        return came

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Look, copy, verify."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        self.task_vars = task_vars or {}
        self.host = str(self.task_vars.get("inventory_hostname", "the host"))
        look = self._step("compared")
        differs, strays = look["differs"], look["strays"]
        changed = bool(differs or strays)
        diff = {
            "before": "".join(f"{path}: {why}\n" for path, why in differs.items()) + "".join(f"{p}\n" for p in strays),
            "after": "".join(f"{path}\n" for path in differs),
        }
        acts = self._task.args.get("state", "present") == "present" and not self._task.check_mode
        if changed and acts:
            incoming = str(self._step("prepared")["incoming"])
            left = self._step("accepted", came=self._copy(sorted(differs), incoming))["differs"]
            if left:
                raise AnsibleError(f"{self.host}: {', '.join(left)} changed while they were brought: run this again")
        found = {"changed": changed, "differs": differs, "strays": strays}
        return {**result, **found, "diff": diff if changed else {}}
