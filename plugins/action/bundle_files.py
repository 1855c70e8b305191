# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: a bundle's files on a host. Documented in the module of the same name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

DISPLAY = Display()
# Seconds between lines of progress.
PROGRESS_S = 15.0
# Bytes after which what came is verified and put in place: a run that is cut off loses no more.
BATCH_BYTES = 4 << 30


def batches(sizes: Mapping[str, int], limit: int = BATCH_BYTES) -> list[list[str]]:
    """Paths in order, in groups that end with the file which reaches `limit` bytes."""
    found: list[list[str]] = [[]]
    held = 0
    for path in sorted(sizes):
        if held >= limit:
            found.append([])
            held = 0
        found[-1].append(path)
        held += sizes[path]
    return found


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

    def _copy(self, sizes: Mapping[str, int]) -> list[str]:
        """Copy files by path, with a line of progress now and then; which of them still differ."""
        total, sent, next_line = sum(sizes.values()), 0, time.monotonic() + PROGRESS_S
        left: list[str] = []
        for batch in batches(sizes):
            incoming, came = str(self._step("prepared")["incoming"]), {}
            for number, path in enumerate(batch):
                came[path] = str(number)
                self._connection.put_file(str(Path(self._task.args["source"]) / path), f"{incoming}/{number}")
                sent += sizes[path]
                if time.monotonic() >= next_line:
                    next_line = time.monotonic() + PROGRESS_S
                    DISPLAY.display(f"  {self.host}: {sent / 1e9:.1f} of {total / 1e9:.1f} GB of the bundle")
            left = list(self._step("accepted", came=came)["differs"])
        return left

    def bring(self) -> dict[str, Any]:
        """Look, copy, verify."""
        look = self._step("compared")
        differs, strays = look["differs"], look["strays"]
        asked = self._task.args.get("state", "present")
        changed = bool(differs or strays) and asked == "present"
        diff = {
            "before": "".join(f"{path}: {why}\n" for path, why in differs.items()) + "".join(f"{p}\n" for p in strays),
            "after": "".join(f"{path}\n" for path in differs),
        }
        if changed and not self._task.check_mode:
            sizes = {str(row["path"]): int(row["size"]) for row in self._task.args["files"] if row["path"] in differs}
            left = self._copy(sizes)
            if left:
                raise AnsibleError(f"{self.host}: {', '.join(left)} changed while they were brought: run this again")
        return {"changed": changed, "differs": differs, "strays": strays, "diff": diff if changed else {}}

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Bring what the host lacks."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        del tmp
        self.task_vars = task_vars or {}
        self.host = str(self.task_vars.get("inventory_hostname", "the host"))
        return {**result, **self.bring()}
