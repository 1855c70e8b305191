# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the parts of an input must fit together: rules of the engine, of the model and of the addresses."""

from __future__ import annotations

from collections.abc import Sequence

from . import addresses
from .deployment import Deployment
from .engine import OWNED
from .engine_flags import ALL2ALL_BACKENDS, EPLB_SETTINGS, FLAGS, KV_CACHE_DTYPES, MULTI_NODE_SINCE, Lifetime, values_at
from .fields import suggestion
from .findings import Finding, error, warning
from .model import Model
from .request import Engine, Host, Parallel


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
    if hosts > 1 and engine.version < MULTI_NODE_SINCE:
        found.append(
            error(
                "engine.no_multi_node",
                f"vLLM {engine.version} cannot place data parallel ranks on several hosts from its command line",
                f"use {MULTI_NODE_SINCE} or newer",
            )
        )
    found.extend(_check_all2all(engine))
    found.extend(
        _check_value("engine.kv_cache_dtype", "engine.kv_cache_dtype", engine.kv_cache_dtype, KV_CACHE_DTYPES, engine)
    )
    problem = addresses.check("engine.host", engine.host)
    if problem is not None and problem.code not in ("address.unspecified", "address.loopback"):
        found.append(problem)
    if (
        model is not None
        and model.max_length is not None
        and engine.max_model_len is not None
        and engine.max_model_len > model.max_length
    ):
        found.append(
            error(
                "engine.max_model_len",
                f"engine.max_model_len {engine.max_model_len} is more than the {model.max_length} positions"
                f" of {model.name}",
                f"set engine.max_model_len to at most {model.max_length}",
            )
        )
    if model is not None and model.max_length is None and engine.max_model_len is None:
        found.append(
            error(
                "engine.max_model_len",
                f"neither engine.max_model_len nor the model's max_position_embeddings is known for {model.name}",
                "set engine.max_model_len",
            )
        )
    for name in sorted(engine.arguments):
        found.extend(_check_argument(name, engine))
    return found


def _check_value(code: str, where: str, value: str, table: dict[str, Lifetime], engine: Engine) -> list[Finding]:
    lifetime = table.get(value)
    known = values_at(table, engine.version)
    if lifetime is None:
        return [error(code, f"{where} is '{value}', which no vLLM knows", suggestion(value, known))]
    if not lifetime.covers(engine.version):
        instead = f"use {lifetime.replaced_by}" if lifetime.replaced_by in known else "use one of: " + ", ".join(known)
        span = f"from {lifetime.introduced}" + (f" until {lifetime.removed}" if lifetime.removed else "")
        return [error(code, f"{where} is '{value}', which vLLM {engine.version} does not know (known {span})", instead)]
    return []


def _check_all2all(engine: Engine) -> list[Finding]:
    backend = engine.all2all_backend
    if backend is None:
        return []
    found = _check_value("engine.all2all_backend", "engine.all2all_backend", backend, ALL2ALL_BACKENDS, engine)
    lifetime = ALL2ALL_BACKENDS.get(backend)
    if not found and lifetime is not None and lifetime.deprecated is not None and engine.version >= lifetime.deprecated:
        found.append(
            warning(
                "engine.all2all_fallback",
                f"vLLM {engine.version} accepts all2all_backend '{backend}' but runs {lifetime.replaced_by} instead",
                f"set engine.all2all_backend to {lifetime.replaced_by}",
            )
        )
    return found


def _check_argument(name: str, engine: Engine) -> list[Finding]:
    """Arguments passed through: not those that the plan decides, and not those the version is known to lack."""
    flag = "--" + name.lstrip("-").replace("_", "-")
    base = flag.split(".", 1)[0]
    plain = "--" + base[5:] if base.startswith("--no-") else base
    if base in OWNED or plain in OWNED:
        return [
            error(
                "engine.argument_owned",
                f"engine.arguments.{name} is decided by the plan",
                "set the input it comes from instead",
            )
        ]
    lifetime = FLAGS.get(plain)
    if lifetime is None or lifetime.covers(engine.version):
        return []
    if lifetime.removed is not None and engine.version >= lifetime.removed:
        message = f"vLLM {engine.version} no longer knows {plain} (removed in {lifetime.removed})"
        return [
            error(
                "engine.flag_not_in_version",
                message,
                f"use {lifetime.replaced_by}" if lifetime.replaced_by else "leave it out",
            )
        ]
    return [
        error(
            "engine.flag_not_in_version",
            f"vLLM {engine.version} does not know {plain} (since {lifetime.introduced})",
            f"use vLLM {lifetime.introduced} or newer, or leave it out",
        )
    ]
