# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Time to the first token: waiting, the prompt's own computation, its traffic, and what the engine adds.

With data parallel attention a prompt is computed on one rank; only the routed experts' share is spread over the others.
Waiting is that of a queue with as many servers as prompts it takes to keep the group busy (Erlang C, halved because
prompts of one length take equally long), and no longer than the users that there are can make it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..deployment import Deployment
from ..memory.memory import weights_of_stage
from ..models.flops import prefill_attention_flops, token_flops
from ..network.traffic import link_bytes, prompt_port_bytes, stage_bytes, tensor_bytes
from .calibration import FASTEST, FITTED, SLOWEST
from .roofline import Machine, pass_s, spread

# HTTP, tokenising, scheduling and detokenising beside the model, in seconds: an assumption, not a measurement.
OVERHEAD_LOW_S, OVERHEAD_S, OVERHEAD_HIGH_S = 0.01, 0.03, 0.08
# Tokens that vLLM takes into one step unless told otherwise, on devices like these.
DEFAULT_BATCHED_TOKENS = 8192
_MOST_SERVERS = 1000


@dataclass(frozen=True)
class FirstToken:
    """Seconds. ``queueing_s`` is the wait that the percentile of requests stays under.

    The likely time has computation and traffic one after another, the low one beside each other.
    """

    queueing_s: float
    compute_s: float
    network_s: float
    overhead_s: float
    low_s: float
    high_s: float
    bound_s: float

    @property
    def likely_s(self) -> float:
        """All parts one after another."""
        return self.queueing_s + self.compute_s + self.network_s + self.overhead_s

    @property
    def parts_s(self) -> dict[str, float]:
        """The parts by name."""
        return {
            "queueing": self.queueing_s,
            "prefill_compute": self.compute_s,
            "network": self.network_s,
            "overhead": self.overhead_s,
        }


def first_token(
    case: Deployment,
    rates: Machine,
    length: int,
    percentile: float,
    *,
    step_s: float,
    arrival_rate: float,
    prefill_tokens_s: float,
    backlog_s: float,
) -> FirstToken:
    """Of a prompt of ``length`` tokens in one group; ``step_s`` is a decode step that may have to end first,
    ``arrival_rate`` the group's requests/s, ``prefill_tokens_s`` what it prefills when kept busy, ``backlog_s`` the
    wait for a place among the running sequences.
    """
    device_peak_s, device_s = _device(case, rates, length)
    line_s = _network(case, rates, length)
    network_s = line_s / rates.port_goodput
    served = device_s + network_s
    queueing = waiting_s(
        service_s=served,
        servers=max(1.0, prefill_tokens_s * served / length),
        arrival_rate=arrival_rate,
        percentile=percentile,
        users=case.workload.sessions,
    )
    overhead = OVERHEAD_S + step_s / 2
    return FirstToken(
        queueing_s=queueing + backlog_s,
        compute_s=device_s,
        network_s=network_s,
        overhead_s=overhead,
        low_s=max(device_s * FASTEST, network_s) + OVERHEAD_LOW_S + backlog_s * FASTEST,
        high_s=(served + queueing + backlog_s) * SLOWEST + OVERHEAD_HIGH_S + step_s,
        bound_s=max(device_peak_s, line_s),
    )


def waiting_s(*, service_s: float, servers: float, arrival_rate: float, percentile: float, users: int) -> float:
    """The wait that ``percentile`` percent of requests stay under, in seconds; 0 where most find a server free."""
    load = arrival_rate * service_s / servers
    # All users at once, and this one as far back in the queue as its percentile says.
    most = max(0.0, users / servers - 1) * service_s * percentile / 100
    if load >= 1:
        return most
    all_busy = _erlang_c(servers, load)
    missed = 1 - percentile / 100
    if all_busy <= missed:
        return 0.0
    return min(most, service_s / servers / (1 - load) * math.log(all_busy / missed) / 2)


def _erlang_c(servers: float, load: float) -> float:
    """The share of requests that find all servers busy; whole servers, and no more of them than matter."""
    count = max(1, math.floor(min(servers, _MOST_SERVERS)))
    offered = load * count
    blocked = 1.0
    for number in range(1, count + 1):
        blocked = offered * blocked / (number + offered * blocked)
    return blocked / (1 - load * (1 - blocked))


def _device(case: Deployment, rates: Machine, length: int) -> tuple[float, float]:
    """Seconds on the home rank's devices, all stages in turn: at peak, and as services reach it."""
    model, tensor = case.model, case.parallel.tensor
    flops = token_flops(model)
    spread_over = tensor * case.data
    linear = length * (flops.home / tensor + flops.routed / spread_over) / rates.weights_flops
    attention = prefill_attention_flops(model, length) / tensor / rates.bf16_flops
    chunks = math.ceil(length / (case.engine.max_num_batched_tokens or DEFAULT_BATCHED_TOKENS))
    stages = range(case.parallel.pipeline)
    read = chunks * sum(weights_of_stage(case, stage).total for stage in stages) / rates.memory_bytes_s
    passes = pass_s(case, rates, length) * FITTED.prefill_passes
    launches = chunks * len(model.layers) * FITTED.launch_s(case.engine.enforce_eager)
    busy = max((linear + attention) / FITTED.compute + passes, read / FITTED.hbm)
    return linear + attention, busy + launches


def _network(case: Deployment, rates: Machine, length: int) -> float:
    """Seconds through the home host's ports and over its links, dispatch and combine one after another."""
    model, engine, parallel = case.model, case.engine, case.parallel
    over = spread(case, rates.gpus_per_host)
    ports, links = 0.0, tensor_bytes(model, parallel.tensor)
    if parallel.expert:
        details = (model, engine.all2all_backend, case.precision, engine.version, over)
        ports += prompt_port_bytes(*details)
        links += link_bytes(*details)
    if parallel.pipeline > 1 and over.ranks * parallel.pipeline > rates.gpus_per_host:
        ports += stage_bytes(model) * (parallel.pipeline - 1)
    if parallel.tensor > rates.gpus_per_host:
        ports += tensor_bytes(model, parallel.tensor)
    seconds = length * links / rates.nvlink_bytes_s if rates.nvlink_bytes_s else 0.0
    if ports and rates.port_bytes_s:
        seconds += length * ports / rates.port_bytes_s
    return seconds
