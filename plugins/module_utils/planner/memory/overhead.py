# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rank needs beside weights and KV cache: context, NCCL, CUDA graphs, activations, all-to-all buffers.

Engines' logs give no clean split, so there is a range for each kind of layout as it was observed (8,192 tokens a step,
graphs on), and what departs from those conditions is added or taken away by first principles:

* activations grow with the tokens of a step. A token needs its hidden state about six times over and, in the fused MoE
  kernel, once for each of its experts, beside their intermediate rows on this rank: 213 KB for DeepSeek-V3 at TP=8, so
  6.4 GiB for 32,000 tokens, where a log has 6.37. Where a rank gathers every rank's tokens, it has their hidden states;
* without CUDA graphs their memory is saved (0.38 to 0.51 GiB in logs of 0.11 to 0.14);
* a table of sines and cosines for a million positions is larger than those of the observed models.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..deployment import Deployment
from ..hardware import GIB
from ..models.components import DENSE
from ..network.traffic import GATHER, scheme


@dataclass(frozen=True)
class Overhead:
    """Everything that is neither weights nor KV cache, in bytes a rank, and why these figures."""

    low: int
    likely: int
    high: int
    reason: str

    def plus(self, low: float, likely: float, high: float) -> Overhead:
        """With bytes added to each figure; none falls below a quarter of GiB."""
        floor = GIB // 4
        return Overhead(
            max(floor, int(self.low + low)),
            max(floor, int(self.likely + likely)),
            max(floor, int(self.high + high)),
            self.reason,
        )


def _overhead(low: float, likely: float, high: float, reason: str) -> Overhead:
    """From GiB."""
    return Overhead(int(low * GIB), int(likely * GIB), int(high * GIB), reason)


_CPU = _overhead(
    0.6, 0.9, 1.2, "a CPU rank's process took 0.9 GiB beside weights and KV cache (32 ranks of vLLM 0.32.0 on the lab)"
)
_ALONE = _overhead(
    1.0, 2.5, 5.0, "one device without collectives: an estimate below what tensor parallel ranks were seen to need"
)
_ONE_REPLICA = _overhead(
    2.8, 6.0, 9.0, "vLLM 0.11 to 0.20 logs at TP=4 and 8 leave 2.8 to 8.9 GiB between budget, weights and KV cache"
)
_ONE_REPLICA_V0 = _overhead(
    6.5,
    9.5,
    12.5,
    "logs of vLLM 0.7.3 at TP=8 have 5.2 to 7.2 GiB outside torch and 6.4 to 7 GiB of activations, 12 to 13.5 in all",
)
# Data parallel ranks with experts spread over them, by the largest expert parallel size each row is for. The high
# figure is what is published (14 GB at EP=8, 20 GB at EP=16, single charts, budget assumed), the low one the least seen
# without expert parallelism of a comparable service, and the likely one lies between. At EP=32 there is no log at all.
_EXPERT_REASON = (
    "context, NCCL, CUDA graphs, activations and all-to-all buffers: a published DP+EP chart has 14 GB at EP=8 and"
    " 20 GB at EP=16"
)
_DATA_AND_EXPERT = (
    (8, _overhead(5.0, 9.0, 13.1, _EXPERT_REASON)),
    (16, _overhead(5.0, 12.0, 18.7, _EXPERT_REASON)),
)
_WIDE_EXPERT = _overhead(5.0, 13.0, 20.0, _EXPERT_REASON)

# The conditions of the rows above.
OBSERVED_TOKENS = 8192
_WIDEST_OBSERVED = 32
_GRAPHS_GIB = (0.3, 0.4, 0.4)
_ROTARY_OBSERVED = 64 << 20
# Copies of a token's hidden state alive at the peak of a step: input, residual, norm, attention's and the MLP's output,
# and one in flight.
_HIDDEN_COPIES = 6
# Back ends that gather every rank's tokens on each; the others send a token only where its experts are.


def activation_bytes_per_token(case: Deployment) -> int:
    """Bytes of activations at the peak of a step for each of its tokens on this rank, all in 16 bit."""
    model, tensor = case.model, case.parallel.tensor
    rows = _HIDDEN_COPIES * model.hidden_size
    if model.expert is not None:
        rows += model.experts_per_token * (model.hidden_size + 3 * model.expert.rows // tensor)
    else:
        rows += sum(3 * item.rows // tensor for item in model.dense_ffn if item.part == DENSE)
    return 2 * rows


def _gathered_bytes_per_token(case: Deployment, ranks: int) -> int:
    """Hidden states of as many tokens on each of ``ranks``, where a rank gathers them for its experts."""
    if case.data == 1 or not case.model.experts or scheme(case.engine.all2all_backend) != GATHER:
        return 0
    return 2 * case.model.hidden_size * ranks


def _observed(case: Deployment) -> Overhead:
    if case.data == 1 or not case.model.experts:
        if case.parallel.tensor * case.parallel.pipeline == 1:
            return _ALONE
        return _ONE_REPLICA_V0 if case.before_v1 else _ONE_REPLICA
    size = case.parallel.tensor * case.data
    return next((row for largest, row in _DATA_AND_EXPERT if size <= largest), _WIDE_EXPERT)


def overhead(case: Deployment) -> Overhead:
    """The overhead expected of a rank: a range with its evidence."""
    if case.engine.platform == "cpu":
        return _CPU
    found = _observed(case)
    tokens = case.engine.max_num_batched_tokens or OBSERVED_TOKENS
    each = activation_bytes_per_token(case)
    gathered_then = _gathered_bytes_per_token(case, min(case.data, _WIDEST_OBSERVED))
    gathered = _gathered_bytes_per_token(case, case.data)
    more = (tokens - OBSERVED_TOKENS) * each + tokens * gathered - OBSERVED_TOKENS * gathered_then
    table = max(0, case.model.rotary_bytes() - _ROTARY_OBSERVED)
    found = found.plus(*(more + table,) * 3)
    if case.engine.enforce_eager:
        found = found.plus(*(-GIB * each_gib for each_gib in _GRAPHS_GIB))
    return found
