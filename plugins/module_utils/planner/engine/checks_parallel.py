# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Divisions that must go without remainder, and what expert parallelism, its load balancing and decode context
parallelism need of model and version.
"""

from __future__ import annotations

from ..deployment import Deployment
from ..fields import suggestion
from ..findings import Finding, error, warning
from ..request import LAUNCHABLE, Engine, Parallel
from .flags import (
    DCP_FP8_REFUSED_UNTIL,
    DCP_FP8_SINCE,
    DCP_SPECULATION_SINCE,
    EPLB_SETTINGS,
    FLAGS,
    KV_ELEMENT_BYTES,
)


def check_parallel(case: Deployment) -> list[Finding]:
    """Divisions that must go without remainder, and what expert parallelism and its load balancing need."""
    found: list[Finding] = []
    model, parallel = case.model, case.parallel
    if model.heads % parallel.tensor:
        found.append(
            error(
                "parallel.heads",
                f"{model.heads} attention heads of {model.name} do not divide by tensor {parallel.tensor}",
                "choose a tensor size that divides the heads",
            )
        )
    if parallel.expert and not model.experts:
        found.append(
            error(
                "parallel.no_experts",
                f"{model.name} has no routed experts to divide",
                "set parallel.expert to false",
            )
        )
    if parallel.eplb and parallel.expert and case.expert_parallel_size == 1:
        found.append(
            error(
                "parallel.eplb_one_rank",
                "EPLB moves experts between ranks, but there is one",
                "set parallel.eplb to false, or use more ranks",
            )
        )
    most = model.experts + parallel.redundant_experts
    size = case.expert_parallel_size
    if parallel.expert and model.experts and size > most:
        found.append(
            error(
                "parallel.too_many_ranks",
                f"expert parallel size {size} (tensor x data) is more than the {most} experts of a layer",
                f"keep tensor x data at most {most}, with several services where there are more devices",
            )
        )
    if case.engine.speculative_tokens and not model.prediction_layers:
        found.append(
            error(
                "engine.speculative_tokens",
                f"{model.name} has no multi-token prediction layer to draft with",
                "set engine.speculative_tokens to 0",
            )
        )
    return found + _check_redundancy(case) + _check_eplb(parallel, case.engine) + _check_decode_context(case)


def _check_decode_context(case: Deployment) -> list[Finding]:
    """Decode context parallelism reuses the tensor ranks: it divides them, and KV heads must be whole on each part.

    From the releases' own checks (``config/parallel.py``, ``config/model.py``) and assertions (``mla/common.py``).
    """
    size, engine = case.parallel.decode_context, case.engine
    if size == 1:
        return []
    found: list[Finding] = []
    lifetime = FLAGS["--decode-context-parallel-size"]
    if not lifetime.covers(engine.version):
        message = f"vLLM {engine.version} has no decode context parallelism"
        found.append(error("engine.decode_context_version", message, f"use {lifetime.introduced} or newer"))
    if case.parallel.tensor % size:
        found.append(
            error(
                "parallel.decode_context",
                f"decode_context {size} does not divide tensor {case.parallel.tensor}",
                "choose a size that divides parallel.tensor; it takes no GPUs of its own",
            )
        )
    found.extend(_check_context_of_heads(case) if not case.model.kv.latent else _check_context_of_latent(engine))
    if engine.speculative_tokens and engine.version < DCP_SPECULATION_SINCE:
        found.append(
            error(
                "parallel.decode_context_speculation",
                f"vLLM {engine.version} asserts that no tokens are drafted with decode context parallelism",
                f"use {DCP_SPECULATION_SINCE} or newer, or set engine.speculative_tokens to 0",
            )
        )
    return found


def _check_context_of_heads(case: Deployment) -> list[Finding]:
    """With KV heads only the ranks that would hold copies of them can share the context."""
    heads, tensor, size = case.model.kv.heads, case.parallel.tensor, case.parallel.decode_context
    if tensor > heads and size <= tensor // heads:
        return []
    return [
        error(
            "parallel.decode_context",
            f"decode_context {size} with tensor {tensor} and {heads} KV heads: at most"
            f" {max(1, tensor // heads)} rank(s) have a copy of each",
            "set parallel.decode_context to at most tensor / KV heads",
        )
    ]


def _check_context_of_latent(engine: Engine) -> list[Finding]:
    if KV_ELEMENT_BYTES[engine.kv_cache_dtype] > 1 or engine.version >= DCP_FP8_SINCE:
        return []
    if engine.version > DCP_FP8_REFUSED_UNTIL:
        message = f"decode context parallelism with an FP8 KV cache is not known to work in vLLM {engine.version}"
        fix = f"use {DCP_FP8_SINCE} or newer, or kv_cache_dtype auto"
        return [warning("parallel.decode_context_fp8_unknown", message, fix)]
    return [
        error(
            "parallel.decode_context_fp8",
            f"vLLM {engine.version} asserts that the KV cache is not FP8 with decode context parallelism and MLA",
            f"use {DCP_FP8_SINCE} or newer, or set engine.kv_cache_dtype to auto",
        )
    ]


def _check_redundancy(case: Deployment) -> list[Finding]:
    """EPLB places experts + redundant ones evenly; without it uneven shares are allowed."""
    parallel, model, size = case.parallel, case.model, case.expert_parallel_size
    total = model.experts + parallel.redundant_experts
    if not (parallel.eplb and parallel.expert and model.experts) or total % size == 0:
        return []
    lower = total // size * size - model.experts
    upper = lower + size
    choices = f"{lower} or {upper}" if lower >= 0 else str(upper)
    return [
        error(
            "parallel.redundant_experts",
            f"{model.experts} experts + {parallel.redundant_experts} redundant = {total} do not divide by"
            f" expert parallel size {size} ({total / size:.2f} a rank)",
            f"set parallel.redundant_experts to {choices}",
        )
    ]


def _check_eplb(parallel: Parallel, engine: Engine) -> list[Finding]:
    if not parallel.eplb:
        if parallel.redundant_experts:
            return [
                error(
                    "parallel.redundant_without_eplb",
                    f"{parallel.redundant_experts} redundant experts without EPLB",
                    "set parallel.eplb to true, or redundant_experts to 0",
                )
            ]
        if engine.eplb_config:
            return [
                error(
                    "parallel.eplb_config_without_eplb",
                    "engine.eplb_config is given but parallel.eplb is off",
                    "set parallel.eplb to true, or leave eplb_config out",
                )
            ]
        return []
    found: list[Finding] = []
    if not parallel.expert:
        found.append(
            error(
                "parallel.eplb_without_experts",
                "EPLB moves experts between expert parallel ranks, but parallel.expert is false",
                "set parallel.expert to true, or parallel.eplb to false",
            )
        )
    if engine.platform == "cpu":
        found.append(
            error(
                "engine.eplb_platform",
                "vLLM refuses EPLB on the CPU platform",
                "set parallel.redundant_experts to 0 and parallel.eplb to false",
            )
        )
    lifetime = FLAGS["--enable-eplb"]
    if engine.name in LAUNCHABLE and not lifetime.covers(engine.version):
        found.append(
            error(
                "engine.eplb_version",
                f"vLLM {engine.version} has no EPLB",
                f"use {lifetime.introduced} or newer, or set parallel.redundant_experts to 0",
            )
        )
    for name in sorted(engine.eplb_config):
        found.extend(_check_eplb_setting(name, engine))
    return found


def _check_eplb_setting(name: str, engine: Engine) -> list[Finding]:
    if name == "num_redundant_experts":
        return [
            error(
                "engine.eplb_setting",
                "engine.eplb_config.num_redundant_experts is decided by parallel.redundant_experts",
                "set that instead",
            )
        ]
    entry = EPLB_SETTINGS.get(name)
    if entry is None:
        return [
            error("engine.eplb_setting", f"engine.eplb_config has no setting '{name}'", suggestion(name, EPLB_SETTINGS))
        ]
    if not entry[0].covers(engine.version):
        return [
            error(
                "engine.eplb_setting",
                f"vLLM {engine.version} has no EPLB setting '{name}'",
                f"use {entry[0].introduced} or newer, or leave it out",
            )
        ]
    return []
