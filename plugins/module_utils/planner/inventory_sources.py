# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads raw inventory files."""

from __future__ import annotations

from typing import List, Sequence

from .findings import Finding, error


def scan(sources: Sequence[str], group: str, hosts: Sequence[str]) -> List[Finding]:
    """Defects."""
    return [] if hosts else [error("inventory.group_empty", f"group '{group}' has no hosts", "name a group with hosts")]
