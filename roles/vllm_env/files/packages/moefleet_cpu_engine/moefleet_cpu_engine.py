# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What vLLM 0.32's CPU build lacks before data parallelism with expert parallelism, or a pipeline, runs on CPU ranks.

vLLM loads it in every process through the entry point `vllm.general_plugins`. Six gaps, each closed by a function:

* the communicator has no variable-size gather and reduce-scatter, which the backend allgather_reducescatter is made of;
* the expert kernel ignores the map from global to local experts and would index experts that the rank doesn't hold;
* AMX kernels are chosen because the processor has AMX, also where the process may not use it, and die with SIGILL;
* the rotary embedding's kernel turns queries that have a dimension for their heads wrongly, as MLA's have: the answers
  are garbage with status 200;
* a later stage of a pipeline has nowhere to receive what the stage before it computed;
* which workers share a host is reckoned from the number of its devices, and a CPU is one device.

And what costs time: each rank is two processes after the first, the one busy with waiting for the other, and each of
the three imports the engine anew, as does one more that only looks at the model's class. Here a rank of one worker is
one process, and all are forked from the first, which has imported the engine and looks by itself.

The figures that the ranks compute are vLLM's own: nothing here stands in for a kernel.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import distributed


def all_gatherv(self: Any, input_: Any, dim: int = 0, sizes: list[int] | None = None) -> Any:
    """Concatenate every rank's rows, `sizes[r]` from rank r, along dimension 0, of one tensor or each of a list."""
    if isinstance(input_, list):
        return [all_gatherv(self, tensor, dim, sizes) for tensor in input_]
    if dim != 0:
        raise ValueError(f"all_gatherv along dimension {dim}: the ranks' rows are only ever gathered along 0")
    counts = sizes or [input_.shape[0]] * self.world_size
    # Gloo's all_gather wants equal shapes: send padded rows, cut them off again.
    padded = input_.new_zeros((max(counts), *input_.shape[1:]))
    padded[: input_.shape[0]] = input_
    parts = [torch.empty_like(padded) for _ in range(self.world_size)]
    distributed.all_gather(parts, padded, group=self.device_group)
    return torch.cat([part[:count] for part, count in zip(parts, counts)])


