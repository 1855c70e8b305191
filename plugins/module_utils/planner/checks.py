# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules of addresses and ports, and of weights that must be there in the precision the plan is for."""

from __future__ import annotations

from collections.abc import Sequence

from . import addresses
from .deployment import Deployment
from .engine.engine import instance_port
from .findings import Finding, error, warning
from .request import Division, Engine, Host


def check_ports(engine: Engine, division: Division) -> list[Finding]:
    """Behind a balancer each group's API has the port after the service's, which may be nobody else's."""
    port = instance_port(engine, division)
    if port <= 65535 and port != engine.rpc_port:
        return []
    taken = "is no port" if port > 65535 else "is engine.rpc_port, too"
    return [
        error(
            "engine.port_conflict",
            f"behind the balancer on engine.port {engine.port} the groups' APIs would have port {port}, which {taken}",
            "choose another engine.port",
        )
    ]


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


def check_rdma(hosts: Sequence[Host], traffic_class: int | None) -> list[Finding]:
    """Where one host names its RDMA device all should, and the traffic be in the class that the network protects."""
    named = [host.name for host in hosts if host.rdma_device is not None]
    if not named:
        return []
    found: list[Finding] = []
    without = [host.name for host in hosts if host.rdma_device is None]
    if without:
        found.append(
            warning(
                "network.no_rdma_device",
                f"{', '.join(named)} have an rdma_device, {', '.join(without)} have none: there NCCL takes every device"
                " whose port is up, those of other networks too",
                "set rdma_device on every host",
            )
        )
    if traffic_class is None:
        found.append(
            warning(
                "network.no_traffic_class",
                "cluster.traffic_class is not given: RDMA leaves with DSCP 0, which no lossless priority protects",
                "give the class that the network is set up for, such as 106 (DSCP 26, ECN-capable)",
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
