# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One model, divided one way, on one engine, for one workload: what the sizing rooms reckon with."""

from __future__ import annotations

from dataclasses import dataclass

from .models.components import Component
from .models.model import Model, pipeline_stages
from .models.quantisation import Quantisation
from .request import Engine, Parallel, Workload
from .versions import version

# Until 0.8.0 vLLM ran models with the engine now called V0, which stored and padded latent attention another way and
# gave what is left of the layers to the last pipeline stage.
_V1_SINCE = version("0.8.0")


@dataclass(frozen=True)
class Deployment:
    """``data`` is the number of data parallel ranks; ``workload.sessions`` sequences are served at once in all.

    Of a layout of several ``groups`` it is one, on ``hosts_per_group`` hosts, with its share of the sessions.
    """

    model: Model
    precision: str
    parallel: Parallel
    data: int
    engine: Engine
    workload: Workload
    groups: int = 1
    hosts_per_group: int = 1

    @property
    def quantisation(self) -> Quantisation:
        """How the weights are stored."""
        return self.model.stored_as(self.precision)

    def bytes(self, component: Component, layer: int | None = None) -> int:
        """Bytes of a whole component in the deployment's precision."""
        return self.quantisation.bytes(component, layer)

    @property
    def before_v1(self) -> bool:
        """Whether it is a vLLM from before its V1 engine."""
        return self.engine.name == "vllm" and self.engine.version < _V1_SINCE

    @property
    def prediction_layers(self) -> int:
        """Multi-token prediction layers that are loaded: all of the model's where tokens are drafted with them."""
        return self.model.prediction_layers if self.engine.speculative_tokens > 0 else 0

    @property
    def expert_parallel_size(self) -> int:
        """Ranks the routed experts are spread over."""
        return self.parallel.expert_parallel_size(self.data)

    @property
    def context(self) -> int:
        """Tokens of a full context."""
        return self.engine.max_model_len or self.model.max_length or 0

    @property
    def sessions_on_fullest_rank(self) -> int:
        """Sequences are whole: 200 over 32 ranks put 7 on some."""
        return -(-self.workload.sessions // self.data)

    @property
    def experts_on_fullest_rank(self) -> int:
        """Experts of one MoE layer. Without expert parallelism every rank has a slice of each."""
        if not self.parallel.expert:
            return self.model.experts
        return -(-(self.model.experts + self.parallel.redundant_experts) // self.expert_parallel_size)

    def stage_span(self, stage: int) -> tuple[int, int]:
        """The first layer of a pipeline stage, and the one after its last."""
        sizes = pipeline_stages(len(self.model.layers), self.parallel.pipeline, rest_last=self.before_v1)
        first = sum(sizes[:stage])
        return first, first + sizes[stage]

    def stage_layers(self, stage: int) -> tuple[str, ...]:
        """The kinds of the layers of a pipeline stage."""
        first, end = self.stage_span(stage)
        return self.model.layers[first:end]

    def is_last(self, stage: int) -> bool:
        """Whether a stage has the head, and the multi-token prediction layers."""
        return stage == self.parallel.pipeline - 1