def reduce_scatterv(self: Any, input_: torch.Tensor, dim: int = 0, sizes: list[int] | None = None) -> torch.Tensor:
    """Sum over the ranks, keep this rank's `sizes[rank]` rows: Gloo has no reduce-scatter, so all-reduce, then cut."""
    if dim not in (0, -input_.dim()):
        raise ValueError(f"reduce_scatterv along dimension {dim}: the ranks' rows are only ever scattered along 0")
    total = input_.contiguous().clone()
    distributed.all_reduce(total, group=self.device_group)
    counts = sizes or [total.shape[0] // self.world_size] * self.world_size
    first = sum(counts[: self.rank_in_group])
    return total[first : first + counts[self.rank_in_group]].contiguous()


def to_local_experts(
    topk_ids: torch.Tensor, topk_weights: torch.Tensor, expert_map: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Expert ids of this rank, and weight 0 for experts that other ranks hold: their id becomes 0 and adds nothing."""
    local = expert_map[topk_ids.long()]
    held = local >= 0
    ids = torch.where(held, local, torch.zeros_like(local)).to(topk_ids.dtype)
    return ids, torch.where(held, topk_weights, torch.zeros_like(topk_weights))


def give_communicator_variable_sizes() -> None:
    """Add the two collectives to the CPU communicator."""
    from vllm.distributed.device_communicators.cpu_communicator import CpuCommunicator  # noqa: PLC0415

    CpuCommunicator.all_gatherv = all_gatherv
    CpuCommunicator.reduce_scatterv = reduce_scatterv


def make_experts_local() -> None:
    """Translate expert ids before the CPU expert kernel sees them."""
    from vllm.model_executor.layers.fused_moe.experts import cpu_moe  # noqa: PLC0415

    kernel = cpu_moe.CPUUnquantizedExperts
    apply_all = kernel.apply

    signature = inspect.signature(apply_all)

    def apply_local(*arguments: Any, **named: Any) -> Any:
        call = signature.bind(*arguments, **named)
        if call.arguments["expert_map"] is not None:
            call.arguments["topk_ids"], call.arguments["topk_weights"] = to_local_experts(
                call.arguments["topk_ids"], call.arguments["topk_weights"], call.arguments["expert_map"]
            )
            call.arguments["expert_map"] = None
        return apply_all(*call.args, **call.kwargs)

    kernel.apply = apply_local


def avoid_amx() -> None:
    """Take the portable kernels: a virtual machine's processor may report AMX and not let processes use its tiles."""
    torch.cpu._is_amx_tile_supported = lambda: False


def rotate_in_rows(
    rotate: Any, self: Any, positions: torch.Tensor, query: torch.Tensor, key: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Give the kernel a row a token with all of its heads beside each other, which it turns rightly."""
    tokens = positions.numel()
    rows = [None if tensor is None else tensor.reshape(tokens, -1).contiguous() for tensor in (query, key)]
    turned, turned_key = rotate(self, positions, *rows)
    return turned.view(query.shape), None if key is None else turned_key.view(key.shape)


def rotate_every_head() -> None:
    """Wrap the CPU way of the rotary embedding."""
    from vllm.model_executor.layers.rotary_embedding.base import RotaryEmbedding  # noqa: PLC0415

    rotate = RotaryEmbedding.forward_cpu

    def forward_cpu(self: Any, *arguments: Any, **named: Any) -> Any:
        return rotate_in_rows(rotate, self, *arguments, **named)

    RotaryEmbedding.forward_cpu = forward_cpu


def receive_from_the_stage_before() -> None:
    """Give a later stage the tensors that it receives into.

    The engine makes them in a warm-up, which CPU ranks that compile nothing leave out.
    """
    from vllm.distributed.parallel_state import get_pp_group  # noqa: PLC0415
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner  # noqa: PLC0415

    initialize = CPUModelRunner.initialize_kv_cache

    def initialize_and_make_room(self: Any, *arguments: Any, **named: Any) -> None:
        initialize(self, *arguments, **named)
        if self.intermediate_tensors is None and not get_pp_group().is_first_rank:
            self.intermediate_tensors = self.model.make_empty_intermediate_tensors(
                batch_size=self.max_num_tokens, dtype=self.model_config.dtype, device=self.device
            )

    CPUModelRunner.initialize_kv_cache = initialize_and_make_room


def count_workers_of_a_host() -> None:
    """Where a rank spans hosts, say that a host has as many devices as workers."""
    from vllm.platforms.cpu import CpuPlatform  # noqa: PLC0415

    check = CpuPlatform.check_and_update_config

    def check_and_count(configuration: Any) -> None:
        check(configuration)
        parallel = configuration.parallel_config
        if parallel.nnodes_within_dp > 1:
            workers = parallel.local_world_size
            CpuPlatform.device_count = classmethod(lambda _platform: workers)

    CpuPlatform.check_and_update_config = staticmethod(check_and_count)


def spare_processes() -> None:
    """Compute in the engine's own process where a rank has one worker, and fork processes where it has more.

    The platform sets an executor of several processes, and `spawn`, for its OpenMP threads: with one thread there are
    none. It sets both whenever a configuration is made, so they are set back after each.
    """
    from vllm.platforms.cpu import CpuPlatform  # noqa: PLC0415

    if os.environ.get("OMP_NUM_THREADS") != "1":
        return
    check = CpuPlatform.check_and_update_config

    def check_and_spare(configuration: Any) -> None:
        check(configuration)
        os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "fork"
        parallel = configuration.parallel_config
        if parallel.world_size == 1:
            parallel.distributed_executor_backend = "uni"

    CpuPlatform.check_and_update_config = staticmethod(check_and_spare)


def look_at_classes_here() -> None:
    """Look at the model's class in this process: another one keeps a GPU's driver from being initialised too early."""
    from vllm.model_executor.models import registry  # noqa: PLC0415

    def run_here(look: Callable[[], Any]) -> Any:
        return look()

    registry._run_in_subprocess = run_here


def register() -> None:
    """Called by vLLM in each of its processes."""
    avoid_amx()
    give_communicator_variable_sizes()
    make_experts_local()
    rotate_every_head()
    receive_from_the_stage_before()
    count_workers_of_a_host()
    spare_processes()
    look_at_classes_here()
