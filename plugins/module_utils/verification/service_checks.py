# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What is checked of the service as a whole: its answers and its engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..evidence.result import FAIL, PASS, UNKNOWN
from .model import SERVICE, TOGETHER, Check, HostState, Planned


def check_service(plan: Planned, probe: Mapping[str, Any] | None, missing: str) -> list[Check]:
    """Judge what the module ``service_probe`` returned; None when it could not run, for the reason ``missing``."""
    if probe is None:
        return [
            Check(
                "api_health",
                SERVICE,
                "The API answers",
                "",
                UNKNOWN,
                "HTTP status 200",
                "unknown",
                f"the service was not asked: {missing}",
                "See the checks of the head host.",
            ),
        ] + [_completion_unknown(plan, rank, missing) for rank in range(plan.engines)]
    return [
        _health(plan, probe["health"]),
        _model(plan, probe["models"]),
        *_engines(plan, probe["metrics_after"]),
        *_completions(plan, probe),
    ]


def check_models_alike(states: Mapping[str, HostState]) -> list[Check]:
    """Judge whether all hosts that were reached carry one and the same model, by the digest of its checksum list."""
    digests: dict[str, list[str]] = {}
    for host, state in states.items():
        if state.reached and state.model is not None:
            digests.setdefault(str(state.model["sums_sha256"]), []).append(host)
    title, expected = "All hosts carry the same model", "one list of checksums"
    if not digests:
        return [
            Check(
                "model_alike",
                SERVICE,
                title,
                "",
                UNKNOWN,
                expected,
                "unknown",
                "no host's model was read",
                "See the hosts' own checks.",
            )
        ]
    observed = "; ".join(f"{digest[:12]} on {', '.join(hosts)}" for digest, hosts in sorted(digests.items()))
    if len(digests) == 1:
        return [Check("model_alike", SERVICE, title, "", PASS, expected, observed)]
    return [
        Check(
            "model_alike",
            SERVICE,
            title,
            "",
            FAIL,
            expected,
            observed,
            "hosts carry different models",
            "Run `ansible-playbook site.yml`, which brings the model to every host.",
        )
    ]


def check_versions_alike(states: Mapping[str, HostState]) -> list[Check]:
    """Judge whether the versions of everything that ranks share with each other are the same on all hosts.

    A part that no host has, as the driver where there are no GPUs, is not spoken of. Nothing is said where no host's
    versions were asked for.
    """
    seen = {host: state.versions for host, state in states.items() if state.reached and state.versions is not None}
    asked = set(seen) | {
        host
        for host, state in states.items()
        if state.reached and not state.reasons.get("versions", "not asked").startswith("not asked")
    }
    if not seen and not asked:
        return []
    title, expected = "All hosts have the same versions", "one version of each part"
    parts = sorted({part for versions in seen.values() for part in versions})
    differing: list[str] = []
    for part in parts:
        hosts: dict[str, list[str]] = {}
        for host, versions in seen.items():
            hosts.setdefault(versions.get(part, "none"), []).append(host)
        if len(hosts) > 1:
            differing.append(
                f"{part} " + ", ".join(f"{version} on {'/'.join(where)}" for version, where in hosts.items())
            )
    common = next(iter(seen.values()), {})
    observed = "; ".join(differing) or ", ".join(f"{part} {common[part]}" for part in parts) or "unknown"
    unread = [f"{host}: {states[host].why('versions')}" for host in sorted(asked - set(seen))]
    if differing:
        reason, fix = f"versions differ: {'; '.join(differing)}", "Run `ansible-playbook site.yml` on all hosts."
        return [Check("versions_alike", SERVICE, title, "", FAIL, expected, observed, reason, fix)]
    if unread:
        return [
            Check(
                "versions_alike",
                SERVICE,
                title,
                "",
                UNKNOWN,
                expected,
                observed,
                "; ".join(unread),
                "See the hosts' own checks.",
            )
        ]
    return [Check("versions_alike", SERVICE, title, "", PASS, expected, observed)]


def check_flags(states: Mapping[str, HostState]) -> list[Check]:
    """Judge whether the engine's command line knows every flag of the plan, on each host that was asked."""
    checks: list[Check] = []
    title, expected = "The engine knows the plan's flags", "every flag known"
    for host, state in states.items():
        why = state.reasons.get("flags", "not asked")
        if not state.reached or (state.flags is None and why.startswith("not asked")):
            continue
        flags = state.flags or {}
        bad = sorted(name for name, known in flags.items() if known == "no")
        unsure = sorted(name for name, known in flags.items() if known not in ("yes", "no"))
        observed = f"{sum(known == 'yes' for known in flags.values())} of {len(flags)} known"
        fix = "Install the version that the plan was made for: `ansible-playbook site.yml`."
        if bad:
            reason = f"the engine does not know {', '.join(bad)}"
            checks.append(Check("engine_flags", SERVICE, title, host, FAIL, expected, observed, reason, fix))
        elif unsure or not flags:
            reason = f"its help does not say whether it knows {', '.join(unsure)}" if flags else why
            checks.append(Check("engine_flags", SERVICE, title, host, UNKNOWN, expected, observed, reason, fix))
        else:
            checks.append(Check("engine_flags", SERVICE, title, host, PASS, expected, observed))
    return checks


