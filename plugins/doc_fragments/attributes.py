# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module of the collection says of itself, in one place."""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes shared by the modules; a module adds `support` and may add `details`."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what it would change, without changing anything.
  diff_mode:
    description: Says what changed, or would change, in diff mode.
  idempotent:
    description: A second run with the same input, nothing having changed in between, changes nothing.
"""
