"""What moefleet_cpu_engine adds to vLLM's CPU build, checked with real tensors and two real ranks over gloo.

Runs with the engine environment's Python on a lab host, beside a copy of moefleet_cpu_engine.py. Ends with 0 when every
check held on both ranks; what didn't is on standard error.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import tempfile
import unittest
from types import SimpleNamespace
from typing import Any

torch: Any = importlib.import_module("torch")
engine: Any = importlib.import_module("moefleet_cpu_engine")

RANKS = 2
EXPERTS = 8
HIDDEN = 16


def rows(rank: int, count: int, dtype: Any) -> Any:
    """Rows that say whose they are."""
    return (torch.arange(count * HIDDEN).reshape(count, HIDDEN) % 7 + 10 * (rank + 1)).to(dtype)


class Collectives(unittest.TestCase):
    """Both ranks run these at the same time, with the group as vLLM's communicator holds it."""

    me: Any = None

    def rank(self) -> int:
        """This process's rank."""
        rank: int = self.me.rank_in_group
        return rank

    def test_gather_puts_every_ranks_rows_in_order(self) -> None:
        """Each rank may have another number of rows, none at all too."""
        for sizes in ([3, 1], [1, 4], [2, 0], [2, 2]):
            for dtype in (torch.float32, torch.bfloat16, torch.int32, torch.int64):
                gathered = engine.all_gatherv(self.me, rows(self.rank(), sizes[self.rank()], dtype), 0, sizes)
                expected = torch.cat([rows(rank, size, dtype) for rank, size in enumerate(sizes)])
                assert torch.equal(gathered, expected), (sizes, dtype, gathered)
                assert gathered.dtype == dtype

    def test_gather_without_sizes_takes_equal_ones(self) -> None:
        """As vLLM asks when every rank has the same number of tokens."""
        gathered = engine.all_gatherv(self.me, rows(self.rank(), 2, torch.float32))
        assert gathered.shape == (4, HIDDEN)

    def test_gather_takes_several_tensors(self) -> None:
        """Hidden states, weights and ids of the same tokens travel together."""
        sizes = [2, 1]
        mine = sizes[self.rank()]
        states, ids = engine.all_gatherv(
            self.me, [rows(self.rank(), mine, torch.bfloat16), torch.full((mine, 2), self.rank())], 0, sizes
        )
        assert states.shape == (3, HIDDEN)
        assert ids[:, 0].tolist() == [0, 0, 1]

    def test_scatter_sums_and_gives_each_rank_its_rows(self) -> None:
        """What a rank gets is the sum over the ranks, and its input stays as it was."""
        for sizes in ([3, 1], [0, 4], [2, 2], None):
            given = rows(self.rank(), 4, torch.float32)
            before = given.clone()
            kept = engine.reduce_scatterv(self.me, given, 0, sizes)
            total = rows(0, 4, torch.float32) + rows(1, 4, torch.float32)
            counts = sizes or [2, 2]
            first = sum(counts[: self.rank()])
            assert torch.equal(kept, total[first : first + counts[self.rank()]]), (sizes, kept)
            assert torch.equal(given, before)

    def test_scatter_takes_a_transposed_tensor(self) -> None:
        """Gloo wants contiguous memory."""
        turned = rows(self.rank(), HIDDEN, torch.float32).t()
        kept = engine.reduce_scatterv(self.me, turned, -2, [10, 6])
        total = (rows(0, HIDDEN, torch.float32) + rows(1, HIDDEN, torch.float32)).t()
        assert torch.equal(kept, total[:10] if self.rank() == 0 else total[10:])

    def test_other_dimensions_are_refused(self) -> None:
        """Rather an error than columns taken for rows."""
        for function in (engine.all_gatherv, engine.reduce_scatterv):
            with self.assertRaises(ValueError):  # noqa: PT027  # pytest is not there
                function(self.me, rows(0, 2, torch.float32), 1, [1, 1])

    def test_experts_on_two_ranks_compute_what_all_on_one_do(self) -> None:
        """The way of a layer's tokens: gathered, each rank's experts applied, summed, each rank's tokens returned."""
        generator = torch.Generator().manual_seed(1)
        experts = torch.randn(EXPERTS, HIDDEN, HIDDEN, generator=generator)
        sizes = [5, 3]
        tokens = torch.randn(sum(sizes), HIDDEN, generator=generator)
        weights, ids = torch.rand(sum(sizes), EXPERTS, generator=generator).topk(3)
        expected = apply(experts, tokens, weights, ids)

        first = sum(sizes[: self.rank()])
        mine = slice(first, first + sizes[self.rank()])
        held = range(self.rank() * EXPERTS // RANKS, (self.rank() + 1) * EXPERTS // RANKS)
        expert_map = torch.full((EXPERTS,), -1, dtype=torch.int32)
        expert_map[list(held)] = torch.arange(len(held), dtype=torch.int32)
        every, every_weight, every_id = engine.all_gatherv(
            self.me, [tokens[mine], weights[mine], ids[mine].to(torch.int32)], 0, sizes
        )
        local_ids, local_weights = engine.to_local_experts(every_id, every_weight, expert_map)
        assert local_ids.dtype == torch.int32
        assert int(local_ids.max()) < len(held)
        assert int(local_ids.min()) >= 0
        part = apply(experts[list(held)], every, local_weights, local_ids.long())
        result = engine.reduce_scatterv(self.me, part, 0, sizes)
        torch.testing.assert_close(result, expected[mine])

    def test_tokens_of_other_ranks_experts_add_nothing(self) -> None:
        """Their weight is 0 whatever it was, and their id one that the kernel may index."""
        weights = torch.tensor([[0.5, 2.0], [float("inf"), 1.0]], dtype=torch.bfloat16)
        ids, left = engine.to_local_experts(
            torch.tensor([[0, 3], [1, 2]]), weights, torch.tensor([-1, -1, 0, 1], dtype=torch.int32)
        )
        assert ids.tolist() == [[0, 1], [0, 0]]
        assert left.tolist() == [[0.0, 2.0], [0.0, 1.0]]
        assert (ids.dtype, left.dtype) == (torch.int64, torch.bfloat16)

    def test_every_head_of_a_query_is_turned(self) -> None:
        """The kernel takes a row a token; of MLA's part of a query it gets one, and the shapes come back."""
        angle = torch.arange(6) / 3

        def turn(_self: Any, positions: Any, query: Any, key: Any) -> Any:
            assert query.is_contiguous()
            assert [tensor.shape for tensor in (query, key)] == [(6, 4 * 8), (6, 8)]
            return tuple(tensor * positions.cos()[:, None] for tensor in (query, key))

        query, key = torch.randn(6, 4, 24), torch.randn(6, 1, 8)
        turned, turned_key = engine.rotate_in_rows(turn, None, angle, query[..., 16:], key)
        torch.testing.assert_close(turned, query[..., 16:] * angle.cos()[:, None, None])
        torch.testing.assert_close(turned_key, key * angle.cos()[:, None, None])
        assert engine.rotate_in_rows(lambda *given: (given[2], None), None, angle, query)[1] is None


def apply(experts: Any, tokens: Any, weights: Any, ids: Any) -> Any:
    """A layer's experts in one sum: each token times its experts' matrices, weighted."""
    return torch.einsum("tk,tkij,tj->ti", weights, experts[ids], tokens)


def run(rank: int, meeting: str) -> None:
    """One rank."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=RANKS)
    Collectives.me = SimpleNamespace(world_size=RANKS, rank_in_group=rank, device_group=torch.distributed.group.WORLD)
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Collectives)
    result = unittest.TextTestRunner(stream=sys.stderr, failfast=True).run(suite)
    os._exit(0 if result.wasSuccessful() and result.testsRun >= 8 else 1)


def main() -> None:
    """Start the ranks and wait for both."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    context = multiprocessing.get_context("fork")
    with tempfile.TemporaryDirectory() as directory:
        ranks = [context.Process(target=run, args=(rank, f"{directory}/meeting")) for rank in range(RANKS)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join(60)
            process.kill()
        codes = [process.exitcode for process in ranks]
    print(f"{engine.__file__}: {codes}")
    sys.exit(0 if codes == [0] * RANKS else 1)


if __name__ == "__main__":
    main()
