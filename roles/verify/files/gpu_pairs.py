# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

"""Bandwidth and latency between every two GPUs of a host, in both directions, with the engine's own torch.

``python gpu_pairs.py`` prints one JSON object: for each ordered pair the median of several rounds of copies in GB/s,
how many values arrived wrong, and the time of one load of the first GPU from the second one's memory, in us.

Copies run on the copy engines, device to device, and are timed by the GPU's own events. The latency is that of a chain
of loads, each of which says where the next one is, so that none begins before the one before it has ended; it takes
triton, which the engine has. Where that can't be compiled there is no latency, and it says why.

It is its own file and not a module of the collection because it needs torch, which only the engine's environment has.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

# Starting a copy is nothing beside it (half a millisecond at 450 GB/s), and it is small beside any GPU's memory.
COPY_BYTES = 256 * 1024 * 1024
COPIES = 4  # in a round
WARMUP = 1
REPEATS = 5
# Of the pattern that is copied: a prime, so that it never falls together with the sizes of pages and blocks.
MODULUS = 251
# The chain: 128 bytes from one place to the next, a line of a cache each, within what a GPU's cache holds.
STRIDE = 16
PLACES = 4096 * STRIDE
# A long chain less a short one: starting the kernel is in both.
SHORT_HOPS, LONG_HOPS = 16, 4112


def main():
    import torch  # noqa: PLC0415 - it takes seconds, and tests of the arithmetic need none

    number = torch.cuda.device_count()
    if number < 2:
        print(f"gpu_pairs: torch sees {number} GPUs, and a pair is two of them")
        return 1
    chase, missing = compiled()
    print(json.dumps(document(Gpus(torch, number, chase, missing), torch.__version__)))
    return 0


def document(gpus, version):
    """Measure every ordered pair, one after the other: each has the links for itself."""
    ordered = [(one, other) for one in range(gpus.number) for other in range(gpus.number) if one != other]
    pairs = [pair(gpus, one, other) for one, other in ordered]
    for entry in pairs:
        # After all copies: they are what opens each GPU's memory to the others.
        entry["latency_us"] = gpus.latency_us(entry["from"], entry["to"]) if entry["peer"] else None
    return {
        "moefleet_gpu_pairs": 1,
        "gpus": gpus.number,
        "bytes": COPY_BYTES,
        "copies": COPIES,
        "repeats": REPEATS,
        "torch": version,
        "pairs": pairs,
        "latency_missing": gpus.missing,
    }


def pair(gpus, one, other):
    """Copy from one GPU to another: rounds that warm up, then those that count."""
    rounds = [gpus.copy_ms(one, other, COPIES) for _ in range(WARMUP + REPEATS)][WARMUP:]
    return {
        "from": one,
        "to": other,
        # Without peer access a copy goes through the host's memory: it is measured, and is no NVLink.
        "peer": gpus.peer(one, other),
        "gbyte_s": statistics.median(gbyte_s(COPY_BYTES * COPIES, milliseconds) for milliseconds in rounds),
        "wrong_values": gpus.wrong(one, other),
    }


def gbyte_s(size, milliseconds):
    return size / (milliseconds / 1e3) / 1e9


def hop_us(short_ms, long_ms):
    """Microseconds of one load, from the times of both chains."""
    return (long_ms - short_ms) * 1e3 / (LONG_HOPS - SHORT_HOPS)


def end_of_chain(hops):
    """Where a chain ends that begins at place 0."""
    return (hops + 1) * STRIDE % PLACES


def compiled():
    """Return the kernel that follows a chain, and nothing; or nothing, and why there is none."""
    # Where it compiles to: the user that runs this has no home.
    os.environ.setdefault("TRITON_CACHE_DIR", tempfile.mkdtemp(dir=Path(__file__).resolve().parent))
    try:
        import triton  # noqa: PLC0415
        import triton.language  # noqa: PLC0415
    except ImportError as error:
        return None, f"triton can't be imported: {error}"
    # A kernel finds what it uses among its module's names.
    globals()["tl"] = triton.language
    return triton.jit(follow), ""


def follow(chain, end, hops):
    """The kernel: ``hops`` loads after the first one, each from the place that the one before it named."""
    place = tl.load(chain, volatile=True)  # noqa: F821 - see compiled()
    for _ in range(hops):
        place = tl.load(chain + place, volatile=True)  # noqa: F821
    tl.store(end, place)  # noqa: F821


class Gpus:
    """What is asked of the GPUs, by their numbers."""

    def __init__(self, torch, number, chase, missing):
        self.torch, self.number, self.chase, self.missing = torch, number, chase, missing
        self.sent = [self.pattern(gpu, gpu) for gpu in range(number)]
        self.received = [torch.zeros_like(sent) for sent in self.sent]

    def pattern(self, source, place):
        """What GPU ``source`` sends, made on GPU ``place``."""
        torch = self.torch
        numbers = torch.arange(COPY_BYTES // 4, dtype=torch.int32, device=torch.device("cuda", place))
        return (numbers + source * 7).remainder_(MODULUS)

    def peer(self, one, other):
        return bool(self.torch.cuda.can_device_access_peer(one, other))

    def copy_ms(self, one, other, copies):
        """Milliseconds of so many copies, by the events of the GPU that sends."""

        def run():
            for _ in range(copies):
                self.received[other].copy_(self.sent[one], non_blocking=True)

        return self.timed_ms(one, run)

    def wrong(self, one, other):
        """Values of a fresh copy that are not what was sent."""
        self.received[other].zero_()
        self.torch.cuda.synchronize(other)
        self.copy_ms(one, other, 1)
        self.torch.cuda.synchronize(other)
        return int((self.received[other] != self.pattern(one, other)).sum().item())

    def latency_us(self, one, other):
        """Microseconds in which GPU ``one`` loads from the memory of GPU ``other``; None where it can't be measured."""
        if self.chase is None:
            return None
        torch = self.torch
        chain = torch.arange(PLACES, dtype=torch.int64, device=torch.device("cuda", other))
        chain = (chain + STRIDE).remainder_(PLACES)
        torch.cuda.synchronize(other)
        try:
            times = [[self.chain_ms(one, chain, hops) for hops in (SHORT_HOPS, LONG_HOPS)] for _ in range(1 + REPEATS)]
        except Exception as error:  # noqa: BLE001 - whatever the compiler says: the bandwidth is still worth having
            self.chase, self.missing = None, f"GPU {one} from GPU {other}: {str(error).strip()[:200]}"
            return None
        return statistics.median(hop_us(short, long) for short, long in times[1:])

    def chain_ms(self, one, chain, hops):
        torch = self.torch
        with torch.cuda.device(one):
            end = torch.zeros(1, dtype=torch.int64, device=torch.device("cuda", one))
            spent = self.timed_ms(one, lambda: self.chase[(1,)](chain, end, hops, num_warps=1))
        if int(end.item()) != end_of_chain(hops):
            raise RuntimeError(f"a chain of {hops} loads ended at {int(end.item())}, not at {end_of_chain(hops)}")
        return spent

    def timed_ms(self, gpu, run):
        cuda = self.torch.cuda
        with cuda.device(gpu):
            start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
            start.record()
            run()
            end.record()
            end.synchronize()
            return start.elapsed_time(end)


if __name__ == "__main__":
    sys.exit(main())
