# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Action: the module of the same name, with the controller's clock around it. Documented in the module."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """How far two hosts' clocks are apart can be told only by one who asked both."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module; add when it was asked and when it had answered."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        before = time.time()
        result |= self._execute_module(
            module_name=self._task.action, module_args=self._task.args, task_vars=task_vars, wrap_async=False
        )
        if isinstance(result.get("seen"), dict):
            result["seen"]["controller"] = {"before_s": before, "after_s": time.time()}
        return result
