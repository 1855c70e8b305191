# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""All-reduce and all-to-all over all ranks of a group, timed and checked, with the engine's own torch.distributed.

Every host runs it at the same time; it starts the ranks of its host, prints their logs (NCCL's shows which way the data
went), and on the first host the result as one JSON object. A size is a rank's whole buffer, as in nccl-tests.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time

# Of the pattern that all-to-all sends: a prime, so that parts and places never fall together.
MODULUS = 251


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--master", required=True, help="data address of the first host")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--host", type=int, required=True, help="number of this host, from 0")
    parser.add_argument("--ranks-per-host", type=int, default=1)
    parser.add_argument("--backend", choices=["gloo", "nccl"], default="gloo")
    parser.add_argument("--interface", default="", help="of the data network")
    parser.add_argument("--sizes", default="64,1024,1048576,8388608", help="bytes of a rank's buffer")
    parser.add_argument("--iterations", type=int, default=20, help="at most so many of a size")
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.0, help="about so long at most for a size")
    parser.add_argument("--timeout", type=float, default=120.0, help="longest time for everything")
    parser.add_argument("--local-rank", type=int, default=-1, help=argparse.SUPPRESS)
    return parser.parse_args()


def main():
    given = arguments()
    return one_rank(given) if given.local_rank >= 0 else all_ranks(given)


def all_ranks(given):
    """Start this host's ranks, wait for them, and end all of them when one fails or the time is over."""
    deadline = time.monotonic() + given.timeout - 2
    places = range(given.ranks_per_host)
    logs = [tempfile.TemporaryFile() for _ in places]  # noqa: SIM115 - they live as long as this program
    results = [tempfile.TemporaryFile() for _ in places]  # noqa: SIM115
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
    if given.interface:
        environment.setdefault("GLOO_SOCKET_IFNAME", given.interface)
        environment.setdefault("NCCL_SOCKET_IFNAME", "=" + given.interface)
    ranks = [
        subprocess.Popen(
            [sys.executable, __file__, *sys.argv[1:], f"--local-rank={number}"],
            stdin=subprocess.DEVNULL,
            stdout=results[number],
            stderr=logs[number],
            # NCCL writes its log to the standard output unless it is told a file; the result must not have it inside.
            env={**environment, "NCCL_DEBUG_FILE": "/dev/stderr"},
        )
        for number in places
    ]
    trouble = watch(given, ranks, deadline)
    for rank in ranks:
        if rank.poll() is None:
            rank.kill()
        rank.wait()
    for number, log in enumerate(logs):
        log.seek(0)
        text = log.read().decode("utf-8", "replace").strip()
        if text:
            print(f"log of local rank {number}\n{text}")
    if trouble:
        print(f"collective: {trouble}")
        return 1
    results[0].seek(0)
    print(results[0].read().decode("utf-8", "replace").strip())
    return 0


def watch(given, ranks, deadline):
    """Wait until every rank has ended; what went wrong, or nothing."""
    first = given.host * given.ranks_per_host
    while True:
        states = [rank.poll() for rank in ranks]
        failed = [number for number, state in enumerate(states) if state not in (None, 0)]
        if failed:
            return f"rank {first + failed[0]} ended with {states[failed[0]]}; its log is above"
        if None not in states:
            return ""
        if time.monotonic() > deadline:
            running = ", ".join(str(first + number) for number, state in enumerate(states) if state is None)
            return f"no end after {given.timeout:g} s of rank {running}"
        time.sleep(0.05)


def one_rank(given):
    """Measure as one rank; rank 0 prints the result."""
    import torch  # noqa: PLC0415 - only ranks need it, and it takes seconds
    import torch.distributed as dist  # noqa: PLC0415

    rank = given.host * given.ranks_per_host + given.local_rank
    world = given.hosts * given.ranks_per_host
    device = torch.device("cpu")
    if given.backend == "nccl":
        torch.cuda.set_device(given.local_rank)
        device = torch.device("cuda", given.local_rank)
    else:
        torch.set_num_threads(1)
    dist.init_process_group(
        given.backend,
        init_method=f"tcp://{given.master}:{given.port}",
        rank=rank,
        world_size=world,
        timeout=datetime.timedelta(seconds=max(given.timeout - 5, 5)),
    )
    sizes = [int(size) for size in given.sizes.split(",")]
    group = Group(torch, dist, device, rank, world)
    operations = [
        {"operation": name, "sizes": [measure(given, group, kind, size) for size in sizes]}
        for name, kind in (("all_reduce", AllReduce), ("all_to_all", AllToAll))
    ]
    if rank == 0:
        print(json.dumps(document(given, torch, world, operations)))
    dist.barrier()
    dist.destroy_process_group()
    return 0


