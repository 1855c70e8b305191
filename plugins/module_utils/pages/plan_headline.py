# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The first screen of a plan's page: what is planned, whether it fits, how fast it is likely to be, what is asked."""

from __future__ import annotations

from .markup import banner, mark, soft, table, text
from .plan_data import ENDS, Data, best_other, layout_name, limit, listed, part, requested
from .quantities import figure, gib, milliseconds, number, percent, span
from .strips import block, span_strip, strip, tick

_SHARE = "%"
_RELATIONS = {">=": "at least", "<=": "at most"}
OBJECTIVE_VERDICTS = {"met": "pass", "not met": "fail", "uncertain": "warn"}
_METRICS = {
    "decode_tokens_s": ("decode", "tokens/s"),
    "prefill_tokens_s": ("prefill", "tokens/s"),
    "output_tokens_s": ("output", "tokens/s"),
    "ttft_ms": ("time to first token", "ms"),
    "tpot_ms": ("time per output token", "ms"),
    "memory_used_fraction": ("device memory used", _SHARE),
    "sessions": ("sessions held", ""),
}


def headline(plan: Data) -> str:
    """Title, verdict, the figures that matter most, and the objectives."""
    verdict, said, more = judged(plan)
    tiles = "".join((_decode(plan), *_latencies(plan), _memory(plan), _other(plan)))
    return (
        f"<h1>{text(title(plan))}</h1>{_subtitle(plan)}{banner(verdict, said, more)}"
        + (f'<div class="tiles">{tiles}</div>' if tiles else "")
        + _objectives(plan)
    )


def title(plan: Data) -> str:
    """The page's name."""
    name = part(plan, "model").get("name") or part(plan, "service").get("served_model_name")
    return f"Plan for {name}" if name else "Plan"


def judged(plan: Data) -> tuple[str, str, str]:
    """The plan's verdict, the words for it, and a sentence with what to expect."""
    wrong = [item for item in listed(plan, "findings") if item.get("severity") == "error"]
    fits = part(plan, "memory", "per_rank").get("fits")
    if wrong:
        said = "Does not fit" if fits is False else "No plan"
        count = "1 error stands" if len(wrong) == 1 else f"{len(wrong)} errors stand"
        return "fail", said, f"{count} against it; what to change is below."
    if fits is None:
        return "unknown", "Not judged", "Whether the model fits is not known: the device or the model was not given."
    if not fits:
        return "fail", "Does not fit", "The fullest rank lacks memory."
    return _fitting(plan)


def _fitting(plan: Data) -> tuple[str, str, str]:
    verdicts = [item.get("verdict") for item in listed(plan, "objectives")]
    missed, unsure = verdicts.count("not met"), verdicts.count("uncertain")
    decode = part(plan, "performance", "decode_tokens_s")
    more = "The fullest rank has room for weights, sessions and overhead."
    if number(decode.get("likely")) is not None:
        by = limit(part(plan, "performance").get("limited_by"))
        more = f"About {figure(decode['likely'])} tokens a second decoded, limited by {by}."
    of_all = f"of {len(verdicts)} objectives" if len(verdicts) > 1 else "objective"
    if missed:
        return "warn", f"Fits, but misses {missed} {of_all}", more
    if unsure:
        return "warn", f"Fits; {unsure} {of_all} uncertain", more
    return "pass", "Fits", more


def _subtitle(plan: Data) -> str:
    engine, cluster, workload = part(plan, "engine"), part(plan, "cluster"), part(plan, "workload")
    gpu = part(cluster, "gpu").get("name") or "devices of unknown memory"
    tokens = [
        f"{name} of {workload[key]:,} tokens"
        for name, key in (("prompts", "input_tokens"), ("answers", "output_tokens"))
        if isinstance(workload.get(key), int)
    ]
    pieces = (
        layout_name(plan),
        f"{engine.get('name')} {engine.get('version')}" if engine else "",
        f"{cluster.get('hosts')} hosts x {cluster.get('gpus_per_host')} {gpu}" if cluster else "",
        f"{workload['sessions']:,} sessions" if isinstance(workload.get("sessions"), int) else "",
        ", ".join(tokens),
    )
    return f'<p class="subtitle">{" · ".join(text(piece) for piece in pieces if piece)}</p>'


def _tile(name: str, value: str, unit: str, drawn: str, note: str) -> str:
    return (
        f'<div class="tile"><h3>{text(name)}</h3><p class="big">{text(value)} <small>{text(unit)}</small></p>'
        f'{drawn}<p class="note">{text(note)}</p></div>'
    )


def _range_tile(name: str, given: Data, unit: str, note: str) -> str:
    if any(number(given.get(end)) is None for end in ENDS):
        return ""
    bound = number(given.get("bound"))
    most = max(given["high"], bound or 0.0) * 1.05
    told = f"{name}: {span(given['low'], given['high'])} {unit} expected, {figure(given['likely'])} likely"
    drawn = span_strip(told, given, most, bound=bound)
    likely = milliseconds(given["likely"]).rsplit(" ", 1) if unit == "ms" else [figure(given["likely"]), unit]
    return _tile(name, likely[0], likely[1], drawn, f"{span(given['low'], given['high'])} {unit} expected; {note}")


