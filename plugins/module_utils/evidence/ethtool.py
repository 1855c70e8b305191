# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``ethtool -a`` (global pause) and ``ethtool -S`` (counters)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .findings import Context, Findings, flag, json_documents, nothing, table, whole, words
from .result import Evidence, clean_lines, count, number

PAUSE_TOOL = "ethtool_pause"
STATISTICS_TOOL = "ethtool_statistics"

# Counters of mlx5 that mean trouble when they grow during a run: frames thrown away, ports held up by pauses.
TROUBLE = (
    "rx_discards_phy",
    "tx_discards_phy",
    "rx_out_of_buffer",
    "tx_pause_storm_error_events",
    "tx_pause_storm_warning_events",
)

_PAUSE_LINE = re.compile(r"^(Autonegotiate|RX|TX|RX negotiated|TX negotiated):\s*(on|off)\s*$", re.IGNORECASE)
_PAUSE_HEAD = re.compile(r"^Pause parameters for (\S+):\s*$")
_COUNTER = re.compile(r"^\s*([A-Za-z0-9_.\[\]-]+(?: [A-Za-z0-9_.\[\]-]+)*):\s*(\S*)\s*$")
# Counters that are known without the header, as where somebody filtered the output.
_TRAFFIC = re.compile(r"^[rt]x\d*_")
_HEAD = re.compile(r"^NIC statistics:\s*$")
_FAILED = re.compile(
    r"^(?:Cannot get|no stats available|netlink error|Operation not supported).*"
    r"|.*(?:Operation not supported|No such device)\s*$",
    re.IGNORECASE,
)