def document(given, torch, world, operations):
    nccl = given.backend == "nccl"
    return {
        "moefleet_collective": 1,
        "backend": given.backend,
        "ranks": world,
        "hosts": given.hosts,
        # NCCL's transport is in its log, which is the proof; gloo has sockets only.
        "transport": None if nccl else "tcp",
        "interface": os.environ.get("NCCL_SOCKET_IFNAME" if nccl else "GLOO_SOCKET_IFNAME"),
        "torch": torch.__version__,
        "nccl": ".".join(str(part) for part in torch.cuda.nccl.version()) if nccl else None,
        "operations": operations,
    }


class Group:
    """What all operations need of the process group."""

    def __init__(self, torch, dist, device, rank, world):
        self.torch, self.dist, self.device, self.rank, self.world = torch, dist, device, rank, world

    def wait(self):
        """Until what was started has ended."""
        if self.device.type == "cuda":
            self.torch.cuda.synchronize()

    def most(self, value):
        """The largest of all ranks' values."""
        number = self.torch.tensor([value], dtype=self.torch.float64, device=self.device)
        self.dist.all_reduce(number, op=self.dist.ReduceOp.MAX)
        return float(number.item())

    def total(self, value):
        """The sum of all ranks' values."""
        number = self.torch.tensor([value], dtype=self.torch.float64, device=self.device)
        self.dist.all_reduce(number)
        return int(number.item())


class AllReduce:
    """Sum over all ranks, in place."""

    def __init__(self, group, size):
        self.group = group
        count = max(size // 4, 1)
        self.bytes = count * 4
        self.pattern = group.torch.arange(count, device=group.device, dtype=group.torch.float32) % 7
        self.buffer = self.pattern + (group.rank + 1)
        self.bus = 2 * (group.world - 1) / group.world

    def run(self):
        self.group.dist.all_reduce(self.buffer)

    def wrong(self):
        """Values of a fresh run that are not the sum."""
        self.buffer = self.pattern + (self.group.rank + 1)
        self.run()
        self.group.wait()
        world = self.group.world
        return int((self.buffer != self.pattern * world + world * (world + 1) / 2).sum().item())


class AllToAll:
    """Each rank's buffer in equal parts, one to each rank."""

    def __init__(self, group, size):
        torch, world, rank = group.torch, group.world, group.rank
        self.group = group
        self.part = -(-size // world)  # rounded up: every rank gets as much
        self.bytes = self.part * world
        places = torch.arange(self.part, device=group.device)
        self.sent = torch.cat([(places + rank * 7 + other * 3) % MODULUS for other in range(world)]).to(torch.uint8)
        self.received = torch.zeros_like(self.sent)
        self.bus = (world - 1) / world

    def run(self):
        self.group.dist.all_to_all_single(self.received, self.sent)

    def wrong(self):
        """Values of a fresh run that are not what the others sent to this rank."""
        torch, world, rank = self.group.torch, self.group.world, self.group.rank
        self.received.zero_()
        self.run()
        self.group.wait()
        places = torch.arange(self.part, device=self.group.device)
        right = torch.cat([(places + other * 7 + rank * 3) % MODULUS for other in range(world)]).to(torch.uint8)
        return int((self.received != right).sum().item())


def measure(given, group, kind, size):
    """Time one size: the slowest rank's mean, over as many iterations as fit in the time."""
    operation = kind(group, size)
    one = timed(group, operation, max(given.warmup, 1))
    one = timed(group, operation, 1)
    iterations = int(min(max(given.seconds / max(one, 1e-6), 2), given.iterations))
    seconds = timed(group, operation, iterations)
    return {
        "bytes": operation.bytes,
        "seconds": seconds,
        "algbw_gbyte_s": operation.bytes / seconds / 1e9,
        "busbw_gbyte_s": operation.bytes / seconds / 1e9 * operation.bus,
        "iterations": iterations,
        "wrong_values": group.total(operation.wrong()),
    }


def timed(group, operation, iterations):
    """Seconds of one iteration, of the slowest rank."""
    group.dist.barrier()
    group.wait()
    started = time.perf_counter()
    for _ in range(iterations):
        operation.run()
    group.wait()
    return group.most((time.perf_counter() - started) / iterations)


if __name__ == "__main__":
    sys.exit(main())
