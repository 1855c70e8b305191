# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to say about a budget, and what to change where it does not fit.

Every remedy was tried: the deployment with that one change fits. Where several would do, each is the smallest of its
kind; where none would, it takes more than one, more ranks or larger devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..deployment import Deployment
from ..engine.flags import KV_ELEMENT_BYTES
from ..findings import Finding, error, warning
from .memory import Memory, budget, gib, kv_bytes_per_token, utilisation, weights_of_stage
from .overhead import overhead

# Beyond this share of the device there is no room for what torch does not count.
MOST_UTILISATION = 0.95
# How many times as many data parallel ranks are tried.
_MOST_RANKS = 8
Remedy = dict[str, Any]


def judged(case: Deployment, usable_bytes: int) -> Memory:
    """The fullest rank's memory, with what would make it fit where it does not."""
    memory = budget(case, usable_bytes)
    if memory.fits:
        return memory
    return replace(memory, remedies=tuple(remedies(case, usable_bytes, memory)))


def remedies(case: Deployment, usable_bytes: int, memory: Memory) -> list[Remedy]:
    """Single changes that make a deployment fit: what is changed, the input's field and its new value, and as text."""
    tried = (
        _context(case, usable_bytes),
        _sessions(case, usable_bytes),
        _kv_dtype(case, usable_bytes),
        _redundant(case, usable_bytes),
        _utilisation(case, memory),
        _decode_context(case, usable_bytes),
        _precision(case, usable_bytes),
        _ranks(case, usable_bytes),
        _larger_groups(case, usable_bytes),
    )
    return [remedy for remedy in tried if remedy is not None]


def _remedy(change: str, field: str, value: Any, text: str) -> Remedy:
    return {"change": change, "field": field, "value": value, "text": text}


def _fits(case: Deployment, usable_bytes: int) -> bool:
    return budget(case, usable_bytes).fits


def _tokens_that_fit(case: Deployment, usable_bytes: int) -> int:
    """Context tokens that every stage's ranks have room for."""
    left = int(utilisation(case.engine) * usable_bytes) - overhead(case).high
    return min(
        (left - weights_of_stage(case, stage).total) // kv_bytes_per_token(case, stage)
        for stage in range(case.parallel.pipeline)
    )


def _context(case: Deployment, usable_bytes: int) -> Remedy | None:
    longest = _tokens_that_fit(case, usable_bytes) // case.sessions_on_fullest_rank
    if longest < 1 or longest >= case.context:
        return None
    text = f"lower engine.max_model_len to at most {longest}"
    return _remedy("shorter context", "engine.max_model_len", longest, text)


def _sessions(case: Deployment, usable_bytes: int) -> Remedy | None:
    each = _tokens_that_fit(case, usable_bytes) // case.context * case.data if case.context else 0
    if each < 1 or each >= case.workload.sessions:
        return None
    most = each * case.groups
    return _remedy("fewer sessions", "workload.sessions", most, f"lower workload.sessions to at most {most}")


def _kv_dtype(case: Deployment, usable_bytes: int) -> Remedy | None:
    if KV_ELEMENT_BYTES[case.engine.kv_cache_dtype] == 1:
        return None
    if not _fits(replace(case, engine=replace(case.engine, kv_cache_dtype="fp8")), usable_bytes):
        return None
    return _remedy("FP8 KV cache", "engine.kv_cache_dtype", "fp8", "set engine.kv_cache_dtype to fp8 (an FP8 KV cache)")


def _redundant(case: Deployment, usable_bytes: int) -> Remedy | None:
    """The most redundant experts that fit; EPLB places them evenly, without it any number would do."""
    parallel = case.parallel
    if not parallel.redundant_experts or not parallel.expert:
        return None
    step = case.expert_parallel_size if parallel.eplb else 1
    least = -case.model.experts % step

    def with_steps(steps: int) -> Deployment:
        return replace(case, parallel=replace(parallel, redundant_experts=least + steps * step))

    most = (parallel.redundant_experts - 1 - least) // step
    steps = _largest(most, lambda steps: _fits(with_steps(steps), usable_bytes))
    if steps is None:
        return None
    count = least + steps * step
    text = f"lower parallel.redundant_experts to {count}"
    return _remedy("fewer redundant experts", "parallel.redundant_experts", count, text)


