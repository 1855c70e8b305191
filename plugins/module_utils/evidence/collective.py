# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the role verify's collective program prints: all-reduce and all-to-all over all ranks of a group, as JSON.

Sizes are a rank's whole buffer, as in nccl-tests. `algbw` is size by time; `busbw` is what a rank's link carries of it:
algbw x 2(n-1)/n for an all-reduce, algbw x (n-1)/n for an all-to-all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .findings import Context, Findings, json_documents, nothing, real, whole, word, words
from .result import Evidence, clean_lines, count, number

TOOL = "collective"

# The key by which the program's document is known, with the version of its form.
MARK = "moefleet_collective"
VERSION = 1

_FAILED = re.compile(r"^collective: (.*)$")
_FIGURES = ("seconds", "algbw_gbyte_s", "busbw_gbyte_s")


def parse(text: str, context: Context | None = None) -> Evidence:
    """Judge one operation of a run.

    Args:
        text: what the program printed, with the library's log around it.
        context: ``operation`` (``all_reduce`` or ``all_to_all``; else the first), ``bytes`` (the size to report; else
            the largest), ``ranks``, ``hosts`` (numbers that must have taken part), ``transports`` (that are allowed),
            ``minimum_busbw_gbyte_s``.

    Returns:
        ``operation``, ``backend``, ``ranks``, ``hosts``, ``transport``, ``interface``, ``sizes`` (each with ``bytes``,
        ``seconds``, ``algbw_gbyte_s``, ``busbw_gbyte_s``, ``wrong_values``), and of the size that is asked for
        ``bytes``, ``time_us``, ``algbw_gbyte_s``, ``busbw_gbyte_s``; ``wrong_values`` of all sizes together.
    """
    lines = clean_lines(text)
    found = Findings()
    names = ("operation", "backend", "ranks", "hosts", "transport", "interface", "bytes", "time_us", "algbw_gbyte_s")
    values: dict[str, Any] = {**dict.fromkeys(names), "busbw_gbyte_s": None, "wrong_values": None, "sizes": []}
    for line in lines:
        failed = _FAILED.match(line.strip())
        if failed is not None:
            found.failures.append(f"the run failed: {failed.group(1)[:200]}")
    documents = [
        document for document in json_documents("\n".join(lines)) if isinstance(document, dict) and MARK in document
    ]
    if not documents:
        return found.evidence(TOOL, values) if found.failures else nothing(TOOL, values, lines, "collective's result")
    if len(documents) > 1:
        found.unknowns.append("there is more than one run in this output: give one at a time")
        return found.evidence(TOOL, values)
    _store(documents[0], context, values, found)
    return found.evidence(TOOL, values)


def _store(document: Mapping[str, Any], context: Context | None, values: dict[str, Any], found: Findings) -> None:
    if document.get(MARK) != VERSION:
        found.unknowns.append(f"the result is of form {document.get(MARK)!r}, not {VERSION}")
        return
    for name in ("backend", "transport", "interface"):
        values[name] = str(document[name]) if document.get(name) else None
    values.update(ranks=count(document.get("ranks")), hosts=count(document.get("hosts")))
    operations = document.get("operations")
    entries = [entry for entry in operations if isinstance(entry, dict)] if isinstance(operations, list) else []
    wanted = word(context, "operation")
    chosen = [entry for entry in entries if wanted in (None, entry.get("operation"))][:1]
    if not chosen:
        found.unknowns.append(f"{wanted or 'an operation'} is not in this result")
        return
    values["operation"] = str(chosen[0].get("operation"))
    rows = [_row(entry) for entry in chosen[0].get("sizes") or ()]
    values["sizes"] = [row for row in rows if row is not None]
    if not rows or None in rows:
        found.unknowns.append(f"a size of {values['operation']} can't be read")
        return
    values["wrong_values"] = sum(row["wrong_values"] for row in values["sizes"])
    _choose(whole(context, "bytes"), values, found)
    _judge(context, values, found)


def _row(entry: Any) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        return None
    row: dict[str, Any] = {"bytes": count(entry.get("bytes")), "wrong_values": count(entry.get("wrong_values"))}
    row.update({name: number(entry.get(name)) for name in _FIGURES})
    if None in row.values() or any(row[name] <= 0 for name in ("bytes", "seconds")):
        return None
    return row


def _choose(size: int | None, values: dict[str, Any], found: Findings) -> None:
    """A size is rounded up to a multiple of the ranks: the nearest above is meant."""
    rows = sorted(values["sizes"], key=lambda row: int(row["bytes"]))
    if size is None:
        row = rows[-1]
    else:
        near = [row for row in rows if size <= row["bytes"] < 2 * size]
        if not near:
            found.unknowns.append(f"{size} bytes were not measured")
            return
        row = near[0]
    values.update(bytes=row["bytes"], time_us=round(row["seconds"] * 1e6, 3))
    values.update({name: row[name] for name in ("algbw_gbyte_s", "busbw_gbyte_s")})


def _judge(context: Context | None, values: dict[str, Any], found: Findings) -> None:
    if values["wrong_values"]:
        found.failures.append(f"{values['wrong_values']} wrong values in {values['operation']}: don't use this fabric")
    for name in ("ranks", "hosts"):
        expected = whole(context, name)
        if values[name] is None:
            found.unknowns.append(f"how many {name} took part is not in this result")
        elif expected is not None and values[name] != expected:
            found.failures.append(f"{values[name]} of {expected} {name} took part")
    allowed = words(context, "transports")
    if allowed is not None and values["transport"] is None:
        found.unknowns.append("the transport is not in this result")
    elif allowed is not None and values["transport"] not in allowed:
        found.failures.append(f"the transport is {values['transport']}, not {' or '.join(allowed)}")
    least = real(context, "minimum_busbw_gbyte_s")
    figure = values["busbw_gbyte_s"]
    if least is not None and figure is not None and figure < least:
        found.failures.append(f"bus bandwidth is {figure:.4g} GB/s, below {least:g}")
