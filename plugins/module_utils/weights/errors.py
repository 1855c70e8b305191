# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with a checkpoint or on the way to it: a code, what and where, and what to do."""

from __future__ import annotations


class WeightsError(Exception):
    """One thing that is wrong. `code` is for tests and searches, `fix` is what a person can do."""

    def __init__(self, code: str, what: str, fix: str) -> None:
        self.code, self.what, self.fix = code, what, fix
        super().__init__(f"[{code}] {what}. {fix}")
