#!/usr/bin/env python3
# Copyright (c) 2026, moefleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Fits the planner's five efficiencies to published throughputs, and says how well they foretell what they were not
shown.

usage: scripts/calibrate.py [--leave-one-out]

Prints the fitted numbers for plugins/module_utils/planner/performance/calibration.py, and for every published row what
was measured, what is likely and the bound. A row whose lengths or concurrency are not stated takes part in the bound
only.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.moefleet.serving.plugins.module_utils.planner.deployment import Deployment  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.planner.findings import Finding, errors  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.planner.performance import calibration, roofline  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request import Cluster  # noqa: E402
from ansible_collections.moefleet.serving.plugins.module_utils.planner.request_reading import read_request  # noqa: E402

TABLE = ROOT / "tests/data/published/throughput_points.csv"
GPUS_PER_HOST = 8
# InfiniBand without a number is the eight 400 Gb/s ports of every published cluster of these devices that states them.
UNSTATED_PORTS = (8, 400.0)
# vLLM's own limit on sequences at once in the releases of the table, where a benchmark asks for more.
VLLM_MAX_NUM_SEQS = 256
# "As many as there are" for the bound of a row that does not state its batch.
UNSTATED_SEQUENCES = 4096.0
# What a source says of its runs that the table has no column for: the H20 post ran decode attention in FP8.
STATED = {("2025-09-26", "decode"): {"kv_cache_dtype": "fp8"}}
# Where the loss turns from square to straight: about the error that two measurements of the same thing have.
HUBER_BEND = 0.35
PREFILL, DECODE, SERVING = "prefill", "decode", "e2e"


@dataclass(frozen=True)
class Point:
    """One published row: tokens/s per device, and what is known of how it came about."""

    name: str
    phase: str
    measured: float
    case: Deployment
    cluster: Cluster
    sequences: float | None
    input_tokens: float | None
    output_tokens: float | None

    @property
    def complete(self) -> bool:
        """Whether lengths and concurrency are stated, so that a likely figure can be told."""
        if self.phase == PREFILL:
            return self.input_tokens is not None
        return self.sequences is not None and self.input_tokens is not None

    @property
    def gpus(self) -> int:
        """Devices of the group."""
        return self.case.data * self.case.parallel.gpus_per_rank

    @property
    def rates(self) -> roofline.Machine:
        """The machine's rates."""
        assert self.cluster.gpu is not None
        found = roofline.machine(self.cluster, self.cluster.gpu, self.case.precision)
        assert found is not None
        return found

    def terms(self) -> tuple[roofline.Terms | None, roofline.Terms | None]:
        """A decode step and a prompt token; ``None`` where the row's figure has none of it."""
        given, answered = self.input_tokens or 0.0, self.output_tokens or 0.0
        decode = prefill = None
        if self.phase != PREFILL:
            sequences = UNSTATED_SEQUENCES if self.sequences is None else self.sequences
            decode = roofline.decode_terms(self.case, self.rates, sequences, given + answered / 2)
        if self.phase == PREFILL or (self.phase == SERVING and self.complete):
            prefill = roofline.prefill_terms(self.case, self.rates, max(given, 1.0))
        return decode, prefill

    def tokens_s(self, time: Callable[[roofline.Terms], float]) -> float:
        """Tokens/s per device when ``time`` tells how long terms take."""
        decode, prefill = self.terms()
        return self.tokens_s_of(decode, prefill, time)

    def tokens_s_of(
        self,
        decode: roofline.Terms | None,
        prefill: roofline.Terms | None,
        time: Callable[[roofline.Terms], float],
    ) -> float:
        """Like :meth:`tokens_s` with the terms at hand."""
        if decode is None:
            assert prefill is not None
            return self.case.data / time(prefill) / self.gpus
        engine = self.case.engine
        accepted = 1 + engine.speculative_tokens * engine.acceptance_rate
        sequences = UNSTATED_SEQUENCES if self.sequences is None else self.sequences
        step = time(decode) * self.case.parallel.pipeline
        seconds_per_token = step / (sequences * self.case.data * accepted)
        if prefill is not None and self.output_tokens:
            seconds_per_token += time(prefill) / self.case.data * (self.input_tokens or 0.0) / self.output_tokens
        return 1 / seconds_per_token / self.gpus


def read_points() -> list[Point]:
    """The table. Rows of one series (same source) without lengths have those of the row that states them."""
    with TABLE.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    lengths = {
        (row["source"], row["phase"]): (row["isl"], row["osl"])
        for row in rows
        if row["isl"].isdigit() and row["osl"].isdigit()
    }
    for row in rows:
        if not row["isl"] and not row["osl"] and (row["source"], row["phase"]) in lengths:
            row["isl"], row["osl"] = lengths[row["source"], row["phase"]]
    return [_point(row) for row in rows]


