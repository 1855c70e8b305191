# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One command's settings against the model and one another: divisions, load balancing, back ends, lengths."""

from __future__ import annotations

from typing import Any

from ..engine.defaults import default
from ..engine.flags import (
    ALL2ALL_BACKENDS,
    EPLB_SETTINGS,
    FLAGS,
    KV_CACHE_DTYPES,
    MTP_METHOD_SINCE,
    Lifetime,
    values_at,
)
from ..models.model import Model
from ..request import Engine
from ..versions import Version
from .line import Command
from .notes import Notes

_DBO_BACKENDS = ("deepep_low_latency", "deepep_high_throughput", "nixl_ep")
_FLAT_EPLB = {"num_redundant_experts": "--num-redundant-experts"}
_FLAT_EPLB.update({key: flag for key, (_lifetime, flag) in EPLB_SETTINGS.items() if flag})
_OLD_MTP = ("deepseek_mtp", "mimo_mtp", "glm4_moe_mtp", "ernie_mtp", "qwen3_next_mtp")


def size(command: Command, name: str) -> int | None:
    """``tensor``, ``pipeline`` or ``data``; 1 where it is not given, ``None`` where only the host's shell knows."""
    flag = f"--{name}-parallel-size"
    if flag not in command.options:
        return 1
    found = command.integer(flag)
    return found if found is not None and found > 0 else None


def expert_parallel(command: Command) -> int | None:
    """Ranks the experts are spread over; 1 without expert parallelism, ``None`` where a size is not known."""
    if not command.has("--enable-expert-parallel"):
        return 1
    tensor, data = size(command, "tensor"), size(command, "data")
    return tensor * data if tensor is not None and data is not None else None


def eplb_settings(command: Command) -> dict[str, Any]:
    """EPLB's settings however the command gives them."""
    found: dict[str, Any] = {}
    for key, flag in _FLAT_EPLB.items():
        if flag in command.options:
            found[key] = command.integer(flag) if command.options[flag].values else command.has(flag)
    found.update(command.mapping("--eplb-config"))
    return found


def backend(command: Command, release: Version) -> str | None:
    """The all-to-all back end as it takes effect: the flag, the variable while it is read, else the default."""
    if command.known("--all2all-backend") and FLAGS["--all2all-backend"].covers(release):
        return command.text("--all2all-backend")
    if release >= FLAGS["--all2all-backend"].introduced and release >= (0, 15, 0):
        return str(default("all2all_backend", release))
    named = command.environment.get("VLLM_ALL2ALL_BACKEND")
    return named or (str(default("all2all_backend", release)) if release >= (0, 9, 0) else None)


def check_values(command: Command, engine: Engine, model: Model | None, notes: Notes) -> None:
    """What the settings of one command have to do with one another, with the model and with the version."""
    where = f"commands.{command.host}"
    tensor = size(command, "tensor")
    if model is not None and tensor is not None and model.heads % tensor:
        message = (
            f"{where}: {model.heads} attention heads of {model.name} do not divide by --tensor-parallel-size {tensor}"
        )
        notes.stops("heads", message, "choose a size that divides the heads")
    decode = command.integer("--decode-context-parallel-size")
    if decode is not None and tensor is not None and (decode < 1 or tensor % decode):
        message = f"{where}: --decode-context-parallel-size {decode} does not divide --tensor-parallel-size {tensor}"
        notes.stops("decode_context", message, "choose a size that divides the tensor ranks")
    _check_eplb(command, engine, model, notes)
    _check_backend(command, engine, notes)
    dtype = command.text("--kv-cache-dtype")
    _check_known(where, dtype, KV_CACHE_DTYPES, engine.version, code="kv_cache_dtype", notes=notes)
    _check_sizes(command, engine, model, notes)
    method = command.mapping("--speculative-config").get("method")
    if method in _OLD_MTP and engine.version >= MTP_METHOD_SINCE:
        message = f"{where}: the drafting method '{method}' is called mtp since vLLM {MTP_METHOD_SINCE}"
        notes.alters("speculation_method", message, 'use "method": "mtp"')
    elif method == "mtp" and engine.version < MTP_METHOD_SINCE:
        message = f"{where}: vLLM {engine.version} has no drafting method 'mtp'"
        notes.stops("speculation_method", message, 'use "method": "deepseek_mtp" for DeepSeek\'s models')


