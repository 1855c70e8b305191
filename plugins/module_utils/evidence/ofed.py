# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``ofed_info``: which OFED's user space is installed. It says nothing of the loaded modules: ask modinfo for those."""

from __future__ import annotations

import re
from typing import Any

from .findings import Context, Findings, nothing, word
from .result import Evidence, clean_lines

TOOL = "ofed_info"

_VERSION = re.compile(
    r"^(MLNX_OFED_LINUX|MLNX_EN|OFED-internal|DOCA[\w-]*?|OFED)-(\d[\w.]*-\d[\w.]*)(?::|\s*\(.*|\s*)$"
)


def parse(text: str, context: Context | None = None) -> Evidence:
    """Read ``ofed_info -s``, or the first line of ``ofed_info``.

    Args:
        text: what it printed.
        context: ``version`` (wanted, or the start of it: ``24.10`` or ``24.10-0.7.0.1``).

    Returns:
        ``kind`` (``MLNX_OFED_LINUX``, or ``OFED-internal`` as DOCA names it), ``version``.
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {"kind": None, "version": None}
    for line in lines:
        match = _VERSION.match(line.strip())
        if match is not None:
            values = {"kind": match.group(1), "version": match.group(2)}
            break
    if values["version"] is None:
        return nothing(TOOL, values, lines, "OFED version")
    found = Findings()
    wanted = word(context, "version")
    if wanted is not None and not re.match(rf"{re.escape(wanted)}(?![\w])", values["version"]):
        found.failures.append(f"OFED {values['version']} is installed, {wanted} is wanted")
    found.notes.append("this is OFED's user space: whether its modules are loaded is modinfo's to say")
    return found.evidence(TOOL, values)
