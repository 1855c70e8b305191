# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What has to hold for RoCE without loss, whichever tool showed it.

The port trusts DSCP, the operating system (not the firmware) controls DCBX, PFC is on for exactly the lossless
priority, and the traffic's DSCP goes to that priority. A traffic class is not a priority: mlnx_qos commonly shows
priority 1 in tc 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .findings import Context, Findings, flag, whole, word

PRIORITIES = 8


def empty_values() -> dict[str, Any]:
    """Return the values of a port of which nothing is known."""
    return {
        "trust": None,
        "pfc": None,
        "dscp_to_priority": None,
        "dcbx": None,
        "buffer": None,
        "priority_to_tc": None,
        "buffer_bytes": None,
    }


def judge(values: dict[str, Any], context: Context | None, parts: Sequence[str], found: Findings) -> None:
    """Add to ``found`` what is wrong with a port.

    Args:
        values: as ``empty_values``, filled.
        context: as of ``parse_mlnx_qos``.
        parts: what must be known even where the context doesn't ask for it.
        found: is added to.
    """
    lossless, pfc = whole(context, "lossless_priority"), flag(context, "pfc")
    _judge_trust(values, context, parts, found)
    if values["pfc"] is None:
        if "pfc" in parts or pfc is not None or lossless is not None:
            found.unknowns.append("which priorities have PFC is not in this output")
    else:
        _judge_pfc(values, lossless, pfc, found)
    dscp = whole(context, "dscp")
    if dscp is not None and pfc is not False:
        _judge_mapping(values, dscp, lossless, found)


def _judge_trust(values: dict[str, Any], context: Context | None, parts: Sequence[str], found: Findings) -> None:
    trust, dcbx = (word(context, "trust") or "dscp").lower(), (word(context, "dcbx") or "os").lower()
    asked = whole(context, "dscp") is not None or word(context, "trust") is not None
    if flag(context, "pfc") is False and word(context, "trust") is None:
        asked, trust = False, values["trust"] or trust
    if values["trust"] is None:
        if not found.failures and ("trust" in parts or asked):
            found.unknowns.append("what the port trusts (DSCP or PCP) is not in this output")
    elif values["trust"] != trust:
        found.failures.append(
            f"the port trusts {values['trust']}, not {trust}: its DSCP means nothing; mlnx_qos -i IF --trust {trust}"
        )
    if values["dcbx"] is None:
        if "dcbx" in parts:
            found.notes.append("who controls DCBX is not in this output (older versions don't say)")
    elif values["dcbx"] != dcbx:
        found.failures.append(
            f"DCBX is controlled by the {values['dcbx']}: it may override these settings; mlnx_qos -i IF -d {dcbx}"
        )


def _judge_pfc(values: dict[str, Any], lossless: int | None, pfc: bool | None, found: Findings) -> None:
    on = [priority for priority, enabled in enumerate(values["pfc"]) if enabled]
    if pfc is False:
        if on:
            found.failures.append(
                f"PFC is on for priority {_list(on)} although the network is to be lossy: switch it off"
            )
        return
    if not on:
        found.failures.append(
            f"PFC is off for every priority: switch it on for {'the lossless one' if lossless is None else lossless}"
        )
    elif lossless is not None and lossless not in on:
        found.failures.append(f"PFC is on for priority {_list(on)}, not for {lossless}: set it for {lossless} alone")
    elif len(on) > 1:
        found.warnings.append(
            f"PFC is on for the priorities {_list(on)}: one is enough, each needs buffers on the switch"
        )
    buffers = values["buffer"]
    if buffers is not None and len(on) == 1 and buffers.count(buffers[on[0]]) > 1:
        found.warnings.append(
            f"priority {on[0]} shares receive buffer {buffers[on[0]]} with others: give it one of its own"
        )


def _judge_mapping(values: dict[str, Any], dscp: int, lossless: int | None, found: Findings) -> None:
    mapping = values["dscp_to_priority"]
    if mapping is None:
        found.unknowns.append("which priority a DSCP gets is not in this output")
        return
    priority = mapping.get(dscp)
    wanted = lossless
    if wanted is None and values["pfc"] is not None and sum(values["pfc"]) == 1:
        wanted = values["pfc"].index(1)
    if priority is None:
        found.failures.append(f"DSCP {dscp} is given no priority: map it to the lossless one")
    elif wanted is not None and priority != wanted:
        found.failures.append(
            f"DSCP {dscp} goes to priority {priority}, not to the lossless {wanted}: map it to {wanted}"
        )


def _list(priorities: Sequence[int]) -> str:
    return ", ".join(str(priority) for priority in priorities)