def _check_eplb(command: Command, engine: Engine, model: Model | None, notes: Notes) -> None:
    """The same arithmetic as the planner's own: experts and copies divide evenly over the ranks."""
    where = f"commands.{command.host}"
    settings = eplb_settings(command)
    redundant = settings.get("num_redundant_experts") or 0
    if not command.has("--enable-eplb"):
        if redundant:
            message = f"{where}: {redundant} redundant experts without --enable-eplb"
            notes.stops("redundant_without_eplb", message, "add --enable-eplb, or leave the redundant experts out")
        return
    for key in settings:
        if key != "num_redundant_experts" and (
            key not in EPLB_SETTINGS or not EPLB_SETTINGS[key][0].covers(engine.version)
        ):
            message = f"{where}: vLLM {engine.version} has no EPLB setting '{key}'"
            notes.stops("eplb_setting", message, "leave it out")
    if not command.has("--enable-expert-parallel"):
        message = f"{where}: --enable-eplb without --enable-expert-parallel"
        notes.stops("eplb_without_experts", message, "add --enable-expert-parallel")
        return
    if engine.platform == "cpu":
        notes.stops("eplb_platform", f"{where}: vLLM refuses --enable-eplb on the CPU", "leave it out")
    ranks = expert_parallel(command)
    if not isinstance(redundant, int) or redundant < 0:
        notes.stops("redundant_experts", f"{where}: {redundant!r} redundant experts", "give a number, 0 or more")
    elif ranks == 1:
        notes.stops("eplb_one_rank", f"{where}: EPLB moves experts between ranks, but there is one", "leave it out")
    elif ranks is not None and model is not None and model.experts and (model.experts + redundant) % ranks:
        total = model.experts + redundant
        lower = total // ranks * ranks - model.experts
        choices = f"{lower} or {lower + ranks}" if lower >= 0 else str(lower + ranks)
        message = (
            f"{where}: {model.experts} experts + {redundant} redundant = {total} do not divide by expert parallel size"
            f" {ranks} ({total / ranks:.2f} a rank)"
        )
        notes.stops("redundant_experts", message, f"use {choices} redundant experts")


def _check_backend(command: Command, engine: Engine, notes: Notes) -> None:
    where = f"commands.{command.host}"
    named = command.text("--all2all-backend") or command.environment.get("VLLM_ALL2ALL_BACKEND")
    if named is None and not command.has("--enable-dbo"):
        return
    used = backend(command, engine.version)
    if used is not None and used == named:
        _check_known(where, used, ALL2ALL_BACKENDS, engine.version, code="all2all_backend", notes=notes)
        lifetime = ALL2ALL_BACKENDS.get(used)
        if (
            lifetime
            and lifetime.deprecated
            and lifetime.covers(engine.version)
            and engine.version >= lifetime.deprecated
        ):
            message = (
                f"{where}: vLLM {engine.version} takes the back end '{used}' and runs {lifetime.replaced_by} instead"
            )
            notes.alters("all2all_fallback", message, f"use {lifetime.replaced_by}")
    if named is not None and named.startswith("deepep"):
        message = (
            f"{where}: {named} needs DeepEP and NVSHMEM, which no wheel has and which are built on the host; its"
            " published figures are of one 400 Gb/s port a GPU, and there is no report of it at 25 Gb/s a host"
        )
        notes.alters("deepep", message, "begin with allgather_reducescatter, and measure the other against it")
    if command.has("--enable-dbo") and engine.platform == "cuda" and used not in _DBO_BACKENDS:
        message = f"{where}: --enable-dbo with the back end {used}; it takes {', '.join(_DBO_BACKENDS)}"
        notes.stops("dbo_backend", message, "leave --enable-dbo out, or choose such a back end")


def _check_known(
    where: str, value: str | None, table: dict[str, Lifetime], release: Version, *, code: str, notes: Notes
) -> None:
    """A value out of a list that changed with the releases."""
    lifetime = table.get(value) if value is not None else None
    if value is None or "$" in value or "<" in value or (lifetime is not None and lifetime.covers(release)):
        return
    where = f"{where}: {code} '{value}'"
    names = values_at(table, release)
    if lifetime is not None:
        instead = lifetime.replaced_by if lifetime.replaced_by in names else "one of: " + ", ".join(names)
        notes.stops(code, f"{where} is not in vLLM {release}", f"use {instead}")
    elif code == "kv_cache_dtype":
        notes.doubts(code, f"{where} is not in the planner's table", "ask the installed vllm serve --help")
    else:
        notes.stops(code, f"{where} is in no vLLM", "use one of: " + ", ".join(names))


def _check_sizes(command: Command, engine: Engine, model: Model | None, notes: Notes) -> None:
    where = f"commands.{command.host}"
    length = command.integer("--max-model-len")
    if model is not None and model.max_length and length is not None and length > model.max_length:
        message = f"{where}: --max-model-len {length} is more than the {model.max_length} positions of {model.name}"
        notes.stops("max_model_len", message, f"use at most {model.max_length}")
    share = command.text("--gpu-memory-utilization")
    if share is not None and command.known("--gpu-memory-utilization"):
        try:
            sound = 0 < float(share) <= 1
        except ValueError:
            sound = False
        if not sound:
            message = f"{where}: --gpu-memory-utilization {share} is no share between 0 and 1"
            notes.stops("gpu_memory_utilization", message, f"use {default('gpu_memory_utilization', engine.version)}")
    sequences, data = command.integer("--max-num-seqs"), size(command, "data")
    if sequences is not None and data is not None and data > 1:
        message = f"{where}: --max-num-seqs {sequences} is of one rank: {sequences * data} over {data} ranks"
        notes.tells("max_num_seqs", message, "give the sequences of the fullest rank")
