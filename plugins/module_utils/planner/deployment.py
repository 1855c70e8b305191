# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One model, divided one way, on one engine, for one workload: what the sizing rooms reckon with."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Model, pipeline_stages
from .request import Engine, Parallel, Workload


@dataclass(frozen=True)
class Deployment:
    """``data`` is the number of data parallel ranks; ``workload.sessions`` sequences are served at once in all."""

    model: Model
    precision: str
    parallel: Parallel
    data: int
    engine: Engine
    workload: Workload

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

    def stage_layers(self, stage: int) -> tuple[str, ...]:
        """The kinds of the layers of a pipeline stage."""
        sizes = pipeline_stages(len(self.model.layers), self.parallel.pipeline)
        first = sum(sizes[:stage])
        return self.model.layers[first : first + sizes[stage]]
