# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values, flags and variables that the engine's version takes, and lengths that the model can hold."""

from __future__ import annotations

from typing import Any

from .. import addresses
from ..fields import closest, suggestion
from ..findings import Finding, error, warning
from ..models.model import Model
from ..request import LAUNCHABLE, Engine
from .engine import OWNED, OWNED_VARIABLES
from .flags import (
    ALL2ALL_BACKENDS,
    ENVIRONMENT,
    FLAGS,
    KV_CACHE_DTYPES,
    MTP_METHOD_SINCE,
    MULTI_NODE_SINCE,
    Lifetime,
    flag_of,
    values_at,
)

# How like a known flag another must be to be taken for a slip of the pen; real flags of three releases are all further
# apart.
_TYPO = 0.92
# Backends that overlap two half batches (`--enable-dbo`) on CUDA; every release asserts it.
_DBO_BACKENDS = ("deepep_low_latency", "deepep_high_throughput", "nixl_ep")
# Models whose drafting layers had this name while each architecture had one of its own.
_DEEPSEEK = ("deepseek_v3", "deepseek_v32", "kimi_k2")


def check_engine(engine: Engine, hosts: int, model: Model | None) -> list[Finding]:
    """Values the engine's version takes, and lengths the model can hold."""
    found: list[Finding] = []
    if engine.name not in LAUNCHABLE:
        message = f"{engine.name} is sized like vLLM, but has no command lines here"
        found.append(warning("engine.only_sized", message, f"use {' or '.join(LAUNCHABLE)} to launch"))
        return found + (_check_length(engine, model) if model is not None else [])
    if hosts > 1 and engine.version < MULTI_NODE_SINCE:
        found.append(
            error(
                "engine.no_multi_node",
                f"vLLM {engine.version} cannot place data parallel ranks on several hosts from its command line",
                f"use {MULTI_NODE_SINCE} or newer",
            )
        )
    found.extend(_check_all2all(engine))
    found.extend(_check_execution(engine, model))
    found.extend(_check_value("kv_cache_dtype", engine.kv_cache_dtype, KV_CACHE_DTYPES, engine))
    problem = addresses.check("engine.host", engine.host)
    if problem is not None and problem.code not in ("address.unspecified", "address.loopback"):
        found.append(problem)
    if model is not None:
        found.extend(_check_length(engine, model))
    for name in sorted(engine.arguments):
        found.extend(check_argument(name, engine.arguments[name], engine))
    for name in sorted(engine.environment):
        found.extend(_check_variable(name, engine))
    return found


def _check_execution(engine: Engine, model: Model | None) -> list[Finding]:
    """Drafting and overlapped half batches."""
    given = {flag_of(name).split(".", 1)[0]: value for name, value in engine.arguments.items()}
    found: list[Finding] = []
    if engine.speculative_tokens and "--speculative-config" in given:
        message = "engine.speculative_tokens and engine.arguments both say how tokens are drafted"
        found.append(error("engine.speculation_twice", message, "keep one of them"))
    if engine.speculative_tokens and engine.version < MTP_METHOD_SINCE and model and model.kind not in _DEEPSEEK:
        found.append(
            error(
                "engine.speculation_method",
                f"vLLM {engine.version} has a drafting method of its own for each architecture, and deepseek_mtp is not"
                f" for {model.name}",
                f"use {MTP_METHOD_SINCE} or newer, or engine.arguments.speculative-config",
            )
        )
    if given.get("--enable-dbo") and engine.platform == "cuda" and engine.all2all_backend not in _DBO_BACKENDS:
        found.append(
            error(
                "engine.dbo_backend",
                f"--enable-dbo needs one of {', '.join(_DBO_BACKENDS)}; all2all_backend is"
                f" {engine.all2all_backend or 'the default'}",
                "leave enable-dbo out, or choose such a backend",
            )
        )
    return found


def _check_length(engine: Engine, model: Model) -> list[Finding]:
    given, most = engine.max_model_len, model.max_length
    if most is None and given is None:
        message = f"neither engine.max_model_len nor max_position_embeddings of {model.name} is given"
        return [error("engine.max_model_len", message, "set engine.max_model_len")]
    if most is not None and given is not None and given > most:
        message = f"engine.max_model_len {given} is more than the {most} positions of {model.name}"
        return [error("engine.max_model_len", message, f"set engine.max_model_len to at most {most}")]
    return []


