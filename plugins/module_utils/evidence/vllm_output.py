# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""vLLM's own texts: ``vllm serve --help`` (which flags does the binary know?) and its log."""

from __future__ import annotations

import re
from typing import Any

from .findings import Context, Findings, nothing, whole, words
from .result import Evidence, clean_lines, number

HELP_TOOL = "vllm_help"
LOG_TOOL = "vllm_log"

_USAGE = re.compile(r"^usage: (?:\S*/)?vllm\b|^usage: .*api_server", re.IGNORECASE)
_OPTION_LINE = re.compile(r"^\s{0,6}(-\S.*)$")
_OPTION = re.compile(r"(?:^|, )(--?[A-Za-z][\w.-]*)")
_PARTIAL = re.compile(r"--help=(?:listgroup|page|all)|For full list|Config Groups?:", re.IGNORECASE)

_KV_SIZE = re.compile(r"(?:GPU|CPU|TPU|XPU) KV cache size: ([\d,]{1,20}) tokens")
_CONCURRENCY = re.compile(r"Maximum concurrency for [\d,]+ tokens per request: ([\d.]{1,12})x")
_TOO_LONG = re.compile(r"model'?s max seq len \((\d{1,12})\)")
_ESTIMATED = re.compile(r"estimated maximum model length is (\d{1,12})")
_OLD_LIMIT = re.compile(r"maximum number of tokens that can be stored in KV cache \((\d{1,12})\)")
_MISMATCH = re.compile(r"Configuration mismatch detected for engine (\d{1,6})")
_MEMORY = re.compile(r"(?:CUDA|HIP) out of memory|OutOfMemoryError|No available memory for the cache blocks")
_DIED = re.compile(
    r"Engine core initialization failed|EngineDeadError|Engine core proc \S+ died|WorkerProc initialization failed"
)
_READY = re.compile(r"Application startup complete")


def parse_help(text: str, context: Context | None = None) -> Evidence:
    """Say which flags the binary knows, by whole names: ``--num-redundant-experts-note`` is another flag.

    Args:
        text: ``vllm serve --help=all`` (``--help`` of versions that have no groups).
        context: ``flags`` (names that are asked for, with or without dashes), ``required`` (those that must be known).

    Returns:
        ``flags``: ``yes``, ``no`` or ``unknown`` by name as it was asked for; of no question, all that are known.
    """
    lines = clean_lines(text)
    known = {_plain(name) for line in lines for name in _options(line)}
    required = words(context, "required") or []
    asked = [*(words(context, "flags") or []), *required]
    partial = any(_PARTIAL.search(line) for line in lines) and len(known) < 40
    values: dict[str, Any] = {"flags": dict.fromkeys(asked, "unknown")}
    if not any(_USAGE.match(line) for line in lines) or not known:
        return nothing(HELP_TOOL, values, lines, "help of vllm serve")
    found = Findings()
    if partial:
        found.unknowns.append("this help lists only some flags: call it with --help=all")
    for name in asked:
        values["flags"][name] = "yes" if _plain(name) in known else "unknown" if partial else "no"
    if not asked:
        values["flags"] = dict.fromkeys(sorted(known), "yes")
    found.failures.extend(
        f"this vLLM does not know --{_plain(name)}: choose the version that the plan was made for"
        for name in required
        if values["flags"][name] == "no"
    )
    return found.evidence(HELP_TOOL, values)


def parse_log(text: str, context: Context | None = None) -> Evidence:
    """Judge the log of a start.

    Args:
        text: the log.
        context: ``data_parallel_size_local`` (ranks of a host: says on which host a mismatched engine runs),
            ``minimum_kv_cache_tokens`` (least, of every engine).

    Returns:
        ``kv_cache_tokens`` (the smallest engine's), ``maximum_concurrency``, ``requested_length`` and
        ``suggested_length`` (tokens; where the model's length did not fit), ``mismatched_engine``, ``mismatched_node``,
        ``mismatched_local_rank``, ``ready`` (the API answers; None where the log doesn't say).
    """
    lines = clean_lines(text)
    values: dict[str, Any] = {
        "kv_cache_tokens": None,
        "maximum_concurrency": None,
        "requested_length": None,
        "suggested_length": None,
        "mismatched_engine": None,
        "mismatched_node": None,
        "mismatched_local_rank": None,
        "ready": None,
    }
    found = Findings()
    for line in lines:
        _read_sizes(line, values)
        _read_failures(line, whole(context, "data_parallel_size_local"), values, found)
        if _READY.search(line):
            values["ready"] = True
    if values["requested_length"] is not None:
        suggested = values["suggested_length"]
        found.failures.insert(
            0,
            f"a context of {values['requested_length']} tokens does not fit into the KV cache: set max_model_len to"
            f" {suggested if suggested is not None else 'less'} or give it more memory",
        )
    if not found.failures and values["kv_cache_tokens"] is None and values["ready"] is None:
        return nothing(LOG_TOOL, values, lines, "finished start of vLLM")
    least = whole(context, "minimum_kv_cache_tokens")
    if least is not None and values["kv_cache_tokens"] is None:
        found.unknowns.append("the KV cache's size is not in this log")
    elif least is not None and values["kv_cache_tokens"] < least:
        found.failures.append(f"the KV cache holds {values['kv_cache_tokens']} tokens, planned are {least}")
    return found.evidence(LOG_TOOL, values)


def _options(line: str) -> list[str]:
    match = _OPTION_LINE.match(line)
    return _OPTION.findall(match.group(1)) if match is not None else []


def _plain(name: str) -> str:
    return name.lstrip("-").replace("_", "-")


def _read_sizes(line: str, values: dict[str, Any]) -> None:
    size, concurrency, wanted = _KV_SIZE.search(line), _CONCURRENCY.search(line), _TOO_LONG.search(line)
    if size is not None and size.group(1).replace(",", ""):
        tokens = int(size.group(1).replace(",", ""))
        before = values["kv_cache_tokens"]
        values["kv_cache_tokens"] = tokens if before is None else min(tokens, before)
    if concurrency is not None:
        figure, before = number(concurrency.group(1)), values["maximum_concurrency"]
        values["maximum_concurrency"] = figure if before is None or figure is None else min(figure, before)
    if wanted is not None:
        values["requested_length"] = int(wanted.group(1))
        limit = _ESTIMATED.search(line) or _OLD_LIMIT.search(line)
        values["suggested_length"] = int(limit.group(1)) if limit is not None else values["suggested_length"]


def _read_failures(line: str, local: int | None, values: dict[str, Any], found: Findings) -> None:
    mismatch = _MISMATCH.search(line)
    if mismatch is not None:
        engine = int(mismatch.group(1))
        values["mismatched_engine"] = engine
        where = ""
        if local:
            values["mismatched_node"], values["mismatched_local_rank"] = divmod(engine, local)
            where = f" (host {values['mismatched_node']}, its rank {values['mismatched_local_rank']})"
        found.failures.append(f"engine {engine}{where} has other arguments than the first: compare its command line")
    if _MEMORY.search(line):
        found.failures.append("the GPU's memory ran out: lower gpu_memory_utilization or the model's length")
    if _DIED.search(line):
        found.failures.append(f"an engine died: {line.strip()[-160:]}")
