# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What was left out on purpose, as quick mode does: no check, so neither a pass nor a fault, and said all the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .catalogue.model import Acceptance
from .measurement import Measurement


def left_out_of(catalogue: Sequence[Acceptance], measurements: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the figures that were left out, in the catalogue's order, each with its ``reason``.

    A figure that was measured in spite of it is judged, and was not left out.
    """
    read = [Measurement.from_dict(entry) for entry in measurements]
    told = {one.check: one.left_out for one in read if one.left_out and not one.runs}
    there = {one.check for one in read if one.runs or not one.left_out}
    return [
        {"id": entry.id, "section": entry.section, "title": entry.title, "reason": told[entry.id]}
        for entry in catalogue
        if entry.id in told and entry.id not in there
    ]