def _check_value(key: str, value: str, table: dict[str, Lifetime], engine: Engine) -> list[Finding]:
    code, lifetime = f"engine.{key}", table.get(value)
    known = values_at(table, engine.version)
    if lifetime is None:
        return [error(code, f"{code} is '{value}', which no vLLM knows", suggestion(value, known))]
    if not lifetime.covers(engine.version):
        instead = lifetime.replaced_by if lifetime.replaced_by in known else "one of: " + ", ".join(known)
        span = f"from {lifetime.introduced}" + (f" until {lifetime.removed}" if lifetime.removed else "")
        message = f"{code} is '{value}', which vLLM {engine.version} does not know (known {span})"
        return [error(code, message, f"use {instead}")]
    return []


def _check_all2all(engine: Engine) -> list[Finding]:
    backend = engine.all2all_backend
    if backend is None:
        return []
    found = _check_value("all2all_backend", backend, ALL2ALL_BACKENDS, engine)
    lifetime = ALL2ALL_BACKENDS.get(backend)
    if not found and lifetime is not None and lifetime.deprecated is not None and engine.version >= lifetime.deprecated:
        instead = lifetime.replaced_by
        message = f"vLLM {engine.version} accepts all2all_backend '{backend}' but runs {instead} instead"
        found.append(warning("engine.all2all_fallback", message, f"set engine.all2all_backend to {instead}"))
    return found


def check_argument(name: str, value: Any, engine: Engine) -> list[Finding]:
    """An argument passed through: not one that the plan decides, nor one that the version is known to lack.

    The planner knows the flags that matter here and how they changed, not all of an engine's; the installed binary is
    asked for the others where it is installed.
    """
    flag = "--" + name.lstrip("-").replace("_", "-").split(".", 1)[0]
    if flag.startswith("--no-"):
        flag = "--" + flag[5:]
    where = f"engine.arguments.{name}"
    if flag in OWNED:
        return [
            error("engine.argument_owned", f"{where} is decided by the plan", "set the input it comes from instead")
        ]
    values = value if isinstance(value, (list, tuple)) else [value]
    if any(isinstance(item, str) and item.startswith("-") for item in values):
        return [
            error("engine.argument_value", f"{where} begins with '-': it would be read as a flag", "correct the value")
        ]
    return _check_flag(where, flag, engine)


def _check_flag(where: str, flag: str, engine: Engine) -> list[Finding]:
    lifetime = FLAGS.get(flag)
    if lifetime is None:
        near = closest(flag, FLAGS, _TYPO)
        if near is None:
            return []
        message = f"{where} is no flag the planner knows"
        return [warning("engine.argument_unknown", message, f"did you mean '{near[2:]}'?")]
    if lifetime.covers(engine.version):
        return []
    if lifetime.removed is not None and engine.version >= lifetime.removed:
        message = f"{where}: vLLM {engine.version} no longer knows {flag} (removed in {lifetime.removed})"
        instead = f"use {lifetime.replaced_by}" if lifetime.replaced_by else "leave it out"
        return [error("engine.flag_not_in_version", message, instead)]
    message = f"{where}: vLLM {engine.version} does not know {flag} (since {lifetime.introduced})"
    return [error("engine.flag_not_in_version", message, f"use vLLM {lifetime.introduced} or newer, or leave it out")]


def _check_variable(name: str, engine: Engine) -> list[Finding]:
    """An environment variable passed through: not one that differs by host, nor one that the version never reads."""
    where = f"engine.environment.{name}"
    if name in OWNED_VARIABLES:
        return [error("engine.variable_owned", f"{where} is decided by the plan, host by host", "leave it out")]
    lifetime = ENVIRONMENT.get(name)
    if lifetime is None or lifetime.covers(engine.version):
        return []
    instead = f"use {lifetime.replaced_by}" if lifetime.replaced_by else "leave it out"
    return [warning("engine.variable_unread", f"{where} is not read by vLLM {engine.version}", instead)]
