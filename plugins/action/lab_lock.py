# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: take the lab for the whole run. Documented in the module of the same name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.lab.commands import LabError
from ..module_utils.lab.lock import acquire, refuse_others


class ActionModule(ActionBase):
    """Runs in a worker; the run itself is its parent."""

    _VALID_ARGS = frozenset(("state_dir",))
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Take the lock, or fail with who has it. Not a change: nothing of the lab differs afterwards.

        In check mode nothing is written, so a lab that isn't there yet stays so; a lab that someone changes is refused
        all the same.
        """
        result: dict[str, Any] = super().run(tmp, task_vars)
        owner = os.getppid()
        lock = Path(str(self._task.args["state_dir"])) / "lock"
        try:
            if self._task.check_mode:
                refuse_others(lock, owner)
            else:
                acquire(lock, owner)
        except LabError as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": False, "owner": owner}
