"""The program that measures between GPUs: its arithmetic, and what evidence reads of what it prints. No GPU is here."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.evidence import registry
from ansible_collections.moefleet.serving.plugins.module_utils.evidence.result import FAIL, PASS, UNKNOWN, Evidence

PATH = Path(__file__).resolve().parents[4] / "roles" / "verify" / "files" / "gpu_pairs.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program, as a module."""
    spec = importlib.util.spec_from_file_location("gpu_pairs", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Gpus:
    """GPUs that copy 256 MiB in a time of one's own choosing, after one slow round of each pair."""

    def __init__(self, number: int, ms: float, slow: tuple[int, int] | None = None, missing: str = "") -> None:
        self.number, self.ms, self.slow, self.missing = number, ms, slow, missing
        self.asked: list[tuple[int, int]] = []

    def copy_ms(self, one: int, other: int, copies: int) -> float:
        """A first round is slow, as opening the peer's memory is; it must not count."""
        first = (one, other) not in self.asked
        self.asked.append((one, other))
        return copies * self.ms * (1000 if first else 2 if (one, other) == self.slow else 1)

    def peer(self, one: int, other: int) -> bool:
        return one != other

    def wrong(self, one: int, other: int) -> int:
        return int(one == other)

    def latency_us(self, one: int, other: int) -> float | None:
        return None if self.missing or one == other else 0.75


def judged(program: ModuleType, gpus: Gpus, change: Callable[[dict[str, Any]], Any] | None = None) -> Evidence:
    """What evidence says of a run on these GPUs."""
    document = json.loads(json.dumps(program.document(gpus, "2.10.0")))
    if change is not None:
        change(document)
    return registry.parse(
        "p2p_bandwidth", f"a warning\n{json.dumps(document)}\n", {"expected_gpus": 4, "latency": True}
    )


def test_every_ordered_pair_is_measured_alone_and_its_first_round_does_not_count(program: ModuleType) -> None:
    gpus = Gpus(4, 1.0)
    evidence = judged(program, gpus)
    assert (evidence.verdict, evidence.values["pairs"], evidence.values["gpus"]) == (PASS, 12, 4), evidence.reasons
    assert evidence.values["median_gbyte_s"] == pytest.approx(268.44)
    assert evidence.values["latency_us"] == 0.75
    assert {gpus.asked.count(pair) for pair in set(gpus.asked)} == {program.WARMUP + program.REPEATS}


def test_the_slow_direction_of_a_pair_is_named(program: ModuleType) -> None:
    evidence = judged(program, Gpus(4, 1.0, slow=(2, 1)))
    assert (evidence.verdict, evidence.values["low_pairs"]) == (FAIL, [[2, 1]])
    assert evidence.values["median_gbyte_s"] == pytest.approx(268.44)


def test_without_a_latency_the_reason_is_said_and_bandwidth_still_counts(program: ModuleType) -> None:
    gpus = Gpus(4, 1.0, missing="no C compiler")
    evidence = judged(program, gpus)
    assert (evidence.verdict, evidence.values["latency_us"]) == (UNKNOWN, None)
    assert "no latency: no C compiler" in evidence.reasons
    document = json.dumps(program.document(gpus, "2.10.0"))
    assert registry.parse("p2p_bandwidth", document, {"expected_gpus": 4}).verdict == PASS


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lambda document: document["pairs"][0].update(peer=False), FAIL),
        (lambda document: document["pairs"][0].update(wrong_values=3), FAIL),
        (lambda document: document["pairs"][0].pop("peer"), UNKNOWN),
        (lambda document: document["pairs"][0].pop("wrong_values"), UNKNOWN),
        (lambda document: document["pairs"][0].update(gbyte_s=0), UNKNOWN),
        (lambda document: document["pairs"][0].update(latency_us=None), UNKNOWN),
        (lambda document: document["pairs"].pop(), UNKNOWN),
        (lambda document: document["pairs"].append(document["pairs"][0]), UNKNOWN),
        (lambda document: document["pairs"].append("a pair"), UNKNOWN),
        (lambda document: document.update(moefleet_gpu_pairs=2), UNKNOWN),
        (lambda document: document.update(gpus=8), UNKNOWN),
        (lambda document: document.update(gpus=1), UNKNOWN),
        (lambda document: document.update(pairs=None), UNKNOWN),
    ],
)
def test_what_is_wrong_or_missing_never_passes(
    program: ModuleType, change: Callable[[dict[str, Any]], Any], verdict: str
) -> None:
    assert judged(program, Gpus(4, 1.0), change).verdict == verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("gpu_pairs: torch sees 1 GPUs, and a pair is two of them\n", FAIL),
        ("torch.AcceleratorError: CUDA error: system not yet initialized\n", FAIL),
        ("/opt/vllm/bin/python: No such file\n", UNKNOWN),
    ],
)
def test_a_run_that_gave_no_result(text: str, verdict: str) -> None:
    assert registry.parse("p2p_bandwidth", text, {}).verdict == verdict


def test_two_runs_in_one_output_are_not_told_apart(program: ModuleType) -> None:
    text = json.dumps(program.document(Gpus(2, 1.0), "2.10.0"))
    assert registry.parse("p2p_bandwidth", text, {}).verdict == PASS
    assert registry.parse("p2p_bandwidth", f"{text}\n{text}", {}).verdict == UNKNOWN
    assert registry.parse("p2p_bandwidth", text[:-2], {}).verdict == UNKNOWN


def test_arithmetic(program: ModuleType) -> None:
    assert program.gbyte_s(4e9, 10.0) == pytest.approx(400.0)
    # What starting a kernel takes is in both chains.
    hops = program.LONG_HOPS - program.SHORT_HOPS
    assert program.hop_us(0.020, 0.020 + hops * 0.8e-3) == pytest.approx(0.8)


def test_a_chain_goes_on_where_the_one_before_named(program: ModuleType) -> None:
    for hops in (0, 1, program.SHORT_HOPS, program.LONG_HOPS):
        place = program.STRIDE
        for _ in range(hops):
            place = (place + program.STRIDE) % program.PLACES
        assert program.end_of_chain(hops) == place
