# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What stands in the way of a figure that is beyond a bound, and with which ports or devices it would be possible."""

from __future__ import annotations

from ..network.traffic import ALLGATHER, COMPARED, port_bytes
from .quantities import QUANTITIES
from .subject import Subject

# How many times the cluster's devices are tried.
_MOST_TIMES = 64


def _value(subject: Subject, name: str) -> float | None:
    return QUANTITIES[name].of(subject)


def reach(subject: Subject, quantity: str, value: float) -> str:
    """A sentence about ``value`` of a quantity, in the quantity's own unit; empty where there is no more to tell."""
    workload = subject.case.workload
    if quantity == "output_tokens_s":
        # Each generated token brings its share of the prompt's along.
        return _rate(subject, value, value * (1 + workload.input_tokens / workload.output_tokens))
    if quantity in ("decode_tokens_s", "network_bound_tokens_s"):
        return _rate(subject, value, value)
    if quantity == "prefill_tokens_s":
        return "; ".join(_ports(subject, value))
    if quantity == "tpot_ms" and subject.performance is not None:
        rate = subject.performance.decode_tokens_s.bound * subject.performance.tpot_s.bound * 1e3 / value
        return _rate(subject, rate, rate)
    if quantity.startswith("ttft"):
        return _first_token(subject, value)
    return ""


def _rate(subject: Subject, decoded: float, carried: float) -> str:
    parts = _ports(subject, carried)
    devices = _value(subject, "device_bound_tokens_s")
    decode = subject.decode
    if devices is not None and decode is not None and decoded > devices:
        what = "memory bandwidth" if decode.hbm_s >= decode.compute_s else "compute"
        parts.append(f"whatever the network, {what} allows {devices:,.0f} tokens/s: {_devices(subject, decoded)}")
    return "; ".join(parts)


def _ports(subject: Subject, carried: float) -> list[str]:
    """The port rates that ``carried`` tokens/s take, by back end; none where the experts stay inside a host."""
    case, line = subject.case, _value(subject, "nic_gbit_s")
    chosen = case.engine.all2all_backend or ALLGATHER
    needed = {}
    for backend in dict.fromkeys((chosen, *COMPARED)):
        each = port_bytes(case.model, backend, case.precision, case.engine.version, subject.spread)
        if each:
            needed[backend] = (each, carried * each * 8 / 1e9)
    if not needed or line is None or needed[chosen][1] <= line:
        return []
    each, _rate_needed = needed[chosen]
    rates = ", ".join(f"{rate:,.0f} with {backend}" for backend, (_each, rate) in needed.items())
    through = f"limited by the ports: {each / 1e6:.3f} MB a token through {line:g} Gb/s a host ({chosen})"
    return [f"{through}. It would take Gb/s a host: {rates}"]


def _devices(subject: Subject, decoded: float) -> str:
    """The fewest devices whose own rates allow so many tokens/s for the same sessions."""
    gpus = len(subject.cluster.hosts) * subject.cluster.gpus_per_host
    times = 1
    while times < _MOST_TIMES:
        times *= 2
        bound = _value(subject.under({"gpus": times * gpus}), "device_bound_tokens_s")
        if bound is not None and bound >= decoded:
            return f"with these sessions it would take up to {times * gpus} devices like these"
    return f"with these sessions not even {_MOST_TIMES * gpus} devices like these would do"


def _first_token(subject: Subject, value: float) -> str:
    matrices, attention = _value(subject, "prompt_matrices_s"), _value(subject, "prompt_attention_s")
    network, line = _value(subject, "prompt_network_s"), _value(subject, "nic_gbit_s")
    if matrices is None or attention is None:
        return ""
    computed = (matrices + attention) * 1e3
    if computed > value:
        return f"the prompt's own computation on its rank takes {computed:,.0f} ms at peak, whatever the network"
    if network and line is not None and network * 1e3 > value:
        return (
            f"the prompt's traffic takes {network * 1e3:,.0f} ms through {line:g} Gb/s a host;"
            f" {line * network * 1e3 / value:,.0f} Gb/s would do"
        )
    return ""
