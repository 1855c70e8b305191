"""Earlier runs: what counts as worse, what as noise, and what can't be compared."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting import history, write
from ansible_collections.moefleet.serving.plugins.module_utils.verification.reporting.reading import complete
from ansible_collections.moefleet.serving.tests.unit.verification.reporting import sample

THROUGHPUT = "sessions_throughput"


def report(value: float, day: int, **more: Any) -> dict[str, Any]:
    """A report of one figure of the service."""
    entry = sample.check(
        THROUGHPUT, "load", "Output", expected="at least 1000 tokens/s", value=value, unit="tokens/s", **more
    )
    base = sample.judged(1, wrong=False, generated_at=f"2026-03-{day:02}T11:00:00+00:00")
    verdict = more.get("verdict", "pass")
    return complete({**base, "checks": [entry], "measurements": [], "predictions": [], "verdict": verdict})


def runs(*values: float) -> list[dict[str, Any]]:
    """Good runs, a day each."""
    return [history.entry(report(value, day)) for day, value in enumerate(values, start=1)]


def worse(told: dict[str, Any]) -> list[str]:
    """The figures that got worse."""
    return [change["id"] for change in told["worse"]]


@pytest.mark.parametrize(
    ("earlier", "now", "expected"),
    [
        ((2000, 2010, 1990), 1880, True),  # 5.5 % below, where runs lie within 1 %
        ((2000, 2010, 1990), 1930, False),  # within the floor of 5 %
        ((2000, 1600, 2400), 1950, False),  # runs that lie 20 % apart
        ((2000, 1600, 2400), 1700, True),  # 29 % below the last
        ((2000,), 1700, False),  # one run before: nobody knows the noise
        ((2000,), 1500, True),
    ],
)
def test_worse_is_beyond_the_noise(earlier: tuple[float, ...], now: float, expected: bool) -> None:
    told = history.compare(report(now, 20), runs(*earlier))
    assert bool(worse(told)) == expected


def test_a_higher_throughput_is_better() -> None:
    told = history.compare(report(2900, 20), runs(2000, 2010, 1990))
    assert (worse(told), [change["id"] for change in told["better"]]) == ([], [THROUGHPUT])


def test_the_spread_of_one_verification_is_noise_too() -> None:
    told = history.compare(report(1800, 20), runs(2000, 2010, 1990))
    assert worse(told)
    before = runs(2000, 2010, 1990)
    before[-1]["figures"][f"{THROUGHPUT}|||"]["spread_percent"] = 12.0
    assert worse(history.compare(report(1800, 20), before)) == []


def test_bad_runs_are_no_measure() -> None:
    bad = history.entry(report(900, 4, verdict="fail"))
    told = history.compare(report(1990, 20), [*runs(2000, 2010, 1990), bad])
    assert told["compared_with"] == "2026-03-03T11:00:00+00:00"
    assert told["better"] == told["worse"] == []


def test_another_plan_is_not_compared() -> None:
    now = report(1000, 20)
    now["service"] = {**now["service"], "layout": {"data_parallel_size": 16}}
    told = history.compare(now, runs(2000, 2010, 1990))
    assert (told["worse"], told["not_compared"][0]["reason"]) == ([], "planned otherwise then")


def test_another_load_is_not_compared() -> None:
    place = {"check": THROUGHPUT, "argv": ["vllm", "bench", "serve", "--max-concurrency", "200"], "runs": []}
    before = [history.entry({**report(2000, day), "measurements": [place]}) for day in (1, 2, 3)]
    now = {
        **report(1000, 20),
        "measurements": [{**place, "argv": ["vllm", "bench", "serve", "--max-concurrency", "20"]}],
    }
    told = history.compare(now, before)
    assert (told["worse"], told["not_compared"][0]["reason"]) == ([], "measured otherwise then")


def test_links_are_compared_whatever_is_served() -> None:
    now = complete(sample.judged(0, wrong=True))
    now["service"] = {**now["service"], "engine": "vLLM 0.32.0"}
    told = history.compare(now, sample.earlier_runs())
    slow = {(change["id"], change["host"], change["peer"]) for change in told["worse"]}
    assert ("rdma_bandwidth_1mb", *sample.SLOW) in slow
    assert {entry["id"] for entry in told["not_compared"]} >= {"ttft_512_p50"}


def test_failures_are_told_since_when() -> None:
    good, first, second = (
        report(2000, 1),
        report(2000, 2, verdict="fail"),
        report(2000, 3, verdict="unknown"),
    )
    kept = [history.entry(good), history.entry(first)]
    turn = history.compare(second, kept)["new_failures"][0]
    assert (turn["id"], turn["since"]) == (THROUGHPUT, "2026-03-02T11:00:00+00:00")


def test_mended_is_against_the_run_before() -> None:
    kept = [history.entry(report(2000, 1)), history.entry(report(2000, 2, verdict="fail"))]
    told = history.compare(report(2000, 3), kept)
    assert [turn["id"] for turn in told["mended"]] == [THROUGHPUT]
    assert told["new_failures"] == []


def test_a_run_of_other_parts_is_between() -> None:
    other = history.entry({**report(2000, 2), "checks": []})
    bad = history.entry(report(2000, 1, verdict="fail"))
    assert [turn["id"] for turn in history.compare(report(2000, 3), [bad, other])["mended"]] == [THROUGHPUT]
    good = history.entry(report(2000, 1))
    later = history.compare(report(2000, 4, verdict="fail"), [good, bad, other])["new_failures"]
    assert later[0]["since"] == bad["generated_at"]


def test_runs_are_read_as_they_were_written() -> None:
    kept = sample.earlier_runs(3)
    texts = [history.dump(run) for run in reversed(kept)]
    assert history.load([*texts, "{", "[]", '{"schema": "other"}', "null"]) == kept


def test_runs_in_the_order_of_time_whatever_their_zone() -> None:
    east = {**sample.earlier_runs(1)[0], "generated_at": "2026-03-01T01:00:00+09:00"}
    west = {**east, "generated_at": "2026-02-28T14:00:00-05:00"}
    assert [history.file_name(run) for run in (east, west)] == ["20260228T160000Z.json", "20260228T190000Z.json"]


@given(st.lists(st.integers(0, 10**6).map(lambda n: f"2026{n:07}.json"), unique=True), st.integers(0, 30))
def test_only_so_many_runs_are_kept(names: list[str], keep: int) -> None:
    gone = write.surplus(names, keep)
    left = sorted(set(names) - set(gone))
    assert len(left) == min(len(names), keep)
    assert not gone or not left or max(gone) < min(left)


def test_a_figure_of_zero_has_no_percentage() -> None:
    told = history.compare(report(3.0, 20), runs(0.0, 0.0, 0.0))
    assert told["better"][0]["change_percent"] == 100.0
