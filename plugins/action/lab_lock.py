# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: take the lab for the whole run. Documented in the module of the same name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

from ansible.plugins.action import ActionBase

from ..module_utils.lab.commands import LabError
from ..module_utils.lab.lock import acquire


class ActionModule(ActionBase):
    """Runs in a worker; the run itself is its parent."""

    _VALID_ARGS = frozenset(("state_dir",))
    TRANSFERS_FILES = False

    def run(self, tmp: Optional[str] = None, task_vars: Optional[dict[str, Any]] = None) -> dict[str, Any]:
        """Take the lock, or fail with who has it. Not a change: nothing of the lab differs afterwards."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        owner = os.getppid()
        try:
            acquire(Path(str(self._task.args["state_dir"])) / "lock", owner)
        except LabError as error:
            return result | {"failed": True, "msg": str(error)}
        return result | {"changed": False, "owner": owner}
