"""Measurements become checks: by the right statistic, at every place, and never better than what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.all import ACCEPTANCES
from ansible_collections.moefleet.serving.plugins.module_utils.verification.catalogue.model import (
    FABRIC,
    SERVICE,
)
from ansible_collections.moefleet.serving.plugins.module_utils.verification.judging import judge_measurements
from ansible_collections.moefleet.serving.plugins.module_utils.verification.limits import Choice
from ansible_collections.moefleet.serving.plugins.module_utils.verification.model import Check, VerificationError

from .reference import HOSTS, lab_plan, measurement, reference_plan, run

PLAN = reference_plan()
PAIRS = [(host, peer) for host in HOSTS for peer in HOSTS if host != peer]


def judged(*measurements: dict[str, Any], plan: dict[str, Any] | None = None, **more: Any) -> list[Check]:
    return judge_measurements(ACCEPTANCES, measurements, plan or PLAN, **more)


def one(check: str, *runs: dict[str, Any], **more: Any) -> Check:
    checks = judged(measurement(check, *runs, **more))
    return checks[0]


def throughput(*values: float, **more: Any) -> Check:
    return one("sessions_throughput", *(run(value, "output_tokens_s") for value in values), **more)


def pairs(check: str, path: str, value: float, odd: dict[tuple[str, str], Sequence[float]]) -> list[dict[str, Any]]:
    return [
        measurement(check, *(run(v, path) for v in odd.get(pair, (value,))), host=pair[0], peer=pair[1])
        for pair in PAIRS
    ]


def test_a_good_figure() -> None:
    check = one("sessions_error_rate", run(0.05))
    assert (check.verdict, check.value, check.unit, check.source) == ("pass", 0.05, "%", "§7.1.2")
    assert (check.expected, check.observed, check.reason) == ("at most 0.1 %", "0.05 %", "")
    assert (check.host, check.command, check.fix) == ("", "tool -s '1 2'", "")


def test_a_bad_figure_says_what_to_do() -> None:
    check = one("sessions_error_rate", run(0.5))
    assert (check.verdict, check.observed) == ("fail", "0.5 %")
    assert "Requests that failed, all sessions is 0.5 %" in check.reason
    assert check.fix


@pytest.mark.parametrize(
    ("check", "path", "values", "value"),
    [
        ("rdma_latency_64b", "average_us", (2, 4, 9), 5),
        ("sessions_throughput", "output_tokens_s", (2, 4, 9), 4),
        ("sessions_error_rate", "value", (2, 4, 9), 9),
        ("kv_cache_tokens", "kv_cache_tokens", (2, 4, 9), 2),
        ("tcp_bandwidth", "received_bit_s", (2e10, 2.2e10), 21),
    ],
)
def test_the_statistic_and_the_unit(check: str, path: str, values: tuple[float, ...], value: float) -> None:
    found = one(check, *(run(figure, path) for figure in values), host="node-0", peer="node-1")
    assert found.value == pytest.approx(value)


def test_several_runs_show_their_spread() -> None:
    assert throughput(2310, 2300, 2350).observed == "2,310 tokens/s (median of 3 runs, 2,300 to 2,350)"


def test_a_failed_run_fails_and_gives_no_value() -> None:
    check = one("sessions_error_rate", run(0.0), run(9.0, verdict="fail", reason="an engine died"))
    assert (check.verdict, check.value) == ("fail", 0.0)
    assert "run 2 of 2: an engine died" in check.reason


def test_the_figure_of_a_failed_run_is_shown() -> None:
    check = one("right_answers", run(87.5, verdict="fail", reason="engine 3 answers something else"))
    assert (check.verdict, check.value, check.observed) == ("fail", None, "87.5 %, where a run went wrong")


def test_an_unknown_run_is_unknown_with_its_reason() -> None:
    check = one("sessions_error_rate", run(0.0), run(None, verdict="unknown", reason="cut off"))
    assert check.verdict == "unknown"
    assert "cut off" in check.reason


def test_a_known_failure_outranks_an_unknown_run() -> None:
    assert one("sessions_error_rate", run(5.0), run(None, verdict="unknown", reason="cut off")).verdict == "fail"


def test_a_run_with_a_warning_counts() -> None:
    check = one("sessions_error_rate", run(0.0, verdict="warn", reason="odd"))
    assert (check.verdict, check.value, check.reason) == ("warn", 0.0, "Requests that failed, all sessions: odd")


@pytest.mark.parametrize("values", [{}, {"value": None}, {"value": "much"}, {"value": True}, {"value": float("nan")}])
def test_a_figure_that_is_not_there_is_unknown(values: dict[str, Any]) -> None:
    check = one("sessions_error_rate", {"evidence": {"values": values, "verdict": "pass"}})
    assert (check.verdict, check.value) == ("unknown", None)
    assert "it has no value" in check.reason


def test_a_verdict_that_is_none_is_unknown() -> None:
    assert one("sessions_error_rate", run(0.0, verdict="splendid")).verdict == "unknown"


def test_no_run_is_unknown() -> None:
    check = one("sessions_error_rate")
    assert (check.verdict, check.observed, check.reason) == (
        "unknown",
        "not measured",
        "Requests that failed, all sessions: there was no run",
    )


def test_fewer_runs_than_asked_for_are_said() -> None:
    assert "2 runs of 10 that were asked for" in throughput(2310, 2320, asked=10).reason


def test_a_percentile_of_few_samples_is_said() -> None:
    values = {"ttft_ms": {"p99": 900}, "completed": 64}
    check = one("ttft_512_p99", {"evidence": {"values": values, "verdict": "pass"}})
    assert check.verdict == "pass"
    assert "64 samples: too few for a 99th percentile" in check.reason


def test_what_a_good_run_says_of_itself_is_kept() -> None:
    check = one("experiment_mtp", run(2.0, "change_percent", reason="+2.0 %, within noise"))
    assert (check.verdict, check.reason) == ("pass", "+2.0 %, within noise")


def test_the_same_is_said_once() -> None:
    note = "64 samples: too few for a 99th percentile, this is about the slowest of them"
    values = {"ttft_ms": {"p99": 900}, "samples": 64, "completed": 65}
    check = one("ttft_512_p99", {"evidence": {"values": values, "verdict": "pass", "reasons": [note]}})
    assert check.reason == note


def test_what_is_judged_by_words() -> None:
    check = one("collective_transport", run("ib_gdr", "transport"))
    assert (check.verdict, check.observed, check.value) == ("pass", "ib_gdr", None)
    assert one("collective_transport", run("socket", "transport", "fail", "silent TCP")).verdict == "fail"


def test_runs_of_one_place_are_taken_together() -> None:
    checks = judged(
        measurement("sessions_throughput", run(2300, "output_tokens_s")),
        measurement("sessions_throughput", run(2400, "output_tokens_s"), host="node-0"),
    )
    assert [check.value for check in checks] == [2350]


# Places.


def test_every_ordered_pair() -> None:
    checks = judged(*pairs("rdma_bandwidth_1mb", "bandwidth_gbit_s", 23.0, {}))
    assert [(check.host, check.peer) for check in checks] == PAIRS
    assert {check.verdict for check in checks} == {"pass"}


def test_a_missing_pair_is_unknown_and_named() -> None:
    there = pairs("rdma_bandwidth_1mb", "bandwidth_gbit_s", 23.0, {})
    checks = judged(*(entry for entry in there if (entry["host"], entry["peer"]) != ("node-2", "node-1")))
    missing = [check for check in checks if check.verdict == "unknown"]
    assert [(check.host, check.peer) for check in missing] == [("node-2", "node-1")]
    assert "node-2 -> node-1" in missing[0].reason
    assert missing[0].sentence().startswith("UNKNOWN  node-2 -> node-1: ")


def test_a_missing_host_is_unknown_and_named() -> None:
    checks = judged(*(measurement("gpu_memory_share", run(80), host=host) for host in HOSTS[:3]))
    assert [(check.host, check.verdict) for check in checks][-1] == ("node-3", "unknown")


def test_nothing_measured_is_one_unknown_where_the_phase_was_asked_for() -> None:
    assert judged() == []
    checks = judged(phases=[FABRIC])
    assert {check.verdict for check in checks} == {"unknown"}
    assert [check.id for check in checks] == [entry.id for entry in ACCEPTANCES if entry.phase == FABRIC]
    assert {check.host for check in checks} == {""}
    assert checks[0].reason == "RDMA one-way latency, 64 B was not measured"
    assert "--tags fabric" in checks[0].fix


def test_what_was_measured_of_another_phase_is_judged_too() -> None:
    checks = judged(measurement("rdma_bandwidth_1mb", host="node-0", peer="node-1"), phases=[SERVICE])
    assert any(check.id == "rdma_bandwidth_1mb" for check in checks)


def test_one_host_has_no_pairs() -> None:
    plan = reference_plan()
    plan["layout"]["hosts"] = plan["layout"]["hosts"][:1]
    found = [check for check in judged(plan=plan, phases=[FABRIC]) if check.id == "ip_loss"]
    assert [(check.verdict, check.reason) for check in found] == [
        ("not applicable", "not applicable here: the plan has no second host")
    ]


# What a place can't have.


def test_not_applicable_is_neither_pass_nor_unknown() -> None:
    checks = judged(
        *(measurement("rdma_latency_64b", host=host, not_applicable="no RDMA device") for host in HOSTS),
        phases=[FABRIC],
    )
    found = [check for check in checks if check.id == "rdma_latency_64b"]
    assert [check.host for check in found] == list(HOSTS)
    assert {check.verdict for check in found} == {"not applicable"}
    assert {check.reason for check in found} == {"not applicable here: no RDMA device"}


def test_one_host_without_a_device_excuses_only_its_pairs() -> None:
    checks = judged(
        measurement("rdma_latency_64b", host="node-3", not_applicable="no RDMA device"),
        *(
            measurement("rdma_latency_64b", run(3, "average_us"), host=host, peer=peer)
            for host, peer in PAIRS
            if "node-3" not in (host, peer) and (host, peer) != ("node-0", "node-1")
        ),
    )
    assert [(check.host, check.peer) for check in checks if check.verdict == "unknown"] == [("node-0", "node-1")]
    assert [check.host for check in checks if check.verdict == "not applicable"] == ["node-3"]


def test_a_measurement_outranks_an_excuse() -> None:
    entry = measurement("sessions_throughput", run(2400, "output_tokens_s"), not_applicable="no")
    assert judged(entry, measurement("sessions_throughput", not_applicable="no"))[0].verdict == "pass"


def test_everything_can_be_demanded() -> None:
    check = judged(measurement("rdma_latency_64b", not_applicable="no RDMA device"), require_all=True)[0]
    assert check.verdict == "fail"
    assert "no RDMA device" in check.reason
    assert "verify_require_all" in check.fix


def test_what_was_left_out_on_purpose_is_no_check_and_is_not_demanded() -> None:
    left = {"check": "full_context", "left_out": "left out by quick mode (verify_quick)"}
    whole = judged(phases=["service"], require_all=True)
    quick = judged(left, phases=["service"], require_all=True)
    assert {check.id for check in whole} - {check.id for check in quick} == {"full_context"}
    assert not any(check.verdict == "pass" for check in quick)
    # What was measured in spite of it is judged.
    wrong = measurement("full_context", run(None, "e2el_ms.p50", "fail", "no answer"))
    assert [check.verdict for check in judged(left, wrong, require_all=True)] == ["fail"]


# Links among each other.


@pytest.mark.parametrize(
    ("check", "path", "good", "bad"),
    [
        ("tcp_bandwidth", "received_bit_s", 9e9, 4e9),
        ("rdma_bandwidth_1mb", "bandwidth_gbit_s", 90, 40),
        ("rdma_latency_64b", "average_us", 2, 5),
        ("ip_round_trip", "round_trip_us", 100, 600),
    ],
)
def test_a_slow_link_is_named(check: str, path: str, good: float, bad: float) -> None:
    checks = judged(*pairs(check, path, good, {("node-1", "node-3"): (bad,)}))
    failed = [found for found in checks if found.verdict == "fail"]
    assert [(found.host, found.peer) for found in failed] == [("node-1", "node-3")]
    assert "node-1 -> node-3 has" in failed[0].reason
    assert "the median of all places" in failed[0].reason


def test_how_slow_a_link_may_be_is_the_inventorys() -> None:
    entries = pairs("tcp_bandwidth", "received_bit_s", 9e9, {("node-1", "node-3"): (4e9,)})
    choice = Choice.read(ACCEPTANCES, [], {"tcp_bandwidth": {"low_share": 0.2}})
    assert {check.verdict for check in judged(*entries, choice=choice)} == {"pass"}


def test_what_only_some_runs_show_warns() -> None:
    checks = judged(*pairs("tcp_bandwidth", "received_bit_s", 9e9, {("node-1", "node-3"): (1e9, 1e9, 8e9)}))
    odd = [found for found in checks if found.verdict != "pass"]
    assert [(found.host, found.verdict) for found in odd] == [("node-1", "warn")]
    assert "its best run is 8 Gbit/s" in odd[0].reason


def test_no_loss_anywhere_has_no_median_to_be_compared_with() -> None:
    checks = judged(*pairs("ip_loss", "loss_percent", 0, {("node-1", "node-3"): (0.05,)}))
    assert {check.verdict for check in checks if check.host != "node-1"} == {"pass"}
    assert [check.verdict for check in checks if check.verdict != "pass"] == ["warn"]


# Physics, and the lab.


def test_an_impossible_threshold_is_said_and_not_failed_by() -> None:
    checks = judged(*pairs("rdma_latency_1mb", "average_us", 360, {}))
    assert {check.verdict for check in checks} == {"pass"}
    assert {check.source for check in checks} == {"§4.4.1, derived"}
    assert "unreachable (floor 336 us)" in checks[0].expected
    assert "at most 100 us" in checks[0].reason


@pytest.mark.parametrize(("value", "verdict"), [(370, "pass"), (600, "warn"), (800, "fail")])
def test_the_derived_one_judges(value: float, verdict: str) -> None:
    checks = judged(*pairs("rdma_latency_1mb", "average_us", value, {}))
    assert {check.verdict for check in checks} == {verdict}


def test_the_lab_is_not_judged_by_thresholds_for_gpus() -> None:
    check = judged(measurement("sessions_throughput", run(4.0, "output_tokens_s")), plan=lab_plan())[0]
    assert (check.verdict, check.source) == ("pass", "")
    assert check.expected == "to be measured; it has no threshold"


def test_own_thresholds() -> None:
    choice = Choice.read(ACCEPTANCES, [], {"sessions_throughput": 5})
    check = judged(measurement("sessions_throughput", run(4.0, "output_tokens_s")), plan=lab_plan(), choice=choice)[0]
    assert (check.verdict, check.source) == ("fail", "verify_thresholds")


# Inputs that can't be judged.


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ({"check": "speed"}, "no-such-check"),
        ({}, "bad-measurement"),
        ({"check": "ip_loss", "runs": 3}, "bad-measurement"),
    ],
)
def test_what_is_no_measurement_is_refused(entry: dict[str, Any], code: str) -> None:
    with pytest.raises(VerificationError) as error:
        judged(entry)
    assert error.value.code == code


@pytest.mark.parametrize(("noise", "verdict"), [(True, "warn"), (False, "pass")])
def test_a_gain_within_noise_keeps_no_threshold(noise: bool, verdict: str) -> None:
    values = {"change_percent": 13.0, "within_noise": noise}
    said = {"evidence": {"verdict": "pass", "values": values, "reasons": []}}
    check = one("eplb_throughput_gain", said)
    assert (check.verdict, check.value) == (verdict, 13.0)
    assert ("repetitions alone may make" in check.reason) is noise
    # Without a threshold there is nothing that it would have kept.
    assert one("experiment_mtp", said).verdict == "pass"
