# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""vLLM's log of its expert-parallel load balancer: how even the experts' load is, and what moving experts costs.

Rank 0 writes ``EPLB step: N ...`` where ``log_balancedness`` is on, and ``Rearranged experts ... in S s.``; versions
differ in what stands between. The step counts on from 0 after each rearrangement.
"""

from __future__ import annotations

import re
import statistics
from typing import Any

from .findings import Context, Findings, nothing, real
from .result import Evidence, clean_lines, number

TOOL = "eplb_log"

_STEP = re.compile(
    r"EPLB step: (\d{1,12})\b.*?balancedness=([\d.]{1,12})(?:.*?until the next rearrangement: (-?\d{1,12}))?"
)
_MOVED = re.compile(r"Rearranged experts\s*(\(profile\))?\s*in ([\d.]{1,12}) s(?:econds)?\b")


def parse(text: str, context: Context | None = None) -> Evidence:
    """Read a log.

    Args:
        text: the log.
        context: ``minimum_balancedness`` (least, of the mean).

    Returns:
        ``balancedness_mean`` and ``balancedness_min`` (mean by largest load of a rank, 1 is even), ``samples`` (lines
        with it), ``steps`` between the first and the last of them, ``rebalances`` in that time,
        ``rebalances_per_1000_steps``, ``rebalance_ms`` (median) and ``rebalance_ms_max``.
    """
    lines = clean_lines(text)
    values: dict[str, Any] = dict.fromkeys(
        (
            "balancedness_mean",
            "balancedness_min",
            "samples",
            "steps",
            "rebalances",
            "rebalances_per_1000_steps",
            "rebalance_ms",
            "rebalance_ms_max",
        )
    )
    balances, moves = [], []
    steps = returns = 0
    before: tuple[int, int | None] | None = None
    for line in lines:
        step, moved = _STEP.search(line), _MOVED.search(line)
        if step is not None and number(step.group(2)) is not None:
            balances.append(float(step.group(2)))
            now = (int(step.group(1)), int(step.group(3)) if step.group(3) else None)
            if before is not None:
                again = now[0] < before[0]
                steps += now[0] + max(0, before[1] or 0) if again else now[0] - before[0]
                returns += again
            before = now
        # The profile run at the start moves nothing that serves.
        if moved is not None and not moved.group(1) and number(moved.group(2)) is not None:
            moves.append(1000.0 * float(moved.group(2)))
    if not balances and not moves:
        return nothing(TOOL, values, lines, "line of EPLB (its option log_balancedness writes them)")
    if balances:
        values.update(
            balancedness_mean=statistics.fmean(balances),
            balancedness_min=min(balances),
            samples=len(balances),
            steps=steps,
        )
    values["rebalances"] = max(returns, len(moves)) if balances else len(moves)
    if steps:
        values["rebalances_per_1000_steps"] = 1000.0 * values["rebalances"] / steps
    if moves:
        values.update(rebalance_ms=statistics.median(moves), rebalance_ms_max=max(moves))
    found = Findings()
    least = real(context, "minimum_balancedness")
    if least is not None and values["balancedness_mean"] is None:
        found.unknowns.append("the balancedness is not in this log")
    elif least is not None and values["balancedness_mean"] < least:
        found.failures.append(f"the balancedness is {values['balancedness_mean']:.3f}, below {least:g}")
    return found.evidence(TOOL, values)
