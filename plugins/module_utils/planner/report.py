# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan as a person reads it: a few lines of text."""

from __future__ import annotations

from collections.abc import Sequence

from .engine.loading import Loading
from .layout import Layout
from .memory.memory import Memory, gib
from .outlook import Outlook
from .plan import Plan
from .search.kinds import Kind


def summary(plan: Plan) -> list[str]:
    """Lines for a terminal: layout, memory of the fullest rank, findings. Tables are aligned with blanks."""
    lines: list[str] = []
    if plan.layout is not None:
        lines.extend(_layout(plan, plan.layout))
    if plan.memory is not None:
        lines.extend(_memory(plan.memory))
    if plan.loading is not None:
        lines.append(_loading(plan.loading))
    if plan.outlook is not None:
        lines.extend(_outlook(plan.outlook))
    lines.extend(f"{finding.severity}: {finding}" for finding in plan.findings)
    return lines


def _layout(plan: Plan, layout: Layout) -> list[str]:
    by_name = {host.name: host for host in plan.request.cluster.hosts}
    rows: list[tuple[str, ...]] = [("host", "role", "data address", "ranks")]
    for host in layout.hosts:
        span = str(host.ranks[0]) if len(host.ranks) == 1 else f"{host.ranks[0]}-{host.ranks[-1]}"
        span += "" if host.stage is None else f", stage {host.stage}"
        rows.append((host.name, host.role, by_name[host.name].data_address or "-", span))
    title = (
        f"DP={layout.data_parallel_size} TP={layout.tensor_parallel_size} PP={layout.pipeline_parallel_size}"
        f" EP={layout.expert_parallel_size}"
    )
    if len(layout.instances) > 1:
        title = f"{len(layout.instances)} x ({title})"
    engine = plan.request.engine
    if engine is not None:
        title += f", {engine.name} {engine.version} ({engine.platform})"
    return [title, *table(rows)]


def _memory(memory: Memory) -> list[str]:
    rows = [
        ("memory of the fullest rank", ""),
        (f"weights ({memory.experts_per_layer} experts a layer)", gib(memory.weights_bytes)),
        (f"KV cache ({memory.sessions} sessions, {memory.kv_cache_tokens} tokens)", gib(memory.kv_cache_bytes)),
        ("overhead (high estimate)", gib(memory.overhead_bytes)),
        ("budget", gib(memory.budget_bytes)),
        ("headroom", gib(memory.headroom_bytes)),
        (f"room for KV cache ({memory.kv_capacity_tokens} tokens)", gib(memory.kv_capacity_bytes)),
    ]
    return table(rows)


def _loading(loading: Loading) -> str:
    read = f"each rank reads {gib(loading.rank_bytes)} of the checkpoint's {gib(loading.checkpoint_bytes)}"
    saved = f", {gib(loading.saved_bytes)} less than without the filter; a host {gib(loading.host_bytes)}"
    return read + (saved if loading.filtered else f": {loading.reason}")


def _outlook(outlook: Outlook) -> list[str]:
    lines: list[str] = []
    rows: list[tuple[str, ...]]
    found = outlook.performance
    if found is not None:
        first = found.ttft_s(found.case.workload.input_tokens, 50)
        rows = [("expected", "low", "likely", "high", "bound")]
        for name, values, scale in (
            (f"decode tokens/s (limited by {found.limited_by})", found.decode_tokens_s, 1.0),
            (f"prefill tokens/s (limited by {found.prefill.limited_by})", found.prefill_tokens_s, 1.0),
            ("time per token, ms", found.tpot_s, 1e3),
            (f"time to the first token of {found.case.workload.input_tokens}, ms", first, 1e3),
        ):
            figures = (values.low, values.likely, values.high, values.bound)
            rows.append((name, *(f"{scale * value:,.0f}" for value in figures)))
        lines.extend(table(rows))
    lines.extend(_layouts(outlook.layouts))
    if outlook.objectives:
        rows = [("objective", "target", "likely", "verdict")]
        rows.extend(
            (item.name, f"{item.relation} {item.target:,.10g}", f"{item.likely:,.4g}", item.verdict)
            for item in outlook.objectives
        )
        lines.extend(table(rows))
    return lines


def _layouts(layouts: Sequence[Kind]) -> list[str]:
    """What each `serving_layout` would be on these hosts."""
    rows: list[tuple[str, ...]] = [("serving_layout", "is", "likely tokens/s", "headroom", "")]
    for item in layouts:
        made = item.alternative
        name = f"{item.kind} (chosen)" if item.chosen else item.kind
        if made is None:
            rows.append((name, "-", "-", "-", item.reason))
            continue
        likely = f"{made.likely:,.0f}" if made.performance else "unknown"
        told = "" if made.memory.fits and made.launchable == "yes" else item.reason
        rows.append((name, made.candidate.name, likely, gib(made.memory.headroom_bytes), told))
    return table(rows) if layouts else []


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of equal length as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
