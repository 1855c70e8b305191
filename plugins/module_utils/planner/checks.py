# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the parts of an input must fit together: rules of the engine, of the model and of the addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import addresses
from .deployment import Deployment
from .engine import OWNED, OWNED_VARIABLES
from .engine_flags import (
    ALL2ALL_BACKENDS,
    ENVIRONMENT,
    EPLB_SETTINGS,
    FLAGS,
    KV_CACHE_DTYPES,
    MULTI_NODE_SINCE,
    Lifetime,
    values_at,
)
from .fields import closest, suggestion
from .findings import Finding, error, warning
from .model import Model
from .request import LAUNCHABLE, Engine, Host, Parallel

# How like a known flag another must be to be taken for a slip of the pen; real flags of three releases are all further
# apart.
_TYPO = 0.92


def check_addresses(hosts: Sequence[Host]) -> list[Finding]:
    """Every host needs an address of its own on the data network, all of one family, and should name the interface."""
    found: list[Finding] = []
    owners: dict[addresses.Address, list[str]] = {}
    for host in hosts:
        if host.data_address is None:
            continue
        problem = addresses.check(f"data_address of {host.name}", host.data_address)
        if problem is not None:
            found.append(problem)
        address = addresses.parse(host.data_address)
        if address is not None:
            owners.setdefault(address, []).append(host.name)
    missing = [host.name for host in hosts if host.data_address is None]
    if missing:
        found.append(
            error(
                "address.missing",
                f"no data_address on {', '.join(missing)}",
                "set data_address of every host to its address on the data network",
            )
        )
    for address, names in owners.items():
        if len(names) > 1:
            found.append(
                error(
                    "address.duplicate",
                    f"{', '.join(names)} share the data_address {address}",
                    "give each host its own data_address",
                )
            )
    if len({address.version for address in owners}) > 1:
        found.append(
            error(
                "address.mixed_families",
                "some data_address are IPv4 and some IPv6",
                "use one family: every rank connects to the head's address",
            )
        )
    without = [host.name for host in hosts if host.data_interface is None]
    if without and len(hosts) > 1:
        found.append(
            warning(
                "address.no_interface",
                f"no data_interface on {', '.join(without)}: gloo and NCCL choose one by themselves, and a host name"
                " that resolves to 127.0.1.1 makes gloo choose the loopback",
                "set data_interface to the name of the data network's interface",
            )
        )
    return found


def check_precision(case: Deployment, model_path: str | None) -> list[Finding]:
    """A checkpoint is loaded in the precision it has; another one needs converted weights at a path of their own."""
    model = case.model
    if case.precision == model.checkpoint_precision or model.repository is None or model_path != model.repository:
        return []
    return [
        warning(
            "model.not_as_released",
            f"the plan is for {case.precision} weights, but those at {model_path} are {model.checkpoint_precision}",
            f"set precision to {model.checkpoint_precision}, or model_path to weights converted to {case.precision}",
        )
    ]


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
    return found + _check_redundancy(case) + _check_eplb(parallel, case.engine)


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
    if not lifetime.covers(engine.version):
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