def _largest(most: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number from 0 to ``most`` that fits, where less always fits when more does."""
    if most < 0 or not fits(0):
        return None
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _utilisation(case: Deployment, memory: Memory) -> Remedy | None:
    needed = memory.budget_bytes - memory.headroom_bytes
    share = math.ceil(1000 * (needed + 1) / memory.usable_bytes) / 1000
    if share > MOST_UTILISATION or share <= utilisation(case.engine):
        return None
    text = f"raise engine.gpu_memory_utilization to {share:g}"
    return _remedy("more of the device", "engine.gpu_memory_utilization", share, text)


def _decode_context(case: Deployment, usable_bytes: int) -> Remedy | None:
    """The fewest ranks of a tensor group that have to divide a sequence's cache instead of each holding it."""
    replicas = case.model.kv.replicas(case.parallel.tensor)
    for ranks in range(case.parallel.decode_context + 1, replicas + 1):
        if replicas % ranks or case.parallel.tensor % ranks:
            continue
        if _fits(replace(case, parallel=replace(case.parallel, decode_context=ranks)), usable_bytes):
            text = f"set parallel.decode_context to {ranks}"
            return _remedy("decode context parallelism", "parallel.decode_context", ranks, text)
    return None


def _precision(case: Deployment, usable_bytes: int) -> Remedy | None:
    """The checkpoint's own precision, else FP8 for weights in 16 bit."""
    choices = [case.model.checkpoint_precision] + (["fp8"] if case.precision == "bf16" else [])
    for name in choices:
        if name != case.precision and _fits(replace(case, precision=name), usable_bytes):
            return _remedy(f"{name.upper()} weights", "precision", name, f"use {name.upper()} weights")
    return None


def _ranks(case: Deployment, usable_bytes: int) -> Remedy | None:
    """The fewest times as many data parallel ranks; without experts to spread they only share the sessions."""
    for times in range(2, _MOST_RANKS + 1):
        ranks = case.data * times
        if _fits(replace(case, data=ranks), usable_bytes):
            data = ranks * case.groups
            return _remedy("more ranks", "parallel.data", data, f"use more ranks: parallel.data {data}")
    return None


def _larger_groups(case: Deployment, usable_bytes: int) -> Remedy | None:
    """The fewest groups put together that fit: the same ranks, and each expert on fewer of them."""
    for times in range(2, case.groups + 1):
        workload = replace(case.workload, sessions=case.workload.sessions * times)
        if case.groups % times == 0 and _fits(replace(case, data=case.data * times, workload=workload), usable_bytes):
            hosts = case.hosts_per_group * times
            text = f"set layout.hosts_per_group to {hosts}"
            return _remedy("larger groups", "layout.hosts_per_group", hosts, text)
    return None


def check_memory(case: Deployment, memory: Memory, device: str) -> list[Finding]:
    """Whether the fullest rank fits, with the whole sum in the message when it does not."""
    found: list[Finding] = []
    need = f"{memory.sessions} sessions x {case.context} tokens"
    if not memory.fits:
        budgeted = f"{gib(memory.budget_bytes)} ({utilisation(case.engine):g} of {gib(memory.usable_bytes)})"
        found.append(
            error(
                "memory.does_not_fit",
                f"the fullest rank does not fit its {device}: budget {budgeted}"
                f" - weights {gib(memory.weights_bytes)} ({case.precision}, {memory.experts_per_layer} experts a layer)"
                f" - KV cache {gib(memory.kv_cache_bytes)} ({need})"
                f" - overhead {gib(memory.overhead_bytes)} (high estimate) = {gib(memory.headroom_bytes)}",
                _fix(case, memory),
            )
        )
    found.extend(_check_given_kv_cache(case, memory, need))
    limit = case.engine.max_num_seqs
    if limit is not None and limit < memory.sessions:
        found.append(
            warning(
                "engine.max_num_seqs",
                f"engine.max_num_seqs {limit} (a rank) is less than the {memory.sessions} sessions of the fullest rank:"
                " the others wait",
                f"set engine.max_num_seqs to {memory.sessions} or more",
            )
        )
    return found


def _check_given_kv_cache(case: Deployment, memory: Memory, need: str) -> list[Finding]:
    """A KV cache whose size was given must hold the workload, and must fit beside everything else."""
    given = case.engine.kv_cache_memory_bytes
    if given is None:
        return []
    if memory.kv_cache_bytes > given:
        return [
            error(
                "memory.kv_cache_too_small",
                f"engine.kv_cache_memory_bytes {given} ({gib(given)}) is less than the {memory.kv_cache_bytes}"
                f" ({gib(memory.kv_cache_bytes)}) that {need} need on the fullest rank",
                f"set it to at least {memory.kv_cache_bytes}, or lower workload.sessions or engine.max_model_len",
            )
        ]
    total = memory.weights_bytes + given + memory.overhead_bytes
    if memory.fits and total > memory.usable_bytes:
        return [
            error(
                "memory.kv_cache_too_large",
                f"engine.kv_cache_memory_bytes {gib(given)} + weights {gib(memory.weights_bytes)} + overhead"
                f" {gib(memory.overhead_bytes)} (high estimate) = {gib(total)} of {gib(memory.usable_bytes)}",
                f"set it to at most {memory.usable_bytes - memory.weights_bytes - memory.overhead_bytes}",
            )
        ]
    return []


def _fix(case: Deployment, memory: Memory) -> str:
    texts = [str(remedy["text"]) for remedy in memory.remedies]
    if len(texts) > 1:
        return "do one of these: " + "; ".join(texts)
    if texts:
        return texts[0]
    if case.precision == "bf16":
        return "no single change is enough: use FP8 weights, more ranks or larger devices"
    return "no single change is enough: use more ranks, a shorter context or larger devices"
