# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain Python data from what Ansible hands to filters (tagged strings and numbers, lazy containers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain_data(value: Any) -> Any:
    """The same data in built-in types; anything that is none of JSON's becomes its text."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): plain_data(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_data(item) for item in value]
    return str(value)