def _size(name: str, text: str, default: int = 1) -> int:
    match = re.search(rf"\b{name}(\d+)", text)
    return int(match.group(1)) if match else default


def _number(text: str) -> float | None:
    match = re.search(r"\d+(?:\.\d+)?", text)
    return float(match.group()) if match else None


def _gpu(text: str) -> str:
    if "141" in text and "H20" in text:
        return "H20-141G"
    return text.split(maxsplit=1)[0]


def _ports(text: str) -> tuple[int, float]:
    match = re.search(r"(\d+)x(\d+)G", text)
    if match:
        return int(match.group(1)), float(match.group(2))
    lone = re.search(r"(\d+)GbE", text)
    return (1, float(lone.group(1))) if lone else UNSTATED_PORTS


def _model(text: str) -> str:
    known = {"V3.2": "deepseek-v3.2", "AWQ": "deepseek-v3"}
    return next((name for mark, name in known.items() if mark in text), "deepseek-v3")


def _point(row: dict[str, str]) -> Point:
    layout, engine_text = row["parallelism"], row["engine_version_or_date"]
    tensor, pipeline = _size("TP", layout), _size("PP", layout)
    expert = _size("EP", layout, 0)
    data = _size("DP", layout, expert // tensor if expert else 1)
    gpus = tensor * pipeline * data
    phase = row["phase"]
    version = re.match(r"\d+\.\d+(\.\d+)?", engine_text)
    is_vllm = row["engine"] == "vLLM"
    count, rate = _ports(row["inter_node_network"])
    hosts = math.ceil(gpus / GPUS_PER_HOST)
    backend = "deepep_high_throughput" if phase == PREFILL else "deepep_low_latency"
    findings: list[Finding] = []
    request = read_request(
        {
            "cluster": {
                "hosts": [f"host-{index}" for index in range(hosts)],
                "gpus_per_host": GPUS_PER_HOST,
                "gpu": _gpu(row["hardware"]),
                "nic_gbit_s": rate,
                "nics_per_host": count,
            },
            "model": _model(row["model"]),
            "parallel": {"tensor": tensor, "data": data, "pipeline": pipeline, "expert": bool(expert)},
            "engine": {
                "name": "vllm" if is_vllm else "sglang",
                "version": version.group() if is_vllm and version else "0.12.0",
                "all2all_backend": backend,
                "max_model_len": 32768,
                "speculative_tokens": 1 if "MTP" in layout else 0,
                "enforce_eager": "eager" in engine_text,
                **next((said for (mark, of), said in STATED.items() if mark in row["source"] and of == phase), {}),
            },
            "workload": {"sessions": 1},
        },
        findings,
    )
    assert not errors(findings), (row["id"], errors(findings))
    assert request.model is not None
    assert request.precision is not None
    assert request.parallel is not None
    assert request.engine is not None
    assert request.workload is not None
    case = Deployment(request.model, request.precision, request.parallel, data, request.engine, request.workload)
    return Point(
        name=row["id"],
        phase=phase,
        measured=float(row["value_per_gpu"]),
        case=case,
        cluster=request.cluster,
        sequences=_sequences(row, data, is_vllm),
        input_tokens=_number(row["isl"]),
        output_tokens=_number(row["osl"]),
    )


def _sequences(row: dict[str, str], data: int, is_vllm: bool) -> float | None:
    """Sequences on each data parallel rank: stated a device, a rank, or for all."""
    text = row["concurrency_or_batch"]
    number = _number(text)
    if number is None or row["phase"] == PREFILL:
        return None
    each = number if "/" in text else number / data
    return min(each, VLLM_MAX_NUM_SEQS) if is_vllm else each


Prepared = tuple[Point, "roofline.Terms | None", "roofline.Terms | None"]


def prepare(points: Sequence[Point]) -> list[Prepared]:
    """The complete points with their terms, which do not depend on what is fitted."""
    return [(point, *point.terms()) for point in points if point.complete]


def foretell(prepared: Prepared, reached: calibration.Efficiency) -> float:
    """Likely tokens/s per device."""
    point, decode, prefill = prepared
    return point.tokens_s_of(decode, prefill, lambda terms: terms.likely_s(reached))


def orderings(points: Sequence[Point]) -> list[tuple[Prepared, Prepared]]:
    """Pairs of which the first is published to be the faster: on H20 EP=16 at 32 sequences a device, EP=32 at 8."""
    by_name = {point.name: point for point in points}
    ep16, ep32 = by_name["T15"], by_name["T16"]

    def at(point: Point, sequences: float) -> Prepared:
        moved = replace(point, sequences=sequences)
        return (moved, *moved.terms())

    return [(at(ep16, 32.0), at(ep32, 32.0)), (at(ep32, 8.0), at(ep16, 8.0))]


def _huber(error: float) -> float:
    size = abs(error)
    return size * size / 2 / HUBER_BEND if size < HUBER_BEND else size - HUBER_BEND / 2


def _loss(
    prepared: Sequence[Prepared], order: Sequence[tuple[Prepared, Prepared]], reached: calibration.Efficiency
) -> float:
    """Mean logarithmic error, squared while small and absolute beyond (Huber): an outlier shall not bend the rest. An
    ordering the wrong way round costs three times its error.
    """
    error = statistics.fmean(_huber(math.log(foretell(item, reached) / item[0].measured)) for item in prepared)
    for faster, slower in order:
        error += 3 * max(0.0, math.log(foretell(slower, reached) / foretell(faster, reached)) + 0.01)
    return error


def fit(
    prepared: Sequence[Prepared],
    order: Sequence[tuple[Prepared, Prepared]],
    start: calibration.Efficiency = calibration.FITTED,
    rounds: int = 4000,
    width: float = 0.3,
) -> calibration.Efficiency:
    """The efficiencies with the least loss near ``start``, by a random search that is the same each time."""
    generator = random.Random(7)  # noqa: S311 - the same search each time
    best, least = start, _loss(prepared, order, start)
    for number in range(rounds):
        tried = [value * math.exp(generator.gauss(0, width)) for value in astuple(best)]
        tried[:2] = [min(value, 1.0) for value in tried[:2]]
        candidate = calibration.Efficiency(*tried)
        loss = _loss(prepared, order, candidate)
        if loss < least:
            best, least = candidate, loss
        if number % (rounds // 10) == 0:
            width *= 0.75
    return best


def leave_one_out(
    prepared: Sequence[Prepared], order: Sequence[tuple[Prepared, Prepared]], rounds: int = 1500
) -> dict[str, float]:
    """For each point the relative error of its likely figure when it took no part in the fit."""
    found = {}
    for index, item in enumerate(prepared):
        others = [*prepared[:index], *prepared[index + 1 :]]
        found[item[0].name] = foretell(item, fit(others, order, rounds=rounds, width=0.15)) / item[0].measured - 1
    return found


def main() -> None:
    """Fit and print."""
    parser = argparse.ArgumentParser(prog="scripts/calibrate.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--leave-one-out", action="store_true", help="fit once more without each point; a minute")
    given = parser.parse_args()
    points = read_points()
    prepared = prepare(points)
    order = orderings(points)
    reached = min(
        (fit(prepared, order, start) for start in (calibration.FITTED, _perturbed())),
        key=lambda found: _loss(prepared, order, found),
    )
    in_place = _loss(prepared, order, calibration.FITTED)
    print(f"loss {in_place:.4f} with the numbers in place, {_loss(prepared, order, reached):.4f} fitted:")
    for name, value in vars(reached).items():
        print(f"  {name} = {value:.4g}")
    out = leave_one_out(prepared, order) if given.leave_one_out else {}
    likely = {item[0].name: foretell(item, reached) for item in prepared}
    print(f"{'row':5} {'phase':8} {'measured':>9} {'likely':>9} {'error':>7} {'left out':>8} {'bound':>9}  limited by")
    for point in points:
        bound = point.tokens_s(lambda terms: terms.bound_s)
        told = (
            f"{likely[point.name]:9.0f} {likely[point.name] / point.measured - 1:+7.0%}"
            if point.name in likely
            else f"{'-':>9} {'-':>7}"
        )
        left = f"{out[point.name]:+8.0%}" if point.name in out else f"{'-':>8}"
        first = next(terms for terms in point.terms() if terms is not None)
        print(f"{point.name:5} {point.phase:8} {point.measured:9.0f} {told} {left} {bound:9.0f}  {first.limited_by}")
    if out:
        errors_seen = sorted(abs(value) for value in out.values())
        print(f"median absolute error of points left out: {statistics.median(errors_seen):.1%}")
        ratios = sorted(1 / (1 + value) for value in out.values())
        print("time taken / foretold, 10 % and 90 %:", [round(x, 2) for x in statistics.quantiles(ratios, n=10)][::8])


def _perturbed() -> calibration.Efficiency:
    return replace(calibration.FITTED, hbm=0.5, compute=0.8, layer_s=3e-5, prefill_passes=400.0)


if __name__ == "__main__":
    main()