def parse_pause(text: str, context: Context | None = None) -> Evidence:
    """Judge ``ethtool -a IF``, text or ``--json``.

    Args:
        text: what it printed.
        context: ``pfc`` (true: the port uses PFC, beside which global pause must be off), ``rx``, ``tx`` (wanted).

    Returns:
        ``interface``, ``autonegotiate``, ``rx``, ``tx``: true or false.
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {"interface": None, "autonegotiate": None, "rx": None, "tx": None}
    found = Findings()
    seen = False
    for line in lines:
        head, pair = _PAUSE_HEAD.match(line), _PAUSE_LINE.match(line.strip())
        if head is not None:
            values["interface"] = head.group(1)
        elif pair is not None and pair.group(1).lower() in values:
            values[pair.group(1).lower()] = pair.group(2).lower() == "on"
        elif _FAILED.match(line.strip()):
            found.failures.append(f"ethtool failed: {line.strip()[:160]}")
        seen = seen or head is not None or pair is not None
    for entry in _json_entries(lines):
        if "rx" in entry or "tx" in entry:
            seen = True
            values["interface"] = str(entry["ifname"]) if entry.get("ifname") else None
            values.update(
                {name: entry[name] for name in ("autonegotiate", "rx", "tx") if isinstance(entry.get(name), bool)}
            )
    if not seen:
        return (
            found.evidence(PAUSE_TOOL, values)
            if found.failures
            else nothing(PAUSE_TOOL, values, lines, "pause setting")
        )
    _judge_pause(values, context, found)
    return found.evidence(PAUSE_TOOL, values)


def parse_statistics(text: str, context: Context | None = None) -> Evidence:
    """Judge ``ethtool -S IF``.

    Args:
        text: what it printed.
        context: ``before`` (the counters, or the text, of an earlier call: then growth is judged),
            ``lossless_priority`` (with ``before``: its bytes must have grown, nothing of it been thrown away),
            ``maximum`` and ``minimum`` (limits by counter, of its growth where there is a ``before``), ``zero``
            (counters that must be, or stay, 0).

    Returns:
        Every counter by its name; of several with one name the sum.
    """
    lines = clean_lines(text)
    found = Findings()
    values: dict[str, Any] = dict(read_counters(lines, found))
    if not values:
        if found.failures:
            return found.evidence(STATISTICS_TOOL, values)
        found.unknowns.clear()
        return nothing(STATISTICS_TOOL, values, lines, "counter")
    before = None if context is None else context.get("before")
    grown: dict[str, int] | None = None
    if before is not None:
        earlier = (
            read_counters(clean_lines(before), Findings())
            if isinstance(before, str)
            else {name: count(value) or 0 for name, value in (table(context, "before") or {}).items()}
        )
        grown = {name: value - earlier[name] for name, value in values.items() if name in earlier}
        _judge_growth(grown, whole(context, "lossless_priority"), found)
    _judge_limits(values if grown is None else grown, context, found)
    return found.evidence(STATISTICS_TOOL, values)


def read_counters(lines: Sequence[str], found: Findings) -> dict[str, int]:
    """Return the counters by name."""
    counters: dict[str, int] = {}
    begun = False
    for line in lines:
        if _HEAD.match(line):
            begun = True
            continue
        if _FAILED.match(line.strip()):
            found.failures.append(f"ethtool failed: {line.strip()[:160]}")
        match = _COUNTER.match(line)
        value = count(match.group(2)) if match is not None else None
        if match is not None and value is not None and (begun or _TRAFFIC.match(match.group(1))):
            counters[match.group(1)] = counters.get(match.group(1), 0) + value
        elif begun and line[:1].isspace() and line.strip():
            found.unknowns.append(f"the counter {line.strip()[:60]!r} can't be read: cut off")
    for entry in _json_entries(lines):
        if "ifname" in entry:
            _flatten(entry, counters)
    return counters


def _judge_pause(values: dict[str, Any], context: Context | None, found: Findings) -> None:
    pfc = flag(context, "pfc")
    for name in ("rx", "tx"):
        wanted = flag(context, name)
        if values[name] is None:
            found.unknowns.append(f"whether pause is on for {name} is not in this output: cut off")
        elif pfc and values[name]:
            found.failures.append(
                f"global pause is on for {name} beside PFC, it stops every priority: ethtool -A IF {name} off"
            )
        elif wanted is not None and values[name] != wanted:
            on = {True: "on", False: "off"}
            found.failures.append(f"global pause is {on[values[name]]} for {name}, {on[wanted]} is wanted")


def _judge_growth(grown: Mapping[str, int], lossless: int | None, found: Findings) -> None:
    if any(value < 0 for value in grown.values()):
        found.unknowns.append("counters became smaller: the driver was loaded again in between, measure again")
        return
    for name in TROUBLE:
        if grown.get(name):
            found.failures.append(f"{name} grew by {grown[name]}: frames were lost or the port was held up")
    if lossless is None:
        return
    for name in (f"tx_prio{lossless}_bytes", f"rx_prio{lossless}_bytes"):
        if name not in grown:
            found.unknowns.append(f"{name} is not among the counters")
        elif not grown[name]:
            found.failures.append(
                f"{name} did not grow: the traffic does not use priority {lossless}; look at the DSCP"
            )
    lost = f"rx_prio{lossless}_discards"
    if grown.get(lost):
        found.failures.append(
            f"{lost} grew by {grown[lost]}: the lossless priority loses frames; look at PFC and buffers"
        )


def _judge_limits(figures: Mapping[str, Any], context: Context | None, found: Findings) -> None:
    limits: list[tuple[str, float | None, float | None]] = []
    limits += [(name, None, number(limit)) for name, limit in (table(context, "maximum") or {}).items()]
    limits += [(name, number(limit), None) for name, limit in (table(context, "minimum") or {}).items()]
    limits += [(name, None, 0.0) for name in words(context, "zero") or []]
    for name, least, most in limits:
        if name not in figures:
            found.unknowns.append(f"{name} is not among the counters")
        elif most is not None and figures[name] > most:
            found.failures.append(f"{name} is {figures[name]}, above {most:g}")
        elif least is not None and figures[name] < least:
            found.failures.append(f"{name} is {figures[name]}, below {least:g}")


def _json_entries(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [
        entry
        for document in json_documents("\n".join(lines))
        for entry in (document if isinstance(document, list) else [document])
        if isinstance(entry, dict)
    ]


def _flatten(entry: Mapping[str, Any], counters: dict[str, int]) -> None:
    for name, value in entry.items():
        if isinstance(value, Mapping):
            _flatten(value, counters)
        elif not isinstance(value, (str, bool)) and count(value) is not None:
            counters[str(name)] = counters.get(str(name), 0) + int(value)