def _health(plan: Planned, health: Mapping[str, Any]) -> Check:
    title, expected = "The API answers", "HTTP status 200"
    observed = f"HTTP status {health['status']}" if health["status"] is not None else "no answer"
    if health["ok"]:
        return Check("api_health", SERVICE, title, "", PASS, expected, observed)
    return Check(
        "api_health",
        SERVICE,
        title,
        "",
        FAIL,
        expected,
        observed,
        f"/health at {plan.address} port {plan.port}: {health['error']}",
        _journal(plan.head),
    )


def _model(plan: Planned, models: Mapping[str, Any]) -> Check:
    title, expected = "The API serves the plan's model", plan.model_name
    if models["names"] is None:
        return Check(
            "api_model",
            SERVICE,
            title,
            "",
            FAIL,
            expected,
            "no list of models",
            f"/v1/models: {models['error']}",
            _journal(plan.head),
        )
    observed = ", ".join(models["names"]) or "nothing"
    if plan.model_name in models["names"]:
        return Check("api_model", SERVICE, title, "", PASS, expected, observed)
    return Check("api_model", SERVICE, title, "", FAIL, expected, observed, "another model is served", TOGETHER)


def _engines(plan: Planned, metrics: Mapping[str, Any]) -> list[Check]:
    title = "The service's metrics know the engine"
    found = metrics["engines"]
    if found is None:
        return [
            Check(
                "engine_listed",
                SERVICE,
                title,
                plan.host_of(rank),
                UNKNOWN,
                f"engine {rank} in /metrics",
                "unknown",
                f"/metrics: {metrics['error']}",
                _journal(plan.head),
                rank,
            )
            for rank in range(plan.engines)
        ]
    checks = [
        Check(
            "engine_listed",
            SERVICE,
            title,
            plan.host_of(rank),
            PASS,
            f"engine {rank} in /metrics",
            f"engine {rank}",
            rank=rank,
        )
        if rank in found
        else Check(
            "engine_listed",
            SERVICE,
            title,
            plan.host_of(rank),
            FAIL,
            f"engine {rank} in /metrics",
            "not there",
            f"engine {rank} is not in /metrics",
            _journal(plan.host_of(rank) or plan.head),
            rank,
        )
        for rank in range(plan.engines)
    ]
    return checks + [
        Check(
            "engine_listed",
            SERVICE,
            title,
            "",
            FAIL,
            f"engines 0-{int(plan.engines - 1)} only",
            f"engine {rank}",
            f"engine {rank} is in /metrics, but not in the plan",
            TOGETHER,
            rank,
        )
        for rank in found
        if rank >= plan.engines
    ]


def _completions(plan: Planned, probe: Mapping[str, Any]) -> list[Check]:
    answers = {entry["engine"]: entry for entry in probe["completions"]}
    checks: list[Check] = []
    for rank in range(plan.engines):
        entry = answers.get(rank)
        if entry is None or entry.get("asked") is False:
            checks.append(_completion_unknown(plan, rank, "it was not asked" if entry is None else entry["error"]))
        elif not entry["ok"]:
            checks.append(
                Check(
                    "engine_completion",
                    SERVICE,
                    "The engine answers a completion",
                    plan.host_of(rank),
                    FAIL,
                    "a completion",
                    "none",
                    f"no completion from engine {rank}: {entry['error']}",
                    _journal(plan.host_of(rank) or plan.head),
                    rank,
                )
            )
        else:
            checks.append(
                Check(
                    "engine_completion",
                    SERVICE,
                    "The engine answers a completion",
                    plan.host_of(rank),
                    PASS,
                    "a completion",
                    f"{entry['tokens']} tokens in {entry['seconds']:.1f} s",
                    rank=rank,
                )
            )
            checks.append(_counted(plan, probe, rank))
    return checks


def _completion_unknown(plan: Planned, rank: int, reason: str) -> Check:
    return Check(
        "engine_completion",
        SERVICE,
        "The engine answers a completion",
        plan.host_of(rank),
        UNKNOWN,
        "a completion",
        "unknown",
        f"engine {rank} gave no answer to judge: {reason}",
        "See the failed checks first.",
        rank,
    )


def _counted(plan: Planned, probe: Mapping[str, Any], rank: int) -> Check:
    """The engine's own counter grew: the completion was computed by the engine that it was addressed to."""
    title, expected, host = "The engine itself computed it", "at least 1 more finished request", plan.host_of(rank)
    before, after = (_finished(probe[name], rank) for name in ("metrics_before", "metrics_after"))
    if after is None:
        return Check(
            "engine_counted",
            SERVICE,
            title,
            host,
            UNKNOWN,
            expected,
            "unknown",
            f"engine {rank} has no counter of finished requests",
            "See /metrics.",
            rank,
        )
    # A counter that has counted nothing yet may not be there before.
    grown = after - (before or 0)
    if grown >= 1:
        return Check("engine_counted", SERVICE, title, host, PASS, expected, f"{grown} more", rank=rank)
    return Check(
        "engine_counted",
        SERVICE,
        title,
        host,
        FAIL,
        expected,
        f"{grown} more",
        f"the completion asked from engine {rank} was not computed by it",
        "See that nothing between here and the engine drops the header X-data-parallel-rank.",
        rank,
    )


def _finished(metrics: Mapping[str, Any], rank: int) -> float | None:
    figures = (metrics.get("per_engine") or {}).get(str(rank)) or {}
    return figures.get("requests_succeeded")


def _journal(host: str) -> str:
    return f"See the unit's journal on {host}. {TOGETHER}"
