# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host's files below a prefix."""

from __future__ import annotations

from pathlib import Path


def under(root: Path, path: str) -> Path:
    """A host's path below the prefix that stands for its root."""
    return root / path.lstrip("/")


def text(path: Path) -> str | None:
    """A small file's text without white space around it; None where it can't be read, as for a link's speed while it
    is down.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
