# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""The report: all checks, the verdict over them, and what the verdict rests on, as one JSON structure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..evidence.result import FAIL, NOT_APPLICABLE, PASS, SEVERITY, UNKNOWN, WARN, worst
from .bench_checks import check_bench
from .catalogue.all import ACCEPTANCES
from .host_checks import check_host
from .judging import judge_measurements
from .limits import Choice
from .model import BENCH, HOSTS, SERVICE, Check, Demands, HostState, Planned, View
from .omissions import left_out_of
from .predicted import predictions
from .reporting import schema
from .service_checks import check_flags, check_models_alike, check_service, check_versions_alike

SCHEMA = schema.NAME
PARTS = (HOSTS, SERVICE, BENCH)


@dataclass(frozen=True)
class Measured:
    """What was measured, and how the inventory wants it judged.

    Attributes:
        plan: the plan as it was computed, which the bounds rest on.
        measurements: what modules handed out.
        choice: sources of thresholds and own numbers.
        phases: whose figures must all have been measured.
        require_all: whether a figure that this place can't have is a failure.
        parts: of PARTS those that are judged beside the measurements; none before there is a service.
    """

    plan: Mapping[str, Any]
    measurements: Sequence[Mapping[str, Any]] = ()
    choice: Choice = field(default_factory=Choice)
    phases: Sequence[str] = ()
    require_all: bool = False
    parts: Sequence[str] = PARTS


def judge(
    planned: Planned,
    demands: Mapping[str, Demands],
    states: Mapping[str, HostState],
    *,
    thresholds: Mapping[str, float],
    probe: Mapping[str, Any] | None,
    bench: Mapping[str, Any] | None,
    missing_probe: str = "no result of the probe",
    missing_bench: str = "no result of the benchmark",
    measured: Measured | None = None,
) -> list[Check]:
    """Compare everything that was seen and measured with everything that was planned and demanded."""
    figures = (
        []
        if measured is None
        else judge_measurements(
            ACCEPTANCES,
            measured.measurements,
            measured.plan,
            measured.choice,
            phases=measured.phases,
            require_all=measured.require_all,
        )
    )
    parts = PARTS if measured is None else measured.parts
    checks = _check_hosts(planned, demands, states) if HOSTS in parts else []
    if SERVICE in parts:
        checks += check_service(planned, probe, missing_probe)
    if BENCH in parts:
        checks += check_bench(planned, thresholds, bench, missing_bench)
    return checks + figures


def _check_hosts(planned: Planned, demands: Mapping[str, Demands], states: Mapping[str, HostState]) -> list[Check]:
    checks: list[Check] = []
    for host in planned.hosts:
        state = states.get(host.name) or HostState.from_result(None)
        checks += check_host(View(host, planned, demands.get(host.name), state))
    seen = {host.name: states[host.name] for host in planned.hosts if host.name in states}
    return checks + check_models_alike(seen) + check_versions_alike(seen) + check_flags(seen)


def verdict_of(checks: Sequence[Check]) -> str:
    """Return the verdict over all checks. What this place can't have doesn't count; nothing else is unknown."""
    return worst(check.verdict for check in checks if check.verdict != NOT_APPLICABLE)


def trouble(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that failed or are unknown, failures first, each kind in the order of checking."""
    return [check for verdict in (FAIL, UNKNOWN) for check in checks if check.verdict == verdict]


def together(checks: Sequence[Check]) -> list[Check]:
    """Join checks that say the same of several hosts into one that names them all, where the first of them stood."""
    joined: dict[Check, list[str]] = {}
    for check in checks:
        joined.setdefault(replace(check, host=""), []).append(check.host)
    return [replace(check, host=", ".join(filter(None, hosts))) for check, hosts in joined.items()]


def sentences(checks: Sequence[Check]) -> list[str]:
    """Return a line for each check, one for those that say the same of several hosts."""
    return [check.sentence() for check in together(checks)]


def build(
    plan: Mapping[str, Any],
    planned: Planned,
    *,
    thresholds: Mapping[str, float],
    checks: Sequence[Check],
    states: Mapping[str, HostState],
    raw: Mapping[str, Any],
    generated_at: str,
    measurements: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Build the report.

    Args:
        plan: the plan as it was computed.
        planned: the same, read.
        thresholds: the service's objectives by the figure's name.
        checks: every check that was made.
        states: what was seen, by host.
        raw: the results that it was read from: ``hosts``, ``probe`` and ``bench``.
        generated_at: the time, ISO 8601 with its offset.
        measurements: what was measured, as modules handed it out.
    """
    layout: Mapping[str, Any] = plan.get("layout") or {}
    bench: Mapping[str, Any] = raw.get("bench") or {}
    return {
        "schema": SCHEMA,
        "generated_at": generated_at,
        "verdict": verdict_of(checks),
        "counts": {
            verdict: sum(check.verdict == verdict for check in checks) for verdict in (*SEVERITY, NOT_APPLICABLE)
        },
        "service": {
            "address": planned.address,
            "port": planned.port,
            "model": planned.model_name,
            "engine": f"vLLM {planned.engine_version}",
            "engines": planned.engines,
            "layout": {
                name: layout.get(name)
                for name in (
                    "data_parallel_size",
                    "expert_parallel_size",
                    "tensor_parallel_size",
                    "pipeline_parallel_size",
                )
            },
        },
        "hosts": [
            {
                "name": host.name,
                "role": host.role,
                "address": host.address,
                "ranks": list(host.ranks),
                "verdict": verdict_of([check for check in checks if check.host == host.name]),
                "reached": host.name in states and states[host.name].reached,
            }
            for host in planned.hosts
        ],
        "thresholds": dict(thresholds),
        "benchmark": (bench.get("evidence") or {}).get("values"),
        "checks": [check.to_dict() for check in checks],
        "left_out": left_out_of(ACCEPTANCES, measurements),
        "predictions": [row.to_dict() for row in predictions(plan, checks, bench)],
        "measurements": [dict(entry) for entry in measurements],
        "evidence": {"hosts": raw.get("hosts"), "probe": raw.get("probe"), "bench": raw.get("bench")},
    }


def headline(report: Mapping[str, Any]) -> str:
    """Return the verdict in one sentence. What does not apply here, or was left out, is counted apart."""
    counts = report["counts"]
    total = sum(counts[verdict] for verdict in SEVERITY)
    absent = counts.get(NOT_APPLICABLE)
    apart = f" {absent} {'is' if absent == 1 else 'are'} not applicable here." if absent else ""
    omitted = len(report.get("left_out") or ())
    apart += f" {omitted} {'was' if omitted == 1 else 'were'} left out on purpose." if omitted else ""
    if report["verdict"] == PASS:
        return f"{'The one check' if total == 1 else f'All {total} checks'} passed.{apart}"
    parts = [f"{counts[FAIL]} failed"] if counts[FAIL] else []
    parts += [f"{counts[UNKNOWN]} unknown"] if counts[UNKNOWN] else []
    parts += [f"{counts[WARN]} with a warning"] if counts[WARN] else []
    return f"{total} {'check' if total == 1 else 'checks'}: {', '.join([*parts, f'{counts[PASS]} passed'])}.{apart}"
