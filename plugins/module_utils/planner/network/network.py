# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the fabric between the hosts allows: bytes a token by back end, and the ceiling that follows from the ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..deployment import Deployment
from ..findings import Finding, warning
from ..performance.roofline import spread
from ..request import Cluster
from .ports import goodput_fraction
from .traffic import (
    ALLGATHER,
    COMPARED,
    GATHER,
    Spread,
    copies_sent,
    copy_bytes,
    expected_hosts,
    gathers_fp8,
    port_bytes,
    prompt_port_bytes,
    scheme,
    stage_bytes,
)

# The slowest port that the kernels of the other back ends are known to have worked over.
_PROVEN_GBIT_S = 100


@dataclass(frozen=True)
class Network:
    """Ceilings in tokens/s of the cluster, prompt and generated together, at line rate; bytes are one host's ports'."""

    backend: str
    bound_tokens_s: dict[str, float]
    port_bytes_per_token: dict[str, float]
    copy_bytes: dict[str, float]
    copies_sent: float
    expected_hosts: float
    hosts: int
    prompt_port_bytes_per_token: float
    stage_bytes_per_token: float
    line_bytes_s: float | None
    goodput_fraction: float
    gathers_fp8: bool

    def as_dict(self) -> dict[str, Any]:
        """The part ``network`` of the plan."""
        return {
            "backend": self.backend,
            "bound_tokens_s": {name: round(value, 1) for name, value in self.bound_tokens_s.items()},
            "port_bytes_per_token": {name: round(value) for name, value in self.port_bytes_per_token.items()},
            "copy_bytes": self.copy_bytes,
            "copies_sent": round(self.copies_sent, 3),
            "expected_hosts": round(self.expected_hosts, 3),
            "hosts": self.hosts,
            "prompt_port_bytes_per_token": round(self.prompt_port_bytes_per_token),
            "stage_bytes_per_token": round(self.stage_bytes_per_token),
            "line_bytes_s": self.line_bytes_s,
            "goodput_fraction": round(self.goodput_fraction, 4),
            "allgather_dispatch": "fp8" if self.gathers_fp8 else "bf16",
        }


def network(case: Deployment, cluster: Cluster) -> Network:
    """Ceilings by back end; empty where no expert is on another host or the ports' speed is not known."""
    over = spread(case, cluster.gpus_per_host)
    backend = case.engine.all2all_backend or ALLGATHER
    line = cluster.host_bytes_per_s
    each = {name: _port_bytes(case, name, over) for name in dict.fromkeys((backend, *COMPARED))}
    copy = copy_bytes(case.model, backend, case.precision, case.engine.version)
    spans = over.hosts > 1 and case.parallel.expert and case.model.moe_layers > 0
    return Network(
        backend=backend,
        bound_tokens_s={name: line / value for name, value in each.items()} if spans and line is not None else {},
        port_bytes_per_token=each if spans else {},
        copy_bytes={"dispatch": copy.dispatch, "combine": copy.combine},
        copies_sent=copies_sent(case.model, backend, over) if spans else 0.0,
        expected_hosts=expected_hosts(case.model, over.hosts) if spans else 1.0,
        hosts=over.hosts,
        prompt_port_bytes_per_token=prompt_port_bytes(case.model, backend, case.precision, case.engine.version, over)
        if spans
        else 0.0,
        stage_bytes_per_token=stage_bytes(case.model) if case.parallel.pipeline > 1 else 0.0,
        line_bytes_s=line,
        goodput_fraction=goodput_fraction(cluster.nic_mtu),
        gathers_fp8=gathers_fp8(case.engine.version) and case.precision != "bf16",
    )


def _port_bytes(case: Deployment, backend: str, over: Spread) -> float:
    return port_bytes(case.model, backend, case.precision, case.engine.version, over)


def check_network(case: Deployment, cluster: Cluster, found: Network, devices_tokens_s: float | None) -> list[Finding]:
    """Say so when the ports between the hosts, not the devices, bound the service, or a backend is not known to work
    over them. The devices allow ``devices_tokens_s``, ``None`` where that is not known.
    """
    ceiling = found.bound_tokens_s.get(found.backend)
    if scheme(case.engine.all2all_backend) != GATHER:
        return _check_backend(found.backend, ceiling, cluster)
    if ceiling is None or devices_tokens_s is None or ceiling >= devices_tokens_s:
        return []
    each = found.port_bytes_per_token[found.backend]
    ports = f"{cluster.nics_per_host} x {cluster.nic_gbit_s:g} Gb/s"
    return [
        warning(
            "network.bound",
            f"expert parallelism over {found.hosts} hosts is network bound: {each / 1e6:.3f} MB a token"
            f" (all-gather, {case.model.moe_layers} layers) through each host's {ports} allow at most {ceiling:,.0f}"
            f" tokens/s in all, prompt and generated together; the devices allow {devices_tokens_s:,.0f}",
            "keep expert parallelism inside a host, or use faster or more ports",
        )
    ]


def _check_backend(backend: str, ceiling: float | None, cluster: Cluster) -> list[Finding]:
    if ceiling is None or cluster.nic_gbit_s is None or cluster.nic_gbit_s >= _PROVEN_GBIT_S:
        return []
    return [
        warning(
            "network.backend_unproven",
            f"no report of all2all_backend '{backend}' over {cluster.nic_gbit_s:g} Gb/s ports is known",
            "set engine.all2all_backend to allgather_reducescatter, or try it before relying on it",
        )
    ]
