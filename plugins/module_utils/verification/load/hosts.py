# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What happened to the hosts while the service was under load: restarts, memory, the KV cache, the experts' load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...evidence import vllm_output
from ...evidence.result import FAIL, PASS, UNKNOWN
from ..entries import measured, not_applicable, value


def steadiness(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Count restarts and crashes between two states of every host, as ``host_state`` returns them by host."""
    restarts = 0
    broken: list[str] = []
    unknown: list[str] = []
    for host in before:
        first, last = _unit(before[host]), _unit(after.get(host))
        if first is None or last is None:
            unknown.append(f"{host}: its unit was not read before and after the load")
            continue
        times = _number(last, "NRestarts") - _number(first, "NRestarts")
        if times > 0:
            broken.append(f"{host}: systemd restarted the unit {times} times")
        elif first.get("MainPID") != last.get("MainPID"):
            times = 1
            broken.append(f"{host}: the main process is another one than before")
        killed = _killed(after[host]) - _killed(before[host])
        if killed > 0:
            times = max(times, killed)
            broken.append(f"{host}: the kernel killed {killed} of its processes because memory ran out")
        restarts += max(0, times)
    verdict = FAIL if broken else UNKNOWN if unknown else PASS
    figure = None if unknown and not broken else restarts
    return measured("soak_restarts", {"value": figure}, verdict, broken + unknown)


def gpu_memory(after: Mapping[str, Any], watched: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the peak of each host's fullest GPU in percent, while the load ran and after it.

    Args:
        after: results of ``host_state`` by host.
        watched: results of ``gpu_watch`` by host. What was in use after the load is no proof of what was during it.
    """
    found = []
    for host, result in after.items():
        seen: Mapping[str, Any] = (watched.get(host) or {}).get("gpu") or {}
        last = ((result or {}).get("state") or {}).get("gpu_memory")
        peaks = seen.get("peaks")
        left = _shares(last or ())
        noted = {key: seen.get(key) for key in ("samples", "seconds", "longest_gap_s")}
        conditions = {**noted, "after_percent": max(left) if left else None}
        if peaks:
            share = max([*_shares(peaks), *left])
            found.append(value("gpu_memory_share", share, host=host, conditions=conditions))
        elif peaks is not None and not last:
            found.append(not_applicable("gpu_memory_share", "no GPU", host))
        else:
            why = seen.get("reason") or "the GPUs were not watched while the load ran"
            found.append(value("gpu_memory_share", None, why, host=host, conditions=conditions))
    return found


def _shares(gpus: Sequence[Mapping[str, Any]]) -> list[float]:
    return [round(100.0 * gpu["used_mib"] / gpu["total_mib"], 2) for gpu in gpus if gpu["total_mib"]]


def kv_cache(states: Mapping[str, Any], planned: int | None) -> dict[str, Any]:
    """Return the KV cache of the smallest engine, from every host's log of the running start."""
    sizes: dict[str, int] = {}
    unknown: list[str] = []
    for host, result in states.items():
        state = (result or {}).get("state") or {}
        tokens = ((state.get("engine_log") or {}).get("vllm") or {}).get("kv_cache_tokens")
        if tokens is None:
            why = (state.get("reasons") or {}).get("engine_log") or "its journal does not have the size any more"
            unknown.append(f"{host}: {why}")
        else:
            sizes[host] = tokens
    smallest = min(sizes.values()) if sizes else None
    short = [f"{host}: {size} tokens, planned {planned}" for host, size in sizes.items() if planned and size < planned]
    verdict = UNKNOWN if unknown or smallest is None else PASS
    return measured(
        "kv_cache_tokens",
        {"kv_cache_tokens": smallest},
        verdict,
        unknown + short,
        tool=vllm_output.LOG_TOOL,
        conditions={"by_host": sizes, "planned": planned},
    )


def experts(head: Mapping[str, Any], argv: Sequence[str]) -> list[dict[str, Any]]:
    """Return how even the experts' load is, and how often and at what cost they are moved, from the head's log."""
    checks = {
        "expert_balancedness": "balancedness_mean",
        "eplb_rebalance_rate": "rebalances_per_1000_steps",
        "eplb_rebalance_cost": "rebalance_ms",
    }
    if "--enable-eplb" not in argv:
        return [not_applicable(check, "EPLB is off in the plan") for check in checks]
    state = (head or {}).get("state") or {}
    evidence = (state.get("engine_log") or {}).get("eplb") or {}
    values = evidence.get("values") or {}
    why = "; ".join(evidence.get("reasons") or ()) or (state.get("reasons") or {}).get("engine_log") or "no log"
    return [
        value(
            check,
            values.get(name),
            "" if values.get(name) is not None else why,
            conditions={key: entry for key, entry in values.items() if key != name},
        )
        for check, name in checks.items()
    ]


def _unit(result: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    return ((result or {}).get("state") or {}).get("unit")


def _number(unit: Mapping[str, str], name: str) -> int:
    text = unit.get(name, "")
    return int(text) if text.isdecimal() else 0


def _killed(result: Mapping[str, Any] | None) -> int:
    return int(((result or {}).get("state") or {}).get("oom_kills") or 0)
