# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Tables of the plan: other sizes of the cluster, findings, and the arithmetic behind the figures."""

from __future__ import annotations

from .markup import SIGNS, folded, mark, soft, table, text
from .plan_data import Data, listed, part, words
from .quantities import figure, gib, number
from .strips import bar

_SEVERITIES = {"error": "fail", "warning": "warn", "info": "unknown"}
_INFO_SIGN = "i"


def sizes(plan: Data) -> str:
    """What runs with fewer and more devices, and the stages of bringing the cluster up."""
    tables = "".join(
        f"<h3>{title}</h3>{_cases(listed(plan, key))}"
        for key, title in (
            ("contingencies", "A device or host lost, or more of them"),
            ("bring_up", "Bringing it up in stages"),
        )
        if listed(plan, key)
    )
    return f'<section id="sizes"><h2>Other sizes</h2>{tables}</section>' if tables else ""


def _cases(cases: list[Data]) -> str:
    most = max((number(case.get("decode_tokens_s")) or 0.0 for case in cases), default=0.0)
    rows = []
    for case in cases:
        speed = number(case.get("decode_tokens_s")) or 0.0
        fits = bool(case.get("fits"))
        note = text(case.get("note") or "")
        rows.append(
            (
                f"<strong>{text(case.get('name'))}</strong>"
                + (f'<br><span class="soft">{note}</span>' if note else ""),
                text(case.get("gpus")),
                text(case.get("layout")),
                text(case.get("experts_per_rank")),
                mark("pass" if fits else "fail", "fits" if fits else "does not fit"),
                text(gib(number(case.get("headroom_bytes")))),
                text(figure(speed)) if fits else '<span class="soft">-</span>',
                bar(f"{figure(speed)} tokens/s", speed, most) if fits else "",
                text(case.get("limited_by")),
            )
        )
    heads = ("Case", ">GPUs", "Layout", ">Experts a rank", "Memory", ">Headroom", ">Tokens/s", "", "Limit")
    return table(heads, rows, "cases")


def findings(plan: Data) -> str:
    """All findings, errors first, each with what to do."""
    found = listed(plan, "findings")
    order = list(_SEVERITIES)
    ranked = sorted(found, key=lambda item: order.index(s) if (s := str(item.get("severity"))) in order else len(order))
    if not ranked:
        return ""
    return f'<section id="findings"><h2>{text(_counted(found))}</h2>{"".join(map(_finding, ranked))}</section>'


def _counted(found: list[Data]) -> str:
    severities = [item.get("severity") for item in found]
    named = (("error", "error"), ("warning", "warning"), ("info", "note"))
    counts = [(severities.count(severity), word) for severity, word in named if severities.count(severity)]
    return "Findings: " + ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counts)


def _finding(item: Data) -> str:
    kind = _SEVERITIES.get(str(item.get("severity")), "unknown")
    sign = _INFO_SIGN if kind == "unknown" else SIGNS[kind]
    label = f'<span class="{kind}">{sign} {text(item.get("severity"))}</span>'
    fix = item.get("fix")
    return (
        f'<section class="trouble {kind}"><h3>{label} · <code>{text(item.get("code"))}</code></h3>'
        f"<p>{text(item.get('message'))}</p>"
        + (f"<dl><dt>what to do</dt><dd>{text(fix)}</dd></dl>" if fix else "")
        + "</section>"
    )


def arithmetic(plan: Data) -> str:
    """Where every figure comes from, and what is left out."""
    entries = listed(plan, "explain")
    rows = [
        (
            text(item.get("quantity")),
            text(_exact(item.get("value")) + (f" {item['unit']}" if item.get("unit") else "")),
            f'<span class="tag">{text(item.get("provenance"))}</span>',
            text(item.get("arithmetic")),
        )
        for item in entries
    ]
    shown = (
        folded(
            f"Arithmetic of {len(rows)} figures", table(("Figure", ">Value", "From", "How"), rows, "how"), printed=True
        )
        if rows
        else ""
    )
    left = "".join(f"<li>{text(item)}</li>" for item in words(plan, "not_modelled"))
    if left:
        shown += f"<h3>Not modelled</h3><ul>{left}</ul>"
    return f'<section id="arithmetic"><h2>Where the figures come from</h2>{shown}</section>' if shown else ""


def _exact(value: object) -> str:
    """A figure that is not rounded further than its meaning."""
    known = number(value)
    if known is None:
        return str(value)
    return (
        f"{known:,.0f}"
        if known == int(known) and abs(known) >= 100
        else f"{known:,.4g}"
        if abs(known) < 1e6
        else f"{known:,.0f}"
    )


def rank_table(plan: Data) -> str:
    """Hosts with their ranks, and the ranks that fail together."""
    layout = part(plan, "layout")
    rows = [
        (
            f"<strong>{text(host.get('name'))}</strong>",
            text(host.get("role")),
            text(next(iter(words(host, "ranks")), host.get("start_rank"))),
            "".join(f'<span class="chip plain">{text(rank)}</span>' for rank in words(host, "ranks")),
        )
        for host in listed(plan, "layout", "hosts")
    ]
    groups = words(layout, "groups")
    told = (
        f"{len(groups)} group of ranks fails and restarts as one."
        if len(groups) == 1
        else f"{len(groups)} groups of ranks, each fails and restarts as one."
    )
    return (
        table(("Host", "Role", ">First rank", "Ranks"), rows, "ranks") + (soft(told) if groups else "") if rows else ""
    )
