# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The whole catalogue."""

from __future__ import annotations

from .experts import EXPERIMENT_FIGURES
from .fabric import FABRIC_FIGURES
from .model import Acceptance
from .sensitivity import CHANGE_FIGURES
from .service import SERVICE_FIGURES

ACCEPTANCES: tuple[Acceptance, ...] = FABRIC_FIGURES + SERVICE_FIGURES + EXPERIMENT_FIGURES + CHANGE_FIGURES

BY_ID: dict[str, Acceptance] = {entry.id: entry for entry in ACCEPTANCES}


def by_id(name: str) -> Acceptance:
    """Return the entry of this id.

    Raises:
        KeyError: there is none.
    """
    return BY_ID[name]
