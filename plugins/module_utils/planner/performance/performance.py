# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens a second, time per token and time to the first token of a deployment: bounds, and what services would reach.

A likely figure comes from ``roofline`` with the fitted efficiencies; ``low`` and ``high`` are the ends of the middle 80
% of published services around it; ``bound`` is arithmetic at peak rates and holds whatever the engine does.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Callable

from ..deployment import Deployment
from ..hardware import Gpu
from ..request import Cluster, Engine
from .calibration import FASTEST, FITTED, SLOWEST
from .first_token import FirstToken, first_token
from .roofline import NIC, Machine, Terms, decode_terms, machine, prefill_terms

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Range:
    """``low`` is the least to be expected, ``high`` the most, ``bound`` what physics forbids to pass."""

    low: float
    likely: float
    high: float
    bound: float

    def as_dict(self) -> dict[str, float]:
        """The four numbers, rounded to what they can mean."""
        return {name: _rounded(value) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class Performance:
    """Of the whole cluster (all replicas); times in seconds. ``sequences`` run at once on each data parallel rank."""

    decode_tokens_s: Range
    prefill_tokens_s: Range
    output_tokens_s: Range
    tpot_s: Range
    sequences: float
    decode: Terms
    prefill: Terms
    rates: Machine
    case: Deployment
    replicas: int
    users: int

    @property
    def limited_by(self) -> str:
        """What bounds decode: HBM, compute, NIC or NVLink."""
        return self.decode.limited_by

    @property
    def devices_tokens_s(self) -> float:
        """Tokens/s at peak rates if the ports carried anything."""
        others = max(seconds for name, seconds in self.decode.by_name.items() if name != NIC)
        return self.decode_tokens_s.bound * self.decode.bound_s / others

    def first_token(self, length: int, percentile: float) -> FirstToken:
        """Time to the first token of a prompt of ``length`` tokens that the percentile of requests stays under."""
        return first_token(
            self.case,
            self.rates,
            length,
            percentile,
            step_s=self.decode.likely_s(FITTED),
            arrival_rate=self._arrivals(length) / self.replicas,
            prefill_tokens_s=self._prefilled(length) / self.replicas,
            backlog_s=self._backlog_s(length),
        )

    @property
    def overloaded(self) -> bool:
        """Whether more requests come than are answered, so that the queue grows without end."""
        given = self.case.workload.arrival_rate
        return given is not None and given >= self.most_requests_s(self.case.workload.input_tokens)

    def most_requests_s(self, length: int) -> float:
        """Requests/s that are answered when every prompt has ``length`` tokens: prefill and decode take turns."""
        answered = self.case.workload.output_tokens
        return 1 / (answered / self.decode_tokens_s.likely + length / self._prefilled(length))

    def _backlog_s(self, length: int) -> float:
        """The wait for a place among the sequences that run at once: until those ahead are answered whole."""
        running = self.sequences * self.case.data * self.replicas
        ahead = max(0.0, self.users - running)
        if self.overloaded:
            ahead = float(self.users)
        return ahead / self.most_requests_s(length)

    def _prefilled(self, length: int) -> float:
        """Likely prompt tokens/s of all replicas when every prompt has ``length`` tokens."""
        if length == self.case.workload.input_tokens:
            return self.prefill_tokens_s.likely
        return self.replicas * self.case.data / prefill_terms(self.case, self.rates, length).likely_s(FITTED)

    def _arrivals(self, length: int) -> float:
        """Requests/s: as given, else as many as the service answers when every prompt has ``length`` tokens."""
        given, most = self.case.workload.arrival_rate, self.most_requests_s(length)
        return most if given is None else min(given, most)

    def ttft_s(self, length: int, percentile: float) -> Range:
        """The same as a range; its ``bound`` is the least that any request can take."""
        found = self.first_token(length, percentile)
        return Range(max(found.low_s, found.bound_s), found.likely_s, found.high_s, found.bound_s)

    def as_dict(self) -> dict[str, Any]:
        """The part ``performance`` of the plan."""
        length = self.case.workload.input_tokens
        of_percentile = {f"p{p}": _milliseconds(self.ttft_s(length, p)).as_dict() for p in PERCENTILES}
        return {
            "decode_tokens_s": self.decode_tokens_s.as_dict(),
            "prefill_tokens_s": self.prefill_tokens_s.as_dict(),
            "output_tokens_s": self.output_tokens_s.as_dict(),
            "tpot_ms": _milliseconds(self.tpot_s).as_dict(),
            "ttft_ms": {
                **of_percentile["p50"],
                "input_tokens": length,
                **of_percentile,
                "parts_p50": {k: _rounded(v * 1e3) for k, v in self.first_token(length, 50).parts_s.items()},
            },
            "limited_by": self.limited_by,
            "prefill_limited_by": self.prefill.limited_by,
            "decode_step_ms": {name: _rounded(value * 1e3) for name, value in self.decode.by_name.items()},
            "sequences_per_rank": _rounded(self.sequences),
            "arrival_rate_per_s": _rounded(self._arrivals(length)),
            "replicas": self.replicas,
        }


def estimate(
    case: Deployment,
    cluster: Cluster,
    gpu: Gpu,
    replicas: int = 1,
    *,
    kv_tokens: int | None = None,
    users: int | None = None,
) -> Performance | None:
    """What ``replicas`` groups like ``case`` do together; ``case.workload`` is the share of the fullest of them, and
    ``users`` the sessions of all where that is less than ``replicas`` times as many.

    ``kv_tokens`` is the room for KV cache on the fullest rank: sessions beyond it wait. ``None`` where the device's
    rates are not known, or the ports' that the layout needs.
    """
    rates = machine(cluster, gpu, case.precision)
    if rates is None:
        return None
    workload = case.workload
    users = replicas * workload.sessions if users is None else users
    sequences = _running(case, users / (replicas * case.data), kv_tokens)
    decode = decode_terms(case, rates, sequences, workload.context_tokens)
    prefill = prefill_terms(case, rates, workload.input_tokens)
    if math.isinf(decode.bound_s) or math.isinf(prefill.bound_s):
        return None
    stages = case.parallel.pipeline
    accepted = accepted_tokens(case.engine)

    def decoded(step_s: float) -> float:
        return replicas * case.data * sequences * accepted / (step_s * stages)

    def prefilled(token_s: float) -> float:
        return replicas * case.data / token_s

    decoding, prefilling = _range(decode, decoded), _range(prefill, prefilled)
    per_output = workload.input_tokens / workload.output_tokens
    output = Range(*(1 / (1 / d + per_output / p) for d, p in zip(_values(decoding), _values(prefilling))))
    if workload.arrival_rate is not None:
        # No more comes out than is asked for.
        asked = workload.arrival_rate * workload.output_tokens
        output = Range(*(min(value, asked) for value in _values(output)))
    each = replicas * case.data * sequences
    return Performance(
        decode_tokens_s=decoding,
        prefill_tokens_s=prefilling,
        output_tokens_s=output,
        tpot_s=Range(each / decoding.high, each / decoding.likely, each / decoding.low, each / decoding.bound),
        sequences=sequences,
        decode=decode,
        prefill=prefill,
        rates=rates,
        case=case,
        replicas=replicas,
        users=users,
    )


def accepted_tokens(engine: Engine) -> float:
    """Tokens that a decode step yields: one, and the drafts up to the first that is not accepted."""
    rate, drafts = engine.acceptance_rate, engine.speculative_tokens
    return sum(rate**number for number in range(drafts + 1))


def _running(case: Deployment, wanted: float, kv_tokens: int | None) -> float:
    """Sequences at once on a rank: its share of the sessions, or less where the engine's limit or the room is less."""
    if case.engine.max_num_seqs is not None:
        wanted = min(wanted, float(case.engine.max_num_seqs))
    if kv_tokens is not None:
        wanted = min(wanted, max(1.0, kv_tokens / case.workload.context_tokens))
    return wanted


def _range(terms: Terms, rate: Callable[[float], float]) -> Range:
    likely, bound = terms.likely_s(FITTED), terms.bound_s
    return Range(rate(likely * SLOWEST), rate(likely), min(rate(likely * FASTEST), rate(bound)), rate(bound))


def _values(of: Range) -> tuple[float, float, float, float]:
    return of.low, of.likely, of.high, of.bound


def _milliseconds(of: Range) -> Range:
    return Range(*(value * 1e3 for value in _values(of)))


def _rounded(value: float) -> float:
    """Four significant digits; more would be noise in every plan's difference to the next."""
    return float(f"{value:.4g}")
