# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""What the plan predicted beside what was measured, with the error."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..evidence.result import number
from .floors import read_links
from .model import Check


@dataclass(frozen=True)
class Prediction:
    """One figure of the plan and its measurement.

    Attributes:
        name: what it is.
        unit: of all figures here.
        low, likely, high: the plan's range; ``low`` and ``high`` are None where it has one figure.
        measured: the measurement.
        error_percent: how far the measurement is from ``likely``, in percent of it: 25 is a quarter above.
        inside: whether the measurement is in the range; None where there is none.
    """

    name: str
    unit: str
    low: float | None
    likely: float | None
    high: float | None
    measured: float | None
    error_percent: float | None
    inside: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Return the entry that the report holds."""
        return asdict(self)


@dataclass(frozen=True)
class _Range:
    likely: float | None
    low: float | None = None
    high: float | None = None


def predictions(
    plan: Mapping[str, Any], checks: Sequence[Check], bench: Mapping[str, Any] | None = None
) -> list[Prediction]:
    """Return every figure of the plan that a measurement stands beside.

    Args:
        plan: the structure of ``artifacts/plan.json``.
        checks: every check that was made; those of measurements have values.
        bench: the benchmark's result, whose time per token has no check of its own.
    """
    known: dict[str, list[float]] = {}
    for check in checks:
        if check.value is not None:
            known.setdefault(check.id, []).append(check.value)
    figures = {name: statistics.median(values) for name, values in known.items()}
    rows = [
        *_memory(plan, figures),
        *_service(plan, figures),
        *_time_per_token(plan, bench or {}),
        *_network(plan, figures),
        *_sensitivity(plan, figures),
    ]
    return [row for row in rows if row is not None]


def _row(name: str, unit: str, predicted: _Range, measured: float | None) -> Prediction | None:
    """Return a row where both sides are known."""
    likely, low, high = predicted.likely, predicted.low, predicted.high
    if likely is None or measured is None:
        return None
    if low is not None and high is not None:
        low, high = (min(low, high), max(low, high)) if low != high else (None, None)
    error = round(100 * (measured - likely) / abs(likely), 1) if likely else None
    inside = low <= measured <= high if low is not None and high is not None else None
    return Prediction(name, unit, low, likely, high, measured, error, inside)


def _memory(plan: Mapping[str, Any], figures: Mapping[str, float]) -> list[Prediction | None]:
    rank = _table(_table(plan, "memory"), "per_rank")
    capacity = _range(_table(rank, "kv_capacity_range_tokens"))
    share = next(
        (
            _range(objective, 100.0)
            for objective in plan.get("objectives") or ()
            if objective.get("metric") == "memory_used_fraction"
        ),
        _Range(None),
    )
    return [
        _row("KV cache of the smallest engine", "tokens", capacity, figures.get("kv_cache_tokens")),
        _row("Device memory in use", "%", share, figures.get("gpu_memory_share")),
    ]


def _service(plan: Mapping[str, Any], figures: Mapping[str, float]) -> list[Prediction | None]:
    performance = _table(plan, "performance")
    first = _table(performance, "ttft_ms")
    tokens = first.get("input_tokens")
    rows = [
        _row(
            "Output of all sessions",
            "tokens/s",
            _range(_table(performance, "output_tokens_s")),
            figures.get("sessions_throughput"),
        )
    ]
    for percentile in ("p50", "p95", "p99"):
        name = f"Time to first token, {tokens} tokens in, {percentile.upper()}"
        measured = figures.get(f"ttft_{tokens}_{percentile}")
        rows.append(_row(name, "ms", _range(_table(first, percentile)), measured))
    return rows


def _time_per_token(plan: Mapping[str, Any], bench: Mapping[str, Any]) -> list[Prediction | None]:
    values = _table(_table(bench, "evidence"), "values")
    measured = number(_table(values, "tpot_ms").get("p50"))
    predicted = _range(_table(_table(plan, "performance"), "tpot_ms"))
    return [_row("Time per output token, P50", "ms", predicted, measured)]


def _network(plan: Mapping[str, Any], figures: Mapping[str, float]) -> list[Prediction | None]:
    """The line rate, and what it means for messages and exchanges; a good link reaches nine tenths of each."""
    links = read_links(plan)
    if links.bytes_s is None:
        return []
    payload = number(_table(plan, "network").get("goodput_fraction")) or 1.0
    rate = links.bytes_s * 8e-9
    message_us, share = 2**20 / links.bytes_s * 1e6, links.busiest_share
    rows = [
        _row("Payload of a port, RDMA", "Gbit/s", _Range(rate * payload), figures.get("rdma_bandwidth_1mb")),
        _row("Rate of a port, TCP", "Gbit/s", _Range(rate), figures.get("tcp_bandwidth")),
        _row(
            "All ports together",
            "Gbit/s",
            _Range(rate * payload * len(links.ranks)),
            figures.get("aggregate_bandwidth"),
        ),
        _row("A message of 1 MiB", "us", _Range(message_us / payload), figures.get("rdma_latency_1mb")),
    ]
    # Without GPUs collectives run with other ranks than the plan's.
    if share and _table(plan, "performance"):
        exchange_us, exchange = 1e6 * share / links.bytes_s * 1e6 / payload, links.bytes_s * payload / share * 1e-9
        rows += [
            _row("All-to-all, 1 MB a rank", "us", _Range(exchange_us), figures.get("all_to_all_1mb")),
            _row("All-to-all, size by time", "GB/s", _Range(exchange), figures.get("all_to_all_bandwidth")),
        ]
    return rows


def _sensitivity(plan: Mapping[str, Any], figures: Mapping[str, float]) -> list[Prediction | None]:
    """Throughput at slower ports and with a host lost, as a change from the plan's own."""
    base = number(_table(_table(plan, "performance"), "decode_tokens_s").get("likely"))
    if base is None:
        return []
    at = _by_rate(plan, base)
    now = number(_table(plan, "cluster").get("nic_gbit_s"))
    rows: list[Prediction | None] = []
    for rate in (20, 15, 10, 5):
        name = f"Throughput at {rate} Gb/s a port, change"
        rows.append(
            _row(name, "%", _change(at.get(rate), at.get(now)), figures.get(f"sensitivity_rate_{rate}g_throughput"))
        )
    lost = [
        number(entry.get("decode_tokens_s"))
        for entry in plan.get("contingencies") or ()
        if str(entry.get("name", "")).startswith("one host lost")
    ]
    known = [value for value in lost if value is not None]
    worst = _change(min(known), base) if known else _Range(None)
    return [*rows, _row("Throughput with a host lost, change", "%", worst, figures.get("fault_host_throughput"))]


def _by_rate(plan: Mapping[str, Any], base: float) -> dict[float | None, float | None]:
    """Return throughput by the port's rate of the plan's own layout: the series that has its figure."""
    for series in _table(plan, "by_port_rate").values():
        at = {number(entry.get("nic_gbit_s")): number(entry.get("decode_tokens_s")) for entry in series}
        if base in at.values():
            return at
    return {}


def _change(value: float | None, base: float | None) -> _Range:
    return _Range(None if value is None or not base else round(100 * (value / base - 1), 1))


def _range(figure: Mapping[str, Any], scale: float = 1.0) -> _Range:
    low, likely, high = (
        None if (value := number(figure.get(name))) is None else value * scale for name in ("low", "likely", "high")
    )
    return _Range(likely, low, high)


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, Mapping) else {}
