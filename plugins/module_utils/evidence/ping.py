# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``ping -q`` of iputils and of busybox: the round trip over the kernel's network stack, and what was lost.

It says nothing of RDMA, which goes past that stack.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .findings import Context, Findings, nothing, real
from .result import Evidence, clean_lines, count, number

TOOL = "ping"

_START = re.compile(r"^PING \S+ ")
_RULE = re.compile(r"^--- \S+ ping statistics ---$")
_COUNTS = re.compile(
    r"^(\d+) packets transmitted, (\d+) (?:packets )?received,(?: \+\d+ \w+,)* ([\d.]+)% packet loss"
    r"(?:, time \d+ ?ms)?$"
)
_TIMES = re.compile(r"^(?:rtt|round-trip) min/avg/max(?:/\w+)? = ([\d.]+)/([\d.]+)/([\d.]+)(?:/[\d.]+)? ms\b")
_ERROR = re.compile(
    r"^(?:/\S*/)?ping: .*(?:unreachable|not known|not permitted|bad address|unknown host|cannot assign"
    r"|failure in name|no route|invalid)",
    re.IGNORECASE,
)
# Stages of an output in the order in which they are printed.
_STAGES = (_START, _RULE, _COUNTS, _TIMES)


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge a run.

    Args:
        text: what ping printed.
        context: ``maximum_loss_percent`` (without it any loss is a warning), ``maximum_us`` (limit of the average).

    Returns:
        ``round_trip_us`` (average), ``minimum_us``, ``maximum_us``, ``loss_percent``, ``sent``, ``received``.
    """
    lines = [line.strip() for line in clean_lines(text)]
    found = Findings()
    names = ("round_trip_us", "minimum_us", "maximum_us", "loss_percent", "sent", "received")
    values: dict[str, Any] = dict.fromkeys(names)
    found.failures.extend(f"ping reports: {line[:160]}" for line in lines if _ERROR.match(line))
    places = [[place for place, line in enumerate(lines) if stage.match(line)] for stage in _STAGES]
    if not places[2]:
        if found.failures:
            return found.evidence(TOOL, values)
        if any(places):
            found.unknowns.append("the output ends before its summary: cut off")
            return found.evidence(TOOL, values)
        return nothing(TOOL, values, lines, "summary of ping")
    _store(lines, places, values, found)
    _judge(values, context, found)
    return found.evidence(TOOL, values)


def _store(lines: Sequence[str], places: Sequence[Sequence[int]], values: dict[str, Any], found: Findings) -> None:
    counts = _COUNTS.match(lines[places[2][0]])
    if counts is not None:
        values.update(
            sent=count(counts.group(1)), received=count(counts.group(2)), loss_percent=number(counts.group(3))
        )
    firsts = [stage[0] for stage in places if stage]
    if any(len(stage) > 1 for stage in places):
        found.unknowns.append("there is more than one run in this output: give one at a time")
    elif firsts != sorted(firsts) or not places[0] or not places[1]:
        found.unknowns.append("the lines are not in the order in which ping prints them, or its head is cut off")
    times = _TIMES.match(lines[places[3][0]]) if places[3] else None
    if times is not None:
        least, average, most = (_micro(times.group(group)) for group in (1, 2, 3))
        values.update(round_trip_us=average, minimum_us=least, maximum_us=most)
        if None in (least, average, most) or not (least or 0) <= (average or 0) <= (most or 0):
            found.unknowns.append("minimum, average and maximum don't fit each other")
    elif values["received"]:
        found.unknowns.append("the round trip's times are not in this output: cut off")


def _micro(milliseconds: str) -> float | None:
    value = number(milliseconds)
    return None if value is None else round(value * 1000, 3)


def _judge(values: dict[str, Any], context: Context | None, found: Findings) -> None:
    sent, received, loss = values["sent"], values["received"], values["loss_percent"]
    if not sent or received is None or loss is None:
        found.unknowns.append("nothing was sent")
        return
    if received > sent or abs(loss - 100 * (1 - received / sent)) > 1:
        found.unknowns.append(f"{received} of {sent} received and {loss:g} % lost don't fit each other")
        return
    limit = real(context, "maximum_loss_percent")
    if received == 0:
        found.failures.append(f"none of {sent} packets came back")
    elif limit is not None and loss > limit:
        found.failures.append(f"{loss:g} % of the packets are lost, above {limit:g}")
    elif loss > 0 and limit is None:
        found.warnings.append(f"{loss:g} % of the packets are lost")
    slowest = real(context, "maximum_us")
    average = values["round_trip_us"]
    if slowest is not None and average is not None and average > slowest:
        found.failures.append(f"the round trip takes {average:g} us, above {slowest:g}")
