# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""``iperf3``: JSON (``-J``), which may have a warning before it, or text.

A failed run has exit code 1 and the key ``error``, with ``end`` empty. In bidirectional mode some versions print a key
twice, of which JSON readers keep the last: that is not believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from .findings import Context, Findings, nothing, real
from .result import Evidence, clean_lines, count, number

TOOL = "iperf3"

_SUMMARY = re.compile(
    r"^\[(SUM|\s*\d+)\](?:\[[TR]X-[CS]\])?\s+[\d.]+-[\d.]+\s+sec\s+[\d.]+ \w+\s+([\d.]+) ([KMGT]?)bits/sec\s+"
    r"(.*?)\s*(sender|receiver)\s*$"
)
_ERROR = re.compile(r"^iperf3: error - (.*)$|^iperf3?: (unable .*|interrupt .*)$")
_LOSS = re.compile(r"\(([\d.]+)%\)")
_SCALE = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


class _Twice(dict[str, Any]):
    """An object of which a key was given twice."""


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge a run.

    Args:
        text: the client's output.
        context: ``minimum_bit_s`` (least received), ``line_rate_gbit_s`` (more than it is not believed),
            ``maximum_loss_percent``, ``maximum_retransmits``.

    Returns:
        ``received_bit_s``, ``sent_bit_s``, ``retransmits`` (TCP), ``loss_percent`` (UDP).
    """
    lines = clean_lines(text)
    found = Findings()
    values: dict[str, Any] = {"received_bit_s": None, "sent_bit_s": None, "retransmits": None, "loss_percent": None}
    document = _document("\n".join(lines))
    if document is not None:
        _store_json(document, values, found)
    else:
        _store_text(lines, values, found)
    if values["received_bit_s"] is None and not found.failures and not found.unknowns:
        return nothing(TOOL, values, lines, "iperf3 result")
    _judge(values, context, found)
    return found.evidence(TOOL, values)


def _judge(values: dict[str, Any], context: Context | None, found: Findings) -> None:
    received = values["received_bit_s"]
    if received is None:
        if not found.failures and not found.unknowns:
            found.unknowns.append("what was received is not in this output")
        return
    least, line = real(context, "minimum_bit_s"), real(context, "line_rate_gbit_s")
    if received <= 0:
        found.failures.append("nothing was received")
    if least is not None and received < least:
        found.failures.append(f"{received / 1e9:.4g} Gb/s were received, below {least / 1e9:.4g}")
    if line is not None and received > line * 1e9:
        found.unknowns.append(
            f"{received / 1e9:.4g} Gb/s were received, more than the line's {line:g}: another interface?"
        )
    for name in ("loss_percent", "retransmits"):
        most = real(context, f"maximum_{name}")
        if most is not None and values[name] is None:
            found.unknowns.append(f"{name} was not measured")
        elif most is not None and values[name] > most:
            found.failures.append(f"{name} is {values[name]:g}, above {most:g}")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    return dict(pairs) if len(set(keys)) == len(keys) else _Twice(pairs)


def _document(text: str) -> dict[str, Any] | None:
    decoder = json.JSONDecoder(object_pairs_hook=_pairs)
    position = text.find("{")
    while position != -1:
        try:
            document, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position = text.find("{", position + 1)
            continue
        if isinstance(document, dict) and ("end" in document or "error" in document) and "start" in document:
            return document
        position = text.find("{", end)
    return None


def _store_json(document: dict[str, Any], values: dict[str, Any], found: Findings) -> None:
    if document.get("error"):
        found.failures.append(f"iperf3 reports: {str(document['error'])[:160]}")
        return
    end = document.get("end")
    if not isinstance(end, dict) or not end:
        found.unknowns.append("the run has no end: it broke off")
        return
    if isinstance(end, _Twice) or isinstance(document, _Twice):
        found.unknowns.append("a sum is in the output twice (bidirectional mode): measure each direction by itself")
        return
    total, sent, received = (_object(end, name) for name in ("sum", "sum_sent", "sum_received"))
    values["sent_bit_s"] = number(sent.get("bits_per_second", total.get("bits_per_second")))
    values["received_bit_s"] = number(received.get("bits_per_second"))
    values["retransmits"] = count(sent.get("retransmits"))
    values["loss_percent"] = number(received.get("lost_percent", total.get("lost_percent")))
    if values["received_bit_s"] is None and total.get("sender") is False:
        values["received_bit_s"] = number(total.get("bits_per_second"))
    elif values["received_bit_s"] is None and values["loss_percent"] is not None and values["sent_bit_s"] is not None:
        # UDP of older versions: one sum, of what was sent, and the share that was lost.
        values["received_bit_s"] = values["sent_bit_s"] * (1 - values["loss_percent"] / 100)


def _object(end: dict[str, Any], name: str) -> dict[str, Any]:
    value = end.get(name)
    return value if isinstance(value, dict) else {}


def _store_text(lines: Sequence[str], values: dict[str, Any], found: Findings) -> None:
    for line in lines:
        error = _ERROR.match(line.strip())
        if error is not None:
            found.failures.append(f"iperf3 reports: {(error.group(1) or error.group(2))[:160]}")
    summaries = [match for match in map(_SUMMARY.match, lines) if match is not None]
    totals = [match for match in summaries if match.group(1) == "SUM"] or summaries
    for role, name in (("sender", "sent_bit_s"), ("receiver", "received_bit_s")):
        of_role = [match for match in totals if match.group(5) == role]
        if len(of_role) > 1:
            found.unknowns.append(f"there are several sums of the {role}: measure one direction and one run at a time")
        elif of_role:
            values[name] = (number(of_role[0].group(2)) or 0.0) * _SCALE[of_role[0].group(3)]
            rest = of_role[0].group(4)
            loss = _LOSS.search(rest)
            if loss is not None:
                values["loss_percent"] = number(loss.group(1))
            elif role == "sender":
                values["retransmits"] = count(rest)
    if values["sent_bit_s"] is not None and values["received_bit_s"] is None and not found.failures:
        found.unknowns.append("what was received is not in this output: cut off")