def _decode(plan: Data) -> str:
    given = part(plan, "performance", "decode_tokens_s")
    bound = number(given.get("bound"))
    return _range_tile("Decode", given, "tokens/s", f"bound {'unknown' if bound is None else figure(bound)}")


def _latencies(plan: Data) -> tuple[str, str]:
    ttft = part(plan, "performance", "ttft_ms")
    prompt = (
        f"prompt of {ttft['input_tokens']:,} tokens, median" if isinstance(ttft.get("input_tokens"), int) else "median"
    )
    return (
        _range_tile("Time to first token", ttft, "ms", prompt),
        _range_tile("Time per output token", part(plan, "performance", "tpot_ms"), "ms", "each session"),
    )


def _memory(plan: Data) -> str:
    rank = part(plan, "memory", "per_rank")
    sizes = {
        name: number(rank.get(f"{name}_bytes")) for name in ("weights", "kv_cache", "overhead", "budget", "headroom")
    }
    weights, cache, overhead, budget, headroom = sizes.values()
    if weights is None or cache is None or overhead is None or budget is None or headroom is None:
        return ""
    used = weights + cache + overhead
    most = max(used, budget)
    if most <= 0:
        return ""
    kind = "bar-good" if used <= budget else "bar-over"
    told = f"Memory of the fullest rank: {gib(used)} of {gib(budget)}"
    drawn = strip(
        told, block("room", 0, budget / most) + block(kind, 0, used / most) + tick("bar-limit", budget / most)
    )
    left = f"{gib(headroom)} to spare" if headroom >= 0 else f"lacks {gib(-headroom)}"
    return _tile(
        "Memory of the fullest rank",
        gib(used).split()[0],
        f"of {gib(budget)}",
        drawn,
        f"{left}, overhead at its high end",
    )


def _other(plan: Data) -> str:
    """The best of the other layouts, where it is faster or the plan itself does not fit."""
    mine, other = requested(plan), best_other(plan)
    own = number(part(mine, "decode_tokens_s").get("likely"))
    best = number(part(other, "decode_tokens_s").get("likely"))
    fits = bool(mine.get("fits"))
    if not own or not best or (best <= own and fits):
        return ""
    note = f"{other.get('layout')}: {best / own:.1f} times as fast"
    note += ", unproven" if other.get("launchable") == "unproven" else ""
    most = max(best, own) * 1.05
    told = f"{figure(best)} against {figure(own)} tokens/s"
    drawn = strip(told, block("pale", 0, best / most) + tick("likely", own / most, 4, 18))
    return _tile("A faster layout" if fits else "A layout that fits", figure(best), "tokens/s", drawn, note)


def _objectives(plan: Data) -> str:
    rows = [_objective(item) for item in listed(plan, "objectives")]
    if not rows:
        return ""
    shown = table(("Verdict", "Objective", "Expected", ">Likely", ">Margin"), rows, "objectives")
    told = soft("Pale: the range expected; coloured line: likely; upright black or white line: the objective.")
    return f'<section id="objectives"><h2>Objectives</h2>{shown}{told}</section>'


def _objective(item: Data) -> tuple[str, ...]:
    verdict = str(item.get("verdict"))
    metric = str(item.get("metric"))
    subject, unit = _METRICS.get(metric, (metric, ""))
    relation = str(item.get("relation"))
    target, (low, likely, high) = number(item.get("target")), (number(item.get(end)) for end in ENDS)
    name = f"{subject} {_RELATIONS.get(relation, relation)} {_amount(target, unit)}"
    drawn, ends = "", str(item.get("reason") or "")
    # A range without a bound was not estimated.
    known = low is not None and high is not None and item.get("bound") is not None
    if known and low is not None and high is not None and target is not None:
        ends = _ends(low, high, unit)
        drawn = span_strip(f"{ends} expected, {name}", item, max(high, target) * 1.05, target=target)
    # A name from the input comes first; the planner's own only repeats the metric.
    given = str(item.get("name") or "")
    repeated = target is not None and given == f"{metric} {relation} {target:g}"
    named = f'{text(given)}<br><span class="soft">{text(name)}</span>' if given and not repeated else text(name)
    return (
        mark(OBJECTIVE_VERDICTS.get(verdict, "unknown"), verdict),
        named,
        drawn + f'<span class="soft">{text(ends)}</span>',
        text(_amount(likely if known else None, unit)),
        text(percent(number(item.get("margin")), signed=True) if known else ""),
    )


def _ends(low: float, high: float, unit: str) -> str:
    """A range with its unit once, where both ends have the same."""
    left, right = _amount(low, unit), _amount(high, unit)
    shown = left.split(" ")[0] if left.split(" ")[1:] == right.split(" ")[1:] else left
    return right if left == right else f"{shown} to {right}"


def _amount(value: float | None, unit: str) -> str:
    """A figure of an objective's metric; one without a unit is a share."""
    if value is None:
        return "unknown"
    if unit == "ms":
        return milliseconds(value)
    return percent(value) if unit == _SHARE else f"{figure(value)} {unit}".strip()
